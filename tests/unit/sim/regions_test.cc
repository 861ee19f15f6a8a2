#include "sim/regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace heddle::sim {
namespace {

using testing::ElementsAre;

TEST(Regions, MarksAreJoined) {
  RegionMarks marks(0x1000, 1000);
  marks.mark(0x1010, 16);
  marks.mark(0x1020, 1);
  marks.mark(0x1000, 4);
  marks.mark(0x1100, 300);
  marks.mark(0x1002, 0);
  EXPECT_TRUE(marks.holds(0x1020));
  EXPECT_FALSE(marks.holds(0x1021));
  EXPECT_THAT(marks.take(),
              ElementsAre(Region{0x1000, 4}, Region{0x1010, 17}, Region{0x1100, 300}));
  EXPECT_THAT(marks.take(), ElementsAre());
  EXPECT_FALSE(marks.holds(0x1020));
}

TEST(Regions, OfTheLastBytesOfTheAddressSpace) {
  RegionMarks marks(0xFFFFF000, 0x1000);
  marks.mark(0xFFFFFFFE, 2);
  const Regions regions = marks.take();
  EXPECT_THAT(regions, ElementsAre(Region{0xFFFFFFFE, 2}));
  EXPECT_EQ(first_common(regions, 0xFFFFFFFF, 1), (Region{0xFFFFFFFF, 1}));
  EXPECT_THAT(pages_of(regions, 12), ElementsAre(Region{0xFFFFF000, 0x1000}));
  EXPECT_EQ(to_string(regions[0]), "0xfffffffe..0xffffffff");
}

// Against sets of bytes.
TEST(Regions, AsSetsOfBytes) {
  std::mt19937 random(7);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int round = 0; round < 300; ++round) {
    RegionMarks first(100, 700), second(100, 700);
    std::set<uint32_t> bytes, others;
    for (uint32_t i = below(12); i > 0; --i) {
      const uint32_t address = 100 + below(500), count = below(200);
      const bool to_first = below(2) == 0;
      (to_first ? first : second).mark(address, count);
      for (uint32_t b = 0; b < count; ++b) (to_first ? bytes : others).insert(address + b);
    }
    const Regions a = first.take(), b = second.take();
    std::set<uint32_t> seen;
    for (const Region& region : a) {
      for (uint32_t at = 0; at < region.bytes; ++at) seen.insert(region.address + at);
      EXPECT_FALSE(bytes.contains(static_cast<uint32_t>(region.end())));
    }
    EXPECT_EQ(seen, bytes);
    uint32_t expected = 0;
    for (const uint32_t byte : bytes) {
      if (expected == 0 && others.contains(byte)) expected = byte;
    }
    const Region common = first_common(a, b);
    EXPECT_EQ(common.bytes > 0 ? common.address : 0, expected);
    const uint32_t address = 90 + below(720), count = 1 + below(8);
    const Region hit = first_common(a, address, count);
    const auto inside = bytes.lower_bound(address);
    const bool hits = inside != bytes.end() && *inside < address + count;
    EXPECT_EQ(hit.bytes > 0, hits);
    if (hits) {
      EXPECT_EQ(hit.address, *inside);
    }
  }
}

}  // namespace
}  // namespace heddle::sim
