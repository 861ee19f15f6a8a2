// Static placement of buffers by lifetime. Addresses are offsets in one memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "schedule/schedule.h"

namespace heddle {

// Live from step `first` to step `last`, both inclusive.
struct Buffer {
  std::string name;
  ValueId value;  // invalid: the scratch memory of step `first`
  int64_t bytes = 0;
  int64_t alignment = 16;  // a power of two
  int first = 0;
  int last = 0;
  int64_t offset = -1;  // set by place()
  // Index of the buffer in whose memory this one lies: a view that is read in place, a part of a
  // concat. Nothing is moved.
  int shares = -1;
  int64_t share_offset = 0;  // from the start of that buffer
};

struct Placement {
  std::vector<Buffer> buffers;
  int64_t peak_bytes = 0;
  int64_t lower_bound_bytes = 0;  // largest sum of live bytes at one step
  int peak_step = 0;
};

// Hill climbing over placement orders until the lower bound is met or 2,000 tries pass;
// deterministic (fixed seed). A buffer that shares lives where the other one does, which stays for
// the longer of both.
Placement place(std::vector<Buffer> buffers);

// Independent of place(): empty if no two live buffers overlap (those that share aside) and offsets
// are aligned, else what is wrong.
std::vector<std::string> check_placement(const Placement& placement);

// What the code of a CPU step needs beyond its values. The default is that of generic kernels: no
// scratch memory, and the constants as they are in the graph.
struct KernelNeeds {
  int64_t scratch_bytes = 0;
  std::vector<int64_t> table_bytes{};  // of constants made for the kernel
  std::optional<std::vector<ValueId>> constants{};  // of the graph that it reads; absent: all of them
};

struct MemoryPlan {
  Placement main;  // arena, in Soc::main_memory
  int64_t arena_bytes =
      0;  // the placement's peak, and room for transfers that read past a buffer's end; not 0
  std::vector<ValueId> constants;  // not packed; order of the constant table
  int64_t constant_bytes = 0;  // everything in the constant table: CPU weights and packed buffers
  // Highest use of each memory: the SoC's, then those of its accelerators.
  std::vector<int64_t> tile_bytes;
  int64_t required_bytes = 0;  // of main memory: arena + reserve (+ constants if they live there)
  int64_t available_bytes = 0;
};

// `needs`: one a step, or empty where all kernels are generic. Error: the network does not fit;
// required, available and excess bytes, and the layers at the peak.
Result<MemoryPlan> plan_memory(const Graph& graph, const Soc& soc, const Schedule& schedule,
                               const std::vector<KernelNeeds>& needs = {});
std::string dump(const Graph& graph, const MemoryPlan& plan);

}  // namespace heddle
