// Types, shapes and proven ranges that infer() gives, and values of the references worked out by
// hand.
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
using test::with;

constexpr Range kInt8{-128, 127};

std::string text_of(const Result<TensorType>& type) {
  if (!type.ok()) return test::errors_of(type);
  return std::string(name_of(type->dtype)) + to_string(type->shape) + " in [" +
         std::to_string(type->range.lo) + ", " + std::to_string(type->range.hi) + "]";
}

Attributes average(int64_t kernel, int64_t stride, int64_t padding, int64_t include) {
  return with(pool(kernel, stride, padding), {{"count_include_pad", include}});
}

Attributes bounds(int64_t lo, int64_t hi) { return {{"lo", lo}, {"hi", hi}}; }

Attributes softmax(int64_t a, int64_t b, int64_t c, int64_t log2) {
  return {{"coeff_a", a}, {"coeff_b", b}, {"coeff_c", c}, {"log2", log2}, {"levels", int64_t{256}}};
}

using List = std::vector<int64_t>;

Value typed(DType dtype, Shape shape, Range range) {
  Value value = activation(std::move(shape), range);
  value.type.dtype = dtype;
  return value;
}

TEST(Infer, Types) {
  struct Row {
    const char* name;
    Graph graph;
    const char* type;
  };
  const Value x = activation({1, 2, 7, 9}, kInt8);
  const Value w = constant({3, 2, 1, 1}, {1, -1, 2, 0, 0, 0});
  const Value unsigned_x = activation({1, 2, 7, 9}, {5, 10});
  const Attributes padded = with(conv(2, 1), {{"group", int64_t{1}}});
  const Row rows[] = {
      // Per channel: [-128-127, 127+128], [-256, 254], [0, 0].
      {"conv", graph_of("conv2d", conv_group(), {x, w}), "int32[1, 3, 7, 9] in [-256, 255]"},
      {"without zero", graph_of("conv2d", conv_group(), {unsigned_x, w}),
       "int32[1, 3, 7, 9] in [-5, 20]"},
      {"with zero from the padding", graph_of("conv2d", padded, {unsigned_x, w}),
       "int32[1, 3, 5, 6] in [-10, 20]"},
      {"even size, stride 2",
       graph_of(
           "conv2d", with(conv(2, 0), {{"group", int64_t{1}}, {"pad_bottom", int64_t{1}}}),
           {activation({1, 1, 8, 8}, kInt8), constant({1, 1, 3, 3}, std::vector<int64_t>(9, 1))}),
       "int32[1, 1, 4, 3] in [-1152, 1143]"},
      {"dilation",
       graph_of("depthwise_conv2d", conv(1, 0, 3),
                {x, constant({2, 1, 3, 2}, {1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, -1})}),
       "int32[1, 2, 1, 6] in [-768, 762]"},
      {"dense",
       graph_of("dense", {}, {activation({4, 2}, kInt8), constant({3, 2}, {1, 1, 1, 1, 1, 1})}),
       "int32[4, 3] in [-256, 254]"},
      {"bias", graph_of("bias_add", {{"axis", int64_t{1}}}, {x, constant({2}, {-10, 10})}),
       "int32[1, 2, 7, 9] in [-138, 137]"},
      {"add", graph_of("add", {}, {x, activation({9}, {0, 100})}),
       "int16[1, 2, 7, 9] in [-128, 227]"},
      {"add scalars", graph_of("add", {}, {activation({}, {1, 2}), activation({}, {1, 2})}),
       "int8[] in [2, 4]"},
      {"add broadcasts both",
       graph_of("add", {}, {activation({3, 1}, {0, 1}), activation({1, 4}, {0, 1})}),
       "int8[3, 4] in [0, 2]"},
      {"relu", graph_of("relu", {}, {x}), "int8[1, 2, 7, 9] in [0, 127]"},
      {"relu of negatives", graph_of("relu", {}, {activation({1}, {-9, -3})}), "int8[1] in [0, 0]"},
      {"clip", graph_of("clip", bounds(0, 255), {activation({1}, {-128, 255})}),
       "uint8[1] in [0, 255]"},
      {"clip far away", graph_of("clip", bounds(300, 400), {x}), "int16[1, 2, 7, 9] in [300, 300]"},
      {"requant keeps the type of its bounds", graph_of("requant", requant("shift", 4), {x}),
       "int8[1, 2, 7, 9] in [-8, 7]"},
      {"floor",
       graph_of("requant", requant("floor", 8, 0, 255),
                {x, constant({}, {514}), constant({1}, {100})}),
       "uint8[1, 2, 7, 9] in [0, 255]"},
      {"negative factors",
       graph_of("requant", requant("floor", 0),
                {activation({1, 2}, {1, 2}), constant({2}, {-1, 3})}),
       "int8[1, 2] in [-2, 6]"},
      {"half_up", graph_of("requant", requant("half_up", 1), {activation({1}, {-3, 3})}),
       "int8[1] in [-1, 2]"},
      {"shift 62",
       graph_of("requant", requant("half_up", 62),
                {activation({1}, range_of(DType::int32)), constant({}, {INT32_MIN}),
                 constant({}, {INT32_MIN})}),
       "int8[1] in [-1, 1]"},
      {"max_pool", graph_of("max_pool", pool(3, 2, 1), {x}), "int8[1, 2, 4, 5] in [-128, 127]"},
      {"average", graph_of("average_pool", average(3, 2, 1, 0), {unsigned_x}),
       "int8[1, 2, 4, 5] in [5, 10]"},
      {"average with padding", graph_of("average_pool", average(3, 2, 1, 1), {unsigned_x}),
       "int8[1, 2, 4, 5] in [0, 10]"},
      {"global", graph_of("global_average_pool", {}, {x}), "int8[1, 2, 1, 1] in [-128, 127]"},
      {"flatten 0", graph_of("flatten", {{"axis", int64_t{0}}}, {x}),
       "int8[1, 126] in [-128, 127]"},
      {"flatten 2", graph_of("flatten", {{"axis", int64_t{2}}}, {x}), "int8[2, 63] in [-128, 127]"},
      {"flatten 4", graph_of("flatten", {{"axis", int64_t{4}}}, {x}),
       "int8[126, 1] in [-128, 127]"},
      {"transpose", graph_of("transpose", {{"perm", List{0, 2, 3, 1}}}, {x}),
       "int8[1, 7, 9, 2] in [-128, 127]"},
      {"slice",
       graph_of("slice",
                {{"starts", List{0, 1, 6, 0}}, {"ends", List{1, 2, -1, 9}}, {"steps", List{1, 1, -2, 4}}},
                {x}),
       "int8[1, 1, 4, 3] in [-128, 127]"},
      {"concat",
       graph_of("concat", {{"axis", int64_t{1}}},
                {x, activation({1, 1, 7, 9}, {0, 255}), activation({1, 3, 7, 9}, {-3, 3})}),
       "int16[1, 6, 7, 9] in [-128, 255]"},
      {"concat keeps a common type",
       graph_of("concat", {{"axis", int64_t{0}}},
                {typed(DType::int32, {2}, {0, 1}), typed(DType::int32, {1}, {0, 3})}),
       "int32[3] in [0, 3]"},
      {"gather",
       graph_of("gather", {{"axis", int64_t{1}}}, {x, activation({5, 3}, {-2, 1})}),
       "int8[1, 5, 3, 7, 9] in [-128, 127]"},
      {"gather one", graph_of("gather", {{"axis", int64_t{3}}}, {x, constant({}, {8})}),
       "int8[1, 2, 7] in [-128, 127]"},
      {"reshape", graph_of("reshape", {{"shape", std::vector<int64_t>{2, 63}}}, {x}),
       "int8[2, 63] in [-128, 127]"},
      {"pad",
       graph_of("pad",
                {{"pad_top", int64_t{1}},
                 {"pad_left", int64_t{2}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}},
                 {"value", int64_t{200}}},
                {x}),
       "int16[1, 2, 8, 11] in [-128, 200]"},
      {"pad nothing",
       graph_of("pad",
                {{"pad_top", int64_t{0}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{0}},
                 {"value", int64_t{200}}},
                {x}),
       "int8[1, 2, 7, 9] in [-128, 127]"},
      {"i_softmax", graph_of("i_softmax", softmax(1, 20, 10, 8), {x}), "uint8[1, 2, 7, 9] in [0, 255]"},
      {"i_rms_norm",
       graph_of("i_rms_norm", with(bounds(-128, 127), {{"shift", int64_t{16}}}),
                {x, constant({9}, std::vector<int64_t>(9, 4000000))}),
       "int8[1, 2, 7, 9] in [-128, 127]"},
      {"i_rms_norm of small numbers",
       graph_of("i_rms_norm", with(bounds(-128, 127), {{"shift", int64_t{2}}}),
                {activation({2}, {0, 3}), constant({2}, {8, -2})}),
       "int8[2] in [-6, 6]"},
      {"i_layer_norm",
       graph_of("i_layer_norm", with(bounds(-128, 127), {{"shift", int64_t{2}}}),
                {activation({2}, {0, 3}), constant({2}, {8, -2}), constant({2}, {-4, 12})}),
       "int8[2] in [-7, 9]"},
      {"i_gelu", graph_of("i_gelu", {{"b", int64_t{-40}}, {"one", int64_t{1743}}}, {x}),
       "int32[1, 2, 7, 9] in [-102400, 221361]"},
      {"i_hardswish",
       graph_of("i_hardswish",
                {{"three", int64_t{765}}, {"six", int64_t{1530}}, {"one_over_six", int64_t{33}}},
                {x}),
       "int32[1, 2, 7, 9] in [-3767808, 3738372]"},
      {"ita_max", graph_of("ita_max", {{"levels", int64_t{256}}}, {x}),
       "uint8[1, 2, 7, 9] in [0, 255]"},
      {"ita_partial_max",
       graph_of("ita_partial_max", {{"levels", int64_t{256}}, {"group", int64_t{3}}}, {x}),
       "int8[1, 2, 7, 9] in [0, 127]"},
      {"matmul broadcasts",
       graph_of("matmul", {}, {activation({3, 1, 2, 4}, {0, 1}), activation({5, 4, 6}, {-1, 2})}),
       "int32[3, 5, 2, 6] in [-4, 8]"},
      {"matmul with zero points",
       graph_of("matmul", {{"x_zero_point", int64_t{-1}}, {"w_zero_point", int64_t{2}}},
                {activation({2, 4}, {0, 1}), activation({4, 6}, {-1, 2})}),
       "int32[2, 6] in [-24, 0]"},
      {"mean",
       graph_of("mean", {{"axes", std::vector<int64_t>{1, 3}}}, {activation({1, 2, 7, 9}, {3, 5})}),
       "int8[1, 1, 7, 1] in [3, 5]"},
      {"mul", graph_of("mul", {}, {x, activation({9}, {-2, 3})}),
       "int16[1, 2, 7, 9] in [-384, 381]"},
      {"mul with zero points",
       graph_of("mul", {{"x_zero_point", int64_t{5}}}, {activation({3}, {5, 6}), activation({3}, {-2, 3})}),
       "int8[3] in [-2, 3]"},
      {"true_div",
       graph_of("true_div",
                {{"delta", int64_t{100}}, {"eta", int64_t{2}}, {"eps", int64_t{1}}},
                {activation({3}, {-1, 2}), activation({3}, {0, 2})}),
       "int16[3] in [-200, 400]"},
  };
  for (const Row& row : rows) EXPECT_EQ(text_of(test::infer(row.graph)), row.type) << row.name;
}

