// One model for every message that an import can end with.
#include <gtest/gtest.h>

#include "import/import.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

struct Reject {
  const char* name;
  TestModel model;
  std::vector<std::string> messages;  // all must occur
};
void PrintTo(const Reject& reject, std::ostream* out) { *out << reject.name; }

const TestTensor kKernel{.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 3, 4}};
const TestTensor kMatrix{.name = "w", .dims = {2, 2}, .values = {1, 2, 3, 4}};

using Ints = std::vector<int64_t>;

TestModel image(std::vector<TestNode> nodes, std::vector<TestTensor> constants = {}) {
  return {.inputs = {{"x", {1, 2, 4, 4}}},
          .outputs = {"y"},
          .constants = std::move(constants),
          .nodes = std::move(nodes)};
}
TestModel one(TestNode node, std::vector<TestTensor> constants = {}) {
  return image({std::move(node)}, std::move(constants));
}
TestModel row(TestNode node, std::vector<TestTensor> constants) {
  TestModel model = one(std::move(node), std::move(constants));
  model.inputs = {{"x", {1, 2}}};
  return model;
}
TestModel with_input(TestInput input) {
  TestModel model = one({"Relu", {"x"}, {"y"}});
  model.inputs = {std::move(input)};
  return model;
}
TestModel with_weights(TestTensor weights) {
  return one({"Conv", {"x", "w"}, {"y"}}, {std::move(weights)});
}
TestNode pool(std::vector<TestAttribute> attributes) {
  attributes.push_back({"kernel_shape", Ints{2, 2}});
  return {"MaxPool", {"x"}, {"y"}, std::move(attributes)};
}
TestNode batch_norm() { return {"BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"}}; }
std::vector<TestTensor> norm(double variance) {
  return {vec("s", {1, 1}), vec("b", {0, 0}), vec("m", {0, 0}), vec("v", {variance, variance})};
}
TestModel without_outputs() {
  TestModel model = one({"Relu", {"x"}, {"y"}});
  model.outputs.clear();
  return model;
}
TestModel two_outputs() {
  TestModel model = image({{"Add", {"x", "x"}, {"y"}}, {"Identity", {"y"}, {"z"}}});
  model.outputs = {"y", "z"};
  return model;
}
TestModel sparse() {
  TestModel model = one({"Relu", {"x"}, {"y"}});
  model.sparse = true;
  return model;
}

class Rejected : public testing::TestWithParam<Reject> {};

TEST_P(Rejected, SaysWhy) {
  std::string errors = errors_of(GetParam().model);
  for (const std::string& message : GetParam().messages)
    EXPECT_NE(errors.find(message), std::string::npos) << message << "\n" << errors;
}

