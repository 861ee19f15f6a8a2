// Candidates and schedules of small networks on DIANA: what is chosen, in what order, why, and how
// values are stored.
#include "schedule/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/schedule/diana_networks.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Policy kLatency{"latency", "", Objective::latency, {}};
const Policy kFirstMatch{"first_match", "", Objective::first_match, {}};
const Policy kCpu{"cpu", "", Objective::latency, {"*"}};

TEST(Schedule, ResidualBlockOnTheAcceleratorAndOnTheCpu) {
  const Soc soc = load_diana();
  SmallNetwork network;
  const ValueId x = network.conv(network.input({1, 16, 16, 16}), 16);
  const ValueId y = network.conv(x, 16);
  network.graph.outputs = {network.pool(network.requant(network.node("add", {y, x}), 1))};

  Result<Schedule> fast = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(fast.ok()) << format_diagnostics(fast.errors());
  EXPECT_THAT(steps(soc, *fast),
              ElementsAre("conv2d requant on diana_digital/conv2d",
                          "conv2d requant on diana_digital/conv2d",
                          "add requant on diana_digital/add", "average_pool on generic/pool"));
  EXPECT_THAT(fast->steps[0].why, HasSubstr("x fewer cycles than the CPU"));
  EXPECT_EQ(fast->steps[3].why, "no accelerator has a rule for it");

  // On the CPU the second convolution takes the addition with it: one loop nest instead of two.
  Result<Schedule> cpu = schedule_of(network.graph, soc, kCpu);
  ASSERT_TRUE(cpu.ok());
  EXPECT_THAT(steps(soc, *cpu),
              ElementsAre("conv2d requant on generic/conv",
                          "conv2d requant add requant on generic/conv", "average_pool on generic/pool"));
  EXPECT_LT(fast->cycles, cpu->cycles);
}

// A tiny layer is slower on the accelerator: the best schedule keeps it, HTVM's way offloads it.
TEST(Schedule, PoliciesDifferWhereTheAcceleratorIsNoGain) {
  const Soc soc = load_diana();
  SmallNetwork network;
  Tensor weights(DType::int8, {2, 2});
  network.graph.outputs = {network.requant(
      network.node("dense", {network.input({1, 2}), network.constant(weights)}), 3)};
  Result<Schedule> best = schedule_of(network.graph, soc, kLatency);
  Result<Schedule> first = schedule_of(network.graph, soc, kFirstMatch);
  ASSERT_TRUE(best.ok() && first.ok());
  EXPECT_THAT(steps(soc, *best), ElementsAre("dense requant on generic/dense"));
  EXPECT_THAT(best->steps[0].why, HasSubstr("diana_digital is no gain: "));
  EXPECT_THAT(steps(soc, *first),
              ElementsAre("dense requant on diana_digital/dense"));
  EXPECT_LT(best->cycles, first->cycles);
}

TEST(Schedule, ValuesAreStoredAsTheirAcceleratorWants) {
  const Soc soc = load_diana();
  SmallNetwork network;
  const ValueId x = network.input({1, 16, 20, 20});
  const ValueId y = network.conv(x, 16);
  const ValueId z = network.pool(y);
  network.graph.outputs = {z};
  Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(schedule.ok());
  EXPECT_THAT(schedule->storage.at(x).strides, ElementsAre(16 * 640, 640, 32, 1));
  EXPECT_THAT(schedule->storage.at(y).strides, ElementsAre(16 * 640, 640, 32, 1));
  EXPECT_TRUE(is_dense(network.graph.value(z).type, schedule->storage.at(z)));
  EXPECT_THAT(schedule->materialised, ElementsAre(x, y, z));
}

