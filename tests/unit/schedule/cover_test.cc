// The dynamic program against every subset of the items, on small random instances.
#include "schedule/cover.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace heddle {
namespace {

// The least (cost, items, rank) over all subsets that cover every node once; cost -1 if there is
// none.
std::tuple<int64_t, int64_t, int64_t> brute_force(int nodes, const std::vector<CoverItem>& items) {
  std::tuple<int64_t, int64_t, int64_t> best{-1, 0, 0};
  for (uint32_t subset = 0; subset < (1u << items.size()); ++subset) {
    std::vector<int> covered(static_cast<size_t>(nodes), 0);
    int64_t cost = 0, count = 0, rank = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      if ((subset >> i & 1) == 0) continue;
      for (const int node : items[i].nodes) ++covered[static_cast<size_t>(node)];
      cost += items[i].cost;
      rank += items[i].rank;
      ++count;
    }
    if (covered != std::vector<int>(static_cast<size_t>(nodes), 1)) continue;
    const std::tuple<int64_t, int64_t, int64_t> key{cost, count, rank};
    if (std::get<0>(best) < 0 || key < best) best = key;
  }
  return best;
}

TEST(Cover, EqualsBruteForceOnRandomInstances) {
  std::mt19937 random(7);
  int without = 0;
  for (int round = 0; round < 400; ++round) {
    const int nodes = 1 + static_cast<int>(random() % 6);
    std::vector<CoverItem> items;
    for (int i = 0; i < 10; ++i) {
      CoverItem item;
      for (int n = 0; n < nodes; ++n) {
        if (random() % 3 == 0) item.nodes.push_back(n);
      }
      if (item.nodes.empty())
        item.nodes.push_back(static_cast<int>(random() % static_cast<unsigned>(nodes)));
      item.cost = static_cast<int64_t>(random() % 5);
      item.rank = static_cast<int64_t>(random() % 3);
      items.push_back(item);
    }
    std::vector<int> all(static_cast<size_t>(nodes));
    std::iota(all.begin(), all.end(), 0);
    const Cover cover = cover_nodes(all, items);
    const auto [cost, count, rank] = brute_force(nodes, items);
    if (cost < 0) {
      EXPECT_TRUE(cover.uncovered.has_value());
      ++without;
      continue;
    }
    ASSERT_FALSE(cover.uncovered.has_value());
    EXPECT_EQ(cover.cost, cost);
    EXPECT_EQ(static_cast<int64_t>(cover.items.size()), count);
    int64_t ranks = 0;
    for (const int item : cover.items) ranks += items[static_cast<size_t>(item)].rank;
    EXPECT_EQ(ranks, rank);
  }
  EXPECT_GT(without, 0);
  EXPECT_LT(without, 300);
}

TEST(Cover, NamesTheFirstNodeThatNothingCovers) {
  const Cover cover = cover_nodes({0, 1, 2}, {{{0}, 1, 0}, {{2}, 1, 0}});
  ASSERT_TRUE(cover.uncovered.has_value());
  EXPECT_EQ(*cover.uncovered, 1);
}

TEST(Cover, OfASubsetIgnoresItemsThatReachOutside) {
  const Cover cover =
      cover_nodes({1, 2}, {{{1}, 4, 0}, {{2}, 4, 0}, {{1, 2}, 9, 0}, {{2, 3}, 0, 0}});
  EXPECT_EQ(cover.cost, 8);
}

}  // namespace
}  // namespace heddle
