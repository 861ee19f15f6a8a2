// TFLite models that contradict themselves where an index, a division or a shift could go wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "import/import.h"
#include "unit/import/tflite_net.h"

namespace heddle {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::Not;

constexpr int32_t kDepthwise = 4, kSub = 41, kSlice = 65, kPack = 83, kResizeNearest = 97,
                  kLeakyRelu = 98, kSplitV = 102, kHardSwish = 117;

std::string refusal(const TfNet& net) {
  const Result<Graph> graph = import_tflite(net.bytes(), "model.tflite", {});
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}

flatbuffers::Offset<void> conv_options(flatbuffers::FlatBufferBuilder& b) {
  return tfl::CreateConv2DOptions(b, 0, 1, 1).Union();
}
TfOperator conv(std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
  return {.code = kConv2d,
          .inputs = std::move(inputs),
          .outputs = std::move(outputs),
          .kind = tfl::BuiltinOptions::Conv2DOptions,
          .options = conv_options};
}
TfTensor constant(std::string name, std::vector<int32_t> shape, size_t bytes) {
  TfTensor w = int8(std::move(name), std::move(shape));
  w.data = std::string(bytes, '\1');
  return w;
}
TfTensor longs(std::string name, const std::vector<int64_t>& values) {
  return {.name = std::move(name),
          .shape = {static_cast<int32_t>(values.size())},
          .type = kInt64,
          .scales = {},
          .zero_points = {},
          .data = bytes_of(values)};
}
TfTensor scaled(TfTensor tensor, float scale) {
  tensor.scales = {scale};
  return tensor;
}

// The file calls an image what is none: what reads it is not translated at all.
TEST(TfliteHostile, ShapesThatTheFileContradicts) {
  TfNet net{.tensors = {int8("x", {1, 4}), int8("h", {1, 2, 2, 1}), constant("w", {1, 1, 1, 1}, 1),
                        int8("y", {1, 2, 2, 1})},
            .operators = {{.code = kRelu, .inputs = {0}, .outputs = {1}}, conv({1, 2}, {3})},
            .inputs = {0},
            .outputs = {3}};
  EXPECT_THAT(refusal(net),
              HasSubstr("its result `h` has shape [1, 4], the file says [1, 2, 2, 1]"));
  EXPECT_THAT(refusal(net), Not(HasSubstr("CONV_2D")));
  net.tensors[0].shape = {};
  EXPECT_THAT(refusal(net), HasSubstr("its result `h` has shape [], the file says [1, 2, 2, 1]"));
  net.tensors[1].shape = {};
  EXPECT_THAT(refusal(net),
              HasSubstr("its input `h` has shape []: only images [N, H, W, C] are supported"));
}

// A file may leave the shape of a result out: that of its value counts.
TEST(TfliteHostile, ShapesThatTheFileLeavesOut) {
  TfNet net{.tensors = {int8("x", {1, 4, 4, 2}), constant("w", {3, 1, 1, 2}, 6), int8("h", {}),
                        constant("r", {4, 4, 3}, 48), int8("y", {1, 4, 4, 3})},
            .operators = {conv({0, 1}, {2}), {.code = kAdd, .inputs = {2, 3}, .outputs = {4}}},
            .inputs = {0},
            .outputs = {4}};
  EXPECT_EQ(refusal(net), "imported");
  net.operators[1].inputs = {3, 2};
  EXPECT_EQ(refusal(net), "imported");
  // Ranks that grow with every operator.
  net = {.tensors = {int8("x", {1, 4})}, .operators = {}, .inputs = {0}, .outputs = {70}};
  for (int32_t i = 0; i < 70; ++i) {
    net.tensors.push_back(int8("t" + std::to_string(i), {}));
    net.operators.push_back({.code = kPack, .inputs = {i}, .outputs = {i + 1}});
  }
  EXPECT_NE(refusal(net), "imported");
}

TEST(TfliteHostile, ConstantsWithoutElements) {
  TfNet net{.tensors = {int8("x", {1, 4, 4, 2}), int8("e", {1, 4, 4, 0}),
                        constant("w", {1, 1, 1, 2}, 2), int8("y", {1, 4, 4, 2})},
            .operators = {{.code = kDepthwise,
                           .inputs = {1, 2},
                           .outputs = {3},
                           .kind = tfl::BuiltinOptions::DepthwiseConv2DOptions,
                           .options =
                               [](flatbuffers::FlatBufferBuilder& b) {
                                 return tfl::CreateDepthwiseConv2DOptions(b, 0, 1, 1, 1).Union();
                               }}},
            .inputs = {0},
            .outputs = {3}};
  const auto message = HasSubstr("its operand `e` of shape [1, 4, 4, 0] has no elements");
  EXPECT_THAT(refusal(net), message);
  net.operators = {conv({1, 2}, {3})};
  EXPECT_THAT(refusal(net), message);
  for (const int32_t code : {static_cast<int32_t>(kMean), kResizeNearest}) {
    net.operators = {{.code = code, .inputs = {1, 4}, .outputs = {3}}};
    net.tensors.resize(4);
    net.tensors.push_back(
        ints("axes", code == kMean ? std::vector<int32_t>{3} : std::vector{2, 2}));
    EXPECT_THAT(refusal(net), message) << code;
  }
}

TEST(TfliteHostile, Parts) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(refusal(net_of({.code = kSplitV}, int8("x", {1, 4}), int8("y", {1, 1}),
                             {ints("sizes", {1, 1, 1, 1}), ints("axis", {1})})),
              HasSubstr("it splits 4 elements into 1 outputs of sizes [1, 1, 1, 1]"));
  EXPECT_THAT(refusal(net_of({.code = kSlice}, int8("x", {1, 4}), int8("y", {1, 4}),
                             {longs("begin", {0, -kMost - 1}), longs("size", {1, -1})})),
              HasSubstr("elements from -9223372036854775808 on of dimension 1, which has 4"));
  const TfOperator strided{.code = kStridedSlice,
                           .kind = tfl::BuiltinOptions::StridedSliceOptions,
                           .options = [](flatbuffers::FlatBufferBuilder& b) {
                             return tfl::CreateStridedSliceOptions(b, 0, 0, 0, 0, 0, true).Union();
                           }};
  EXPECT_EQ(
      refusal(net_of(strided, int8("x", {1, 4}), int8("y", {1, 3}),
                     {longs("begin", {0, 1}), longs("end", {1, kMost}), longs("steps", {1, 1})})),
      "imported");
}

