// Integer transformers, lines, means and the chains between Div and Floor: what they become.
#include <gtest/gtest.h>

#include "unit/import/test_model.h"

namespace heddle {
namespace {

using namespace test;
using Ints = std::vector<int64_t>;

struct Case {
  const char* name;
  TestModel model;
  const char* expected;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Inputs x [1, 2, 4] and z [1, 4, 2] of int8; output y.
TestModel rows(std::vector<TestNode> nodes, std::vector<TestTensor> constants = {}) {
  return {.inputs = {{"x", {1, 2, 4}, kInt8}, {"z", {1, 4, 2}, kInt8}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes),
          .opset = 13};
}
TestModel image(std::vector<TestNode> nodes, std::vector<TestTensor> constants = {}) {
  return {.inputs = {{"x", {1, 2, 4, 4}, kInt8}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes),
          .opset = 13};
}

TestNode requantised(std::string x, std::string y) {
  return requant_shift(std::move(x), "m", "a", std::move(y), 16, 256, true);
}
const TestTensor kThree = scalar("m", 3);
const TestTensor kZero = scalar("a", 0);
const TestTensor kParameters = vec("w", {1, 2, 3, 4});

class Transformer : public testing::TestWithParam<Case> {};

TEST_P(Transformer, Becomes) {
  EXPECT_EQ(sketch(must_import(GetParam().model)), GetParam().expected);
}

const Case kCases[] = {
    {"MatMulOfTwo", rows({{"MatMul", {"x", "z"}, {"y"}}}), "matmul(x, z)\n"},
    {"MatMulOfAVector", rows({{"MatMul", {"x", "v"}, {"y"}}}, {vec("v", {1, 2, 3, 4})}),
     "matmul(x, w=[1, 2, 3, 4])\nflatten(matmul) axis=1\n"},
    {"ConstantTimesMatrix",
     rows({{"MatMul", {"v", "x"}, {"y"}}}, {{.name = "v", .dims = {1, 2}, .values = {5, 6}}}),
     "matmul(x=[5, 6], x)\n"},
    {"MulOfTwo", rows({{"Mul", {"x", "x"}, {"y"}}}), "mul(x, x)\n"},
    {"AddOfAMatrix",
     rows({{"Add", {"w", "x"}, {"y"}}},
          {{.name = "w", .dims = {2, 4}, .values = std::vector<double>(8, 1)}}),
     "add(x, residual=[1, 1, 1, 1, 1, 1, 1, 1])\n"},
    {"SubOfAMatrix",
     rows({{"Sub", {"x", "w"}, {"y"}}},
          {{.name = "w", .dims = {2, 4}, .values = std::vector<double>(8, 1)}}),
     "add(x, residual=[-1, -1, -1, -1, -1, -1, -1, -1])\n"},
    {"RMSNorm",
     rows({{"iRMSNorm",
            {"x", "w"},
            {"y"},
            {{"D", int64_t{16}}, {"n_levels", int64_t{256}}},
            "",
            "any"}},
          {kParameters}),
     "i_rms_norm(x, weights=[1, 2, 3, 4]) hi=127 lo=-128 shift=4\n"},
    {"LayerNorm",
     rows({{"iLayerNorm", {"x", "w", "m"}, {"y"}, {{"D", vec("", {16})}, {"n_levels", 256.0}}}},
          {kParameters, kThree}),
     "i_layer_norm(x, weights=[1, 2, 3, 4], bias=[3, 3, 3, 3]) hi=127 lo=-128 shift=4\n"},
    {"NoNorm",
     rows({{"iNoNorm",
            {"x", "w", "a"},
            {"y"},
            {{"D", int64_t{16}}, {"mul", int64_t{3}}, {"n_levels", int64_t{256}}}}},
          {kParameters, vec("a", {1, 0, 0, 2})}),
     "requant(x, mul=[3, 6, 9, 12], add=[3, 0, 0, 6]) axis=2 hi=127 lo=-128 rounding=floor "
     "shift=4\n"},
    {"Gelu", rows({{"iGELU", {"x"}, {"y"}, {{"b", int64_t{-40}}, {"one", int64_t{1743}}}}}),
     "i_gelu(x) b=-40 one=1743\n"},
    {"Hardswish",
     rows({{"iHardswish",
            {"x"},
            {"y"},
            {{"one_over_six", int64_t{33}}, {"six", int64_t{1530}}, {"three", int64_t{765}}}}}),
     "i_hardswish(x) one_over_six=33 six=1530 three=765\n"},
    {"ItaMax", rows({{"ITAMax", {"x"}, {"y"}, {{"n_levels", vec("", {256})}}}}),
     "ita_max(x) levels=256\n"},
    {"ItaPartialMax",
     rows({{"ITAPartialMax",
            {"x"},
            {"y"},
            {{"n_levels", vec("", {256})}, {"group_width", int64_t{2}}}}}),
     "ita_partial_max(x) group=2 levels=256\n"},
    // 16384 * 200000 / 400001 = 8191; the requantisation behind it stays on its own.
    {"TrueIntegerDiv",
     rows({{"TrueIntegerDiv",
            {"x"},
            {"d"},
            {{"Delta", int64_t{16384}},
             {"eps", int64_t{1}},
             {"eta", int64_t{200000}},
             {"y", int64_t{2}}}},
           requantised("d", "y")},
          {kThree, kZero}),
     "requant(x, mul=[8191]) axis=1 hi=1040257 lo=-1048448 rounding=floor\n"
     "requant(requant, mul=[3]) axis=1 hi=127 lo=-128 rounding=half_up shift=4\n"},
    {"TrueIntegerDivOfTwo",
     rows({{"Relu", {"z"}, {"r"}},
           {"Reshape", {"r", "s"}, {"v"}},
           {"TrueIntegerDiv",
            {"x", "v"},
            {"y"},
            {{"Delta", int64_t{10}}, {"eps", int64_t{1}}, {"eta", int64_t{2}}}}},
          {int64s("s", {1, 2, 4})}),
     "reshape(z) shape=[1, 2, 4]\ntrue_div(x, reshape) delta=10 eps=1 eta=2\n"},
    {"Mean", rows({{"IntegerMean", {"x"}, {"y"}, {{"axes", Ints{-2}}, {"keepdims", int64_t{0}}}}}),
     "mean(x) axes=[1]\nflatten(mean) axis=1\n"},
    {"MeanOfAll", rows({{"IntegerMean", {"x"}, {"y"}}}), "mean(x) axes=[0, 1, 2]\n"},
    // The reshape of a product of three dimensions moves behind what fuses with the product.
    {"ProductOfThreeDimensions",
     rows({{"MatMul", {"x", "w"}, {"p"}}, {"Add", {"b", "p"}, {"s"}}, requantised("s", "y")},
          {{.name = "w", .dims = {4, 2}, .values = {1, 2, 3, 4, 5, 6, 7, 8}},
           vec("b", {7, 8}),
           kThree,
           kZero}),
     "reshape(x) shape=[2, 4]\ndense(reshape, weights=[1, 3, 5, 7, 2, 4, 6, 8])\n"
     "bias_add(dense, bias=[7, 8]) axis=1\n"
     "requant(bias_add, mul=[3]) axis=1 hi=127 lo=-128 rounding=half_up shift=4\n"
     "reshape(requant) shape=[1, 2, 2]\n"},
    {"ConvOfALine",
     rows({{"Conv", {"x", "w"}, {"c"}, {{"pads", Ints{1, 0}}}}, requantised("c", "y")},
          {{.name = "w", .dims = {1, 2, 2}, .values = {1, 2, 3, 4}}, kThree, kZero}),
     "reshape(x) shape=[1, 2, 1, 4]\n"
     "conv2d(reshape, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 pad_left=1 "
     "stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[3]) axis=1 hi=127 lo=-128 rounding=half_up shift=4\n"
     "reshape(requant) shape=[1, 1, 4]\n"},
    {"RequantShiftOfALine",
     rows({requant_shift("x", "m", "a", "y", 16, 256, true)},
          {{.name = "m", .dims = {2, 1}, .values = {2, 3}}, kZero}),
     "requant(x, mul=[2, 3]) axis=1 hi=127 lo=-128 rounding=half_up shift=4\n"},
    // DIANA's analog array: the converter's step and 6 bits, then scale and shift.
    {"Adc",
     image({{"Conv", {"x", "w"}, {"c"}},
            {"Div", {"c", "step"}, {"d"}},
            {"Floor", {"d"}, {"f"}},
            {"Clip", {"f", "low", "high"}, {"converted"}},
            {"Mul", {"converted", "m"}, {"p"}},
            {"Add", {"p", "a"}, {"s"}},
            {"Div", {"s", "step"}, {"q"}},
            {"Floor", {"q"}, {"g"}},
            {"Clip", {"g", "lo", "hi"}, {"y"}}},
           {{.name = "w", .dims = {1, 2, 1, 1}, .values = {1, -1}},
            scalar("step", 4),
            scalar("low", -32),
            scalar("high", 31),
            scalar("m", 3),
            scalar("a", 2),
            scalar("lo", -128),
            scalar("hi", 127)}),
     "conv2d(x, weights=[1, -1]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d) axis=1 hi=31 lo=-32 rounding=shift shift=2\n"
     "requant(requant, mul=[3], add=[2]) axis=1 hi=127 lo=-128 rounding=floor shift=2\n"},
    // sum / 4, times 3, plus 1, floored: (sum * 3 + 4) >> 2.
    {"AverageThenFloor",
     image({{"AveragePool", {"x"}, {"p"}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}},
            {"Mul", {"p", "m"}, {"q"}},
            {"Add", {"q", "one"}, {"s"}},
            {"Floor", {"s"}, {"y"}}},
           {kThree, scalar("one", 1)}),
     "depthwise_conv2d(x, weights=[1, 1, 1, 1, 1, 1, 1, 1]) dilation_h=1 dilation_w=1 stride_h=2 "
     "stride_w=2\n"
     "requant(depthwise_conv2d, mul=[3], add=[4]) axis=1 hi=382 lo=-383 rounding=floor shift=2\n"},
};
INSTANTIATE_TEST_SUITE_P(Operators, Transformer, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Inputs, Int32BeforeAProductIsNarrower) {
  TestModel model = rows({{"MatMul", {"x", "z"}, {"y"}}});
  for (TestInput& input : model.inputs) input.type = kInt32;
  const Graph graph = must_import(model);
  EXPECT_EQ(graph.value(graph.inputs[0]).type.range, (Range{-128, 255}));
  EXPECT_NE(dump(graph).find("nothing bounds it"), std::string::npos);
}

TEST(Inputs, EmptyOnesAreLeftOut) {
  TestModel model = rows({{"iGELU", {"x"}, {"y"}, {{"b", int64_t{-40}}, {"one", int64_t{1743}}}}});
  model.inputs[1].dims = {1, 0, 2};
  const Graph graph = must_import(model);
  EXPECT_EQ(graph.inputs.size(), 1u);
  EXPECT_NE(dump(graph).find("input `z` of shape [1, 0, 2] has no elements: it is left out"),
            std::string::npos);
}

TEST(Rejects, Attributes) {
  const auto refused = [](TestNode node, std::vector<TestTensor> constants = {}) {
    return errors_of(rows({std::move(node)}, std::move(constants)));
  };
  EXPECT_NE(refused({"iGELU", {"x"}, {"y"}, {{"b", int64_t{-40}}}})
                .find("y (iGELU): error: attribute `one` is missing"),
            std::string::npos);
  EXPECT_NE(
      refused({"iRMSNorm", {"x", "w"}, {"y"}, {{"D", int64_t{5}}, {"n_levels", int64_t{256}}}},
              {kParameters})
          .find("`D` is 5, not a power of two"),
      std::string::npos);
  EXPECT_NE(
      refused({"iRMSNorm", {"x", "w"}, {"y"}, {{"D", int64_t{4}}, {"n_levels", int64_t{256}}}},
              {vec("w", {1, 2})})
          .find("constant `w` has 2 elements, the rows of its input 4"),
      std::string::npos);
  EXPECT_NE(
      refused(
          {"TrueIntegerDiv",
           {"x"},
           {"y"},
           {{"Delta", int64_t{1}}, {"eta", int64_t{1}}, {"eps", int64_t{0}}, {"y", int64_t{0}}}})
          .find("`eta` * y + `eps` with eta 1 and y 0 is no positive 64-bit number"),
      std::string::npos);
}

}  // namespace
}  // namespace heddle
