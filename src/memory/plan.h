// The memory plan: where everything lies that a schedule keeps in memory, and whether it fits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "place/place.h"
#include "schedule/schedule.h"

namespace heddle {

// What the code of a CPU step needs beyond its values. The default is that of generic kernels: no
// scratch memory, and the constants as they are in the graph.
struct KernelNeeds {
  int64_t scratch_bytes = 0;
  std::vector<int64_t> table_bytes{};  // of constants made for the kernel
  std::optional<std::vector<ValueId>> constants{};  // of the graph that it reads; absent: all of them
};

// A memory that units share and that holds residents or tile buffers (L1). Residents live over their
// steps; the tile buffers of one step are one block that lives for the step (Buffer::value invalid).
struct SharedMemory {
  std::string name;
  Placement placement;
  int64_t available_bytes = 0;

  bool has_residents() const;
};

struct MemoryPlan {
  Placement main;  // arena, in Soc::main_memory
  std::vector<SharedMemory> shared;  // in the order of the SoC
  int64_t arena_bytes =
      0;  // the placement's peak, and room for transfers that read past a buffer's end; not 0
  std::vector<ValueId> constants;  // not packed; order of the constant table
  int64_t constant_bytes = 0;  // everything in the constant table: CPU weights and packed buffers
  // Highest use of each memory: the SoC's, then those of its accelerators.
  std::vector<int64_t> tile_bytes;
  int64_t required_bytes = 0;  // of main memory: arena + reserve (+ constants if they live there)
  int64_t available_bytes = 0;

  const SharedMemory* find_shared(std::string_view name) const;  // null if it holds nothing
  // What a step's tile buffers in this memory are moved by: their block's offset. 0 in a private
  // memory, which `private_memories` of the step's unit name.
  int64_t block_offset(const std::vector<Memory>& private_memories, std::string_view memory,
                       size_t step) const;
};

// The plan, whether it fits or not. `needs`: one a step, or empty where all kernels are generic.
MemoryPlan lay_out_memory(const Graph& graph, const Soc& soc, const Schedule& schedule,
                          const std::vector<KernelNeeds>& needs = {});
// Main memory, that of the constants, then those that units share; empty: the plan fits.
std::vector<Excess> excesses(const Soc& soc, const MemoryPlan& plan);

// The plan, if it fits. Errors: the network does not fit, for
// each memory that is too small: required, available and excess bytes, and the layers at the peak.
Result<MemoryPlan> plan_memory(const Graph& graph, const Soc& soc, const Schedule& schedule,
                               const std::vector<KernelNeeds>& needs = {});
std::string dump(const Graph& graph, const MemoryPlan& plan);

}  // namespace heddle
