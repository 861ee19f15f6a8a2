// QONNX: the values of Quant, BipolarQuant and Trunc by the formulas of its specification, weights
// on their grid, and what is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/op.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

const std::vector<int64_t> kRow = {1, 16};

struct Parameters {
  double scale = 1;
  double zero_point = 0;
  double bits = 8;
  int64_t is_signed = 1;
  int64_t narrow = 0;
  std::string rounding = "ROUND";
};

TestNode quant_node(std::string x, std::string y, const Parameters& p) {
  return {"Quant", {std::move(x), y + "_scale", y + "_zero_point", y + "_bits"},
          {y},     {{"signed", p.is_signed}, {"narrow", p.narrow}, {"rounding_mode", p.rounding}},
          y,       "qonnx.custom_op.general"};
}
std::vector<TestTensor> quant_constants(const std::string& y, const Parameters& p) {
  return {scalar(y + "_scale", p.scale), scalar(y + "_zero_point", p.zero_point),
          scalar(y + "_bits", p.bits)};
}

TestModel quantised_row(const Parameters& p) {
  return {.inputs = {{"x", kRow}},
          .outputs = {"y"},
          .constants = quant_constants("y", p),
          .nodes = {quant_node("x", "y", p)}};
}

std::vector<float> run(const TestModel& model, const std::vector<float>& x) {
  const Graph graph = must_import(model);
  const Tensor input = Tensor::of_floats(graph.value(graph.inputs[0]).type.shape, x);
  Result<std::vector<Tensor>> values = interpret(graph, {&input, 1});
  EXPECT_TRUE(values.ok());
  return (*values)[static_cast<size_t>(graph.outputs[0].index)].to_floats();
}

// Ties, signs, bounds and beyond.
const std::vector<float> kReals = {-200.0f, -3.5f, -2.5f, -2.0f, -1.25f, -0.75f, -0.5f, -0.25f,
                                   0.0f,    0.25f, 0.5f,  0.75f, 1.25f,  2.5f,   3.5f,  200.0f};

double rounded(const std::string& mode, double x) {
  if (mode == "FLOOR") return std::floor(x);
  if (mode == "CEIL") return std::ceil(x);
  if (mode == "DOWN") return std::trunc(x);
  if (mode == "HALF_UP") return std::round(x);
  return std::nearbyint(x);
}

// As the specification says it: integers between bounds of 2 to the number of bits.
float expected(float x, const Parameters& p) {
  const double levels = std::exp2(p.bits);
  double lo = p.is_signed != 0 ? -levels / 2 : 0, hi = lo + levels - 1;
  if (p.narrow != 0) p.is_signed != 0 ? ++lo : --hi;
  double q = x / p.scale + p.zero_point;
  if (p.bits == 1 && p.is_signed != 0) {
    q = q >= 0 ? 1 : -1;
  } else {
    q = rounded(p.rounding, std::min(std::max(q, lo), hi));
  }
  return static_cast<float>((q - p.zero_point) * p.scale);
}

std::vector<float> all_expected(const Parameters& p) {
  std::vector<float> y;
  for (float x : kReals) y.push_back(expected(x, p));
  return y;
}

TEST(Qonnx, EveryBitWidthSignAndRange) {
  for (double bits = 1; bits <= 8; ++bits) {
    for (const int64_t is_signed : {0, 1}) {
      for (const int64_t narrow : {0, 1}) {
        if (bits == 1 && is_signed == 0 && narrow == 1) continue;
        const Parameters p{.scale = 0.5, .bits = bits, .is_signed = is_signed, .narrow = narrow};
        EXPECT_EQ(run(quantised_row(p), kReals), all_expected(p))
            << bits << " bits, signed " << is_signed << ", narrow " << narrow;
      }
    }
  }
}

TEST(Qonnx, EveryRoundingAndZeroPoint) {
  for (const char* rounding : {"ROUND", "FLOOR", "CEIL", "DOWN", "HALF_UP"}) {
    for (const double zero_point : {0.0, 3.0, 4.0, -7.0}) {
      const Parameters p{.scale = 0.5, .zero_point = zero_point, .rounding = rounding};
      EXPECT_EQ(run(quantised_row(p), kReals), all_expected(p)) << rounding << " " << zero_point;
    }
  }
}

TEST(Qonnx, BipolarQuantIsTheSignOfX) {
  TestModel model{.inputs = {{"x", kRow}},
                  .outputs = {"y"},
                  .constants = {scalar("s", 0.75)},
                  .nodes = {{"BipolarQuant", {"x", "s"}, {"y"}}}};
  std::vector<float> signs;
  for (float x : kReals) signs.push_back(x >= 0 ? 0.75f : -0.75f);
  EXPECT_EQ(run(model, kReals), signs);
}

