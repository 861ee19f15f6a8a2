// What keeps layers on the CPU, what that costs and what would help: small networks on DIANA whose
// layers fail one condition, several, or only a form of them fits.
#include "report/why.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/policy.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Network : NetworkBuilder {
  // 3x3, 16 channels; `pad_right` is 1 where both sides are padded alike.
  ValueId conv(ValueId x, const std::string& rounding, int64_t pad_right = 1, int64_t shift = 5) {
    Tensor weights(DType::int8, {16, shape(x)[1], 3, 3});
    for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i % 7 - 3);
    Attributes attributes = window_attributes(1, 1, 1);
    attributes["pad_right"] = pad_right;
    attributes["group"] = int64_t{1};
    return requant(node("conv2d", {x, constant(weights)}, attributes), shift, -128, 127, rounding);
  }
};

Result<NetworkWhy> why_of(const Graph& graph) {
  Result<Soc> soc = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(soc.ok(), "the SoC of the tests");
  soc->accelerators.resize(1);  // the digital core
  // Forms are only what the rule does not allow.
  for (SocUnit& unit : soc->accelerators)
    for (Rule& rule : unit.target.rules) rule.legalise = {};
  const Policy policy{"latency", "", Objective::latency, {}};
  const Matches matches = match_rules(graph, *soc, policy);
  Result<Candidates> candidates = make_candidates(graph, *soc, matches);
  if (!candidates.ok()) return candidates.errors();
  Result<Schedule> schedule = make_schedule(graph, *soc, policy, matches, *candidates);
  if (!schedule.ok()) return schedule.errors();
  const Report report = make_report("test", schedule->graph, *soc, policy, *schedule, {});
  return explain(graph, *soc, policy, matches, *candidates, *schedule, report, {});
}

TEST(Why, AnAcceleratedLayerLosesNothing) {
  Network network;
  network.graph.outputs = {network.conv(network.input({1, 16, 16, 16}), "shift")};
  const Result<NetworkWhy> why = why_of(network.graph);
  ASSERT_TRUE(why.ok()) << format_diagnostics(why.errors());
  ASSERT_EQ(why->layers.size(), 1u);
  EXPECT_EQ(why->layers[0].cycles_lost, 0);
  EXPECT_FALSE(why->layers[0].fix);
  EXPECT_THAT(why->conditions, IsEmpty());
  EXPECT_EQ(why->layers[0].verdicts.front().verdict, "chosen");
}

TEST(Why, OneConditionAloneIsTheNearestFix) {
  Network network;
  network.graph.outputs = {network.conv(network.input({1, 16, 16, 16}), "half_up")};
  const Result<NetworkWhy> why = why_of(network.graph);
  ASSERT_TRUE(why.ok()) << format_diagnostics(why.errors());
  const LayerWhy& layer = why->layers[0];
  ASSERT_TRUE(layer.fix);
  EXPECT_EQ(layer.fix->kind, "condition");
  EXPECT_EQ(layer.fix->what, "the output stage shifts right without multiplying or rounding");
  EXPECT_EQ(layer.fix->gain, layer.cycles - layer.fix->cycles);
  EXPECT_EQ(layer.cycles_lost, layer.fix->gain);
  ASSERT_EQ(why->conditions.size(), 1u);
  EXPECT_EQ(why->conditions[0].alone.layers, 1);
  EXPECT_EQ(why->conditions[0].alone.macs, 16 * 16 * 9 * 16 * 16);
  EXPECT_EQ(why->conditions[0].alone.cycles, layer.fix->gain);
  EXPECT_EQ(why->conditions[0].others.layers, 0);
  EXPECT_THAT(network_text(*why), HasSubstr("it would take"));
}

// The hypothetical cost is that of the layer which the rule takes.
TEST(Why, HypotheticalCyclesAreThoseOfTheAcceptedLayer) {
  Network refused, accepted;
  refused.graph.outputs = {refused.conv(refused.input({1, 16, 16, 16}), "half_up")};
  accepted.graph.outputs = {accepted.conv(accepted.input({1, 16, 16, 16}), "shift")};
  const Result<NetworkWhy> a = why_of(refused.graph), b = why_of(accepted.graph);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->layers[0].fix->cycles, b->layers[0].cycles);
}

TEST(Why, PadsThatTheRuleDoesNotAllowAreProposedWithTheirCost) {
  Network network;
  network.graph.outputs = {network.conv(network.input({1, 16, 16, 16}), "shift", 0)};
  const Result<NetworkWhy> why = why_of(network.graph);
  ASSERT_TRUE(why.ok()) << format_diagnostics(why.errors());
  const LayerWhy& layer = why->layers[0];
  ASSERT_TRUE(layer.fix);
  EXPECT_EQ(layer.fix->kind, "legalisation");
  EXPECT_THAT(layer.fix->text, HasSubstr("explicit pad"));
  EXPECT_GT(layer.fix->extra_cycles, 0);
  EXPECT_GT(layer.fix->gain, 0);
  EXPECT_EQ(layer.fix->gain, layer.cycles - layer.fix->cycles);
}

TEST(Why, SeveralConditionsAreASet) {
  Network network;
  const ValueId x = network.conv(network.input({1, 16, 16, 16}), "half_up", 0);
  network.graph.outputs = {network.conv(x, "half_up", 0)};
  const Result<NetworkWhy> why = why_of(network.graph);
  ASSERT_TRUE(why.ok()) << format_diagnostics(why.errors());
  ASSERT_EQ(why->sets.size(), 1u);
  EXPECT_THAT(why->sets[0].whys,
              ElementsAre("one padding for both sides of a direction",
                          "the output stage shifts right without multiplying or rounding"));
  EXPECT_EQ(why->sets[0].sum.layers, 2);
  for (const ConditionCost& condition : why->conditions) {
    EXPECT_EQ(condition.alone.layers, 0);
    EXPECT_EQ(condition.others.layers, 2);
    EXPECT_EQ(condition.others.cycles, why->sets[0].sum.cycles);
  }
  EXPECT_EQ(why->layers[0].fix->kind, "conditions");
}

TEST(Why, JsonAndTextSayTheSame) {
  Network network;
  network.graph.outputs = {network.conv(network.input({1, 16, 16, 16}), "half_up")};
  const Result<NetworkWhy> why = why_of(network.graph);
  ASSERT_TRUE(why.ok());
  const std::string json = why_json(*why), text = layers_text(why->layers);
  EXPECT_THAT(json, HasSubstr("\"gain\": " + std::to_string(why->layers[0].fix->gain)));
  EXPECT_THAT(json, HasSubstr("requant.rounding is 'half_up'"));
  EXPECT_THAT(text, HasSubstr("requant.rounding == 'shift': requant.rounding is 'half_up'"));
}

}  // namespace
}  // namespace heddle
