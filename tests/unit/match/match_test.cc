#include "match/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Network : NetworkBuilder {
  ValueId filled(DType dtype, Shape shape, int64_t fill) {
    Tensor tensor(dtype, std::move(shape));
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.set(i, fill);
    return constant(std::move(tensor));
  }
  ValueId conv(ValueId x, int64_t k, int64_t kernel, int64_t stride, int64_t before,
               int64_t after) {
    Attributes attributes = window_attributes(stride, before, before);
    attributes["pad_bottom"] = attributes["pad_right"] = after;
    attributes["group"] = int64_t{1};
    return node("conv2d", {x, filled(DType::int8, {k, shape(x)[1], kernel, kernel}, 3)},
                attributes);
  }
};

const Soc& diana() {
  static const Soc soc = [] {
    Result<Soc> loaded = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
    HEDDLE_CHECK(loaded.ok(), format_diagnostics(loaded.errors()));
    loaded->accelerators.resize(1);  // the digital core
    return *loaded;
  }();
  return soc;
}

Matches match(const Graph& graph, const Policy& policy = {"latency", "", Objective::latency, {}}) {
  return match_rules(graph, diana(), policy);
}

// "diana_digital/conv2d: conv2d requant" of every accepted match on an accelerator.
std::vector<std::string> accelerated(const Graph& graph, const Matches& matches) {
  std::vector<std::string> found;
  for (const Match& each : matches.accepted) {
    if (each.target < 0) continue;
    std::string text = rule_of(diana(), each).name + ":";
    for (const NodeId id : each.nodes) text += " " + graph.node(id).op;
    found.push_back(text);
  }
  return found;
}

std::vector<std::string> reasons(const Matches& matches, const std::string& rule) {
  std::vector<std::string> found;
  for (const Match& each : matches.refused) {
    if (each.target < 0 || rule_of(diana(), each).name != rule) continue;
    for (const FailedCondition& failed : each.failed)
      found.push_back(failed.why + " | " + failed.values);
  }
  return found;
}

TEST(Match, AcceptsWithAndWithoutTheOptionalBias) {
  Network with;
  const ValueId conv = with.conv(with.input({1, 3, 8, 8}), 16, 3, 1, 1, 1);
  const ValueId bias =
      with.node("bias_add", {conv, with.filled(DType::int32, {16}, 7)}, {{"axis", int64_t{1}}});
  with.graph.outputs = {with.requant(bias, 4)};
  EXPECT_THAT(accelerated(with.graph, match(with.graph)),
              ElementsAre("conv2d: conv2d bias_add requant"));

  Network without;
  without.graph.outputs = {
      without.requant(without.conv(without.input({1, 3, 8, 8}), 16, 3, 1, 1, 1), 4)};
  EXPECT_THAT(accelerated(without.graph, match(without.graph)),
              ElementsAre("conv2d: conv2d requant"));
}

TEST(Match, NamesEveryFailedConditionWithItsValues) {
  Network network;
  const ValueId x = network.input({1, 3, 32, 32});
  network.graph.outputs = {network.requant(network.conv(x, 16, 4, 3, 0, 1), 4, -128, 127, "floor")};
  const std::vector<std::string> found = reasons(match(network.graph), "conv2d");
  EXPECT_THAT(found, Contains(HasSubstr("kernels of 1, 3, 5 and 7 | fx is 4, fy is 4")));
  EXPECT_THAT(found, Contains(HasSubstr("conv2d.stride_h is 3, conv2d.stride_w is 3")));
  EXPECT_THAT(found, Contains(HasSubstr("conv2d.pad_bottom is 1, conv2d.pad_left is 0, "
                                        "conv2d.pad_right is 1, conv2d.pad_top is 0")));
  EXPECT_THAT(found, Contains(HasSubstr("requant.rounding is")));
  EXPECT_EQ(found.size(), 4u);
}

TEST(Match, AValueWithASecondConsumerIsNotSwallowed) {
  Network network;
  const ValueId conv = network.conv(network.input({1, 3, 8, 8}), 16, 3, 1, 1, 1);
  const ValueId first = network.requant(conv, 4);
  const ValueId second = network.node("relu", {conv});
  network.graph.outputs = {first, second};
  const Matches matches = match(network.graph);
  EXPECT_THAT(accelerated(network.graph, matches), IsEmpty());
  EXPECT_THAT(reasons(matches, "conv2d"), ElementsAre(HasSubstr("whose result has 2 consumers")));
}