// Two units that work in main memory and want different layouts there, without being told pitches.
Soc two_units_in_place() {
  Soc soc = load_diana();
  for (Rule& rule : soc.accelerators[0].target.rules) {
    for (OperandPlacement& placement : rule.operands) {
      if (placement.memory == "l1") placement.memory = soc.main_memory;
    }
    for (const char* told : {"x_pitch", "x_plane", "y_pitch", "y_plane"})
      std::erase_if(rule.job->fields, [&](const JobField& f) { return f.name == told; });
  }
  soc.accelerators.push_back(soc.accelerators[0]);
  soc.accelerators[0].target.name = "first";
  soc.accelerators[1].target.name = "second";
  const auto only = [](Rule& rule, const std::string& condition) {
    rule.when.push_back({*parse_expr(condition, in_file("unit.toml")), condition, "a test", {}});
  };
  only(soc.accelerators[0].target.rules[0], "c == 8");
  only(soc.accelerators[1].target.rules[0], "c == 16");
  soc.accelerators[1].target.rules[0].layout->row = 64;
  return soc;
}

// A copy by the CPU between them pays, once for both readers.
TEST(Schedule, LayoutsOfTwoUnitsAreConvertedOnce) {
  const Soc soc = two_units_in_place();
  SmallNetwork network;
  const ValueId between = network.conv(network.input({1, 8, 20, 20}), 16);
  const ValueId left = network.conv(between, 16), right = network.conv(between, 16);
  network.graph.outputs = {network.node("add", {left, right})};
  const Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(schedule.ok()) << format_diagnostics(schedule.errors());
  EXPECT_THAT(steps(soc, *schedule),
              ElementsAre("conv2d requant on first/conv2d", "reshape on generic/move",
                          "conv2d requant on second/conv2d", "conv2d requant on second/conv2d",
                          "add on generic/map"));
  const Step& copy = schedule->steps[1];
  EXPECT_TRUE(copy.candidate.covers.empty());
  EXPECT_EQ(copy.why, "another layout for the layer that reads it");
  EXPECT_GT(copy.candidate.cycles, 0);
  const Node& reshape = schedule->graph.node(copy.candidate.match.anchor);
  EXPECT_THAT(schedule->storage.at(reshape.inputs[0]).strides, ElementsAre(16 * 640, 640, 32, 1));
  EXPECT_THAT(schedule->storage.at(reshape.output).strides, ElementsAre(16 * 1280, 1280, 64, 1));
  EXPECT_TRUE(schedule->proof.optimal);
}

// Where nothing can copy, one layer stays on the CPU.
TEST(Schedule, WhatHasNoTileBesideItsNeighboursIsCoveredOtherwise) {
  Soc soc = two_units_in_place();
  const Expr dear = *parse_expr("100000000", in_file("cpu.toml"));
  for (Rule& rule : soc.cpu.rules) {
    if (rule.name == "any" || rule.name == "move") rule.launch = dear;
  }
  SmallNetwork network;
  network.graph.outputs = {network.conv(network.conv(network.input({1, 8, 20, 20}), 16), 16)};
  const Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(schedule.ok()) << format_diagnostics(schedule.errors());
  EXPECT_THAT(steps(soc, *schedule),
              ElementsAre("conv2d requant on generic/conv", "conv2d requant on second/conv2d"));
}

TEST(Schedule, ACpuRuleWithoutACostIsTheUsersError) {
  Soc soc = load_diana();
  soc.cpu.rules.back().compute = *parse_expr("macs / (macs - macs)", in_file("cpu.toml"));
  SmallNetwork network;
  network.graph.outputs = {network.conv(network.input({1, 1, 8, 8}), 1)};
  Result<Schedule> schedule = schedule_of(network.graph, soc, kCpu);
  ASSERT_FALSE(schedule.ok());
  EXPECT_THAT(schedule.errors()[0].message,
              HasSubstr("rule `any` has no cost for layer `conv2d_0`: "));
}

TEST(Schedule, ANodeThatNothingCoversIsNamed) {
  Soc soc = load_diana();
  soc.cpu.rules.clear();
  SmallNetwork network;
  network.graph.outputs = {network.pool(network.conv(network.input({1, 1, 8, 8}), 1))};
  for (const Policy& policy : {kLatency, kFirstMatch}) {
    Result<Schedule> schedule = schedule_of(network.graph, soc, policy);
    ASSERT_FALSE(schedule.ok());
    EXPECT_THAT(schedule.errors()[0].message,
                HasSubstr("no rule of SoC `diana` covers operator `average_pool`"));
  }
}

}  // namespace
}  // namespace heddle
