// Accelerators that work in the CPU's memory, on random networks: all operands in place, and some
// in place beside others that are moved, tiles stepping through what is not.
#include <gtest/gtest.h>

#include "emit/names.h"
#include "ops/op.h"
#include "random_network.h"
#include "run_network.h"

namespace heddle {
namespace {

constexpr int kShards = 3;
constexpr int kNetworksPerShard = 8;

// All that accept a layer take it: on random shapes the CPU is often faster.
Policy first_match() { return {"first_match", "", Objective::first_match, {}}; }

void set_rate(Soc& soc, int64_t cycles_per_1000_macs) {
  for (auto& [key, value] : soc.accelerators[0].target.constants) {
    if (key == "cycles_per_1000_macs") value = cycles_per_1000_macs;
  }
}

class InPlace : public testing::TestWithParam<int> {
 protected:
  // `change` makes the SoC of a seed.
  template <class Change>
  static Exercised run(const std::string& soc, bool same, const Change& change) {
    Exercised seen;
    for (int i = 0; i < kNetworksPerShard; ++i) {
      const uint32_t seed = static_cast<uint32_t>(1000 + GetParam() * kNetworksPerShard + i);
      SCOPED_TRACE("seed " + std::to_string(seed));
      std::mt19937 random(seed);
      Compilation c;
      c.name = "random";
      c.graph = same ? random_same_network(random) : random_shift_network(random);
      c.soc = load(soc);
      enlarge_main_memory(c.soc);
      change(c.soc, random);
      c.policy = first_match();
      run_against_reference(std::move(c), seed, seen);
    }
    return seen;
  }
};

TEST_P(InPlace, WithoutDmaAndL1) {
  const Exercised seen = run("qvanilla", true, [](Soc& soc, std::mt19937& random) {
    ASSERT_FALSE(soc.dma.has_value());
    set_rate(soc, static_cast<int64_t>(random() % 3) * 333);
    // Jobs of a few channels each: their tiles are slices of what lies in main memory.
    if (random() % 2 == 0) soc.accelerators[0].target.rules[0].prefer[0].weight = -1;
  });
  EXPECT_GE(seen.accelerated, 5);
  EXPECT_GE(seen.tiled, 1);
  EXPECT_GE(seen.on_cpu, 5);
}

// The same rule with an L1 and a DMA: tiles of channels.
TEST_P(InPlace, OrInTilesWithTheSameRule) {
  const Exercised seen = run("qvanilla_tiled", true, [](Soc& soc, std::mt19937& random) {
    ASSERT_TRUE(soc.dma.has_value());
    set_rate(soc, static_cast<int64_t>(random() % 3) * 333);
    for (Memory& memory : soc.memories) {
      if (memory.name == "l1") memory.bytes /= int64_t{1} << random() % 4;
    }
  });
  EXPECT_GE(seen.accelerated, 3);
  EXPECT_GE(seen.tiled, 1);
}

// DIANA's core, made to work on the arena with some of its operands.
TEST_P(InPlace, BesideOperandsThatAreMoved) {
  const Exercised seen = run("diana", false, [](Soc& soc, std::mt19937& random) {
    shrink_memories(soc, random);
    for (Rule& rule : soc.accelerators[0].target.rules) {
      for (OperandPlacement& placement : rule.operands) {
        if (placement.memory == "l1" && random() % 2 == 0) placement.memory = soc.main_memory;
      }
    }
  });
  EXPECT_GE(seen.accelerated, 5);
  EXPECT_GE(seen.tiled, 1);
}

INSTANTIATE_TEST_SUITE_P(Shards, InPlace, testing::Range(0, kShards));

}  // namespace
}  // namespace heddle