const Reject kFiles[] = {
    {"External",
     with_weights({.name = "w", .dims = {2, 2, 1, 1}, .external = true}),
     {"w: error: tensor `w` keeps its data in `../weights.bin`, which is not in the model's folder"}},
    {"Segment",
     with_weights({.name = "w", .dims = {1}, .values = {1}, .segment = true}),
     {"tensor `w` is stored in segments"}},
    {"Strings",
     with_weights({.name = "w", .dims = {1}, .type = kString}),
     {"tensor `w` has elements of string"}},
    {"NegativeDimension",
     with_weights({.name = "w", .dims = {-1, 2}, .values = {1, 2}}),
     {"tensor `w` has impossible dimensions [-1, 2]"}},
    {"HugeDimensions",
     with_weights({.name = "w", .dims = {int64_t{1} << 40, 1024}}),
     {"tensor `w` has impossible dimensions [1099511627776, 1024]"}},
    {"ShortData",
     with_weights({.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 3, 4}, .missing_bytes = 3}),
     {"tensor `w` of float32 [2, 2, 1, 1] needs 16 bytes, but the file holds 13"}},
    {"FewElements",
     with_weights({.name = "w", .dims = {3}, .values = {1, 2}, .raw = false}),
     {"needs 3 elements, but the file holds 2"}},
    {"Sparse",
     sparse(),
     {"thin: error: the initialiser is a sparse tensor, which is not supported"}},
    {"DefinedTwice",
     image({{"Relu", {"x"}, {"y"}}, {"Relu", {"x"}, {"y"}}}),
     {"y (Relu): error: tensor `y` is defined twice"}},
    {"Missing",
     one({"Add", {"x", "q"}, {"y"}}),
     {"y (Add): error: reads tensor `q`, which nothing defines"}},
    {"MissingOutput", one({"Relu", {"x"}, {"z"}}), {"graph output `y` is defined by no node"}},
    {"NoOutput", without_outputs(), {"the graph has no outputs"}},
    {"Cycle",
     image({{"Add", {"x", "b"}, {"a"}}, {"Relu", {"a"}, {"b"}}, {"Relu", {"x"}, {"y"}}}),
     {"2 nodes wait for each other in a cycle: `a`, `b`"}},
    {"OutputIsInput",
     one({"Identity", {"x"}, {"y"}}),
     {"y (graph output): error: the output is a graph input unchanged"}},
    {"OutputIsConstant",
     one({"Relu", {"w"}, {"y"}}, {kKernel}),
     {"the output does not depend on any input: it is constant"}},
    {"OutputTwice",
     two_outputs(),
     {"z (graph output): error: the output is the same tensor as output `y`"}},
    {"NoShape", with_input({"x", {}, kFloat, false}), {"graph input `x` has no shape"}},
    {"OpenDimension",
     with_input({"x", {1, -1}}),
     {"dimension 1 of graph input `x`, `unk__1`, has no size", "--bind 'unk__1=N'"}},
    {"HugeInput",
     with_input({"x", {1, int64_t{1} << 35}}),
     {"graph input `x` of shape [1, 34359738368] is too large"}},
    {"StringInput",
     with_input({"x", {1, 2}, kString}),
     {"graph input `x` is of string, which is not supported"}},
};
INSTANTIATE_TEST_SUITE_P(Files, Rejected, testing::ValuesIn(kFiles),
                         [](const auto& test) { return test.param.name; });

