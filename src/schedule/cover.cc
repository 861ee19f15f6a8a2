#include "schedule/cover.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace heddle {
namespace {

using Taken = std::vector<int>;  // nodes beyond the first uncovered one that are covered, ascending

struct Best {
  int64_t cost = 0;
  int64_t items = 0;
  int64_t rank = 0;
  int last_item = -1;
  std::pair<size_t, Taken> before;
  auto key() const { return std::tie(cost, items, rank); }
};

}  // namespace

Cover cover_nodes(const std::vector<int>& nodes, const std::vector<CoverItem>& items) {
  std::map<int, std::vector<int>> starting;  // first node -> items
  for (size_t i = 0; i < items.size(); ++i)
    starting[items[i].nodes.front()].push_back(static_cast<int>(i));

  // layers[p]: states whose first uncovered node is nodes[p]; the last one has the goal.
  std::vector<std::map<Taken, Best>> layers(nodes.size() + 1);
  layers[0][{}] = Best{};
  size_t furthest = 0;
  for (size_t p = 0; p < nodes.size(); ++p) {
    for (const auto& state : layers[p]) {
      const Taken& taken = state.first;
      const Best& best = state.second;
      furthest = p;
      for (const int index : starting[nodes[p]]) {
        const CoverItem& item = items[static_cast<size_t>(index)];
        const bool free = std::all_of(item.nodes.begin(), item.nodes.end(), [&](int node) {
          return std::binary_search(nodes.begin(), nodes.end(), node) &&
                 !std::binary_search(taken.begin(), taken.end(), node);
        });
        if (!free) continue;
        Taken next = taken;
        next.insert(next.end(), item.nodes.begin() + 1, item.nodes.end());
        std::sort(next.begin(), next.end());
        size_t q = p + 1;
        while (q < nodes.size() && !next.empty() && next.front() == nodes[q]) {
          next.erase(next.begin());
          ++q;
        }
        const Best reached{
            best.cost + item.cost, best.items + 1, best.rank + item.rank, index, {p, taken}};
        const auto [entry, is_new] = layers[q].try_emplace(next, reached);
        if (!is_new && reached.key() < entry->second.key()) entry->second = reached;
      }
    }
  }

  Cover cover;
  if (layers.back().empty()) {
    cover.uncovered = nodes[furthest];
    return cover;
  }
  const Best* best = &layers.back().begin()->second;
  cover.cost = best->cost;
  while (best->last_item >= 0) {
    cover.items.push_back(best->last_item);
    best = &layers[best->before.first].at(best->before.second);
  }
  std::reverse(cover.items.begin(), cover.items.end());
  return cover;
}

}  // namespace heddle
