// Models of a few nodes and what becomes of them.
#include <gtest/gtest.h>

#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

struct Case {
  const char* name;
  TestModel model;
  const char* expected;  // sketch()
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// x [1, 2, 4, 4] through these nodes to y.
TestModel image(std::vector<TestNode> nodes, std::vector<TestTensor> constants,
                int64_t opset = 13) {
  return {.inputs = {{"x", {1, 2, 4, 4}}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes),
          .opset = opset};
}
// The same for x [1, 2].
TestModel row(std::vector<TestNode> nodes, std::vector<TestTensor> constants, int64_t opset = 13) {
  TestModel model = image(std::move(nodes), std::move(constants), opset);
  model.inputs = {{"x", {1, 2}}};
  return model;
}

const TestTensor kKernel{.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 3, 4}};
const TestTensor kDepthwise{.name = "w", .dims = {2, 1, 1, 1}, .values = {5, -6}};
const TestTensor kMatrix{.name = "w", .dims = {2, 2}, .values = {1, 2, 3, 4}};
const TestTensor kColumn{.name = "m", .dims = {2, 1, 1}, .values = {2, 4}};

TestNode conv(std::string x = "x", std::string y = "y") {
  return {"Conv", {std::move(x), "w"}, {std::move(y)}};
}
TestNode matmul(std::string y) { return {"MatMul", {"x", "w"}, {std::move(y)}}; }

class Imported : public testing::TestWithParam<Case> {};

TEST_P(Imported, AsExpected) {
  EXPECT_EQ(sketch(must_import(GetParam().model)), GetParam().expected);
}

