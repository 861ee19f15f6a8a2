// solve_tiling() for those who do not ask why there is no tile: the reasons take another look at every
// point.
#pragma once

#include "tiler/tiling.h"

namespace heddle {

// None where solve_tiling() gives an error.
std::optional<Tiling> best_tiling(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Taken& taken = {});

}  // namespace heddle
