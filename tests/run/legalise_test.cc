// Layers in another form, end to end: groups are jobs, depthwise layers block-diagonal convolutions,
// uneven pads kernels of the CPU; equal to the reference bit for bit, and chosen only where it pays.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "legalise/legalise.h"
#include "run_network.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::ElementsAre;

struct Network : NetworkBuilder {
  // Weights between -7 and 7, a bias, and a shift: DIANA's dialect.
  ValueId layer(const std::string& op, const std::string& name, ValueId x, Shape weights,
                Attributes attributes) {
    Tensor values(DType::int8, weights), bias(DType::int32, {weights[0]});
    for (int64_t i = 0; i < values.elements(); ++i) values.set(i, i * 5 % 15 - 7);
    for (int64_t i = 0; i < bias.elements(); ++i) bias.set(i, i * 331 % 1000 - 500);
    ValueId y = node(op, {x, constant(values)}, std::move(attributes));
    graph.nodes.back().name = name;
    y = node("bias_add", {y, constant(bias)}, {{"axis", int64_t{1}}});
    return requant(y, 6);
  }
  ValueId depthwise(const std::string& name, ValueId x, int64_t stride, int64_t before, int64_t after) {
    Attributes attributes = window_attributes(stride, before, before);
    attributes["pad_bottom"] = attributes["pad_right"] = after;
    return layer("depthwise_conv2d", name, x, {shape(x)[1], 1, 3, 3}, std::move(attributes));
  }
  ValueId conv(const std::string& name, ValueId x, int64_t k, int64_t group, int64_t kernel) {
    Attributes attributes = window_attributes(1, kernel / 2, kernel / 2);
    attributes["group"] = group;
    return layer("conv2d", name, x, {k, shape(x)[1] / group, kernel, kernel}, std::move(attributes));
  }
};

Network separable() {
  Network net;
  ValueId x = net.input({1, 64, 25, 5});
  for (const int i : {1, 2}) {
    x = net.depthwise("depthwise" + std::to_string(i), x, 1, 1, 1);
    x = net.conv("pointwise" + std::to_string(i), x, 64, 1, 1);
  }
  x = net.depthwise("uneven", x, 2, 0, 1);
  net.graph.outputs = {x};
  return net;
}

Compilation compilation(const Graph& graph, bool forms = true) {
  Compilation c;
  c.name = "net";
  c.graph = graph;
  c.soc = load("diana");
  c.policy = {"latency", "", Objective::latency, {}};
  for (SocUnit& unit : c.soc.accelerators) {
    for (Rule& rule : unit.target.rules) rule.legalise = forms ? rule.legalise : Legalise{};
  }
  return c;
}

const Step& step_called(const Compilation& c, const std::string& name) {
  for (const Step& step : c.schedule.steps) {
    if (step.name == name) return step;
  }
  internal_error(__FILE__, __LINE__, "no step " + name);
}

TEST(Legalise, DepthwiseLayersAreThreeTimesFaster) {
  const Network net = separable();
  const Result<Compilation> with = compile_graph(compilation(net.graph), {}, "memory");
  const Result<Compilation> without = compile_graph(compilation(net.graph, false), {}, "memory");
  ASSERT_TRUE(with.ok()) << format_diagnostics(with.errors());
  ASSERT_TRUE(without.ok()) << format_diagnostics(without.errors());
  for (const char* name : {"depthwise1", "depthwise2"}) {
    const Step& step = step_called(*with, name);
    ASSERT_NE(step.candidate.legalised, nullptr);
    EXPECT_EQ(step.candidate.legalised->what, "block-diagonal conv2d, 4 groups of 16 channels");
    EXPECT_EQ(rule_of(with->soc, step.candidate.match).name, "conv2d");
    EXPECT_LT(3 * step.candidate.cycles, step_called(*without, name).candidate.cycles);
    ASSERT_TRUE(step.candidate.tiling.has_value());
    EXPECT_EQ(step.candidate.tiling->tile_of("g", 0), 1);
  }
  EXPECT_LT(with->schedule.cycles, without->schedule.cycles);
}

TEST(Legalise, FormsEqualTheReference) {
  Exercised seen;
  run_against_reference(compilation(separable().graph), 1, seen);
  EXPECT_EQ(seen.rules["conv2d"], 5);
  EXPECT_EQ(seen.rules["depthwise_conv2d"], 0);
}

TEST(Legalise, GroupsAreJobs) {
  Network net;
  const ValueId x = net.input({1, 24, 9, 9});
  ValueId y = net.conv("one", x, 40, 2, 3);  // 12 channels to 20 in each group
  y = net.conv("two", y, 120, 5, 1);
  y = net.conv("multiplier", y, 240, 120, 3);
  net.graph.outputs = {y};
  Exercised seen;
  run_against_reference(compilation(net.graph), 2, seen);
  EXPECT_EQ(seen.rules["conv2d"], 3);

  Compilation small = compilation(net.graph);  // a few rows at a time
  for (Memory& memory : small.soc.memories) memory.bytes = memory.name == "l1" ? 12288 : memory.bytes;
  run_against_reference(std::move(small), 3, seen);
  EXPECT_GT(seen.tiled, 3);
}

TEST(Legalise, LosesWhereItDoesNotPay) {
  // With a pad that is dearer than the whole convolution on the CPU.
  Network net;
  const ValueId x = net.input({1, 16, 64, 64});
  Attributes attributes = window_attributes(2, 0, 0);
  attributes["pad_bottom"] = attributes["pad_right"] = int64_t{1};
  attributes["group"] = int64_t{1};
  net.graph.outputs = {net.layer("conv2d", "uneven", x, {16, 16, 3, 3}, attributes)};
  Compilation cheap = compilation(net.graph), dear = compilation(net.graph);
  for (Rule& rule : dear.soc.cpu.rules) {
    if (rule.name != "pad") continue;
    Result<Expr> compute = parse_expr("1000000000", {});
    ASSERT_TRUE(compute.ok());
    rule.compute = *compute;
  }
  const Result<Compilation> a = compile_graph(std::move(cheap), {}, "memory");
  const Result<Compilation> b = compile_graph(std::move(dear), {}, "memory");
  ASSERT_TRUE(a.ok() && b.ok());
  std::vector<std::string> names;
  for (const Step& step : a->schedule.steps) names.push_back(step.name);
  EXPECT_THAT(names, ElementsAre("uneven (pad)", "uneven"));
  ASSERT_EQ(b->schedule.steps.size(), 1u);
  EXPECT_EQ(b->schedule.steps[0].candidate.legalised, nullptr);
  EXPECT_LT(b->schedule.steps[0].candidate.match.target, 0);
}

}  // namespace
}  // namespace heddle
