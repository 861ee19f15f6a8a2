// The two searches of the tiler that prove their answer: boxes by exact bounds alone, and Z3 over
// what has not been explored. solve_tiling() takes the first, and the second where boxes become too
// many.
#pragma once

#include "tiler/bound.h"
#include "tiler/problem.h"

namespace heddle {

// Branch and bound over boxes of points, the one with the least bound first, from this best key on
// (cycles INT64_MAX: none is known). True: `best` is the least key of all feasible points, or there
// are none. False: the limit was reached; `best` is the least key seen.
bool search_boxes(Problem& problem, BoxBound& bound, int64_t max_boxes, Key& best);

// solve_tiling() by Z3 alone.
Result<Tiling> solve_tiling_by_z3(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Taken& taken = {});

}  // namespace heddle
