// TensorFlow Lite's own operators: values worked out by hand, types, refusals.
#include <gtest/gtest.h>

#include <limits>

#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::activation;
using test::errors_of;
using test::graph_of;
using test::real_constant;
using test::with;

constexpr Range kInt8{-128, 127};

// Both operands count as they are, the sum by `mul` / 2^31 / 2^shift.
Attributes sum(int64_t mul, int64_t shift) {
  return {{"left_shift", int64_t{20}},
          {"x_zero_point", int64_t{0}},
          {"x_mul", int64_t{1} << 30},
          {"x_shift", int64_t{0}},
          {"residual_zero_point", int64_t{0}},
          {"residual_mul", int64_t{1} << 30},
          {"residual_shift", int64_t{0}},
          {"subtract", int64_t{0}},
          {"mul", mul},
          {"shift", shift},
          {"zero_point", int64_t{0}},
          {"lo", int64_t{-128}},
          {"hi", int64_t{127}}};
}

Attributes probabilities() {
  return {{"scale", 1.0 / 256},
          {"zero_point", int64_t{-128}},
          {"lo", int64_t{-128}},
          {"hi", int64_t{127}}};
}

// 2^-(255 - i), from 2^-40 on.
std::vector<float> halvings() {
  std::vector<float> table(256, 0.0f);
  float value = 1;
  for (size_t i = 256; i-- > 215; value /= 2) table[i] = value;
  return table;
}

std::vector<int64_t> result_of(const Graph& wanted, const std::vector<std::vector<int64_t>>& x) {
  const Graph graph = test::inferred(wanted);
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < x.size(); ++i) {
    const TensorType& type = graph.value(graph.inputs[i]).type;
    inputs.push_back(Tensor::of(type.dtype, type.shape, x[i]));
  }
  const Result<std::vector<Tensor>> tensors = interpret(graph, inputs);
  return tensors.ok() ? tensors->back().to_ints() : std::vector<int64_t>{};
}

TEST(TfliteAdd, RoundsHalvesOfSumsAwayFromZero) {
  const Value x = activation({6}, kInt8);
  // (x + w) / 2 in the common scale, then / 2^19 / 2: (x + w) / 2.
  const Graph graph = graph_of("tflite_add", sum(int64_t{1} << 30, 19), {x, x});
  EXPECT_EQ(result_of(graph, {{1, -1, 2, -2, 127, -128}, {2, -2, 2, -1, 127, -128}}),
            (std::vector<int64_t>{2, -2, 2, -2, 127, -128}));
}

TEST(TfliteAdd, SubtractsBroadcastsAndClamps) {
  Attributes attributes = sum(int64_t{1} << 30, 18);
  attributes["subtract"] = int64_t{1};
  attributes["residual_zero_point"] = int64_t{3};
  attributes["zero_point"] = int64_t{5};
  attributes["lo"] = int64_t{0};
  const Graph graph =
      graph_of("tflite_add", attributes, {activation({2, 2}, kInt8), activation({2}, kInt8)});
  EXPECT_EQ(result_of(graph, {{1, 2, 100, -128}, {3, 13}}), (std::vector<int64_t>{6, 0, 105, 0}));
}

TEST(TfliteAdd, IsRefusedWhereItLeavesInt32) {
  const Value x = activation({2}, kInt8);
  const Value wide = activation({2}, {-40000, 40000});
  const auto message = [](const Graph& graph) { return errors_of(test::infer(graph)); };
  EXPECT_EQ(message(graph_of("tflite_add", sum(1, 0), {wide, x})),
            "the shifted `x` can reach 41,943,040,000, beyond int32");
  EXPECT_EQ(message(graph_of("tflite_add", with(sum(1, 0), {{"left_shift", int64_t{31}}}), {x, x})),
            "`left_shift` is 31, outside [0, 30]");
  EXPECT_EQ(message(graph_of("tflite_add", sum(1, 32), {x, x})), "`shift` is 32, outside [0, 31]");
  EXPECT_EQ(message(graph_of("tflite_add", sum(-1, 0), {x, x})),
            "`mul` is -1, outside [0, 2147483647]");
  EXPECT_EQ(message(graph_of("tflite_add", with(sum(1, 0), {{"subtract", int64_t{2}}}), {x, x})),
            "`subtract` is 2, outside [0, 1]");
}

TEST(TfliteSoftmax, DividesByTheSumOfExponentials) {
  const Graph graph = graph_of("tflite_softmax", probabilities(),
                               {activation({2, 3}, kInt8), real_constant({256}, halvings())});
  // 1, 1/2, 1/4 of 7/4: 146.3, 73.1, 36.6 of 256. Alone: 256 is clamped.
  EXPECT_EQ(result_of(graph, {{5, 4, 3, 100, -100, -100}}),
            (std::vector<int64_t>{18, -55, -91, 127, -128, -128}));
  EXPECT_EQ(test::infer(graph)->range, kInt8);
}

TEST(TfliteSoftmax, IsRefused) {
  const auto message = [](Value x, Value table, Attributes attributes) {
    return errors_of(test::infer(graph_of("tflite_softmax", std::move(attributes), {x, table})));
  };
  const Value x = activation({2, 3}, kInt8);
  const Value table = real_constant({256}, halvings());
  EXPECT_EQ(message(activation({}, kInt8), table, probabilities()),
            "`x` is a scalar, one dimension is needed at least");
  EXPECT_EQ(message(activation({3}, {-128, 128}), table, probabilities()),
            "`x` has values in [-128, 128]: 8 bits are needed");
  EXPECT_EQ(message(x, real_constant({2}, {0, 1}), probabilities()),
            "`table` has shape [2], not [256]");
  EXPECT_EQ(message(x, table, with(probabilities(), {{"scale", 0.0}})),
            "`scale` is 0, not a positive number");
  std::vector<float> bad = halvings();
  bad[7] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(message(x, real_constant({256}, bad), probabilities()),
            "`table` holds inf at 7: exponentials are finite and not negative");
  EXPECT_EQ(message(x, real_constant({256}, std::vector<float>(256, 0)), probabilities()),
            "the last element of `table`, the exponential of 0, is 0");
}

TEST(AveragePool, HalvesAwayFromZero) {
  const Attributes attributes = with(test::pool(2, 2, 0), {{"count_include_pad", int64_t{0}},
                                                           {"rounding", std::string("half_away")}});
  const Graph graph = graph_of("average_pool", attributes, {activation({1, 1, 2, 4}, kInt8)});
  EXPECT_EQ(result_of(graph, {{-1, -1, 1, 1, 0, 0, 0, 0}}), (std::vector<int64_t>{-1, 1}));
  EXPECT_EQ(errors_of(test::infer(graph_of("average_pool",
                                           with(attributes, {{"rounding", std::string("up")}}),
                                           {activation({1, 1, 2, 4}, kInt8)}))),
            "`rounding` is 'up', not 'half_up' or 'half_away'");
}

}  // namespace
}  // namespace heddle
