// The C names of everything in a bundle, handed out once, so that all its files agree.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "cpu_codegen/kernel.h"
#include "graph/graph.h"
#include "memory/plan.h"
#include "rules/rules.h"
#include "schedule/schedule.h"

namespace heddle {

// The C prefix of a network: an identifier that is also a good file name, and no name of a standard
// header.
std::string network_prefix(std::string_view name);
std::string upper_case(std::string_view text);

struct LayerNames {
  std::string id;        // "layer_03_conv1"
  std::string function;  // "digits_layer_03_conv1"
  std::string constant;  // "LAYER_03", prefix of the layer's enumeration constants
};

// The unit of a step or of the DMA: a folder in drivers/ and models/; a library has no model.
struct UnitFiles {
  const SocUnit* unit = nullptr;
  std::string folder;  // "diana_digital"
  std::string model;   // "diana_digital_model"
  bool is_library() const { return unit->target.kind == TargetKind::library; }
};

// A constant buffer packed for a device, in the network's packed table.
struct PackedBuffer {
  size_t step = 0;
  const Packing* packing = nullptr;
  std::string constant;  // enumeration constant of its offset: "DIGITS_PACKED_LAYER_03_WEIGHTS"
  int64_t offset = 0;
  std::vector<std::byte> bytes;
};

// Everything that the writers of the bundle's files read.
struct Network {
  const Graph* graph = nullptr;
  const Soc* soc = nullptr;
  const Schedule* schedule = nullptr;
  const MemoryPlan* plan = nullptr;

  std::string prefix;                        // "digits"
  std::string upper;                         // "DIGITS"
  std::vector<LayerNames> layers;            // one a step
  std::vector<ValueId> given, returned;      // graph inputs and outputs that are no states
  std::vector<std::string> inputs, outputs;  // members of digits_inputs, digits_outputs for them
  std::vector<std::string> states;           // identifiers, one for each of Graph::states
  std::vector<Kernel> kernels;  // one a step; no text for accelerator steps and shared views
  // Enumeration constant of a value's offset, in the arena or in the memory where it is resident:
  // "AT_LAYER_03", "L1_AT_LAYER_03".
  std::map<ValueId, std::string> arena;
  std::map<ValueId, int64_t> arena_offset;
  std::vector<std::string> scratch;  // one a step: "SCRATCH_LAYER_03", empty where there is none
  // One a step: "digits_layer_03_weights" for each of Kernel::tables.
  std::vector<std::vector<std::string>> table_names;
  std::vector<ValueId> constants;  // tables of the CPU's constants, in the plan's order
  std::map<ValueId, std::string> constant_names;  // "digits_conv1_weights"
  std::vector<PackedBuffer> packed;
  int64_t packed_bytes = 0;      // with the slack that transfers may over-read
  std::vector<UnitFiles> units;  // those that the schedule uses, the DMA first if it moves anything
  std::set<std::string> unit_macros;  // of heddle_soc.h: register windows and constants
  // "l1" or "diana_digital/weights" to "HEDDLE_MEMORY_L1".
  std::map<std::string, std::string> memory_macros;

  const UnitFiles& unit_of(const Match& match) const;
  std::vector<UnitFiles> devices() const;  // those of `units` that are no libraries
  // The macro of the memory's base for an operand of this target: a private memory wins.
  std::string memory_base(const Target& target, const std::string& memory) const;
  // The memory where a value is resident; empty: it is in the arena.
  const std::string& resident_in(ValueId value) const;
  bool has_residents() const;
  std::string where(const Step& step) const;  // "cpu", "diana_digital"
  std::set<std::string> headers() const;  // of the kernel libraries that kernels and copies use
  // Between the caller's dense tensor and the arena; `in`: into it.
  Kernel boundary_copy(ValueId value, bool in, const std::string& function) const;
};

// The macro of heddle_soc.h that holds a unit's constant: its name and the key, in capitals.
std::string constant_macro(const Target& target, const std::string& key);

// Errors: files or identifiers of a unit that no bundle can hold.
Result<Network> name_network(const std::string& name, const Graph& graph, const Soc& soc,
                             const Schedule& schedule, const MemoryPlan& plan);

// "[1, 16, 28, 28] int8, values in [-128, 127]"
std::string describe(const TensorType& type);

}  // namespace heddle
