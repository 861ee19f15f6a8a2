// Z3 box search over tile sizes.
#include "tiler/problem.h"

namespace heddle {

Result<Tiling> solve_tiling(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage) {
  return solve_tiling_exhaustively(graph, soc, match, storage);
}

}  // namespace heddle
