// Exact cover of a graph's nodes by candidates at the least cost.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace heddle {

// A candidate covers `nodes` (ascending indices) at `cost`; `rank` breaks ties, lower first.
struct CoverItem {
  std::vector<int> nodes;
  int64_t cost = 0;
  int64_t rank = 0;
};

struct Cover {
  std::vector<int> items;  // indices of the chosen items, by first node
  int64_t cost = 0;
  // Set if there is no cover: the first node that nothing can cover there.
  std::optional<int> uncovered;
};

// Covers every index in `nodes` (ascending) exactly once: least sum of costs, then fewest items,
// then least sum of ranks. Dynamic programming over the frontier: the state is the first uncovered
// node and which later ones are taken already, so the work is linear in the graph for a bounded
// width.
Cover cover_nodes(const std::vector<int>& nodes, const std::vector<CoverItem>& items);

}  // namespace heddle