TEST(Reference, ByHand) {
  struct Row {
    const char* name;
    Graph graph;
    std::vector<int64_t> x;
    std::vector<int64_t> y;
  };
  const Value image = activation({1, 1, 2, 3}, kInt8);
  const Value five = activation({5}, kInt8);
  const Row rows[] = {
      // 1 2 3      kernel 1 2   padded by one row above and one column on the left, stride 1
      // 4 5 6             3 4
      {"conv",
       graph_of("conv2d", with(conv_group(), {{"pad_top", int64_t{1}}, {"pad_left", int64_t{1}}}),
                {image, constant({1, 1, 2, 2}, {1, 2, 3, 4})}),
       {1, 2, 3, 4, 5, 6},
       {4, 11, 18, 18, 37, 47}},
      {"groups",
       graph_of("conv2d", conv_group(2),
                {activation({1, 4, 1, 1}, kInt8), constant({2, 2, 1, 1}, {1, 2, 3, 4})}),
       {1, 10, 100, -100},
       {21, -100}},
      {"depthwise",
       graph_of("depthwise_conv2d", conv(),
                {activation({1, 2, 1, 2}, kInt8), constant({2, 1, 1, 2}, {1, 2, 3, 4})}),
       {1, 10, 100, -100},
       {21, -100}},
      {"dense",
       graph_of("dense", {}, {activation({2, 2}, kInt8), constant({2, 2}, {1, 2, 3, 4})}),
       {1, 10, 100, -100},
       {21, 43, -100, -100}},
      {"transpose",
       graph_of("transpose", {{"perm", List{2, 0, 1}}}, {activation({1, 2, 3}, kInt8)}),
       {1, 2, 3, 4, 5, 6},
       {1, 4, 2, 5, 3, 6}},
      {"slice backwards",
       graph_of("slice", {{"starts", List{4}}, {"ends", List{-1}}, {"steps", List{-2}}}, {five}),
       {1, 2, 3, 4, 5},
       {5, 3, 1}},
      {"concat",
       graph_of("concat", {{"axis", int64_t{1}}},
                {activation({2, 2}, kInt8), constant({2, 1}, {7, 8})}),
       {1, 2, 3, 4},
       {1, 2, 7, 3, 4, 8}},
      {"gather",
       graph_of("gather", {{"axis", int64_t{1}}},
                {activation({2, 3}, kInt8), constant({2}, {-1, 0})}),
       {1, 2, 3, 4, 5, 6},
       {3, 1, 6, 4}},
      {"bias",
       graph_of("bias_add", {{"axis", int64_t{0}}},
                {activation({2, 2}, kInt8), constant({2}, {1000, -1})}),
       {1, 2, 3, 4},
       {1001, 1002, 2, 3}},
      {"shift",
       graph_of("requant", requant("shift", 1, -2, 2), {five}),
       {-5, -1, 0, 3, 9},
       {-2, -1, 0, 1, 2}},
      {"floor",
       graph_of("requant", requant("floor", 2), {five, constant({}, {3}), constant({}, {1})}),
       {-5, -1, 0, 3, 9},
       {-4, -1, 0, 2, 7}},
      {"half_up",
       graph_of("requant", requant("half_up", 1), {five}),
       {-3, -2, -1, 1, 3},
       {-1, -1, 0, 1, 2}},
      {"half_up without a shift",
       graph_of("requant", requant("half_up", 0), {five}),
       {-3, -2, -1, 1, 3},
       {-3, -2, -1, 1, 3}},
      {"per channel",
       graph_of("requant", requant("floor", 1),
                {activation({1, 2, 2}, kInt8), constant({2}, {1, -1}), constant({2}, {0, 3})}),
       {4, 5, 4, 5},
       {2, 2, -1, -1}},
      {"max_pool",
       graph_of("max_pool", pool(2, 1, 1), {image}),
       {-1, -2, -3, -4, -5, -6},
       {-1, -1, -2, -3, -1, -1, -2, -3, -4, -4, -5, -6}},
      // floor(sum / count + 1/2): -2.5 gives -2, 2.5 gives 3.
      {"average",
       graph_of("average_pool", average(1, 2, 0, 0), {image}),
       {1, 9, 3, 4, 5, 6},
       {1, 3}},
      {"global average, half",
       graph_of("global_average_pool", {}, {activation({1, 2, 1, 2}, kInt8)}),
       {-2, -3, 2, 3},
       {-2, 3}},
      {"global average, thirds",
       graph_of("global_average_pool", {}, {activation({1, 2, 1, 3}, kInt8)}),
       {-1, -1, 0, 1, 1, 0},
       {-1, 1}},
      {"without padding",
       graph_of("average_pool", average(2, 3, 1, 0), {activation({1, 1, 2, 2}, kInt8)}),
       {10, 0, 0, 0},
       {10}},
      {"with padding",
       graph_of("average_pool", average(2, 3, 1, 1), {activation({1, 1, 2, 2}, kInt8)}),
       {10, 0, 0, 0},
       {3}},
      {"pad",
       graph_of("pad",
                {{"pad_top", int64_t{1}},
                 {"pad_left", int64_t{0}},
                 {"pad_bottom", int64_t{0}},
                 {"pad_right", int64_t{1}},
                 {"value", int64_t{-7}}},
                {activation({1, 1, 1, 2}, kInt8)}),
       {1, 2},
       {-7, -7, -7, 1, 2, -7}},
      {"i_rms_norm, std 3",
       graph_of("i_rms_norm", with(bounds(-128, 127), {{"shift", int64_t{6}}}),
                {activation({2}, kInt8), constant({2}, {64, 64})}),
       {3, -4},
       {1, -2}},
      {"i_layer_norm, mean -1, std 3",
       graph_of("i_layer_norm", with(bounds(-128, 127), {{"shift", int64_t{6}}}),
                {activation({2}, kInt8), constant({2}, {64, 64}), constant({2}, {0, 64})}),
       {-5, 2},
       {-2, 2}},
      {"i_gelu",
       graph_of("i_gelu", {{"b", int64_t{-4}}, {"one", int64_t{20}}}, {five}),
       {-5, -2, 0, 2, 5},
       {0, -4, 0, 36, 100}},
      {"i_hardswish",
       graph_of("i_hardswish",
                {{"three", int64_t{3}}, {"six", int64_t{6}}, {"one_over_six", int64_t{2}}}, {five}),
       {-5, -2, 0, 2, 5},
       {0, -4, 0, 20, 60}},
      // Shifts 0, 1, 2; sum 448; 255 * 256 / 448 = 145.
      {"ita_max",
       graph_of("ita_max", {{"levels", int64_t{256}}}, {activation({3}, kInt8)}),
       {100, 84, 52},
       {145, 72, 36}},
      // 256; then 64 + 256; then + 128. 127 * 256 / 448 = 72.
      {"ita_partial_max",
       graph_of("ita_partial_max", {{"levels", int64_t{256}}, {"group", int64_t{1}}},
                {activation({3}, kInt8)}),
       {52, 100, 84},
       {18, 72, 36}},
      {"matmul",
       graph_of("matmul", {}, {activation({2, 2}, kInt8), constant({2, 2}, {1, 2, 3, 4})}),
       {1, 10, 100, -100},
       {31, 42, -200, -200}},
      {"matmul less zero points",
       graph_of("matmul", {{"x_zero_point", int64_t{1}}, {"w_zero_point", int64_t{2}}},
                {activation({2, 2}, kInt8), constant({2, 2}, {1, 2, 3, 4})}),
       {1, 10, 100, -100},
       {9, 18, -200, -202}},
      {"mean",
       graph_of("mean", {{"axes", std::vector<int64_t>{1}}}, {activation({1, 3, 2}, kInt8)}),
       {-2, 1, -3, 2, 0, 3},
       {-2, 2}},
      {"mul",
       graph_of("mul", {}, {activation({2, 2}, kInt8), constant({2}, {2, -3})}),
       {1, 10, 100, -100},
       {2, -30, 200, 300}},
      {"true_div",
       graph_of("true_div",
                {{"delta", int64_t{100}}, {"eta", int64_t{2}}, {"eps", int64_t{1}}},
                {activation({2}, kInt8), constant({}, {2})}),
       {1, -3},
       {40, -120}},
      // log2 8, a 1, b 20, c 10. x = 5: p 0, 410; 0: z 0, p -5, 235; -11: z 2, p 0, 410 >> 2 = 102.
      // Sum 747.
      {"i_softmax",
       graph_of("i_softmax", softmax(1, 20, 10, 8), {activation({1, 3}, kInt8)}),
       {5, 0, -11},
       {139, 80, 34}},
  };
  for (const Row& row : rows) {
    const Graph graph = test::inferred(row.graph);
    const TensorType& type = graph.value(graph.inputs[0]).type;
    const std::vector<Tensor> inputs{Tensor::of(type.dtype, type.shape, row.x)};
    const Result<std::vector<Tensor>> tensors = interpret(graph, inputs);
    ASSERT_TRUE(tensors.ok()) << row.name << ": " << test::errors_of(tensors);
    EXPECT_EQ(tensors->back().to_ints(), row.y) << row.name;
  }
}

}  // namespace
}  // namespace heddle
