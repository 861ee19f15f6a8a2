// Writes the C of one layer on an accelerator. accelerator_layer.cc has its functions and the loop over tiles,
// accelerator_transfers.cc what the DMA moves for a tile, accelerator_job.cc the job itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cpu_codegen/writer.h"
#include "emit/accelerator_layer.h"
#include "emit/tile_form.h"
#include "tiler/geometry.h"

namespace heddle {

// An operand in every tile.
struct JobOperand {
  const RegionOperand* operand = nullptr;
  std::string name;                   // "x", a C identifier
  std::string main_base;              // "arena + AT_LAYER_02", "HEDDLE_MEMORY_L1_BASE + L1_AT_LAYER_02"
  std::vector<int64_t> main_offsets;  // [tile] from there
  // The rest is of operands that are moved.
  std::string constant;   // "LAYER_03_X"
  std::string tile_base;  // "HEDDLE_MEMORY_L1_BASE + LAYER_03_X"
  bool doubled = false;
  std::vector<std::vector<Transfer>> transfers;  // [tile]
  std::vector<bool> moves;                       // [tile] loads; every tile for the output
  std::vector<int64_t> copies;  // [tile] how often it was loaded before this load: its parity is the copy

  bool pointer = false;  // of a library, which the CPU runs: no bus addresses

  bool moved() const { return !operand->in_place; }
  // The function's parameter that its place in main memory is reckoned from; none of a resident.
  const char* parameter() const {
    return operand->resident ? "" : operand->packed ? "constants" : "arena";
  }
};

class AcceleratorLayerWriter {
 public:
  AcceleratorLayerWriter(const Network& network, size_t step);

  Result<AcceleratorLayer> write();

 private:
  // accelerator_layer.cc
  static std::vector<TileLoop> tile_loops(const Tiling& tiling);
  void add_operand(const RegionOperand& operand, const std::string& name);
  std::vector<std::string> parameters_of(bool (*which)(const JobOperand&)) const;
  std::string typed(const std::string& parameter) const;
  bool waits() const { return !rule_.job->wait.empty(); }
  std::string address(const std::string& base, const std::string& offset) const;
  void write_enum(CWriter& out);
  // accelerator_transfers.cc
  void add_transfers(JobOperand& moved);
  std::string copy_of(const JobOperand& moved);
  void write_transfers(CWriter& out, const JobOperand& moved, bool load);
  void write_transfer(CWriter& out, const JobOperand& moved, size_t index, bool load);
  // accelerator_job.cc
  std::string job_address(const JobOperand& operand);
  Status write_job(CWriter& out);
  Result<std::string> field_text(const JobField& field, std::map<std::string, std::string>& variables);
  std::string name_text(const std::string& name, std::map<std::string, std::string>& variables);
  std::vector<int64_t> values_of(const std::string& name) const;

  const Network& network_;
  const LayerNames& layer_;
  const Step& step_;
  const Tiling& tiling_;
  const Match& match_;
  const Rule& rule_;
  Region region_;
  TileForms forms_;
  size_t step_index_;
  std::vector<TileBox> boxes_;
  std::vector<JobOperand> operands_;
};

}  // namespace heddle
