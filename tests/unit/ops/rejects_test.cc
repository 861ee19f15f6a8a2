// Every message of infer(): a node that provokes it, and the whole text.
#include <gtest/gtest.h>

#include "unit/ops/helpers.h"

namespace heddle {
namespace {

using test::absent;
using test::activation;
using test::constant;
using test::conv;
using test::conv_group;
using test::graph_of;
using test::pool;
using test::requant;
using test::window;
using test::with;

constexpr Range kInt8{-128, 127};

Value image(Shape shape = {1, 4, 8, 8}, Range range = kInt8) {
  return activation(std::move(shape), range);
}

Value weights(Shape shape, int64_t value = 1) {
  return constant(shape, std::vector<int64_t>(static_cast<size_t>(elements_of(shape)), value));
}

Graph edited(Graph graph, const std::function<void(Graph&)>& edit) {
  edit(graph);
  return graph;
}

struct Row {
  const char* name;
  Graph graph;
  const char* message;
};

void expect_messages(const std::vector<Row>& rows) {
  for (const Row& row : rows)
    EXPECT_EQ(test::errors_of(test::infer(row.graph)), row.message) << row.name;
}

TEST(Rejects, AttributesAndOperands) {
  const Graph relu = graph_of("relu", {}, {image()});
  const auto change_x = [&](const std::function<void(Value&)>& change) {
    return edited(relu, [&](Graph& graph) { change(graph.values[0]); });
  };
  const Graph of_floats =
      edited(graph_of("requant", requant("floor", 3), {image()}),
             [](Graph& graph) { graph.values[0].type.dtype = DType::float32; });
  Attributes wrong_kind = requant("floor", 3);
  wrong_kind["shift"] = std::string("3");
  wrong_kind["rounding"] = int64_t{1};
  expect_messages({
      {"missing", graph_of("clip", {{"lo", int64_t{0}}}, {image()}),
       "the attribute `hi` is missing"},
      {"kind", graph_of("requant", wrong_kind, {image()}),
       "the attribute `shift` must be an integer\nthe attribute `rounding` must be a text"},
      {"list", graph_of("reshape", {{"shape", int64_t{256}}}, {image()}),
       "the attribute `shape` must be a list"},
      {"unknown",
       graph_of("clip", {{"lo", int64_t{0}}, {"hi", int64_t{1}}, {"high", int64_t{1}}}, {image()}),
       "clip has no attribute `high`"},
      {"typo", graph_of("global_average_pool", {{"axes", int64_t{0}}}, {image()}),
       "global_average_pool has no attribute `axes`"},
      {"did you mean", graph_of("dense", {}, {image(), image(), image()}),
       "3 operands, but dense takes at most 2\n`weights` must be a constant"},
      {"no operand", graph_of("relu", {}, {}), "the operand `x` is missing"},
      {"absent", graph_of("add", {}, {image(), absent()}), "the operand `residual` is missing"},
      {"id", edited(relu, [](Graph& graph) { graph.nodes[0].inputs[0] = ValueId{7}; }),
       "the operand `x` is value 7 of 2"},
      {"float", of_floats,
       "`x` is of type float32, an integer type is needed"},
      {"shape", change_x([](Value& x) {
         x.type.shape = {1, -1};
       }),
       "`x` has the impossible shape [1, -1]"},
      {"empty", change_x([](Value& x) {
         x.type.shape = {1, 16, 0, 4};
       }),
       "`x` has no elements, shape [1, 16, 0, 4]"},
      {"range", change_x([](Value& x) {
         x.type.range = {0, int64_t{1} << 31};
       }),
       "`x` can lie in [0, 2147483648], beyond int32"},
      {"constant", graph_of("dense", {}, {activation({1, 4}, kInt8), activation({2, 4}, kInt8)}),
       "`weights` must be a constant"},
      {"mismatch", change_x([](Value& x) {
         x.constant = Tensor(DType::int16, {1, 4, 8, 9});
       }),
       "`x` is int8[1, 4, 8, 8], its constant int16[1, 4, 8, 9]"},
  });
  // The node's name and the remedy travel with the message.
  const Result<TensorType> result = test::infer(of_floats);
  EXPECT_EQ(result.errors()[0].place.node, "node (requant)");
  EXPECT_EQ(result.errors()[0].remedy, "quantise the network");
}

TEST(Rejects, DidYouMean) {
  Attributes attributes = with(window(), {{"value", int64_t{0}}, {"pad_topp", int64_t{0}}});
  attributes.erase("stride_h");
  attributes.erase("stride_w");
  expect_messages({{"pad", graph_of("pad", attributes, {image()}),
                    "pad has no attribute `pad_topp`; did you mean `pad_top`?"}});
}

TEST(Rejects, Convolutions) {
  const Value x = image();
  const int64_t huge = int64_t{1} << 24;
  expect_messages({
      {"x rank",
       graph_of("conv2d", conv_group(), {activation({1, 4, 8}, kInt8), weights({2, 4, 3, 3})}),
       "`x` has shape [1, 4, 8], 4 dimensions are needed"},
      {"w rank", graph_of("conv2d", conv_group(), {x, weights({2, 4})}),
       "`weights` has shape [2, 4], 4 dimensions are needed"},
      {"channels", graph_of("conv2d", conv_group(), {x, weights({2, 3, 3, 3})}),
       "the weights have 3 input channels, x has 4"},
      {"grouped channels", graph_of("conv2d", conv_group(2), {x, weights({2, 4, 3, 3})}),
       "the weights have 4 input channels in each of 2 groups, x has 4"},
      {"group", graph_of("conv2d", conv_group(0), {x, weights({2, 4, 3, 3})}),
       "`group` is 0, outside [1, 4]"},
      {"divide", graph_of("conv2d", conv_group(2), {x, weights({3, 2, 3, 3})}),
       "`group` is 2, x has 4 channels, the weights have 3 output channels: group must divide "
       "both"},
      {"members",
       graph_of("conv2d", with(conv(0, -1, 0), {{"group", int64_t{1}}}),
                {x, weights({2, 4, 3, 3})}),
       "`stride_h` is 0, outside [1, 16777216]\n`stride_w` is 0, outside [1, 16777216]\n"
       "`dilation_h` is 0, outside [1, 16777216]\n`dilation_w` is 0, outside [1, 16777216]\n"
       "`pad_top` is -1, outside [0, 16777216]\n`pad_left` is -1, outside [0, 16777216]\n"
       "`pad_bottom` is -1, outside [0, 16777216]\n`pad_right` is -1, outside [0, 16777216]"},
      {"window",
       graph_of("conv2d", with(conv(1, 1, 5), {{"group", int64_t{1}}}), {x, weights({2, 4, 3, 3})}),
       "the window spans 11 rows, the padded input has 10"},
      {"columns", graph_of("conv2d", conv_group(), {x, weights({2, 4, 1, 9})}),
       "the window spans 9 columns, the padded input has 8"},
      {"shape",
       graph_of("conv2d", with(conv(1, huge), {{"group", int64_t{1}}}), {x, weights({2, 4, 1, 1})}),
       "the output would have the impossible shape [1, 2, 33554440, 33554440]"},
      {"overflow",
       graph_of("conv2d", conv_group(),
                {image({1, 4, 8, 8}, {-32768, 32767}), weights({2, 4, 3, 3}, 4343)}),
       "the accumulator can reach 5,123,054,916, beyond int32"},
      {"below",
       graph_of("conv2d", conv_group(),
                {image({1, 4, 8, 8}, {-32768, 1}), weights({2, 4, 3, 3}, 4343)}),
       "the accumulator can reach -5,123,211,264, beyond int32"},
      {"partial sums",
       graph_of("dense", {},
                {activation({1, 2}, {1000000, 1000001}), constant({1, 2}, {30000, -30000})}),
       "the accumulator can reach 30,000,030,000, beyond int32"},
      {"beyond int64",
       graph_of("dense", {},
                {activation({1, 9}, range_of(DType::int32)), weights({1, 9}, INT32_MAX)}),
       "the accumulator can reach 9,223,372,036,854,775,807, beyond int32"},
      {"depthwise", graph_of("depthwise_conv2d", conv(), {x, weights({8, 1, 3, 3})}),
       "the weights are [8, 1, 3, 3], x has 4 channels: one filter of one channel each is needed"},
      {"dense rank", graph_of("dense", {}, {x, weights({2, 4})}),
       "`x` has shape [1, 4, 8, 8], 2 dimensions are needed"},
      {"dense", graph_of("dense", {}, {activation({1, 4}, kInt8), weights({2, 5})}),
       "the weights have 5 input channels, x has 4"},
  });
}

TEST(Rejects, Maps) {
  const Shape nine(9, 1);
  const Shape tall{int64_t{1} << 21, 1};
  const Shape broad{1, int64_t{1} << 21};
  expect_messages({
      {"rank", graph_of("relu", {}, {activation(nine, kInt8)}),
       "`x` has 9 dimensions, at most 8 are supported"},
      {"residual", graph_of("add", {}, {image(), activation(nine, kInt8)}),
       "`residual` has 9 dimensions, at most 8 are supported"},
      {"broadcast", graph_of("add", {}, {image(), activation({3, 8}, kInt8)}),
       "the shapes [1, 4, 8, 8] and [3, 8] do not broadcast: 8 against 3"},
      {"huge", graph_of("add", {}, {activation(tall, kInt8), activation(broad, kInt8)}),
       "the shapes [2097152, 1] and [1, 2097152] broadcast to an impossible [2097152, 2097152]"},
      {"sum", graph_of("add", {}, {activation({1}, {0, INT32_MAX}), activation({1}, {-1, 1})}),
       "the sum can reach 2,147,483,648, beyond int32"},
      {"bias axis", graph_of("bias_add", {{"axis", int64_t{4}}}, {image(), weights({4})}),
       "`axis` is 4, outside [0, 3]"},
      {"bias shape", graph_of("bias_add", {{"axis", int64_t{1}}}, {image(), weights({5})}),
       "the bias has shape [5], x has 4 channels (dimension 1 of [1, 4, 8, 8])"},
      {"bias sum", graph_of("bias_add", {{"axis", int64_t{1}}}, {image(), weights({4}, INT32_MIN)}),
       "the sum can reach -2,147,483,776, beyond int32"},
      {"bounds", graph_of("clip", {{"lo", int64_t{5}}, {"hi", int64_t{4}}}, {image()}),
       "`lo` is 5, greater than `hi`, 4"},
      {"lo", graph_of("clip", {{"lo", INT64_MIN}, {"hi", int64_t{4}}}, {image()}),
       "`lo` is -9223372036854775808, outside [-2147483648, 2147483647]"},
      {"hi", graph_of("clip", {{"lo", int64_t{0}}, {"hi", INT64_MAX}}, {image()}),
       "`hi` is 9223372036854775807, outside [-2147483648, 2147483647]"},
      {"rounding", graph_of("requant", requant("nearest", 3), {image()}),
       "`rounding` is 'nearest', not one of 'shift', 'floor', 'half_up', 'tflite_double', 'float'"},
      {"hostile rounding", graph_of("requant", requant("a\nb", 3), {image()}),
       "`rounding` is 'a\\x0Ab', not one of 'shift', 'floor', 'half_up', 'tflite_double', 'float'"},
      {"mul", graph_of("requant", requant("shift", 3), {image(), weights({})}),
       "`rounding` is 'shift', which has no `mul`"},
      {"add", graph_of("requant", requant("shift", 3), {image(), absent(), weights({})}),
       "`rounding` is 'shift', which has no `add`"},
      {"shift", graph_of("requant", requant("floor", 63), {image()}),
       "`shift` is 63, outside [0, 62]"},
      {"negative shift", graph_of("requant", requant("floor", -1), {image()}),
       "`shift` is -1, outside [0, 62]"},
      {"requant bounds", graph_of("requant", requant("floor", 1, 1, 0), {image()}),
       "`lo` is 1, greater than `hi`, 0"},
      {"channels", graph_of("requant", requant("floor", 1), {image(), weights({3})}),
       "`mul` has shape [3], x has 4 channels (dimension 1 of [1, 4, 8, 8])"},
      {"add channels",
       graph_of("requant", requant("floor", 1), {image(), absent(), weights({4, 1})}),
       "`add` has shape [4, 1], x has 4 channels (dimension 1 of [1, 4, 8, 8])"},
      {"axis", graph_of("requant", requant("floor", 1), {activation({4}, kInt8), weights({4})}),
       "`axis` is 1, outside [0, 0]"},
  });
}

TEST(Rejects, PoolsViewsPadSoftmax) {
  const auto average = [](Attributes attributes, int64_t include) {
    return with(std::move(attributes), {{"count_include_pad", include}});
  };
  const auto softmax = [](int64_t a, int64_t b, int64_t c, int64_t log2, int64_t levels) {
    return Attributes{
        {"coeff_a", a}, {"coeff_b", b}, {"coeff_c", c}, {"log2", log2}, {"levels", levels}};
  };
  const auto pads = [](int64_t top, int64_t right, int64_t value) {
    return Attributes{{"pad_top", top},
                      {"pad_left", int64_t{0}},
                      {"pad_bottom", int64_t{0}},
                      {"pad_right", right},
                      {"value", value}};
  };
  const int64_t huge = int64_t{1} << 24;
  const char* polynomial =
      "the polynomial of the exponential is not positive: `coeff_a` * (p + `coeff_b`)^2 + "
      "`coeff_c` must be above 0 at p "
      "= 0 and never below 0";
  Attributes late = pool(2, 3, 0);
  late["pad_right"] = int64_t{4};
  expect_messages({
      {"rank", graph_of("max_pool", pool(2), {activation({1, 4}, kInt8)}),
       "`x` has shape [1, 4], 4 dimensions are needed"},
      {"kernel", graph_of("max_pool", pool(0), {image()}),
       "`kernel_h` is 0, outside [1, 16777216]\n`kernel_w` is 0, outside [1, 16777216]"},
      {"first", graph_of("max_pool", pool(2, 1, 2), {image()}),
       "the first window lies wholly in the padding (`pad_top` is 2, the window 2, the stride 1)"},
      {"last", graph_of("max_pool", late, {image()}),
       "the last window lies wholly in the padding (`pad_right` is 4, the window 2, the stride 3)"},
      {"include", graph_of("average_pool", average(pool(2), 2), {image()}),
       "`count_include_pad` is 2, outside [0, 1]"},
      {"sum", graph_of("average_pool", average(pool(2), 0), {image({1, 1, 4, 4}, {0, 600000000})}),
       "the accumulator can reach 2,400,000,000, beyond int32"},
      {"window",
       graph_of("average_pool", average(pool(65536, 65535, 65534), 1),
                {image({1, 1, 2, 2}, {0, 0})}),
       "the window can reach 4,294,967,296, beyond int32"},
      {"global", graph_of("global_average_pool", {}, {image({1, 1, 4, 4}, {INT32_MIN, 0})}),
       "the accumulator can reach -34,359,738,368, beyond int32"},
      {"flatten", graph_of("flatten", {{"axis", int64_t{-1}}}, {image()}),
       "`axis` is -1, outside [0, 4]"},
      {"reshape", graph_of("reshape", {{"shape", std::vector<int64_t>{-1, 2}}}, {image()}),
       "`shape` is [-1, 2], which does not hold the 256 elements of [1, 4, 8, 8]"},
      {"pad", graph_of("pad", pads(-1, 0, 0), {image()}), "`pad_top` is -1, outside [0, 16777216]"},
      {"value", graph_of("pad", pads(1, 0, int64_t{1} << 32), {image()}),
       "`value` is 4294967296, outside [-2147483648, 2147483647]"},
      {"pad shape", graph_of("pad", pads(huge, huge, 0), {image()}),
       "the output would have the impossible shape [1, 4, 16777224, 16777224]"},
      {"scalar", graph_of("i_softmax", softmax(1, 1, 1, 1, 256), {activation({}, kInt8)}),
       "`x` is a scalar, one dimension is needed at least"},
      {"log2", graph_of("i_softmax", softmax(1, 1, 1, 0, 256), {image()}),
       "`log2` is 0, outside [1, 2147483647]"},
      {"levels", graph_of("i_softmax", softmax(1, 1, 1, 1, 1), {image()}),
       "`levels` is 1, outside [2, 2147483647]"},
      {"coefficient", graph_of("i_softmax", softmax(INT64_MAX, 1, 1, 1, 2), {image()}),
       "`coeff_a` is 9223372036854775807, outside [-2147483648, 2147483647]"},
      {"zero", graph_of("i_softmax", softmax(1, 0, 0, 1, 256), {image()}), polynomial},
      {"negative", graph_of("i_softmax", softmax(1, 100, -9000, 50, 256), {image()}), polynomial},
      {"int64", graph_of("i_softmax", softmax(INT32_MAX, INT32_MAX, 0, 10, 256), {image()}),
       "the exponentials of a row can leave int64"},
      {"int64 products", graph_of("i_softmax", softmax(1, INT32_MAX, 0, 10, INT32_MAX), {image()}),
       "the exponentials of a row can leave int64"},
  });
}

TEST(Rejects, Moves) {
  using List = std::vector<int64_t>;
  const auto slice = [](List starts, List ends, List steps) {
    return graph_of("slice", {{"starts", starts}, {"ends", ends}, {"steps", steps}},
                    {activation({2, 5}, kInt8)});
  };
  expect_messages({
      {"perm", graph_of("transpose", {{"perm", List{0, 2, 2, 1}}}, {image()}),
       "`perm` [0, 2, 2, 1] is no order of the 4 dimensions of [1, 4, 8, 8]"},
      {"rank", graph_of("transpose", {{"perm", List{1, 0}}}, {image()}),
       "`perm` [1, 0] is no order of the 4 dimensions of [1, 4, 8, 8]"},
      {"lists", slice({0, 0}, {1}, {1, 1}),
       "`ends` [1] does not have one entry for each dimension of [2, 5]"},
      {"beyond", slice({0, 0}, {2, 6}, {1, 1}),
       "dimension 1 of [2, 5] is cut from 0 to 6 by steps of 1: that is no part of it"},
      {"nothing", slice({0, 3}, {2, 3}, {1, 1}),
       "dimension 1 of [2, 5] is cut from 3 to 3 by steps of 1: that is no part of it"},
      {"standing still", slice({0, 3}, {2, 4}, {1, 0}),
       "dimension 1 of [2, 5] is cut from 3 to 4 by steps of 0: that is no part of it"},
      {"backwards", slice({0, 5}, {2, -1}, {1, -1}),
       "dimension 1 of [2, 5] is cut from 5 to -1 by steps of -1: that is no part of it"},
      {"axis", graph_of("concat", {{"axis", int64_t{4}}}, {image()}), "`axis` is 4, outside [0, 3]"},
      {"parts", graph_of("concat", {{"axis", int64_t{1}}}, {image(), image({1, 4, 8, 7})}),
       "operand 1 has shape [1, 4, 8, 7], operand 0 [1, 4, 8, 8]: they may differ only in "
       "dimension 1"},
      {"huge",
       graph_of("concat", {{"axis", int64_t{0}}},
                {activation({int64_t{1} << 40}, kInt8), activation({1}, kInt8)}),
       "the output would have the impossible shape [1099511627777]"},
      {"indices",
       graph_of("gather", {{"axis", int64_t{1}}}, {image(), activation({2}, {-4, 4})}),
       "the indices can lie in [-4, 4], dimension 1 of [1, 4, 8, 8] has only [-4, 3]"},
      {"many dimensions",
       graph_of("gather", {{"axis", int64_t{0}}},
                {image(), activation({1, 1, 1, 1, 1, 1}, {0, 0})}),
       "the output would have the impossible shape [1, 1, 1, 1, 1, 1, 4, 8, 8]"},
  });
}

TEST(Rejects, RowsOfTransformers) {
  const Attributes shift = {{"shift", int64_t{16}}, {"lo", int64_t{-128}}, {"hi", int64_t{127}}};
  const Range whole{INT32_MIN, INT32_MAX};
  const Value w = weights({8});
  expect_messages({
      {"weights", graph_of("i_rms_norm", shift, {image(), weights({4})}),
       "`weights` has shape [4], the rows of x have 8 elements"},
      {"bias", graph_of("i_layer_norm", shift, {image(), w, weights({1, 8})}),
       "`bias` has shape [1, 8], the rows of x have 8 elements"},
      {"shift", graph_of("i_rms_norm", with(shift, {{"shift", int64_t{63}}}), {image(), w}),
       "`shift` is 63, outside [0, 62]"},
      {"bounds", graph_of("i_layer_norm", with(shift, {{"lo", int64_t{128}}}), {image(), w, w}),
       "`lo` is 128, greater than `hi`, 127"},
      {"squares",
       graph_of("i_rms_norm", shift, {activation({1 << 20}, whole), weights({1 << 20})}),
       "the sum of squares of a row can leave int64"},
      {"distance", graph_of("i_layer_norm", shift, {image({8}, whole), w, w}),
       "the distance from the mean can reach 4,294,967,295, beyond int32"},
      {"levels", graph_of("ita_max", {{"levels", int64_t{1}}}, {image()}),
       "`levels` is 1, outside [2, 2147483647]"},
      {"groups",
       graph_of("ita_partial_max", {{"levels", int64_t{256}}, {"group", int64_t{3}}}, {image()}),
       "`group` is 3, which does not divide the rows of 8 elements"},
  });
}

TEST(Rejects, ProductsOfActivations) {
  const Range whole{INT32_MIN, INT32_MAX};
  const Attributes gelu = {{"b", int64_t{-40}}, {"one", int64_t{1743}}};
  const Attributes swish = {
      {"three", int64_t{3}}, {"six", int64_t{6}}, {"one_over_six", int64_t{INT32_MAX}}};
  const Attributes div = {{"delta", int64_t{10}}, {"eta", int64_t{1}}, {"eps", int64_t{1}}};
  expect_messages({
      {"vector", graph_of("matmul", {}, {image({4}), image({4, 4})}),
       "`x` has shape [4], two dimensions are needed at least"},
      {"inner", graph_of("matmul", {}, {image({3, 4}), image({5, 6})}),
       "the shapes [3, 4] and [5, 6] do not multiply: 4 columns against 5 rows"},
      {"batch", graph_of("matmul", {}, {image({2, 3, 4}), image({3, 4, 6})}),
       "the shapes [2] and [3] do not broadcast: 2 against 3"},
      {"accumulator", graph_of("matmul", {}, {image({1, 200000}), image({200000, 1})}),
       "the accumulator can reach 3,276,800,000, beyond int32"},
      {"product", graph_of("mul", {}, {image({1}, whole), image({1})}),
       "the product can reach 274,877,906,944, beyond int32"},
      {"zero point", graph_of("mul", {{"w_zero_point", int64_t{70000}}}, {image(), image()}),
       "`w_zero_point` is 70000, outside [-65536, 65536]"},
      {"centred", graph_of("mul", {{"x_zero_point", int64_t{1}}}, {image({1}, whole), image({1})}),
       "the operand less its zero point can reach -2,147,483,649, beyond int32"},
      {"axes", graph_of("mean", {{"axes", std::vector<int64_t>{2, 1}}}, {image()}),
       "`axes` are [2, 1]: they must ascend, and name dimensions of [1, 4, 8, 8]"},
      {"axis", graph_of("mean", {{"axes", std::vector<int64_t>{4}}}, {image()}),
       "`axes` are [4]: they must ascend, and name dimensions of [1, 4, 8, 8]"},
      {"gelu b", graph_of("i_gelu", with(gelu, {{"b", int64_t{1}}}), {image()}),
       "`b` is 1, outside [-46340, 0]"},
      {"gelu product", graph_of("i_gelu", gelu, {image({1}, {0, 10000000})}),
       "the product can reach 17,430,000,000, beyond int32"},
      {"swish", graph_of("i_hardswish", swish, {image()}),
       "the factor can reach 12,884,901,882, beyond int32"},
      {"divisor", graph_of("true_div", div, {image(), image({1}, {-1, 5})}),
       "`eta` * divisor + `eps` is not always positive: the divisor can lie in [-1, 5]"},
  });
}

}  // namespace
}  // namespace heddle
