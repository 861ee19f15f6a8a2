// The copies at a network's boundary: the caller's dense tensors into the arena before a run, and out
// of it behind. They belong to no step; what they cost depends on the storage that the schedule
// chooses.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "rules/rules.h"
#include "tiler/tiling.h"

namespace heddle {

// All elements as runs that lie in one piece on both sides, with loops around them.
struct CopyRuns {
  struct Loop {
    int64_t extent = 0, dense = 0, stored = 0;  // strides in elements
  };
  std::vector<Loop> loops;  // outermost first
  int64_t run_bytes = 0;    // of one run; 0: elements are copied one by one, by `loops` alone
  // Every run begins at a multiple of 4 bytes on both sides, if both sides as a whole do.
  bool words = false;
};
CopyRuns copy_runs(const TensorType& type, const Storage& stored);

// Modelled cycles of one copy, in either direction: `copy_call`, then `copy_row` for each run and
// `copy_step_x10` for each of its words, or bytes where they are not aligned; `copy_x10` for each
// element that is copied alone, and for all where the SoC has neither of the two before.
int64_t copy_cycles(const Soc& soc, const TensorType& type, const Storage& stored);

}  // namespace heddle