const Reject kOperators[] = {
    {"Unsupported",
     image({{"Foo", {"x"}, {"a"}},
            {"Bar", {"a"}, {"b"}, {}, "bar", "my.domain"},
            {"Foo", {"b"}, {"c"}},
            {"If", {"x"}, {"y"}, {{"then_branch", SubGraph{}}}}}),
     {"operator `Foo` is not supported (2 nodes): `a` of [1, 2, 4, 4], `c`",
      "operator `my.domain::Bar` is not supported (1 node): `bar`",
      "operator `If` is not supported (1 node)"}},
    {"StandardOperatorOfAnotherDomain",
     one({"Conv", {"x", "w"}, {"y"}, {}, "", "com.microsoft.nchwc"}, {kKernel}),
     {"operator `com.microsoft.nchwc::Conv` is not supported"}},
    {"Quantize",
     one({"QuantizeLinear", {"x"}, {"y"}}),
     {"y (QuantizeLinear): error: operand 1 is missing"}},
    {"SecondOutput",
     image({{"Dropout", {"x"}, {"d", "mask"}}, {"Relu", {"mask"}, {"y"}}}),
     {"its output 1, `mask`, is not supported"}},
    {"AbsentOperand", one({"Relu", {""}, {"y"}}), {"y (Relu): error: operand 0 is missing"}},
    {"FractionalWeights",
     image({{"Conv", {"x", "w"}, {"c"}}, requant_shift("c", "m", "a", "y", 16, 256, true)},
           {{.name = "w", .dims = {2, 2, 1, 1}, .values = {1, 2, 0.5, 4}},
            scalar("m", 1),
            scalar("a", 0)}),
     {"c (Conv): error: constant `w` [2, 2, 1, 1] is not integer: element 2 is 0.5",
      "help: this looks like a float network: quantise it first"}},
    {"ComputedWeights",
     one({"Conv", {"x", "x"}, {"y"}}),
     {"the weights `x` must be constant, but they are computed"}},
    {"ConvOfTwoDimensions",
     row({"Conv", {"x", "w"}, {"y"}}, {kKernel}),
     {"only images [N, C, H, W] and lines [N, C, W] are supported"}},
    {"ConvOfALineByAnImage",
     {.inputs = {{"x", {1, 2, 4}}},
      .outputs = {"y"},
      .constants = {kKernel},
      .nodes = {{"Conv", {"x", "w"}, {"y"}}}},
     {"the weights have shape [2, 2, 1, 1], not [K, C, FX]"}},
    {"WeightsOfThreeDimensions",
     with_weights({.name = "w", .dims = {2, 2, 1}, .values = {1, 2, 3, 4}}),
     {"the weights have shape [2, 2, 1], not [K, C, FY, FX]"}},
    {"BiasLength",
     one({"Conv", {"x", "w", "b"}, {"y"}}, {kKernel, vec("b", {1, 2, 3})}),
     {"the bias has shape [3], the layer has 2 output channels"}},
    {"BiasBeyond32Bits",
     one({"Conv", {"x", "w", "b"}, {"y"}}, {kKernel, vec("b", {1, 4294967296.0})}),
     {"bias 4294967296 does not fit 32 bits"}},
    {"KernelShape",
     one({"Conv", {"x", "w"}, {"y"}, {{"kernel_shape", Ints{3, 3}}}}, {kKernel}),
     {"`kernel_shape` is [3, 3], the weights have shape [2, 2, 1, 1]"}},
    {"ZeroStride",
     one({"Conv", {"x", "w"}, {"y"}, {{"strides", Ints{0, 1}}}}, {kKernel}),
     {"`strides` must be 2 numbers from 1"}},
    {"NegativePads",
     one({"Conv", {"x", "w"}, {"y"}, {{"pads", Ints{0, 0, -1, 0}}}}, {kKernel}),
     {"`pads` must be 4 numbers from 0"}},
    {"AutoPad",
     one({"Conv", {"x", "w"}, {"y"}, {{"auto_pad", "SOMEHOW"}}}, {kKernel}),
     {"`auto_pad` is `SOMEHOW`, not NOTSET"}},
    {"Group",
     one({"Conv", {"x", "w"}, {"y"}, {{"group", int64_t{0}}}}, {kKernel}),
     {"`group` is 0"}},
    {"Accumulator",
     with_weights({.name = "w", .dims = {1, 2, 1, 1}, .values = {1e9, 1e9}}),
     {"accumulator can reach"}},
    {"Alpha",
     row({"Gemm", {"x", "w"}, {"y"}, {{"alpha", 2.0}}}, {kMatrix}),
     {"`alpha` and `beta` must be 1"}},
    {"FractionalAlpha",
     row({"Gemm", {"x", "w"}, {"y"}, {{"alpha", 0.5}}}, {kMatrix}),
     {"attribute `alpha` is not one integer"}},
    {"GemmOfAnImage",
     one({"Gemm", {"x", "w"}, {"y"}}, {kMatrix}),
     {"operand 0 has shape [1, 2, 4, 4], not that of a matrix"}},
    {"MatMulOfShapesThatClash",
     one({"MatMul", {"x", "w"}, {"y"}}, {vec("w", {1, 2})}),
     {"the shapes [1, 2, 4, 4] and [2, 1] do not multiply: 4 columns against 2 rows"}},
    {"DilatedPool", one(pool({{"dilations", Ints{2, 2}}})), {"dilated pooling is not supported"}},
    {"AttributeKind",
     one(pool({{"strides", "two"}})),
     {"attribute `strides` is not a list of integers"}},
    {"Average",
     one({"AveragePool", {"x"}, {"y"}, {{"kernel_shape", Ints{3, 3}}}}),
     {"its means of 9 elements have fractions: only networks with RequantShift say how they are "
      "rounded"}},
    {"AverageWithoutFloor",
     one({"GlobalAveragePool", {"x"}, {"y"}}),
     {"which was divided by 2^4 and has fractions: no Floor follows the Div"}},
    {"Mean",
     one({"ReduceMean", {"x"}, {"y"}, {{"axes", Ints{1}}}}),
     {"its means have fractions: only networks with RequantShift say how they are rounded"}},
    {"MeanAxes",
     one({"IntegerMean", {"x"}, {"y"}, {{"axes", Ints{1, -3}}}}),
     {"`axes` [1, -3] do not fit 4 dimensions"}},
    {"AverageCeil",
     image({{"IntegerMean", {"x"}, {"z"}, {{"axes", Ints{2, 3}}}},
            {"AveragePool",
             {"x"},
             {"y"},
             {{"kernel_shape", Ints{2, 2}}, {"ceil_mode", int64_t{1}}}}}),
     {"`ceil_mode` of averages is not supported"}},
    {"BatchNorm",
     one(batch_norm(), norm(4)),
     {"batch norm of channel 0 is x * 0.49999", "it cannot be folded exactly"}},
    {"BatchNormLength",
     one(batch_norm(), {vec("s", {1, 1}), vec("b", {0}), vec("m", {0, 0}), vec("v", {1, 1})}),
     {"scale, shift, mean and variance differ in length"}},
    {"BatchNormComputed",
     one({"BatchNormalization", {"x", "x", "x", "x", "x"}, {"y"}}),
     {"scale, shift, mean and variance must be constant"}},
    {"BatchNormTraining",
     one({"BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"}, {{"training_mode", int64_t{1}}}},
         norm(1)),
     {"`training_mode` is set"}},
    {"BatchNormChannels",
     one({"BatchNormalization", {"x", "s", "s", "s", "s"}, {"y"}, {{"epsilon", 0.0}}},
         {vec("s", {1, 1, 1})}),
     {"3 channels of parameters for an input of shape [1, 2, 4, 4]"}},
};
INSTANTIATE_TEST_SUITE_P(Operators, Rejected, testing::ValuesIn(kOperators),
                         [](const auto& test) { return test.param.name; });