TEST(TfliteHostile, ScalesFarApart) {
  const auto concat = [](flatbuffers::FlatBufferBuilder& b) {
    return tfl::CreateConcatenationOptions(b, 1).Union();
  };
  TfNet net =
      net_of({.code = kConcatenation,
              .kind = tfl::BuiltinOptions::ConcatenationOptions,
              .options = concat},
             int8("x", {1, 4}), scaled(int8("y", {1, 8}), 1e-39f), {constant("w", {1, 4}, 4)});
  EXPECT_THAT(refusal(net), HasSubstr("their quotient leaves float32"));
  for (const float y_scale : {1e-39f, 1.0f, 1e38f}) {
    const TfTensor x = scaled(int8("x", {1, 4}), 1e30f), y = scaled(int8("y", {1, 4}), y_scale);
    EXPECT_EQ(refusal(net_of({.code = kHardSwish}, x, y)), "imported") << y_scale;
    EXPECT_EQ(refusal(net_of({.code = kLeakyRelu}, x, y)), "imported") << y_scale;
    EXPECT_EQ(refusal(net_of({.code = kRelu}, x, y)), "imported") << y_scale;
  }
}

TEST(TfliteHostile, WideNumbers) {
  const auto tensor = [](const char* name, int8_t type) {
    return TfTensor{
        .name = name, .shape = {1}, .type = type, .scales = {}, .zero_points = {}, .data = {}};
  };
  EXPECT_THAT(refusal(net_of({.code = kSub}, tensor("x", kInt32), tensor("y", kInt32),
                             {longs("w", {std::numeric_limits<int64_t>::min()})})),
              HasSubstr("which leaves int32"));
  // Weights less their zero point need a wider type than int16.
  TfTensor w{.name = "w",
             .shape = {1, 1},
             .type = 7,  // int16
             .scales = {0.5f},
             .zero_points = {-32768},
             .data = bytes_of(std::vector<int16_t>{32767})};
  const Result<Graph> graph = import_tflite(
      net_of({.code = kFullyConnected}, int8("x", {1, 1}), int8("y", {1, 1}), {w}).bytes(),
      "model.tflite", {});
  ASSERT_TRUE(graph.ok()) << format_diagnostics(graph.errors());
  EXPECT_TRUE(std::any_of(graph->values.begin(), graph->values.end(), [](const Value& value) {
    return value.constant && value.constant->min_max() == Range{65535, 65535};
  }));
}

// The verifier lets a vector of int64 start at any multiple of 4.
TEST(TfliteHostile, MisalignedZeroPoints) {
  TfNet net = relu_net();
  net.tensors[0].zero_points = {77};
  std::string bytes = net.bytes();
  const tfl::Model& model = *tfl::GetModel(bytes.data());
  const auto* table = reinterpret_cast<const flatbuffers::Table*>(
      model.subgraphs()->Get(0)->tensors()->Get(0)->quantization());
  const size_t field =
      static_cast<size_t>(table->GetAddressOf(tfl::QuantizationParameters::VT_ZERO_POINT) -
                          reinterpret_cast<const uint8_t*>(bytes.data()));
  uint32_t offset = 0;
  std::memcpy(&offset, bytes.data() + field, sizeof offset);
  const std::string vector = bytes.substr(field + offset, 12);  // its length and one element
  bytes.resize((bytes.size() + 7) / 8 * 8);
  offset = static_cast<uint32_t>(bytes.size() - field);
  std::memcpy(bytes.data() + field, &offset, sizeof offset);
  bytes += vector;
  const Result<Graph> graph = import_tflite(bytes, "model.tflite", {});
  ASSERT_TRUE(graph.ok()) << format_diagnostics(graph.errors());
  const std::optional<Quantisation>& q = graph->value(graph->inputs[0]).quantisation;
  ASSERT_TRUE(q.has_value());
  EXPECT_EQ(q->zero_point, 77);
}

}  // namespace
}  // namespace heddle
