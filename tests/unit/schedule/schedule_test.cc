// Candidates and schedules of small networks on DIANA: what is chosen, in what order, why, and how
// values are stored.
#include "schedule/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Soc load_diana() {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  return *soc;
}

struct Network : NetworkBuilder {
  ValueId conv(ValueId x, int64_t k) {
    Tensor weights(DType::int8, {k, shape(x)[1], 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["group"] = int64_t{1};
    return requant(node("conv2d", {x, constant(weights)}, attributes), 5);
  }
  ValueId pool(ValueId x) {
    return node("max_pool", {x},
                {{"kernel_h", int64_t{2}},
                 {"kernel_w", int64_t{2}},
                 {"stride_h", int64_t{2}},
                 {"stride_w", int64_t{2}},
                 {"pad_top", int64_t{0}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}}});
  }
};

Result<Schedule> schedule_of(const Graph& graph, const Soc& soc, const Policy& policy) {
  const Matches matches = match_rules(graph, soc, policy);
  Result<Candidates> candidates = make_candidates(graph, soc, matches);
  if (!candidates.ok()) return candidates.errors();
  return make_schedule(graph, soc, policy, matches, *candidates);
}

// "conv2d requant on diana_digital/conv2d" of every step.
std::vector<std::string> steps(const Graph& graph, const Soc& soc, const Schedule& schedule) {
  std::vector<std::string> found;
  for (const Step& step : schedule.steps) {
    std::string text;
    for (const NodeId id : step.candidate.match.nodes) text += graph.node(id).op + " ";
    found.push_back(text + "on " + target_of(soc, step.candidate.match).name + "/" +
                    rule_of(soc, step.candidate.match).name);
  }
  return found;
}

const Policy kLatency{"latency", "", Objective::latency, {}};
const Policy kFirstMatch{"first_match", "", Objective::first_match, {}};
const Policy kCpu{"cpu", "", Objective::latency, {"*"}};

TEST(Schedule, ResidualBlockOnTheAcceleratorAndOnTheCpu) {
  const Soc soc = load_diana();
  Network network;
  const ValueId x = network.conv(network.input({1, 16, 16, 16}), 16);
  const ValueId y = network.conv(x, 16);
  network.graph.outputs = {network.pool(network.requant(network.node("add", {y, x}), 1))};

  Result<Schedule> fast = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(fast.ok()) << format_diagnostics(fast.errors());
  EXPECT_THAT(steps(network.graph, soc, *fast),
              ElementsAre("conv2d requant on diana_digital/conv2d",
                          "conv2d requant on diana_digital/conv2d",
                          "add requant on diana_digital/add", "max_pool on generic/pool"));
  EXPECT_THAT(fast->steps[0].why, HasSubstr("x fewer cycles than the CPU"));
  EXPECT_EQ(fast->steps[3].why, "no accelerator has a rule for it");

  // On the CPU the second convolution takes the addition with it: one loop nest instead of two.
  Result<Schedule> cpu = schedule_of(network.graph, soc, kCpu);
  ASSERT_TRUE(cpu.ok());
  EXPECT_THAT(steps(network.graph, soc, *cpu),
              ElementsAre("conv2d requant on generic/conv",
                          "conv2d requant add requant on generic/conv", "max_pool on generic/pool"));
  EXPECT_LT(fast->cycles, cpu->cycles);
}

// A tiny layer is slower on the accelerator: the best schedule keeps it, HTVM's way offloads it.
TEST(Schedule, PoliciesDifferWhereTheAcceleratorIsNoGain) {
  const Soc soc = load_diana();
  Network network;
  Tensor weights(DType::int8, {2, 2});
  network.graph.outputs = {network.requant(
      network.node("dense", {network.input({1, 2}), network.constant(weights)}), 3)};
  Result<Schedule> best = schedule_of(network.graph, soc, kLatency);
  Result<Schedule> first = schedule_of(network.graph, soc, kFirstMatch);
  ASSERT_TRUE(best.ok() && first.ok());
  EXPECT_THAT(steps(network.graph, soc, *best), ElementsAre("dense requant on generic/dense"));
  EXPECT_THAT(best->steps[0].why, HasSubstr("diana_digital is no gain: "));
  EXPECT_THAT(steps(network.graph, soc, *first),
              ElementsAre("dense requant on diana_digital/dense"));
  EXPECT_LT(best->cycles, first->cycles);
}

TEST(Schedule, ValuesAreStoredAsTheirAcceleratorWants) {
  const Soc soc = load_diana();
  Network network;
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

// Two units that work in place and want the value between them in different layouts, without being
// told its pitches: one layer stays on the CPU, with the reason.
TEST(Schedule, WhatHasNoTileBesideItsNeighboursIsCoveredOtherwise) {
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
  Rule& narrow = soc.accelerators[0].target.rules[0];
  narrow.when.push_back({*parse_expr("c == 8", in_file("unit.toml")), "c == 8", "a test", {}});
  soc.accelerators[1].target.rules[0].layout->row = 64;
  Network network;
  const ValueId x = network.input({1, 8, 20, 20});
  network.graph.outputs = {network.conv(network.conv(x, 16), 16)};
  const Result<Schedule> schedule = schedule_of(network.graph, soc, kLatency);
  ASSERT_TRUE(schedule.ok()) << format_diagnostics(schedule.errors());
  int accelerated = 0;
  for (const Step& step : schedule->steps) {
    accelerated += step.candidate.match.target >= 0;
    if (step.candidate.match.target < 0) {
      EXPECT_THAT(step.why, HasSubstr("does not lie in memory as the rule's layout says"));
    }
  }
  EXPECT_EQ(schedule->steps.size(), 2u);
  EXPECT_EQ(accelerated, 1);
}

TEST(Schedule, ACpuRuleWithoutACostIsTheUsersError) {
  Soc soc = load_diana();
  soc.cpu.rules.back().compute = *parse_expr("macs / (macs - macs)", in_file("cpu.toml"));
  Network network;
  network.graph.outputs = {network.conv(network.input({1, 1, 8, 8}), 1)};
  Result<Schedule> schedule = schedule_of(network.graph, soc, kCpu);
  ASSERT_FALSE(schedule.ok());
  EXPECT_THAT(schedule.errors()[0].message,
              HasSubstr("rule `any` has no cost for layer `conv2d_0`: "));
}

TEST(Schedule, ANodeThatNothingCoversIsNamed) {
  Soc soc = load_diana();
  soc.cpu.rules.clear();
  Network network;
  network.graph.outputs = {network.pool(network.conv(network.input({1, 1, 8, 8}), 1))};
  for (const Policy& policy : {kLatency, kFirstMatch}) {
    Result<Schedule> schedule = schedule_of(network.graph, soc, policy);
    ASSERT_FALSE(schedule.ok());
    EXPECT_THAT(schedule.errors()[0].message,
                HasSubstr("no rule of SoC `diana` covers operator `max_pool`"));
  }
}

}  // namespace
}  // namespace heddle
