// lookup, qadd, sum_pool and the float addend of requant: types, values worked out by hand, and
// every message.
#include <gtest/gtest.h>

#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::activation;
using test::constant;
using test::graph_of;
using test::pool;
using test::real_activation;
using test::real_constant;
using test::with;

constexpr Range kInt8{-128, 127};

Attributes sum_of(double x_scale, double residual_scale, double scale) {
  return {{"x_scale", x_scale},
          {"residual_scale", residual_scale},
          {"scale", scale},
          {"x_zero_point", int64_t{1}},
          {"residual_zero_point", int64_t{-2}},
          {"zero_point", int64_t{3}},
          {"lo", int64_t{-128}},
          {"hi", int64_t{127}}};
}

Attributes float_requant() {
  return {{"rounding", std::string("float")},
          {"shift", int64_t{0}},
          {"axis", int64_t{1}},
          {"lo", int64_t{-128}},
          {"hi", int64_t{127}}};
}

std::string text_of(const Result<TensorType>& type) {
  if (!type.ok()) return test::errors_of(type);
  std::string text = std::string(name_of(type->dtype)) + to_string(type->shape);
  if (type->dtype == DType::float32) return text;
  return text + " in [" + std::to_string(type->range.lo) + ", " + std::to_string(type->range.hi) +
         "]";
}

TEST(Quantised, TypesAndMessages) {
  struct Row {
    const char* name;
    Graph graph;
    const char* text;
  };
  const Value x = activation({1, 2}, {0, 2});
  const Value image = activation({1, 1, 4, 4}, kInt8);
  Attributes bad_scale = sum_of(1, 1, 0);
  Attributes negative = sum_of(1, 1, -1);
  const Row rows[] = {
      {"the part of a table that is reached",
       graph_of("lookup", {{"first", int64_t{-1}}}, {x, constant({4}, {-128, 5, 7, 6})}),
       "int8[1, 2] in [5, 7]"},
      {"a table that is too short",
       graph_of("lookup", {{"first", int64_t{0}}}, {x, constant({2}, {5, 7})}),
       "x can lie in [0, 2], the table covers [0, 1]"},
      {"a table that starts too late",
       graph_of("lookup", {{"first", int64_t{1}}}, {x, constant({9}, std::vector<int64_t>(9, 1))}),
       "x can lie in [0, 2], the table covers [1, 9]"},
      {"a long table",
       graph_of("lookup", {{"first", int64_t{0}}},
                {x, constant({65537}, std::vector<int64_t>(65537, 1))}),
       "`table` has 65537 elements, at most 65536 are supported"},
      // (0 - 1) * 1 + (0 + 2) * 0.5 = 0 up to 1 + 2 = 3, in units of 0.5, plus 3.
      {"sum", graph_of("qadd", sum_of(1, 0.5, 0.5), {x, activation({2}, {0, 2})}),
       "int8[1, 2] in [3, 9]"},
      {"no scale", graph_of("qadd", bad_scale, {x, x}), "`scale` is 0, no scale"},
      {"a negative scale", graph_of("qadd", negative, {x, x}), "`scale` is -1, negative"},
      {"shapes", graph_of("qadd", sum_of(1, 1, 1), {x, activation({3}, kInt8)}),
       "the shapes [1, 2] and [3] do not broadcast: 2 against 3"},
      {"integer sums",
       graph_of("sum_pool", with(pool(2), {{"x_zero_point", int64_t{-8}}}), {image}),
       "int32[1, 1, 3, 3] in [-480, 540]"},
      {"padding adds nothing",
       graph_of("sum_pool", with(pool(2, 1, 1), {{"x_zero_point", int64_t{-200}}}), {image}),
       "int32[1, 1, 5, 5] in [0, 1308]"},
      {"sums of real numbers", graph_of("sum_pool", with(pool(2), {{"scale", 0.5}}), {image}),
       "float32[1, 1, 3, 3]"},
      {"a scale of real numbers",
       graph_of("sum_pool", with(pool(2), {{"scale", 0.5}}), {real_activation({1, 1, 4, 4})}),
       "x is float32, but `scale` is 0.5 and `x_zero_point` 0"},
      {"a negative scale of sums", graph_of("sum_pool", with(pool(2), {{"scale", -0.5}}), {image}),
       "`scale` is -0.5, no scale"},
      {"sums beyond int32",
       graph_of("sum_pool", pool(4), {activation({1, 1, 4, 4}, {0, 200000000})}),
       "the accumulator can reach 3,200,000,000, beyond int32"},
      {"an integer addend",
       graph_of("requant", float_requant(), {x, real_constant({}, {1.0f}), constant({}, {1})}),
       "`rounding` is 'float', which needs `add` in float32"},
      {"a float addend",
       graph_of("requant", float_requant(),
                {x, real_constant({}, {1.0f}), real_constant({2}, {0.75f, -7.0f})}),
       "int8[1, 2] in [-7, 3]"},
  };
  for (const Row& row : rows) EXPECT_EQ(text_of(test::infer(row.graph)), row.text) << row.name;
}

TEST(Quantised, ValuesByHand) {
  struct Row {
    const char* name;
    Graph graph;
    std::vector<std::vector<int64_t>> inputs;
    std::vector<int64_t> y;
  };
  const Row rows[] = {
      {"lookup",
       graph_of("lookup", {{"first", int64_t{-1}}},
                {activation({3}, {-1, 1}), constant({3}, {70, -5, 300})}),
       {{1, -1, 0}},
       {300, 70, -5}},
      // (x - 1) * 1 + (r + 2) * 0.5, over 2, halves to even, plus 3: 0.5, 1.5, 2.5.
      {"qadd",
       graph_of("qadd", sum_of(1, 0.5, 2), {activation({3}, kInt8), activation({1}, kInt8)}),
       {{1, 3, 5}, {0}},
       {3, 5, 5}},
      {"qadd of a difference",
       graph_of("qadd", sum_of(1, -0.5, 1), {activation({2}, kInt8), activation({2}, kInt8)}),
       {{1, 3}, {0, 2}},
       {2, 3}},
      {"sum_pool",
       graph_of("sum_pool", with(pool(2, 2, 1), {{"x_zero_point", int64_t{1}}}),
                {activation({1, 1, 2, 2}, kInt8)}),
       {{1, 2, 3, 4}},
       {0, 1, 2, 3}},
      // 0.5 + 0.75 = 1.25, 1.5 + 0.75 = 2.25, -0.5 - 1 = -1.5.
      {"requant with an addend",
       graph_of("requant", with(float_requant(), {{"axis", int64_t{0}}}),
                {activation({3}, kInt8), real_constant({}, {0.5f}),
                 real_constant({3}, {0.75f, 0.75f, -1.0f})}),
       {{1, 3, -1}},
       {1, 2, -2}},
  };
  for (const Row& row : rows) {
    const Graph graph = test::inferred(row.graph);
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < row.inputs.size(); ++i) {
      const TensorType& type = graph.value(graph.inputs[i]).type;
      inputs.push_back(Tensor::of(type.dtype, type.shape, row.inputs[i]));
    }
    const Result<std::vector<Tensor>> tensors = interpret(graph, inputs);
    ASSERT_TRUE(tensors.ok()) << row.name << ": " << test::errors_of(tensors);
    EXPECT_EQ(tensors->back().to_ints(), row.y) << row.name;
  }
}

}  // namespace
}  // namespace heddle