TEST(Qonnx, TruncShiftsAndKeepsTheScale) {
  for (const char* rounding : {"FLOOR", "CEIL", "ROUND", "DOWN"}) {
    const TestModel model{
        .inputs = {{"x", kRow}},
        .outputs = {"y"},
        .constants = {scalar("s", 0.25), scalar("z", 0), scalar("i", 8), scalar("o", 6)},
        .nodes = {{"Trunc",
                   {"x", "s", "z", "i", "o"},
                   {"y"},
                   {{"rounding_mode", std::string(rounding)}}}}};
    std::vector<float> x = kReals, y;
    x.front() = -30, x.back() = 30;
    for (float v : x)
      y.push_back(static_cast<float>(rounded(rounding, std::nearbyint(v / 0.25) / 4) * 0.25));
    EXPECT_EQ(run(model, x), y) << rounding;
  }
}

// ---- weights

TestModel convolution(const Parameters& p, std::vector<double> scales = {}) {
  TestModel model{.inputs = {{"x", {1, 2, 4, 4}}}, .outputs = {"y"}};
  model.constants = quant_constants("w", p);
  if (!scales.empty())
    model.constants[0] = {
        .name = "w_scale", .dims = {std::ssize(scales), 1, 1, 1}, .values = scales};
  const std::vector<double> values = {-2, -0.3, 0.1, 0.6};
  model.constants.push_back({.name = "v", .dims = {2, 2, 1, 1}, .values = values});
  const Parameters in{.scale = 0.125};
  for (TestTensor& constant : quant_constants("q", in)) model.constants.push_back(constant);
  model.nodes = {quant_node("x", "q", in), quant_node("v", "w", p), {"Conv", {"q", "w"}, {"y"}}};
  return model;
}

// The constant that the first convolution multiplies with.
std::vector<int64_t> weights_of(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.op == "conv2d" && graph.value(node.inputs[1]).type.dtype != DType::float32)
      return graph.value(node.inputs[1]).constant->to_ints();
  }
  return {};
}

TEST(Qonnx, WeightsBecomeIntegers) {
  using Ints = std::vector<int64_t>;
  EXPECT_EQ(weights_of(must_import(convolution({.scale = 0.5, .bits = 2, .narrow = 1}))),
            (Ints{-1, -1, 0, 1}));
  EXPECT_EQ(weights_of(must_import(convolution({.scale = 0.5, .bits = 1}))), (Ints{-1, -1, 1, 1}));
  EXPECT_EQ(weights_of(must_import(convolution({.scale = 0.25, .bits = 3}))), (Ints{-4, -1, 0, 2}));
  EXPECT_EQ(weights_of(must_import(convolution({.bits = 8}, {0.1, 0.05}))), (Ints{-20, -3, 2, 12}));
}

// ---- refused

TEST(Qonnx, WrongParametersAreRefusedWithTheirReason) {
  const auto expect = [](const TestModel& model, const char* message) {
    EXPECT_NE(errors_of(model).find(message), std::string::npos) << errors_of(model);
  };
  for (const double bits : {0.0, 33.0, 2.5, -1.0}) {
    expect(quantised_row({.bits = bits}),
           fmt::format("the bit width `y_bits` is {}: whole numbers from 1 to 32", bits).c_str());
  }
  expect(quantised_row({.scale = 0}), "scale `y_scale` is 0, not a positive number");
  expect(quantised_row({.scale = -1}), "is -1, not a positive number");
  expect(quantised_row({.zero_point = 0.5}),
         "the zero point `y_zero_point` is not one whole number");
  expect(quantised_row({.rounding = "DICE"}), "`rounding_mode` is `DICE`, not one of ROUND");
  expect(quantised_row({.rounding = "UP"}), "activations are not rounded by UP");
  expect(quantised_row({.bits = 1, .is_signed = 0, .narrow = 1}), "holds nothing but 0");
  expect(convolution({}, {1, 2, 3}), "shape [3, 1, 1, 1], which does not vary along one dimension");
  TestModel computed = quantised_row({});
  computed.constants.erase(computed.constants.begin());
  computed.inputs.push_back({"y_scale", {1}});
  expect(computed, "must be constant");
  const TestModel widened{
      .inputs = {{"x", kRow}},
      .outputs = {"y"},
      .constants = {scalar("s", 0.25), scalar("z", 0), scalar("i", 6), scalar("o", 8)},
      .nodes = {{"Trunc", {"x", "s", "z", "i", "o"}, {"y"}}}};
  expect(widened, "it would shift by -2 bits");
}

}  // namespace
}  // namespace heddle::test