TestNode div_to(std::string y) { return {"Div", {"x", "d"}, {std::move(y)}}; }
TestNode requant(double div, double levels) {
  return requant_shift("x", "m", "m", "y", div, levels, true);
}
const TestTensor kOne = scalar("m", 1);
const TestTensor kEight = scalar("d", 8);

const Reject kArithmetic[] = {
    {"DivByMinusThree",
     one(div_to("y"), {scalar("d", -3)}),
     {"divides by -3: only one positive divisor for all channels is supported"}},
    {"DivOfIntegersByThree",
     one(div_to("y"), {{.name = "d", .dims = {}, .values = {3}, .type = kInt32}}),
     {"divides by 3: only one power of two for all channels is supported"}},
    {"DivByThreeWithoutFloor",
     one(div_to("y"), {scalar("d", 3)}),
     {"reads `y`, which was divided by 3 and has fractions: no Floor follows the Div"}},
    {"DivByThreeOfTooMuch",
     image({{"Mul", {"x", "m"}, {"a"}}, {"Div", {"a", "d"}, {"b"}}, {"Floor", {"b"}, {"y"}}},
           {scalar("m", 1073741824), scalar("d", 805306368)}),
     {"divides by 805306368, which is no power of two: no multiplier of 32 bits is exact for all "
      "of [-128, 255]",
      "help: put a Clip before the Div"}},
    {"DivPerChannel",
     one(div_to("y"), {{.name = "d", .dims = {2, 1, 1}, .values = {2, 4}}}),
     {"divides by 2 and others"}},
    {"DivWithoutFloor",
     image({div_to("q"), {"MaxPool", {"q"}, {"y"}, {{"kernel_shape", Ints{2, 2}}}}}, {kEight}),
     {"y (MaxPool): error: reads `q`, which was divided by 2^3 and has fractions: no Floor follows "
      "the Div",
      "help: put a Floor behind the Div"}},
    {"DivWithoutFloorAsOutput",
     one(div_to("y"), {kEight}),
     {"y (graph output): error: reads `y`, which was divided by 2^3"}},
    {"AddToAFraction",
     image({div_to("q"), {"Add", {"q", "d"}, {"y"}}}, {kEight}),
     {"which was divided by 2^3 and has fractions: no Floor follows the Div"}},
    {"MulOfAClippedFraction",
     image({div_to("q"), {"Relu", {"q"}, {"r"}}, {"Mul", {"r", "d"}, {"y"}}}, {kEight}),
     {"scales a clipped fraction: no Floor follows the Div"}},
    {"CastOfAFraction",
     image({div_to("q"), {"Cast", {"q"}, {"y"}, {{"to", int64_t{6}}}}}, {kEight}),
     {"casts a fraction: no Floor follows the Div"}},
    {"SubOfTwo", one({"Sub", {"x", "x"}, {"y"}}), {"the subtrahends `x` must be constant"}},
    {"SubFromConstant",
     one({"Sub", {"m", "x"}, {"y"}}, {kOne}),
     {"the subtrahends `x` must be constant"}},
    {"AddOfShapesThatClash",
     one({"Add", {"x", "w"}, {"y"}},
         {{.name = "w", .dims = {3, 4}, .values = std::vector<double>(12, 1)}}),
     {"the shapes [1, 2, 4, 4] and [3, 4] do not broadcast: 4 against 3"}},
    {"AddBeyond32Bits",
     one({"Add", {"x", "m"}, {"y"}}, {scalar("m", 4294967296.0)}),
     {"constant 4294967296 does not fit 32 bits"}},
    {"MulBeyond32Bits",
     image({{"Mul", {"x", "m"}, {"a"}}, {"Floor", {"a"}, {"y"}}}, {scalar("m", 16777216)}),
     {"`y` can reach [-2147483648, 4278190080], beyond 32 bits"}},
    {"MultiplierBeyond32Bits",
     image({{"Mul", {"x", "m"}, {"a"}}, {"Div", {"a", "d"}, {"b"}}, {"Floor", {"b"}, {"y"}}},
           {scalar("m", 4294967296.0), scalar("d", 1099511627776.0)}),
     {"the requantisation's multiplier 4294967296 does not fit 32 bits"}},
    {"ClipEmpty",
     one({"Clip", {"x", "hi", "lo"}, {"y"}}, {scalar("lo", 1), scalar("hi", 2)}),
     {"its bounds [2, 1] are empty"}},
    {"ClipFraction",
     one({"Clip", {"x"}, {"y"}, {{"min", 0.5}}}),
     {"its bound `min` is 0.5, not an integer"}},
    {"ClipComputed", one({"Clip", {"x", "x"}, {"y"}}), {"its bound `min` is not one constant"}},
    {"CastTooNarrow",
     one({"Cast", {"x"}, {"y"}, {{"to", int64_t{kUint8}}}}),
     {"casts values of [-128, 255] to uint8, which does not hold them"}},
    {"CastToString",
     one({"Cast", {"x"}, {"y"}, {{"to", int64_t{kString}}}}),
     {"casts to string, which is not supported"}},
    {"RequantDiv", one(requant(3, 256), {kOne}), {"`div` is 3, not a power of two"}},
    {"RequantNoDiv",
     one({"RequantShift", {"x", "m", "m"}, {"y"}}, {kOne}),
     {"`div` is absent, not a power of two"}},
    {"RequantLevels", one(requant(4, 1), {kOne}), {"`n_levels_out` is 1, not a number of levels"}},
    {"RequantChannels",
     one(requant(4, 256), {vec("m", {1, 2, 3})}),
     {"constant `m` of shape [3] does not fit an input of shape [1, 2, 4, 4]"}},
    {"RequantConstant",
     image({requant_shift("m", "m", "m", "y", 4, 256, true)}, {kOne}),
     {"requantises a constant"}},
    {"Softmax", one({"iSoftmax", {"x"}, {"y"}}), {"attribute `coeffA` is missing"}},
    {"ScaleOverflow",
     image({{"Mul", {"x", "m"}, {"a"}}, {"Mul", {"a", "m"}, {"b"}}, {"Relu", {"b"}, {"y"}}},
           {scalar("m", 1e18)}),
     {"beyond 32 bits"}},
};
INSTANTIATE_TEST_SUITE_P(Arithmetic, Rejected, testing::ValuesIn(kArithmetic),
                         [](const auto& test) { return test.param.name; });

