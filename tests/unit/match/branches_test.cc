// Patterns with several operands off the spine, and what conditions see of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "match/constant_facts.h"
#include "match/match.h"
#include "support/network_builder.h"

namespace heddle {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Soc diana() {
  Result<Soc> loaded = load_soc(std::string(HEDDLE_SOURCE_DIR) + "/rules/soc/diana.toml");
  HEDDLE_CHECK(loaded.ok(), format_diagnostics(loaded.errors()));
  loaded->accelerators.resize(1);  // the digital core
  return *loaded;
}

// DIANA with one rule only, which places these operands in L1.
Soc soc_with(const std::string& pattern, const std::vector<std::string>& when,
             const std::vector<std::string>& operands = {"x", "y"}) {
  Soc soc = diana();
  Rule rule;
  rule.name = "rule";
  Result<Pattern> parsed = parse_pattern(pattern, in_file("test"));
  HEDDLE_CHECK(parsed.ok(), format_diagnostics(parsed.errors()));
  rule.pattern = *parsed;
  for (const std::string& text : when) {
    Result<Expr> expr = parse_expr(text, in_file("test"));
    HEDDLE_CHECK(expr.ok(), format_diagnostics(expr.errors()));
    rule.when.push_back({*expr, text, "because", {}});
  }
  rule.layout = BufferLayout{4, 8, DimOrder::channels_last};
  for (const std::string& operand : operands) rule.operands.push_back({operand, "l1"});
  soc.accelerators[0].target.rules = {rule};
  return soc;
}

struct Found {
  std::vector<Match> accepted;
  std::vector<std::string> failed;  // "condition | values" of the refused ones
};
Found found(const Graph& graph, const Soc& soc) {
  const Matches matches = match_rules(graph, soc, {"latency", "", Objective::latency, {}});
  Found result;
  for (const Match& match : matches.accepted)
    if (match.target == 0) result.accepted.push_back(match);
  for (const Match& match : matches.refused) {
    if (match.target != 0) continue;
    for (const FailedCondition& failed : match.failed)
      result.failed.push_back(failed.condition + " | " + failed.values);
  }
  return result;
}

const Attributes kSoftmax = {{"levels", int64_t{256}}};

// What models/integer/encoder.onnx has of each head pair, with another head size.
struct Attention : NetworkBuilder {
  ValueId queries = input({1, 2, 6, 4}), keys = input({1, 2, 4, 6}), values = input({1, 2, 6, 8});
  ValueId scores = requant(node("matmul", {queries, keys}), 5);
  ValueId softmax = node("ita_max", {scores}, kSoftmax);
  ValueId context = node("matmul", {softmax, values});
  ValueId result = requant(context, 9);
};

constexpr const char* kAttention =
    "matmul(keys) requant (i_softmax | ita_max | tflite_softmax) matmul(values) requant";

TEST(Branches, NamesBindByTheirPlaceInThePattern) {
  Attention attention;
  attention.graph.outputs = {attention.result};
  const Found matches =
      found(attention.graph,
            soc_with(kAttention,
                     {"keys.d3 == n", "values.d3 == 8", "y.d3 == values.d3", "c == 4",
                      "requant.shift == 5", "requant_2.shift == 9", "requant_2.present == 1",
                      "i_softmax.present == 0", "ita_max.levels == 256", "i_softmax.log2 == 7"},
                     {"x", "keys", "values", "y"}));
  ASSERT_EQ(matches.accepted.size(), 1u) << testing::PrintToString(matches.failed);
  const Match& match = matches.accepted[0];
  EXPECT_EQ(match.nodes.size(), 5u);
  EXPECT_THAT(match.items, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(match.find("x"), attention.queries);
  EXPECT_EQ(match.find("keys"), attention.keys);
  EXPECT_EQ(match.find("values"), attention.values);
  EXPECT_EQ(match.find("y"), attention.result);
}

TEST(Branches, NoInnerValueIsSwallowedThatSomebodyElseReads) {
  Attention attention;
  attention.graph.outputs = {attention.result, attention.node("relu", {attention.scores})};
  const Found matches = found(attention.graph, soc_with(kAttention, {}, {"x", "y"}));
  EXPECT_THAT(matches.accepted, IsEmpty());
  EXPECT_THAT(matches.failed, Contains(HasSubstr("found `matmul requant`, whose result has 2")));
}

// softmax(keys) * values is not values * softmax(keys).
TEST(Branches, ANamedOperandIsOnTheSideThatThePatternSays) {
  NetworkBuilder network;
  const ValueId x = network.input({1, 2, 6, 6});
  const ValueId y = network.input({1, 2, 6, 6});
  const ValueId product = network.node("matmul", {y, network.requant(x, 2)});
  network.graph.outputs = {product};
  const Found named = found(network.graph, soc_with("requant matmul(values)", {}));
  EXPECT_THAT(named.accepted, IsEmpty());
  EXPECT_THAT(named.failed, Contains(HasSubstr("the spine enters `matmul` where the pattern has "
                                               "`values`")));
  EXPECT_EQ(found(network.graph, soc_with("requant matmul", {})).accepted.size(), 1u);
}

TEST(Branches, SeveralNamedOperandsOfOneOperator) {
  NetworkBuilder network;
  const ValueId x = network.input({1, 4}), a = network.input({1, 4}), b = network.input({1, 4});
  network.graph.outputs = {network.node("add", {b, network.node("add", {x, a})})};
  const Found matches =
      found(network.graph, soc_with("add(first) add(second)?", {"first.elements == 4"}));
  ASSERT_EQ(matches.accepted.size(), 3u);  // both, the first alone, the second alone
  EXPECT_EQ(matches.accepted[0].find("x"), x);
  EXPECT_EQ(matches.accepted[0].find("first"), a);
  EXPECT_EQ(matches.accepted[0].find("second"), b);
  EXPECT_FALSE(matches.accepted[1].find("second").valid());
}

// What belongs to the second of two requantisations has names of its own.
TEST(Branches, ConstantsOfTheSecondOperatorOfAName) {
  NetworkBuilder network;
  const auto scaled = [&](ValueId x, int64_t mul) {
    Tensor factor(DType::int32, {1});
    factor.set(0, mul);
    const ValueId constant = network.constant(std::move(factor));
    return network.node("requant", {x, constant},
                        {{"shift", int64_t{4}},
                         {"lo", int64_t{-128}},
                         {"hi", int64_t{127}},
                         {"axis", int64_t{1}},
                         {"rounding", std::string("half_up")}});
  };
  const ValueId x = network.input({1, 2, 6, 6});
  network.graph.outputs = {scaled(network.node("relu", {scaled(x, 3)}), 5)};
  const Found matches =
      found(network.graph, soc_with("requant relu requant", {"mul.max == 3", "mul_2.values in [5]"}));
  EXPECT_EQ(matches.accepted.size(), 1u) << testing::PrintToString(matches.failed);
}

TEST(Branches, AConstantIsNoActivation) {
  NetworkBuilder network;
  const ValueId x = network.input({1, 4});
  Tensor tensor(DType::int8, {1, 4});
  network.graph.outputs = {network.node("add", {x, network.constant(tensor)})};
  EXPECT_THAT(found(network.graph, soc_with("add(residual)", {}, {"x", "residual", "y"})).failed,
              ElementsAre("not residual.constant | residual.constant is 1"));
  EXPECT_THAT(found(network.graph,
                    soc_with("add(residual)", {"not residual.constant"}, {"x", "residual", "y"}))
                  .failed,
              ElementsAre("not residual.constant | residual.constant is 1"))
      << "said once";
}

TEST(Conditions, SeeTheMachineTheLayoutAndRanges) {
  NetworkBuilder network;
  network.graph.outputs = {network.requant(network.input({1, 4, 3, 5}), 1, 0, 100)};
  const auto failed = [&](const std::string& condition) {
    return found(network.graph, soc_with("requant", {condition})).failed;
  };
  for (const char* const holds :
       {"soc.name == 'diana'", "soc.clock_hz > 0", "memory.l1.present == 1",
        "memory.l3.present == 0", "memory.l1.bytes == 262144", "memory.weights.present == 1",
        "layout.order == 'channels_last' and layout.row == 4 and layout.plane == 8",
        "requant.rounding == 'shift'", "y.lo >= -128 and y.hi <= 100", "x.d1 == 4 and x.rank == 4",
        "y.d3 == 5"}) {
    EXPECT_THAT(failed(holds), IsEmpty()) << holds;
  }
  EXPECT_THAT(failed("soc.name == 'pulp'"),
              ElementsAre("soc.name == 'pulp' | soc.name is 'diana'"));
}

TEST(Conditions, AMissingNameIsReportedWithTheValuesOfTheOthers) {
  NetworkBuilder network;
  network.graph.outputs = {network.requant(network.input({1, 4}), 1)};
  EXPECT_THAT(found(network.graph, soc_with("requant relu?", {"x.d7 == 3 and x.d1 == 4",
                                                              "x.values in [1]", "x.d1 == 5"}))
                  .failed,
              ElementsAre("x.d7 == 3 and x.d1 == 4 | unknown name `x.d7`; x.d1 is 4, x.d7 is not "
                          "known here",
                          "x.values in [1] | unknown name `x.values`; x.values is not known here",
                          "x.d1 == 5 | x.d1 is 4"));
}

TEST(Conditions, FloatConstantsHaveNoIntegerValues) {
  NetworkBuilder network;
  Value weights;
  weights.name = "w";
  weights.type = {DType::float32, {4, 3}, {}};
  weights.constant = Tensor::of_floats({4, 3}, std::vector<float>(12, 0.5f));
  const ValueId w = network.graph.add_value(std::move(weights));
  const ValueId x = network.input({1, 3});
  network.graph.value(x).type = {DType::float32, {1, 3}, {}};
  network.graph.outputs = {network.node("dense", {x, w})};
  EXPECT_THAT(found(network.graph, soc_with("dense", {"weights.values in [1]"})).failed,
              ElementsAre(HasSubstr("weights.values is not known here")));
}

// All values of a large constant, asked for by many rules: once through it.
TEST(Conditions, AllValuesOfLargeConstantsAreFast) {
  NetworkBuilder network;
  Tensor weights(DType::int8, {2048, 2048});
  for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i * 7 % 3 - 1);
  const ValueId w = network.constant(std::move(weights));
  network.graph.outputs = {network.node("dense", {network.input({1, 2048}), w})};
  Soc soc = soc_with("dense", {"weights.values in [-1, 0, 1]", "weights.min == -1"});
  for (int i = 0; i < 100; ++i)
    soc.accelerators[0].target.rules.push_back(soc.accelerators[0].target.rules[0]);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(found(network.graph, soc).accepted.size(), 101u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST(Conditions, DistinctValuesOfWideConstants) {
  Tensor wide(DType::int32, {5});
  const std::vector<int64_t> values = {INT32_MAX, 3, INT32_MIN, 3, 0};
  for (int64_t i = 0; i < 5; ++i) wide.set(i, values[static_cast<size_t>(i)]);
  EXPECT_EQ(distinct_values(wide), (IntSet{INT32_MIN, 0, 3, INT32_MAX}));
  Tensor near(DType::int32, {3});
  near.set(0, 5);
  near.set(1, -7);
  near.set(2, 5);
  EXPECT_EQ(distinct_values(near), (IntSet{-7, 5}));
  EXPECT_EQ(distinct_values(Tensor(DType::int32, {0})), IntSet{});
}

}  // namespace
}  // namespace heddle
