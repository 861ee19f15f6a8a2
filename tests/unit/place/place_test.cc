// Placement through the independent checker, against all orders on small instances, and against the
// lower bound on networks' chains.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "place/place.h"
#include "support/random.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Buffer buffer(std::string name, int64_t bytes, int first, int last, int64_t alignment = 16) {
  return {std::move(name), {}, bytes, alignment, first, last, -1, -1};
}

std::vector<Buffer> random_buffers(Random& random, int64_t count, int64_t steps) {
  std::vector<Buffer> buffers;
  for (int64_t i = 0; i < count; ++i) {
    const int first = static_cast<int>(random.between(0, steps - 1));
    const int last =
        static_cast<int>(random.between(first, std::min<int64_t>(first + 4, steps - 1)));
    buffers.push_back(buffer(std::to_string(i), random.between(0, 1000), first, last,
                             int64_t{1} << random.between(0, 6)));
  }
  return buffers;
}

// The lowest peak over all orders of lowest-fit placement.
int64_t best_of_all_orders(const std::vector<Buffer>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  int64_t best = INT64_MAX;
  do {
    std::vector<int64_t> offsets(buffers.size(), -1);
    int64_t peak = 0;
    for (const size_t b : order) {
      int64_t offset = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t o = 0; o < buffers.size(); ++o) {
          if (offsets[o] < 0 || buffers[o].last < buffers[b].first ||
              buffers[b].last < buffers[o].first)
            continue;
          if (offsets[o] >= offset + buffers[b].bytes || offsets[o] + buffers[o].bytes <= offset)
            continue;
          offset = round_up(offsets[o] + buffers[o].bytes, buffers[b].alignment);
          moved = true;
        }
      }
      offsets[b] = offset;
      peak = std::max(peak, offset + buffers[b].bytes);
    }
    best = std::min(best, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Place, IsSoundOnRandomBuffers) {
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    const Placement placement = place(random_buffers(random, random.between(0, 25), 12));
    EXPECT_THAT(check_placement(placement), IsEmpty());
    EXPECT_GE(placement.peak_bytes, placement.lower_bound_bytes);
  }
}

TEST(Place, IsAsGoodAsTheBestOrder) {
  Random random(2);
  for (int i = 0; i < 60; ++i) {
    const std::vector<Buffer> buffers = random_buffers(random, random.between(1, 6), 6);
    EXPECT_EQ(place(buffers).peak_bytes, best_of_all_orders(buffers)) << i;
  }
}

TEST(Place, ReachesTheLowerBoundOnChainsWithSkips) {
  Random random(3);
  for (int i = 0; i < 20; ++i) {
    std::vector<Buffer> buffers{buffer("in", 16 * random.between(10, 600), 0, 0)};
    for (int s = 0; s < 30; ++s) {
      const int skip = random.between(0, 3) == 0 ? 2 : 0;  // a residual
      buffers.push_back(
          buffer(std::to_string(s), 16 * random.between(10, 600), s, std::min(29, s + 1 + skip)));
    }
    const Placement placement = place(buffers);
    EXPECT_LE(placement.peak_bytes, placement.lower_bound_bytes * 11 / 10) << i;
    EXPECT_THAT(check_placement(placement), IsEmpty());
  }
  std::vector<Buffer> chain;  // a plain chain always reaches it
  for (int s = 0; s < 40; ++s)
    chain.push_back(buffer(std::to_string(s), 16 * random.between(1, 900), s, s + 1));
  const Placement placement = place(chain);
  EXPECT_EQ(placement.peak_bytes, placement.lower_bound_bytes);
}

TEST(Place, GivesTheSameTwice) {
  Random random(4);
  const std::vector<Buffer> buffers = random_buffers(random, 20, 10);
  const Placement one = place(buffers), two = place(buffers);
  for (size_t b = 0; b < buffers.size(); ++b)
    EXPECT_EQ(one.buffers[b].offset, two.buffers[b].offset);
}

TEST(Place, KnowsThePeakAndItsStep) {
  const Placement placement =
      place({buffer("a", 100, 0, 1), buffer("b", 50, 1, 2), buffer("c", 100, 2, 3)});
  EXPECT_EQ(placement.lower_bound_bytes, 112 + 50);
  EXPECT_EQ(placement.peak_bytes, 112 + 50);
  EXPECT_EQ(placement.peak_step, 1);
  EXPECT_EQ(place({}).peak_bytes, 0);
}

TEST(Place, PutsAViewWhereItsSourceLies) {
  std::vector<Buffer> buffers{buffer("x", 64, 0, 1), buffer("view", 64, 1, 3),
                              buffer("other", 64, 2, 2)};
  buffers[1].shares = 0;
  const Placement placement = place(buffers);
  EXPECT_EQ(placement.buffers[0].offset, placement.buffers[1].offset);
  EXPECT_NE(placement.buffers[0].offset, placement.buffers[2].offset);
  EXPECT_EQ(placement.peak_bytes, 128);
  EXPECT_EQ(placement.lower_bound_bytes, 128);
  EXPECT_THAT(check_placement(placement), IsEmpty());
}

TEST(CheckPlacement, FindsEveryKindOfMistake) {
  const auto with = [](int64_t a, int64_t b, int64_t peak) {
    Placement placement{{buffer("a", 64, 0, 1), buffer("b", 64, 1, 2)}, peak, 0, 0};
    placement.buffers[0].offset = a;
    placement.buffers[1].offset = b;
    return placement;
  };
  EXPECT_THAT(check_placement(with(0, 64, 128)), IsEmpty());
  EXPECT_THAT(check_placement(with(0, 48, 112)),
              ElementsAre(HasSubstr("`a` [0, 64) and `b` [48, 112) overlap in step 1")));
  EXPECT_THAT(check_placement(with(0, 72, 136)),
              ElementsAre(HasSubstr("`b` at 72 is not aligned to 16")));
  EXPECT_THAT(check_placement(with(0, 64, 100)),
              ElementsAre(HasSubstr("the peak is 128 bytes, but 100 are claimed")));
  EXPECT_THAT(check_placement(with(0, -16, 64)),
              ElementsAre(HasSubstr("`b` has no offset"), HasSubstr("overlap")));
  Placement low = with(0, 64, 128);
  low.lower_bound_bytes = 129;
  EXPECT_THAT(check_placement(low), ElementsAre(HasSubstr("below its lower bound 129")));
}

}  // namespace
}  // namespace heddle
