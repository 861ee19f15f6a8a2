#include "compile/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace heddle {
namespace {

using testing::HasSubstr;

Tensor reals(Shape shape, const std::vector<float>& values) {
  Tensor tensor(DType::float32, std::move(shape));
  for (size_t i = 0; i < values.size(); ++i) tensor.set_float(static_cast<int64_t>(i), values[i]);
  return tensor;
}

Tensor integers(Shape shape, const std::vector<int64_t>& values) {
  return Tensor::of(DType::int64, std::move(shape), values);
}

// A network that is one output of n elements.
Graph one_output(DType dtype, int64_t n, std::optional<Quantisation> quantisation = {}) {
  Graph graph;
  Value value;
  value.name = "y";
  value.type = {dtype, {1, n}, dtype == DType::float32 ? Range{} : range_of(dtype)};
  value.quantisation = quantisation;
  graph.inputs = graph.outputs = {graph.add_value(std::move(value))};
  return graph;
}

// y = dequantize(x) with scale 0.5, and a reshape behind it.
Graph dequantised(int64_t n) {
  Graph graph;
  const auto add = [&](const char* name, DType dtype, std::optional<Tensor> constant = {}) {
    Value value;
    value.name = name;
    value.type = {dtype, {1, n}, {}};
    value.constant = std::move(constant);
    return graph.add_value(std::move(value));
  };
  const ValueId x = add("x", DType::int8);
  const ValueId scale = add("scale", DType::float32, reals({1}, {0.5f}));
  const ValueId y = add("y", DType::float32);
  const ValueId z = add("z", DType::float32);
  graph.add_node({"d", "dequantize", {}, {x, scale}, y});
  graph.add_node({"r", "reshape", {}, {y}, z});
  graph.inputs = {x};
  graph.outputs = {z};
  return graph;
}

Comparison compared(const Graph& graph, const Tensor& got, const Tensor& expected,
                    const Criterion& criterion = {}) {
  Result<Comparison> comparison = compare_outputs(graph, {{got}}, {{expected}}, criterion);
  HEDDLE_CHECK(comparison.ok(), format_diagnostics(comparison.errors()));
  return *comparison;
}

std::string refusal(const Graph& graph, const Tensor& got, const Tensor& expected,
                    const Criterion& criterion) {
  Result<Comparison> comparison = compare_outputs(graph, {{got}}, {{expected}}, criterion);
  return comparison.ok() ? "compared" : format_diagnostics(comparison.errors());
}

TEST(Compare, NamesTheFirstElementThatDiffers) {
  const Tensor expected = Tensor::of(DType::int32, {2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_FALSE(compare("layer a", 0, expected, expected).has_value());
  const std::optional<Divergence> found =
      compare("layer a", 7, expected, Tensor::of(DType::int32, {2, 3}, {0, 1, 2, 3, 9, 8}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(to_string(*found), "layer a: sample 7, element [1, 1]: 4 expected, got 9");
}

TEST(Compare, TypesMayDifferValuesMayNot) {
  EXPECT_FALSE(compare("a", 0, integers({2}, {-1, 5}), Tensor::of(DType::int8, {2}, {-1, 5})));
  EXPECT_TRUE(
      compare("a", 0, Tensor::of(DType::int8, {1}, {-1}), Tensor::of(DType::uint8, {1}, {255})));
  EXPECT_FALSE(compare("a", 0, reals({1}, {5}), integers({1}, {5})));
  EXPECT_TRUE(compare("a", 0, reals({1}, {5.5f}), integers({1}, {5})));
}

TEST(Compare, FloatsAreEqualBitForBitAndNaNsAreAlike) {
  EXPECT_FALSE(compare("a", 0, reals({2}, {0.1f, NAN}), reals({2}, {0.1f, -NAN})));
  EXPECT_TRUE(compare("a", 0, reals({1}, {0.0f}), reals({1}, {-0.0f})));
  const auto found = compare("a", 0, reals({1}, {1}), reals({1}, {std::nextafter(1.0f, 2.0f)}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(to_string(*found), "a: sample 0, element [0]: 1 expected, got 1.0000001");
}

TEST(Compare, ADifferentSizeIsADivergence) {
  const std::optional<Divergence> found =
      compare("a", 0, Tensor(DType::int8, {4}), Tensor(DType::int8, {3}));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(to_string(*found), "a: sample 0 has 3 elements, 4 expected");
}

TEST(Outputs, ExactIntegersAndTheirMetrics) {
  const Graph graph = one_output(DType::int8, 6);
  const Tensor got = Tensor::of(DType::int8, {1, 6}, {9, 1, 2, 3, 4, 5});
  const Comparison equal = compared(graph, got, integers({1, 6}, {9, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(equal.ok());
  EXPECT_EQ(equal.exact, 1);
  EXPECT_EQ(equal.outputs[0].differing, 0);
  EXPECT_EQ(equal.outputs[0].top_1, 1);
  EXPECT_EQ(equal.outputs[0].top_5, 1);
  EXPECT_DOUBLE_EQ(equal.outputs[0].cosine, 1);

  const Comparison other = compared(graph, got, integers({1, 6}, {0, 1, 2, 3, 7, 5}));
  EXPECT_FALSE(other.ok());
  EXPECT_EQ(to_string(*other.first), "output y: sample 0, element [0, 0]: 0 expected, got 9");
  EXPECT_EQ(other.outputs[0].differing, 2);
  EXPECT_EQ(other.outputs[0].largest, 9);
  EXPECT_DOUBLE_EQ(other.outputs[0].rmse, std::sqrt((81.0 + 9) / 6));
  EXPECT_DOUBLE_EQ(other.outputs[0].cosine, (1 + 4 + 9 + 28 + 25) / std::sqrt(136.0 * 88));
  EXPECT_EQ(other.outputs[0].top_1, 0);
  EXPECT_EQ(other.outputs[0].top_5, 0.8);
}

TEST(Outputs, LsbsAndTheirShare) {
  const Graph graph = one_output(DType::int8, 4);
  const Tensor got = Tensor::of(DType::int8, {1, 4}, {0, 1, 2, 3});
  const Tensor expected = integers({1, 4}, {0, 1, 3, 3});
  EXPECT_TRUE(compared(graph, got, expected, {.max_lsb = 1}).ok());
  EXPECT_TRUE(compared(graph, got, expected, {.max_lsb = 1, .max_fraction = 0.25}).ok());
  const Comparison often = compared(graph, got, expected, {.max_lsb = 1, .max_fraction = 0.2});
  EXPECT_FALSE(often.ok());
  EXPECT_EQ(often.criterion, "at most 1 LSB on at most 20 % of the elements");
  EXPECT_EQ(to_string(*often.first), "output y: sample 0, element [0, 2]: 3 expected, got 2");
  const Comparison far = compared(graph, got, integers({1, 4}, {1, 1, 2, 5}), {.max_lsb = 1});
  EXPECT_FALSE(far.ok());
  EXPECT_EQ(to_string(*far.first), "output y: sample 0, element [0, 3]: 5 expected, got 3");
}

TEST(Outputs, ExpectedRealsAreQuantised) {
  const Graph graph = one_output(DType::int8, 3, Quantisation{0.5, -128});
  const Tensor got = Tensor::of(DType::int8, {1, 3}, {-128, -126, 127});
  EXPECT_TRUE(compared(graph, got, reals({1, 3}, {0, 1.01f, 1000})).ok());
  const Comparison comparison = compared(graph, got, reals({1, 3}, {0, 2, 1000}));
  EXPECT_EQ(to_string(*comparison.first),
            "output y: sample 0, element [0, 1]: -124 expected, got -126");
  EXPECT_THAT(refusal(one_output(DType::int8, 3), got, reals({1, 3}, {0, 0.5f, 1}), {}),
              HasSubstr("real numbers are expected of output `y`, an integer without a scale"));
}

TEST(Outputs, AToleranceComparesReals) {
  const Graph graph = one_output(DType::int8, 3, Quantisation{0.5, -128});
  const Tensor got = Tensor::of(DType::int8, {1, 3}, {-128, -126, 72});  // 0, 1, 100
  EXPECT_TRUE(compared(graph, got, reals({1, 3}, {0, 1.0009f, 100}), {.tolerance = 1e-5}).ok());
  EXPECT_FALSE(compared(graph, got, reals({1, 3}, {0, 1.0011f, 100}), {.tolerance = 1e-5}).ok());
  EXPECT_TRUE(compared(graph, got, integers({1, 3}, {-128, -126, 72}), {.tolerance = 0}).ok());
  EXPECT_THAT(refusal(one_output(DType::int8, 3), got, got, {.tolerance = 1e-5}),
              HasSubstr("a tolerance for output `y`, an integer without a scale"));
  const Graph floats = one_output(DType::float32, 2);
  const Tensor y = reals({1, 2}, {1, -200});
  EXPECT_FALSE(compared(floats, y, reals({1, 2}, {1.001f, -200})).ok());
  EXPECT_TRUE(compared(floats, y, reals({1, 2}, {1.001f, -200}), {.tolerance = 1e-5}).ok());
  EXPECT_FALSE(compared(floats, y, reals({1, 2}, {NAN, -200}), {.tolerance = 1e-5}).ok());
  EXPECT_TRUE(
      compared(floats, reals({1, 2}, {NAN, INFINITY}), reals({1, 2}, {NAN, INFINITY})).ok());
}

TEST(Outputs, AStepOfADequantisedOutputIsItsScale) {
  const Graph graph = dequantised(2);
  const Tensor got = reals({1, 2}, {1, 1.5f});
  EXPECT_TRUE(compared(graph, got, reals({1, 2}, {1, 2}), {.max_lsb = 1}).ok());
  EXPECT_FALSE(compared(graph, got, reals({1, 2}, {1, 2.5f}), {.max_lsb = 1}).ok());
  EXPECT_EQ(compared(graph, got, reals({1, 2}, {1, 1.5000001f}), {.max_lsb = 0}).exact, 1);
  EXPECT_THAT(refusal(one_output(DType::float32, 2), got, got, {.max_lsb = 1}),
              HasSubstr("`--max-lsb` for output `y`, which is float32 and no dequantised integer"));
}

}  // namespace
}  // namespace heddle