TEST(Match, TheNetworksOutputIsNotSwallowed) {
  Network network;
  const ValueId conv = network.conv(network.input({1, 3, 8, 8}), 16, 3, 1, 1, 1);
  network.graph.outputs = {conv, network.requant(conv, 4)};
  EXPECT_THAT(reasons(match(network.graph), "conv2d"),
              ElementsAre(HasSubstr("then the network's output")));
}

TEST(Match, AValueAddedToItselfStaysOutsideTheRegion) {
  Network network;
  const ValueId y = network.requant(network.conv(network.input({1, 3, 8, 8}), 16, 3, 1, 1, 1), 4);
  network.graph.outputs = {network.requant(network.node("add", {y, y}), 4)};
  EXPECT_THAT(accelerated(network.graph, match(network.graph)),
              ElementsAre("conv2d: conv2d requant", "add: add requant"));
}

TEST(Match, BindsTheOperandOffTheSpineWhicheverSideItIsOn) {
  for (const bool swapped : {false, true}) {
    Network network;
    const ValueId x = network.input({1, 16, 8, 8});
    const ValueId y = network.requant(network.conv(x, 16, 3, 1, 1, 1), 4);
    network.graph.outputs = {network.requant(
        network.node("add", swapped ? std::vector<ValueId>{y, x} : std::vector<ValueId>{x, y}), 4)};
    const Matches matches = match(network.graph);
    for (const Match& each : matches.accepted) {
      if (each.target >= 0 || each.nodes.size() != 4)
        continue;  // the CPU's conv2d requant add requant
      EXPECT_EQ(each.find("x"), x);
      EXPECT_EQ(each.find("residual"), x) << "the spine's own value must not be bound";
    }
  }
}

TEST(Match, APolicyThatAvoidsATargetIsTheReason) {
  Network network;
  network.graph.outputs = {
      network.requant(network.conv(network.input({1, 3, 8, 8}), 16, 3, 1, 1, 1), 4)};
  const Matches matches = match(network.graph, {"cpu", "", Objective::latency, {"*"}});
  EXPECT_THAT(accelerated(network.graph, matches), IsEmpty());
  EXPECT_THAT(reasons(matches, "conv2d"), ElementsAre(HasSubstr("the policy avoids this target")));
}

TEST(Match, APolicyMayAvoidOneRule) {
  Network network;
  const ValueId y = network.requant(network.conv(network.input({1, 3, 8, 8}), 16, 3, 1, 1, 1), 4);
  network.graph.outputs = {network.requant(network.node("add", {y, y}), 4)};
  const Matches matches =
      match(network.graph, {"some", "", Objective::latency, {"diana_digital/conv2d"}});
  EXPECT_THAT(accelerated(network.graph, matches), ElementsAre("add: add requant"));
  EXPECT_THAT(reasons(matches, "conv2d"), ElementsAre(HasSubstr("the policy avoids this rule")));
}

TEST(Environment, KnowsSizesOperandsAttributesAndMemories) {
  Network network;
  network.graph.outputs = {
      network.requant(network.conv(network.input({1, 3, 8, 10}), 16, 3, 1, 1, 1), 4)};
  const Matches matches = match(network.graph);
  const auto found = std::find_if(matches.accepted.begin(), matches.accepted.end(),
                                  [](const Match& m) { return m.target >= 0; });
  ASSERT_NE(found, matches.accepted.end());
  const Environment environment = layer_environment(network.graph, diana(), *found);
  const std::vector<std::pair<std::string, ExprValue>> expected = {
      {"k", int64_t{16}},
      {"c", int64_t{3}},
      {"oy", int64_t{8}},
      {"ox", int64_t{10}},
      {"iy", int64_t{8}},
      {"fy", int64_t{3}},
      {"x.bits", int64_t{8}},
      {"x.lo", int64_t{-128}},
      {"weights.max", int64_t{3}},
      {"weights.values", IntSet{3}},
      {"x.dtype", std::string("int8")},
      {"x.present", int64_t{1}},
      {"bias.present", int64_t{0}},
      {"bias_add.present", int64_t{0}},
      {"requant.shift", int64_t{4}},
      {"memory.l1.bytes", int64_t{262144}},
      {"memory.weights.bytes", int64_t{65536}},
      {"cpu.isa", std::string("rv32imc")},
      {"macs", int64_t{16 * 3 * 9 * 80}}};
  for (const auto& [name, value] : expected) {
    const std::optional<ExprValue> got = environment(name);
    ASSERT_TRUE(got.has_value()) << name;
    EXPECT_EQ(*got, value) << name;
  }
  EXPECT_FALSE(environment("y.values").has_value());
  EXPECT_FALSE(environment("conv2d.colour").has_value());
}

}  // namespace
}  // namespace heddle