const Reject kViews[] = {
    {"Reshape",
     one({"Reshape", {"x", "s"}, {"y"}}, {int64s("s", {3, -1})}),
     {"cannot reshape [1, 2, 4, 4] (32 elements) to [3, -1]"}},
    {"ReshapeComputed", one({"Reshape", {"x", "x"}, {"y"}}), {"the shape `x` must be constant"}},
    {"SqueezeTwo",
     one({"Squeeze", {"x", "a"}, {"y"}}, {int64s("a", {1})}),
     {"dimension 1 of [1, 2, 4, 4] is not 1"}},
    {"Axes",
     one({"Squeeze", {"x", "a"}, {"y"}}, {int64s("a", {7})}),
     {"`axes` [7] do not fit 4 dimensions"}},
    {"UnsqueezeNoAxes", one({"Unsqueeze", {"x"}, {"y"}}), {"`axes` is missing"}},
    {"PadMode",
     one({"Pad", {"x"}, {"y"}, {{"mode", "reflect"}}}),
     {"`mode` is `reflect`: only constant padding is supported"}},
    {"PadMissing", one({"Pad", {"x"}, {"y"}}), {"`pads` is missing"}},
    {"PadRank",
     row({"Pad", {"x", "p"}, {"y"}}, {int64s("p", {0, 0, 0, 0})}),
     {"its input has shape [1, 2]: only images [N, C, H, W] are padded"}},
    {"PadCount", one({"Pad", {"x", "p"}, {"y"}}, {int64s("p", {0, 1})}), {"2 pads for 4 axes"}},
    {"PadNegative",
     one({"Pad", {"x", "p"}, {"y"}}, {int64s("p", {0, 0, 0, 0, 0, 0, -1, 0})}),
     {"none may be negative"}},
    {"PadThreeAxes",
     one({"Pad", {"x", "p"}, {"y"}}, {int64s("p", {0, 1, 1, 0, 0, 0, 0, 1})}),
     {"it pads the axes [1, 2, 3]: at most two are supported"}},
    {"ConstantWithoutValue",
     image({{"Constant", {}, {"c"}}, {"Add", {"x", "c"}, {"y"}}}),
     {"c (Constant): error: has no dense numeric value"}},
    {"TransposePerm",
     image({{"Transpose", {"w"}, {"t"}, {{"perm", Ints{0, 0}}}}, {"Add", {"x", "t"}, {"y"}}},
           {kMatrix}),
     {"`perm` [0, 0] is no order of the 2 dimensions of [2, 2]"}},
    {"FoldBroadcast",
     image({{"Add", {"a", "b"}, {"c"}}, {"Add", {"x", "c"}, {"y"}}},
           {vec("a", {1, 2}), vec("b", {1, 2, 3})}),
     {"shapes [2] and [3] do not broadcast"}},
    {"FoldDivision",
     image({{"Div", {"a", "b"}, {"c"}}, {"Add", {"x", "c"}, {"y"}}},
           {scalar("a", 7), scalar("b", 2)}),
     {"7 and 2 have no integer result"}},
    {"FoldTooLarge",
     image({{"Add", {"a", "b"}, {"c"}}, {"Add", {"x", "c"}, {"y"}}},
           {{.name = "a", .dims = {5000, 1}, .values = std::vector<double>(5000, 1)},
            {.name = "b", .dims = {1, 5000}, .values = std::vector<double>(5000, 1)}}),
     {"its constant result [5000, 5000] is too large"}},
    {"GatherIndex",
     image({{"Gather", {"a", "b"}, {"c"}}, {"Add", {"x", "c"}, {"y"}}},
           {vec("a", {1, 2}), scalar("b", 2)}),
     {"index 2 is outside dimension 0 of [2]"}},
    {"GatherFractionalIndices",
     image({{"Gather", {"a", "b"}, {"c"}}, {"Mul", {"x", "c"}, {"h"}}, {"Sigmoid", {"h"}, {"y"}}},
           {vec("a", {1, 2}), vec("b", {0.5})}),
     {"the indices `b` must be integers, but element 0 is 0.5"}},
};
INSTANTIATE_TEST_SUITE_P(Views, Rejected, testing::ValuesIn(kViews),
                         [](const auto& test) { return test.param.name; });

