// What the virtual SoC is made of: soc.json and layers.json of a bundle, see docs/bundle.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sim/cpu/bus.h"
#include "sim/regions.h"

namespace heddle::sim {

struct MemoryDescription {
  Memory memory;      // read-only: the CPU cannot write it (flash)
  std::string owner;  // the unit whose private memory it is; empty: shared
};

enum class UnitKind : uint8_t { dma, accelerator };

struct UnitDescription {
  std::string name;
  UnitKind kind = UnitKind::accelerator;
  uint32_t base = 0;   // of its registers
  uint32_t bytes = 0;  // of them
  int interrupt = 0;   // bit of mip, 16 to 31
  // Offset of a register whose load stalls the CPU until the unit is idle; -1: it has none.
  int64_t wait_register = -1;
  std::string model;            // symbol of its heddle_model
  std::vector<size_t> reaches;  // indices of memories
};

struct EnergyDescription {  // picojoules
  std::string source;
  double cpu_pj_per_cycle = 0;
  std::vector<std::pair<std::string, double>> units;  // of a busy cycle
  bool operator==(const EnergyDescription&) const = default;
};

// A tile buffer of a layer; two copies are two buffers.
struct BufferDescription {
  std::string operand;
  Region region;
};

struct LayerDescription {
  std::string name;      // as the model calls it: foreign text
  std::string function;  // symbol; empty: the layer has no code
  std::string target;    // "cpu", a library, which the CPU runs too, or a unit
  std::string rule;
  std::string operators;
  int64_t macs = 0;
  int64_t modelled_cycles = 0;
  int64_t tiles = 1;
  std::vector<BufferDescription> buffers;
};

// A value at home in a memory that units share, or several that lie in each other, from one layer to
// another, both included. It may be written before the first layer if no layer writes it.
struct ResidentDescription {
  std::string value;  // foreign text
  Region region;
  size_t first = 0, last = 0;
  std::set<size_t> writers, readers;  // layers
};

struct Description {
  std::string soc;
  int64_t clock_hz = 1;
  std::string isa;  // "rv32imc"
  std::string main_memory, constant_memory, program_memory;
  // Cycles by class of instruction, and where they are from.
  std::vector<std::pair<std::string, int64_t>> cpu_cycles;
  std::string cycles_source;
  std::vector<MemoryDescription> memories;
  std::vector<UnitDescription> units;
  std::vector<std::string> libraries{};  // targets of layers that the CPU runs, as it does "cpu"
  uint32_t uart = 0, finisher = 0;
  uint32_t vectors_base = 0, vectors_bytes = 0;
  int64_t stack_bytes = 0;
  std::optional<EnergyDescription> energy;
  std::string network;  // C prefix
  std::string run;      // symbol: "digits_run"
  std::vector<LayerDescription> layers;
  std::vector<ResidentDescription> residents;

  bool on_cpu(const LayerDescription& layer) const;  // "cpu" or a library
};

// From the text of both files; `folder` is for messages. All that is wrong with them, each with the
// path of its field.
Result<Description> parse_description(const std::string& soc_json, const std::string& layers_json,
                                      const std::filesystem::path& folder);

Result<Description> read_description(const std::filesystem::path& bundle);

}  // namespace heddle::sim