const Case kLayers[] = {
    {"Conv", image({conv()}, {kKernel}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"},
    {"ConvBias", image({{"Conv", {"x", "w", "b"}, {"y"}}}, {kKernel, vec("b", {7, 8})}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[7, 8]) axis=1\n"},
    {"ConvZeroBias", image({{"Conv", {"x", "w", "b"}, {"y"}}}, {kKernel, vec("b", {0, 0})}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"},
    {"Depthwise", image({{"Conv", {"x", "w"}, {"y"}, {{"group", int64_t{2}}}}}, {kDepthwise}),
     "depthwise_conv2d(x, weights=[5, -6]) dilation_h=1 dilation_w=1 stride_h=1 stride_w=1\n"},
    {"SameUpper",
     image({{"Conv",
             {"x", "w"},
             {"y"},
             {{"auto_pad", "SAME_UPPER"}, {"strides", std::vector<int64_t>{2, 3}}}}},
           {{.name = "w", .dims = {1, 2, 3, 2}, .values = std::vector<double>(12, 1)}}),
     "conv2d(x, weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]) dilation_h=1 dilation_w=1 group=1 "
     "pad_bottom=1 pad_right=1 stride_h=2 "
     "stride_w=3\n"},
    {"SameLower",
     image({{"Conv", {"x", "w"}, {"y"}, {{"auto_pad", "SAME_LOWER"}}}},
           {{.name = "w", .dims = {1, 2, 2, 1}, .values = {1, 1, 1, 1}}}),
     "conv2d(x, weights=[1, 1, 1, 1]) dilation_h=1 dilation_w=1 group=1 pad_top=1 stride_h=1 "
     "stride_w=1\n"},
    {"Gemm",
     row({{"Gemm", {"x", "w", "b"}, {"y"}, {{"transB", int64_t{1}}}}}, {kMatrix, vec("b", {5, 6})}),
     "dense(x, weights=[1, 2, 3, 4])\nbias_add(dense, bias=[5, 6]) axis=1\n"},
    {"GemmTransposes", row({{"Gemm", {"x", "w", "b"}, {"y"}}}, {kMatrix, scalar("b", 3)}),
     "dense(x, weights=[1, 3, 2, 4])\nbias_add(dense, bias=[3, 3]) axis=1\n"},
    {"MatMulAdd",
     row({matmul("p"), {"Add", {"b", "p"}, {"y"}}},
         {kMatrix, {.name = "b", .dims = {1, 2}, .values = {5, 6}}}),
     "dense(x, weights=[1, 3, 2, 4])\nbias_add(dense, bias=[5, 6]) axis=1\n"},
    {"MatMulOfThreeDimensions",
     {.inputs = {{"x", {1, 3, 2}}},
      .outputs = {"y"},
      .constants = {kMatrix},
      .nodes = {matmul("y")}},
     "reshape(x) shape=[3, 2]\ndense(reshape, weights=[1, 3, 2, 4])\nreshape(dense) shape=[1, 3, "
     "2]\n"},
    {"MaxPoolCeil",
     image({{"MaxPool",
             {"x"},
             {"y"},
             {{"kernel_shape", std::vector<int64_t>{3, 3}},
              {"strides", std::vector<int64_t>{2, 2}},
              {"ceil_mode", int64_t{1}}}}},
           {}),
     "max_pool(x) kernel_h=3 kernel_w=3 pad_bottom=1 pad_right=1 stride_h=2 stride_w=2\n"},
    {"GlobalMaxPool", image({{"GlobalMaxPool", {"x"}, {"y"}}}, {}),
     "max_pool(x) kernel_h=4 kernel_w=4 stride_h=1 stride_w=1\n"},
    {"IntegerMean",
     image({{"IntegerMean",
             {"x"},
             {"y"},
             {{"axes", std::vector<int64_t>{-2, -1}}, {"keepdims", int64_t{0}}},
             "",
             "PACTOps"}},
           {}),
     "global_average_pool(x)\nflatten(global_average_pool) axis=1\n"},
    {"AveragePoolOfPulp",
     image({{"AveragePool",
             {"x"},
             {"a"},
             {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"count_include_pad", int64_t{1}}}},
            requant_shift("a", "m", "zero", "y", 4, 256, true)},
           {scalar("m", 3), scalar("zero", 0)}),
     "average_pool(x) count_include_pad=1 kernel_h=2 kernel_w=2 stride_h=1 stride_w=1\n"
     "requant(average_pool, mul=[3]) axis=1 hi=127 lo=-128 rounding=half_up shift=2\n"},
    {"Softmax",
     image({{"iSoftmax",
             {"x"},
             {"y"},
             {{"coeffA", vec("", {1})},
              {"coeffB", vec("", {345})},
              {"coeffC", int64_t{62395}},
              {"log2", 255.0},
              {"n_levels", vec("", {256})}}}},
           {}),
     "i_softmax(x) coeff_a=1 coeff_b=345 coeff_c=62395 levels=256 log2=255\n"},
};
INSTANTIATE_TEST_SUITE_P(Layers, Imported, testing::ValuesIn(kLayers),
                         [](const auto& test) { return test.param.name; });

const TestTensor kTwo = scalar("two", 2);
const TestTensor kEight = scalar("eight", 8);
TestNode div8(std::string x, std::string y = "d") {
  return {"Div", {std::move(x), "eight"}, {std::move(y)}};
}
TestNode floor_to(std::string y) { return {"Floor", {"d"}, {std::move(y)}}; }
TestNode clip127(std::string x, std::string y) {
  return {"Clip", {std::move(x), "lo", "hi"}, {std::move(y)}};
}
const TestTensor kLo = scalar("lo", -128);
const TestTensor kHi = scalar("hi", 127);
const std::string kConv =
    "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n";

const Case kChains[] = {
    {"Shift",
     image({conv("x", "c"), div8("c"), floor_to("f"), clip127("f", "y")},
           {kKernel, kEight, kLo, kHi}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d) axis=1 hi=127 lo=-128 rounding=shift shift=3\n"},
    {"MulAdd",
     image(
         {conv("x", "c"),
          {"Mul", {"c", "m"}, {"p"}},
          {"Add", {"p", "two"}, {"s"}},
          div8("s"),
          floor_to("f"),
          clip127("f", "y")},
         {kKernel, {.name = "m", .dims = {1, 2, 1, 1}, .values = {3, 5}}, kTwo, kEight, kLo, kHi}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[3, 5], add=[2]) axis=1 hi=127 lo=-128 rounding=floor shift=3\n"},
    {"PowerOfTwoBecomesShift",
     image({conv("x", "c"),
            {"Mul", {"c", "two"}, {"p"}},
            {"Add", {"p", "m"}, {"s"}},
            div8("s"),
            floor_to("f"),
            clip127("f", "y")},
           {kKernel, kTwo, kColumn, kEight, kLo, kHi}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[1, 2]) axis=1\n"
     "requant(bias_add) axis=1 hi=127 lo=-128 rounding=shift shift=2\n"},
    {"DifferentPowersStay",
     image(
         {conv("x", "c"), {"Mul", {"c", "m"}, {"p"}}, div8("p"), floor_to("f"), clip127("f", "y")},
         {kKernel, kColumn, kEight, kLo, kHi}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[1, 2]) axis=1 hi=127 lo=-128 rounding=floor shift=2\n"},
    {"BiasOfTheLayerBeforeRequantShift",
     image({conv("x", "c"),
            {"Add", {"c", "b"}, {"s"}},
            requant_shift("s", "three", "zero", "y", 16, 256, false)},
           {kKernel,
            {.name = "b", .dims = {2, 1, 1}, .values = {9, 10}},
            scalar("three", 3),
            scalar("zero", 0)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[9, 10]) axis=1\n"
     "requant(bias_add, mul=[3]) axis=1 hi=255 rounding=half_up shift=4\n"},
    {"HalfUpBecomesShift",
     image({conv("x", "c"), requant_shift("c", "m", "zero", "y", 16, 256, true)},
           {kKernel, scalar("m", 4), scalar("zero", 12)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[5, 5]) axis=1\n"
     "requant(bias_add) axis=1 hi=127 lo=-128 rounding=shift shift=2\n"},
    {"HalfUpIntoAnExistingBias",
     image({{"Conv", {"x", "w", "b"}, {"c"}}, requant_shift("c", "m", "zero", "y", 16, 256, true)},
           {kKernel, vec("b", {7, 8}), scalar("m", 4), scalar("zero", 12)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[12, 13]) axis=1\n"
     "requant(bias_add) axis=1 hi=127 lo=-128 rounding=shift shift=2\n"},
    {"HalfUpOfASumStays",
     image({{"Add", {"x", "x"}, {"s"}}, requant_shift("s", "m", "zero", "y", 16, 256, true)},
           {scalar("m", 4), scalar("zero", 0)}),
     "add(x, x)\nrequant(add) axis=1 hi=127 lo=-128 rounding=half_up shift=2\n"},
    {"HalfUpWithoutShiftIsFloor",
     image({{"Add", {"x", "x"}, {"s"}}, requant_shift("s", "m", "zero", "y", 16, 256, true)},
           {scalar("m", 32), scalar("zero", 0)}),
     "add(x, x)\nrequant(add, mul=[2]) axis=1 hi=127 lo=-128 rounding=floor\n"},
    {"UnityVanishes",
     image({conv("x", "c"), requant_shift("c", "m", "zero", "y", 16, 65536, true)},
           {kKernel, scalar("m", 16), scalar("zero", 0)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"},
    {"UnityOfAnInputThatIsOutputStays",
     image({requant_shift("x", "m", "zero", "y", 16, 65536, true)},
           {scalar("m", 16), scalar("zero", 0)}),
     "requant(x) axis=1 hi=32767 lo=-32768 rounding=shift\n"},
    {"RequantChannelsOfNcw",
     {.inputs = {{"x", {1, 2, 5}}},
      .outputs = {"y"},
      .constants = {kColumn, scalar("zero", 1)},
      .nodes = {requant_shift("x", "m", "zero", "y", 1, 256, true)}},
     "requant(x, mul=[2, 4], add=[1]) axis=1 hi=127 lo=-128 rounding=floor\n"},
    {"ReluAndClipIntoBounds",
     image({conv("x", "c"),
            requant_shift("c", "m", "zero", "q", 16, 256, true),
            {"Relu", {"q"}, {"r"}},
            {"Clip", {"r", "lo", "six"}, {"y"}}},
           {kKernel, scalar("m", 3), scalar("zero", 0), kLo, scalar("six", 6)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[3]) axis=1 hi=6 rounding=half_up shift=4\n"},
    {"ReluOfASharedRequantStays",
     {.inputs = {{"x", {1, 2, 4, 4}}},
      .outputs = {"y"},
      .constants = {kTwo, scalar("m", 3), scalar("zero", 0)},
      .nodes = {requant_shift("x", "m", "zero", "q", 16, 256, true),
                {"Relu", {"q"}, {"r"}},
                {"Add", {"q", "r"}, {"y"}}}},
     "requant(x, mul=[3]) axis=1 hi=127 lo=-128 rounding=half_up "
     "shift=4\nrelu(requant)\nadd(requant, relu)\n"},
    {"ReluOfAnAccumulatorStays", image({conv("x", "c"), {"Relu", {"c"}, {"y"}}}, {kKernel}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 "
     "stride_w=1\nrelu(conv2d)\n"},
    {"ClipBeforeFloor",
     image({conv("x", "c"), div8("c", "e"), {"Relu", {"e"}, {"d"}}, floor_to("y")},
           {kKernel, kEight}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d) axis=1 hi=223 rounding=shift shift=3\n"},
    {"ClipAttributesOfOpset6",
     image({conv("x", "c"),
            div8("c"),
            floor_to("f"),
            {"Clip", {"f"}, {"y"}, {{"min", 0.0}, {"max", 255.0}}}},
           {kKernel, kEight}, 6),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d) axis=1 hi=255 rounding=shift shift=3\n"},
    {"SubtractedBias", image({conv("x", "c"), {"Sub", {"c", "m"}, {"y"}}}, {kKernel, kColumn}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[-2, -4]) axis=1\n"},
    {"MulIntoWeights",
     image({conv("x", "c"), {"Mul", {"c", "m"}, {"p"}}, {"Relu", {"p"}, {"y"}}},
           {kKernel, kColumn}),
     "conv2d(x, weights=[2, 4, 12, 16]) dilation_h=1 dilation_w=1 group=1 stride_h=1 "
     "stride_w=1\nrelu(conv2d)\n"},
    {"MulBeyondEightBitsIsARequant",
     image({conv("x", "c"), {"Mul", {"c", "m"}, {"p"}}, {"Relu", {"p"}, {"y"}}},
           {kKernel, scalar("m", 100)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[100]) axis=1 hi=178500 rounding=floor\n"},
    {"BatchNormIntoWeights",
     image({{"Conv", {"x", "w", "b"}, {"c"}},
            {"BatchNormalization",
             {"c", "scale", "shift", "mean", "var"},
             {"y"},
             {{"epsilon", 0.0}}}},
           {kKernel, vec("b", {1, 1}), vec("scale", {2, 6}), vec("shift", {10, 20}),
            vec("mean", {1, 2}), vec("var", {1, 4})}),
     "conv2d(x, weights=[2, 4, 9, 12]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[10, 17]) axis=1\n"},
    {"BatchNormIntoRequantShift",
     image(
         {conv("x", "c"),
          {"BatchNormalization", {"c", "scale", "shift", "mean", "var"}, {"n"}, {{"epsilon", 0.0}}},
          requant_shift("n", "k", "one", "y", 64, 256, true)},
         {kKernel, vec("scale", {3, 5}), vec("shift", {1, 0}), vec("mean", {0, 0}),
          vec("var", {1, 1}), scalar("k", 7), scalar("one", 1)}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d, mul=[21, 35], add=[8, 1]) axis=1 hi=127 lo=-128 rounding=half_up shift=6\n"},
    {"IntegerDivIsFloor",
     image({conv("x", "c"), {"Div", {"c", "e"}, {"y"}}},
           {kKernel, {.name = "e", .dims = {}, .values = {8}, .type = kInt32}}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "requant(conv2d) axis=1 hi=223 lo=-112 rounding=shift shift=3\n"},
    {"LegacyBroadcast",
     image({conv("x", "c"),
            {"Add", {"c", "b"}, {"y"}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}}}},
           {kKernel, vec("b", {3, 4})}, 6),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[3, 4]) axis=1\n"},
};
INSTANTIATE_TEST_SUITE_P(Chains, Imported, testing::ValuesIn(kChains),
                         [](const auto& test) { return test.param.name; });

const Case kViews[] = {
    {"ReshapeIsFlatten", image({{"Reshape", {"x", "s"}, {"y"}}}, {int64s("s", {-1, 32})}),
     "flatten(x) axis=1\n"},
    {"ReshapeAttribute",
     image({{"Reshape", {"x"}, {"y"}, {{"shape", std::vector<int64_t>{0, 8, -1}}}}}, {}, 1),
     "reshape(x) shape=[1, 8, 4]\n"},
    {"SqueezeUnsqueeze",
     image({{"Squeeze", {"x", "a"}, {"s"}}, {"Unsqueeze", {"s", "b"}, {"y"}}},
           {int64s("a", {0}), int64s("b", {-1})}),
     "reshape(x) shape=[2, 4, 4, 1]\n"},
    {"SqueezeAttribute",
     image({{"Squeeze", {"x"}, {"y"}, {{"axes", std::vector<int64_t>{0}}}}}, {}, 11),
     "reshape(x) shape=[2, 4, 4]\n"},
    {"ThereAndBack",
     image({{"Flatten", {"x"}, {"f"}}, {"Reshape", {"f", "s"}, {"r"}}, {"Relu", {"r"}, {"y"}}},
           {int64s("s", {1, 2, 4, 4})}),
     "relu(x)\n"},
    {"ShapeArithmetic",
     image({{"Shape", {"x"}, {"shape"}},
            {"Gather", {"shape", "zero"}, {"n"}},
            {"Unsqueeze", {"n", "first"}, {"nv"}},
            {"Concat", {"nv", "rest"}, {"target"}, {{"axis", int64_t{0}}}},
            {"Reshape", {"x", "target"}, {"y"}}},
           {{.name = "zero", .dims = {}, .values = {0}, .type = kInt64},
            int64s("first", {0}),
            int64s("rest", {-1})}),
     "flatten(x) axis=1\n"},
    {"TransposedWeights",
     row({{"Transpose", {"w"}, {"wt"}, {{"perm", std::vector<int64_t>{1, 0}}}},
          {"MatMul", {"x", "wt"}, {"y"}}},
         {kMatrix}),
     "dense(x, weights=[1, 2, 3, 4])\n"},
    {"PadOperand",
     image({{"Pad", {"x", "p", "v"}, {"y"}}},
           {int64s("p", {0, 0, 1, 2, 0, 0, 3, 0}), scalar("v", 5)}),
     "pad(x) pad_bottom=3 pad_left=2 pad_top=1 value=5\n"},
    {"PadChannels",
     image({{"Pad", {"x", "p"}, {"y"}}}, {int64s("p", {0, 1, 0, 0, 0, 2, 0, 0})}),
     "transpose(x) perm=[0, 2, 3, 1]\npad(transpose) pad_left=1 pad_right=2\n"
     "transpose(pad) perm=[0, 3, 1, 2]\n"},
    {"PadAttribute",
     image({{"Pad",
             {"x"},
             {"y"},
             {{"mode", "constant"},
              {"pads", std::vector<int64_t>{0, 0, 0, 1, 0, 0, 0, 0}},
              {"value", 0.0}}}},
           {}, 10),
     "pad(x) pad_left=1\n"},
    {"IdentityCastDropout",
     image({{"Identity", {"x"}, {"i"}},
            {"Dropout", {"i"}, {"d"}},
            conv("d", "c"),
            {"Cast", {"c"}, {"y"}, {{"to", int64_t{kInt32}}}}},
           {kKernel}),
     kConv.c_str()},
    {"ConstantNodeAndDeadNode",
     image({{"Constant", {}, {"w"}, {{"value", kKernel}}}, {"Relu", {"x"}, {"unused"}}, conv()},
           {}),
     kConv.c_str()},
    {"UnsortedNodes", image({{"Relu", {"c"}, {"y"}}, conv("x", "c")}, {kKernel}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 "
     "stride_w=1\nrelu(conv2d)\n"},
    {"ConstantsAreFolded",
     image({{"Relu", {"a"}, {"b"}},
            {"Mul", {"b", "two"}, {"bias"}},
            {"Conv", {"x", "w", "bias"}, {"y"}}},
           {kKernel, kTwo, vec("a", {-3, 5})}),
     "conv2d(x, weights=[1, 2, 3, 4]) dilation_h=1 dilation_w=1 group=1 stride_h=1 stride_w=1\n"
     "bias_add(conv2d, bias=[0, 10]) axis=1\n"},
};
INSTANTIATE_TEST_SUITE_P(Views, Imported, testing::ValuesIn(kViews),
                         [](const auto& test) { return test.param.name; });

// ---- inputs: what is known of their values

struct InputCase {
  const char* name;
  TestInput input;
  std::vector<TestNode> nodes;  // to "c"
  std::map<std::string, DType> options;
  TensorType expected;
  const char* note;  // "" none
};
void PrintTo(const InputCase& c, std::ostream* out) { *out << c.name; }

class Input : public testing::TestWithParam<InputCase> {};

TEST_P(Input, HasType) {
  InputCase c = GetParam();
  c.nodes.push_back({"MaxPool", {"c"}, {"y"}, {{"kernel_shape", std::vector<int64_t>{1, 2}}}});
  TestModel model{.inputs = {c.input},
                  .outputs = {"y"},
                  .constants = {scalar("zero", 0), scalar("seven", 7), scalar("thousand", 1000)},
                  .nodes = c.nodes};
  Graph graph = must_import(model, {c.options});
  EXPECT_EQ(graph.value(graph.inputs[0]).type, c.expected);
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.notes,
            c.note[0] == 0 ? std::vector<std::string>{} : std::vector<std::string>{c.note});
}

const TestNode kSame{"Identity", {"x"}, {"c"}};
const InputCase kInputs[] = {
    {"Assumed",
     {"x", {1, 1, 2, 2}},
     {kSame},
     {},
     {DType::int16, {1, 1, 2, 2}, {-128, 255}},
     "input `x`: nothing bounds it, values from -128 to 255 are assumed (--input-type x=uint8 or "
     "int8 says better)"},
    {"Option",
     {"x", {1, 1, 2, 2}},
     {kSame},
     {{"x", DType::uint8}},
     {DType::uint8, {1, 1, 2, 2}, {0, 255}},
     ""},
    {"RealOption",
     {"x", {1, 1, 2, 2}},
     {kSame},
     {{"x", DType::float32}},
     {DType::float32, {1, 1, 2, 2}, {}},
     ""},
    {"Declared",
     {"x", {1, 1, 2, 2}, kUint8},
     {kSame},
     {},
     {DType::uint8, {1, 1, 2, 2}, {0, 255}},
     ""},
    {"Bool", {"x", {1, 1, 2, 2}, kBool}, {kSame}, {}, {DType::uint8, {1, 1, 2, 2}, {0, 1}}, ""},
    {"Relu",
     {"x", {1, 1, 2, 2}},
     {{"Relu", {"x"}, {"c"}}},
     {},
     {DType::uint8, {1, 1, 2, 2}, {0, 255}},
     "input `x`: `c` bounds it, so it is uint8 of 0 to 255"},
    {"Clip",
     {"x", {1, 1, 2, 2}},
     {{"Clip", {"x", "zero", "seven"}, {"c"}}},
     {},
     {DType::int8, {1, 1, 2, 2}, {0, 7}},
     "input `x`: `c` bounds it, so it is int8 of 0 to 7"},
    {"WideClip",
     {"x", {1, 1, 2, 2}},
     {{"Clip", {"x", "zero", "thousand"}, {"c"}}},
     {},
     {DType::int16, {1, 1, 2, 2}, {0, 1000}},
     "input `x`: `c` bounds it, so it is int16 of 0 to 1000"},
    {"ClipOfDeclared",
     {"x", {1, 1, 2, 2}, kInt8},
     {{"Clip", {"x", "zero", "thousand"}, {"c"}}},
     {},
     {DType::int8, {1, 1, 2, 2}, {0, 127}},
     "input `x`: `c` bounds it, so it is int8 of 0 to 127"},
    {"OpenBatch",
     {"x", {-1, 1, 2, 2}, kInt8},
     {kSame},
     {},
     {DType::int8, {1, 1, 2, 2}, {-128, 127}},
     "input `x`: the batch dimension `unk__1` is taken as 1 (--bind unk__1=N)"},
    {"ZeroBatch",
     {"x", {0, 1, 2, 2}, kInt8},
     {kSame},
     {},
     {DType::int8, {1, 1, 2, 2}, {-128, 127}},
     "input `x`: the batch dimension `x[0]` is taken as 1 (--bind x[0]=N)"},
};
INSTANTIATE_TEST_SUITE_P(Inputs, Input, testing::ValuesIn(kInputs),
                         [](const auto& test) { return test.param.name; });

TEST(Onnx, ClipOfASharedInputStays) {
  TestModel model = image({{"Relu", {"x"}, {"r"}}, {"Add", {"x", "r"}, {"y"}}}, {});
  EXPECT_EQ(sketch(must_import(model)), "relu(x)\nadd(x, relu)\n");
}

TEST(Onnx, InitialiserListedAsInputIsAConstant) {
  TestModel model = image({conv()}, {kKernel});
  model.inputs.push_back({"w", {2, 2, 1, 1}});
  EXPECT_EQ(must_import(model).inputs.size(), 1u);
}

// Whatever encoding a constant has, it is the same constant.
TEST(Onnx, EncodingsOfConstants) {
  for (int32_t type : {kFloat, kDouble, kInt8, kUint8, kInt32, kInt64, kHalf}) {
    for (bool raw : {true, false}) {
      TestTensor weights = kKernel;
      weights.type = type;
      weights.raw = raw;
      if (type == kHalf) weights.values = {0x3c00, 0x4000, 0x4200, 0x4400};  // 1, 2, 3, 4
      TestModel model = image({conv()}, {weights});
      model.inputs[0].type = kInt8;
      EXPECT_EQ(sketch(must_import(model)), kConv) << type << raw;
    }
  }
}

// Foreign names stay as they are; whoever prints them escapes them.
TEST(Onnx, HostileNamesAreKept) {
  std::string evil = "*/ \n../\"$(x)" + std::string(10'000, 'a');
  TestModel model = image({{"Add", {"x", "x"}, {evil}}, {"Relu", {evil}, {"y"}, {}, evil}}, {});
  Graph graph = must_import(model);
  EXPECT_EQ(graph.nodes[0].name, evil);
  EXPECT_EQ(graph.nodes[1].name, evil);
  EXPECT_EQ(graph.value(graph.nodes[0].output).name, evil);
  model.nodes[1].op = "Foo\n";
  std::string errors = errors_of(model);
  EXPECT_LT(errors.size(), 1000u);
  EXPECT_NE(errors.find("operator `Foo\\x0A` is not supported"), std::string::npos) << errors;
}

TEST(Onnx, DumpOfASmallModel) {
  TestModel model = image({conv("x", "c"), div8("c"), floor_to("f"), clip127("f", "y")},
                          {kKernel, kEight, kLo, kHi});
  EXPECT_EQ(
      dump(must_import(model)),
      "graph \"test\"\n"
      "dialect integer ONNX, shift (Div, Floor, Clip)\n"
      "note input `x`: nothing bounds it, values from -128 to 255 are assumed (--input-type "
      "x=uint8 or int8 says better)\n"
      "note 1 of 1 requantisations are shift (x >> k, clip)\n"
      "value v0 \"x\" int16[1, 2, 4, 4] in [-128, 255]\n"
      "value v1 \"w\" int8[2, 2, 1, 1] in [1, 4] constant min 1 max 4 checksum be7a5e775165785d\n"
      "value v2 \"c\" int32[1, 2, 4, 4] in [-896, 1785]\n"
      "value v3 \"y\" int8[1, 2, 4, 4] in [-112, 127]\n"
      "node n0 conv2d \"c\": v2 = (v0, v1) dilation_h=1 dilation_w=1 group=1 pad_bottom=0 "
      "pad_left=0 pad_right=0 pad_top=0 "
      "stride_h=1 stride_w=1\n"
      "node n1 requant \"y\": v3 = (v2, -, -) axis=1 hi=127 lo=-128 rounding=\"shift\" shift=3\n"
      "inputs v0\noutputs v3\n");
}

TEST(Onnx, NotesOfReductions) {
  TestModel model = image({conv("x", "c"), requant_shift("c", "four", "zero", "q", 16, 256, true),
                           requant_shift("q", "three", "zero", "y", 16, 256, true)},
                          {kKernel, scalar("four", 4), scalar("three", 3), scalar("zero", 0)});
  model.inputs[0].type = kInt8;
  EXPECT_EQ(
      must_import(model).notes,
      (std::vector<std::string>{
          "1 of 2 requantisations stay half_up: multipliers such as 3/16 are no shift to the right",
          "1 of 2 requantisations reduced from half_up to shift"}));
}

}  // namespace
}  // namespace heddle::test