TEST(Rejected, EightBitLayersWithoutScales) {
  TestTensor weights = kMatrix;
  weights.type = kInt8;
  TestModel model = row({"MatMul", {"x", "w"}, {"h"}}, {weights});
  model.inputs[0].type = kInt8;
  model.nodes.push_back({"MatMul", {"h", "w"}, {"y"}});
  EXPECT_NE(
      errors_of(model).find(
          "h (MatMul): error: 2 layers multiply 8-bit tensors, but the model has neither scales"),
      std::string::npos)
      << errors_of(model);
}

TEST(Rejected, InputTypeOptions) {
  TestModel model = one({"Relu", {"x"}, {"y"}});
  EXPECT_NE(errors_of(model, {{{"X", DType::int8}}})
                .find("--input-type names `X`, which is no graph input"),
            std::string::npos);
  EXPECT_NE(errors_of(model, {{{"x", DType::int64}}}).find("input `x` cannot be int64"),
            std::string::npos);
  model.inputs[0].type = kInt8;
  EXPECT_NE(errors_of(model, {{{"x", DType::float32}}}).find("input `x` cannot be float32"),
            std::string::npos);
}

TEST(Rejected, AllErrorsAtOnce) {
  std::string errors = errors_of(image({{"Conv", {"x", "w", "b"}, {"c"}},
                                        requant_shift("c", "m", "a", "q", 16, 256, true),
                                        {"Foo", {"q"}, {"f"}},
                                        {"Clip", {"f"}, {"y"}, {{"max", 1.5}}}},
                                       {kKernel, vec("b", {0.5, 1}), scalar("m", 1),
                                        scalar("a", 0)}));
  for (const char* message :
       {"constant `b` [2] is not integer", "operator `Foo`", "its bound `max` is 1.5"}) {
    EXPECT_NE(errors.find(message), std::string::npos) << message << errors;
  }
}

std::string import_errors(std::string_view bytes) {
  Result<Graph> graph = import_onnx(bytes, "f.onnx", {});
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

TEST(Rejected, OtherFiles) {
  EXPECT_NE(
      import_errors("hello").find("f.onnx: error: not an ONNX model: its protobuf does not parse"),
      std::string::npos);
  EXPECT_NE(import_errors("").find("not an ONNX model: it has no graph"), std::string::npos);
  EXPECT_FALSE(import_model("/nowhere/model.onnx", {}).ok());
}

// Two bytes a node in the file would be gigabytes in memory: ModelProto.graph (7) of empty
// GraphProto.node (1).
TEST(Rejected, MillionsOfEmptyNodes) {
  std::string graph;
  for (int i = 0; i < 5'000'000; ++i) graph += std::string("\x0a\x00", 2);
  std::string model = "\x3a";
  for (size_t length = graph.size(); length > 0; length >>= 7)
    model += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
  EXPECT_NE(import_errors(model + graph)
                .find("the model has more than 4,000,000 nodes, attributes and fields"),
            std::string::npos);
}

}  // namespace
}  // namespace heddle::test
