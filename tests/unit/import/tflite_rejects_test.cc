// TFLite models that must be refused: each with its message, in bounded memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <random>

#include "base/files.h"
#include "import/import.h"
#include "unit/import/tflite_net.h"

namespace heddle {
namespace {

using namespace test;
using testing::HasSubstr;

std::string refusal(std::string_view bytes, const ImportOptions& options = {}) {
  const Result<Graph> graph = import_tflite(bytes, "model.tflite", options);
  return graph.ok() ? "imported" : format_diagnostics(graph.errors());
}
std::string refusal(const TfNet& net, const ImportOptions& options = {}) {
  return refusal(net.bytes(), options);
}

flatbuffers::Offset<void> conv_options(flatbuffers::FlatBufferBuilder& b) {
  return tfl::CreateConv2DOptions(b, 0, 1, 1).Union();
}
flatbuffers::Offset<void> still_options(flatbuffers::FlatBufferBuilder& b) {
  return tfl::CreateConv2DOptions(b, 0, 0, 1).Union();
}
flatbuffers::Offset<void> tanh_options(flatbuffers::FlatBufferBuilder& b) {
  return tfl::CreateAddOptions(b, 4).Union();
}
flatbuffers::Offset<void> far_axis(flatbuffers::FlatBufferBuilder& b) {
  return tfl::CreateConcatenationOptions(b, 9).Union();
}

TfNet conv_net(TfTensor weights) {
  return net_of(
      {.code = kConv2d, .kind = tfl::BuiltinOptions::Conv2DOptions, .options = conv_options},
      int8("x", {1, 4, 4, 2}), int8("y", {1, 4, 4, 3}), {std::move(weights)});
}
TfTensor weights(std::vector<int32_t> shape, size_t bytes) {
  TfTensor w = int8("w", std::move(shape));
  w.data = std::string(bytes, '\1');
  return w;
}

TEST(TfliteRejects, TheBaseIsFine) {
  EXPECT_EQ(refusal(relu_net()), "imported");
  EXPECT_EQ(refusal(conv_net(weights({3, 3, 3, 2}, 54))), "imported");
}

TEST(TfliteRejects, FilesThatAreNone) {
  EXPECT_THAT(refusal(""), HasSubstr("the identifier TFL3 is missing"));
  EXPECT_THAT(refusal("not a model at all"), HasSubstr("the identifier TFL3 is missing"));
  EXPECT_THAT(refusal(std::string("\xff\xff\xff\xffTFL3", 8)), HasSubstr("is damaged"));
  const std::string good = conv_net(weights({3, 3, 3, 2}, 54)).bytes();
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(refusal(std::string_view(good).substr(0, length)), "imported") << length;
  TfNet net = relu_net();
  net.version = 2;
  EXPECT_THAT(refusal(net), HasSubstr("the TFLite schema version is 2, 3 is supported"));
  net = relu_net();
  net.without_graph = true;
  EXPECT_THAT(refusal(net), HasSubstr("the TFLite model has no graph"));
}

// Every 32-bit word of the file becomes a huge length or offset.
TEST(TfliteRejects, HugeVectorsAndOffsets) {
  const std::string good = conv_net(weights({3, 3, 3, 2}, 54)).bytes();
  for (size_t at = 0; at + 4 <= good.size(); at += 4) {
    for (uint32_t word : {0xffffffffu, 0x80000000u, 0x7fffffffu, 0x3fffffffu}) {
      std::string bytes = good;
      std::memcpy(bytes.data() + at, &word, sizeof word);
      refusal(bytes);
    }
  }
}

TEST(TfliteRejects, MutatedModelsDoNotCrash) {
  const std::string good = conv_net(weights({3, 3, 3, 2}, 54)).bytes();
  std::mt19937_64 random(7);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good;
    for (uint64_t change = 0; change <= random() % 4; ++change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    refused += refusal(bytes) != "imported";
  }
  EXPECT_GT(refused, 300);
}

// One operator each: every handler meets broken operands.
TEST(TfliteRejects, MutatedOperatorsDoNotCrash) {
  const std::filesystem::path folder =
      std::filesystem::path(HEDDLE_SOURCE_DIR) / "tests/oracle/litert/models";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  EXPECT_GT(files.size(), 60u);
  std::mt19937_64 random(11);
  const uint32_t words[] = {0xffffffff, 0x7fffffff, 0x80000000, 0, 1, 8};
  for (const std::filesystem::path& file : files) {
    const std::string good = read_file(file).value();
    for (int round = 0; round < 40; ++round) {
      std::string bytes = good;
      for (uint64_t change = 0; change <= random() % 3; ++change) {
        const size_t at = random() % (bytes.size() - 4);
        if (random() % 2 == 0) {
          std::memcpy(bytes.data() + at / 4 * 4, &words[random() % 6], sizeof words[0]);
        } else {
          bytes[at] = static_cast<char>(random());
        }
      }
      EXPECT_NE(refusal(bytes), "") << file;
    }
  }
}

TEST(TfliteRejects, AnOddAddressIsRead) {
  const std::string shifted = "?" + relu_net().bytes();
  EXPECT_EQ(refusal(std::string_view(shifted).substr(1)), "imported");
}

TEST(TfliteRejects, IndicesOutOfRange) {
  TfNet net = relu_net();
  net.operators[0].inputs = {7};
  EXPECT_THAT(refusal(net), HasSubstr("operator 0: it names tensor 7, the model has 2"));
  net = relu_net();
  net.operators[0].outputs = {-1};
  EXPECT_THAT(refusal(net), HasSubstr("operator 0: it names tensor -1, the model has 2"));
  net = relu_net();
  net.outputs = {2};
  EXPECT_THAT(refusal(net), HasSubstr("graph outputs: it names tensor 2, the model has 2"));
  net = relu_net();
  net.tensors[0].buffer = 9;
  EXPECT_THAT(refusal(net), HasSubstr("tensor 0, `x`: its data are buffer 9, the model has 1"));
  net = relu_net();
  net.operators[0].inputs = {-1};
  EXPECT_THAT(refusal(net), HasSubstr("y (RELU): error: input 0 is missing"));
}

TEST(TfliteRejects, ShapesAndSizes) {
  TfNet net = relu_net();
  net.tensors[0].shape = {1, -4};
  EXPECT_THAT(refusal(net), HasSubstr("its shape [1, -4] is negative or too large"));
  net.tensors[0].shape = {INT32_MAX, INT32_MAX};
  EXPECT_THAT(refusal(net), HasSubstr("is negative or too large"));
  net.tensors[0].shape = std::vector<int32_t>(9, 1);
  EXPECT_THAT(refusal(net), HasSubstr("it has 9 dimensions, 8 are supported"));
  net.tensors[0].shape = {1, 1 << 29};
  EXPECT_THAT(refusal(net), HasSubstr("is empty or too large"));
  EXPECT_THAT(refusal(conv_net(weights({3, 3, 3, 2}, 53))),
              HasSubstr("constant `w` of shape [3, 3, 3, 2] and type int8 needs 54 bytes, the file "
                        "has 53"));
  EXPECT_THAT(refusal(conv_net(weights({3, 3, 3, 5}, 135))),
              HasSubstr("its weights have 5 input channels, its input has 2"));
  net = relu_net();
  net.tensors[1].shape = {1, 5};
  EXPECT_THAT(refusal(net), HasSubstr("its result `y` has shape [1, 4], the file says [1, 5]"));
}

TEST(TfliteRejects, Order) {
  TfNet net = relu_net();
  net.tensors.push_back(int8("z", {1, 4}));
  net.operators = {{.code = kRelu, .inputs = {2}, .outputs = {1}},
                   {.code = kRelu, .inputs = {1}, .outputs = {2}}};
  EXPECT_THAT(refusal(net), HasSubstr("reads tensor `z` before any operator writes it"));
  net.operators = {{.code = kRelu, .inputs = {0}, .outputs = {1}},
                   {.code = kRelu, .inputs = {0}, .outputs = {1}}};
  EXPECT_THAT(refusal(net), HasSubstr("writes tensor `y`, which is an input, or written or read "
                                      "before"));
  net.operators = {{.code = kRelu, .inputs = {0}, .outputs = {0}}};
  EXPECT_THAT(refusal(net), HasSubstr("writes tensor `x`"));
}

TEST(TfliteRejects, Quantisation) {
  const auto with_scales = [](std::vector<float> scales, std::vector<int64_t> zero_points) {
    TfNet net = relu_net();
    net.tensors[0].scales = std::move(scales);
    net.tensors[0].zero_points = std::move(zero_points);
    return refusal(net);
  };
  EXPECT_THAT(with_scales({}, {}), HasSubstr("tensor `x` is int8 without a scale"));
  EXPECT_THAT(with_scales({0.0f}, {0}), HasSubstr("has scale 0, not a positive number"));
  EXPECT_THAT(with_scales({-1.0f}, {0}), HasSubstr("has scale -1, not a positive number"));
  EXPECT_THAT(with_scales({std::numeric_limits<float>::infinity()}, {0}),
              HasSubstr("has scale inf, not a positive number"));
  EXPECT_THAT(with_scales({std::numeric_limits<float>::quiet_NaN()}, {0}),
              HasSubstr("not a positive number"));
  EXPECT_THAT(with_scales({0.5f}, {200}), HasSubstr("has zero point 200, outside int8"));
  EXPECT_THAT(with_scales({0.5f, 0.5f}, {0, 0}), HasSubstr("has 2 scales"));
  EXPECT_THAT(with_scales({0.5f, 0.5f, 1}, {0, 0}), HasSubstr("it has 3 scales and 2 zero points"));
  TfTensor w = weights({3, 3, 3, 2}, 54);
  w.scales = {0.5f, 0.5f};
  w.zero_points = {0, 0};
  EXPECT_THAT(refusal(conv_net(w)), HasSubstr("the weights `w` have 2 scales along dimension 0"));
}

TEST(TfliteRejects, Operators) {
  TfNet net = conv_net(weights({3, 3, 3, 2}, 54));
  net.operators[0].options = still_options;
  EXPECT_THAT(refusal(net),
              HasSubstr("y (CONV_2D): error: `stride_w` is 0, outside [1, 16777216]"));
  net.tensors[0].type = kFloat32;
  net.tensors[1].type = kFloat32;
  EXPECT_THAT(refusal(net), HasSubstr("a model of dynamic range"));
  net = net_of({.code = kAdd, .kind = tfl::BuiltinOptions::AddOptions, .options = tanh_options},
               int8("x", {1, 4}), int8("y", {1, 4}), {weights({1, 4}, 4)});
  EXPECT_THAT(refusal(net), HasSubstr("its fused activation is number 4, which is not supported"));
  net = net_of({.code = kConcatenation,
                .kind = tfl::BuiltinOptions::ConcatenationOptions,
                .options = far_axis},
               int8("x", {1, 4}), int8("y", {1, 8}), {weights({1, 4}, 4)});
  EXPECT_THAT(refusal(net), HasSubstr("its axis 9 is none of 2 dimensions"));
  net = net_of({.code = kMean}, int8("x", {1, 4}), int8("y", {1}), {ints("axes", {2})});
  EXPECT_THAT(refusal(net), HasSubstr("it reduces axis 2 of a tensor of 2 dimensions"));
  net = net_of({.code = kReshape}, int8("x", {1, 4}), int8("y", {3}), {ints("to", {3, -1})});
  EXPECT_THAT(refusal(net), HasSubstr("it gives [1, 4] the shape [3, -1], which does not fit"));
  net = net_of({.code = kTranspose}, int8("x", {1, 4}), int8("y", {4, 1}), {ints("perm", {1, 1})});
  EXPECT_THAT(refusal(net),
              HasSubstr("its permutation [1, 1] does not name each of 2 dimensions once"));
  net = net_of({.code = kPad}, int8("x", {1, 4}), int8("y", {2, 4}), {ints("pads", {1, 0, 0, 0})});
  EXPECT_THAT(refusal(net), HasSubstr("only height and width of images"));
  net = net_of({.code = kSoftmax}, int8("x", {1, 4}), int8("y", {1, 4}));
  net.tensors[1].type = kInt32;
  EXPECT_THAT(refusal(net), HasSubstr("it turns int8 into int32"));
}

TEST(TfliteRejects, UnsupportedOperatorsAllAtOnce) {
  TfNet net = relu_net();
  net.tensors.push_back(int8("a", {1, 4}));
  net.tensors.push_back(int8("b", {1, 4}));
  net.tensors.push_back(int8("c", {1, 4}));
  net.operators = {{.code = kLstm, .inputs = {0}, .outputs = {2}},
                   {.code = kCumsum, .inputs = {2}, .outputs = {3}},
                   {.code = kLstm, .inputs = {3}, .outputs = {4}},
                   {.code = 32, .inputs = {4}, .outputs = {1}, .custom = "MyOp"}};
  const std::string text = refusal(net);
  EXPECT_THAT(text, HasSubstr("operator `LSTM` is not supported (2 nodes): `a` of [1, 4], `c` of "
                              "[1, 4]"));
  EXPECT_THAT(text, HasSubstr("operator `CUMSUM` is not supported (1 node): `b` of [1, 4]"));
  EXPECT_THAT(text, HasSubstr("operator `MyOp` is not supported (1 node): `y` of [1, 4]"));
}

TEST(TfliteRejects, InputsAndOutputs) {
  TfNet net = relu_net();
  net.inputs = {0, 0};
  EXPECT_THAT(refusal(net), HasSubstr("graph input `x` is listed twice"));
  net = relu_net();
  net.outputs = {};
  EXPECT_THAT(refusal(net), HasSubstr("the graph has no outputs"));
  net.outputs = {0};
  EXPECT_THAT(refusal(net), HasSubstr("graph output `x` is a graph input unchanged"));
  net.outputs = {1, 1};
  EXPECT_THAT(refusal(net), HasSubstr("graph output `y` is the same tensor as another output"));
  net = relu_net();
  net.tensors.push_back(int8("z", {1}));
  net.outputs = {2};
  EXPECT_THAT(refusal(net), HasSubstr("graph output `z` is written by no operator"));
  net = relu_net();
  net.tensors[0].type = kInt64;
  EXPECT_THAT(refusal(net), HasSubstr("graph input `x` is of type int64, which is not supported"));
}

TEST(TfliteRejects, Options) {
  ImportOptions options;
  options.rounding = "adc";
  EXPECT_THAT(refusal(relu_net(), options), HasSubstr("--rounding `adc` is none of TFLite's"));
  options = {};
  options.input_types["z"] = DType::int8;
  EXPECT_THAT(refusal(relu_net(), options),
              HasSubstr("--input-type names `z`, which is no graph input"));
  options.input_types = {{"x", DType::uint8}};
  EXPECT_THAT(refusal(relu_net(), options),
              HasSubstr("--input-type says uint8 for input `x`, the model says int8"));
  options = {};
  options.bind["batch"] = 2;
  EXPECT_THAT(refusal(relu_net(), options),
              HasSubstr("--bind names `batch`, which is no open dimension of a graph input"));
  TfNet open = relu_net();
  open.tensors[0].signature = open.tensors[1].signature = {-1, 4};
  EXPECT_EQ(refusal(open, options), "imported");
  EXPECT_EQ(refusal(open), "imported");
  options.bind = {{"x[0]", 0}};
  EXPECT_THAT(refusal(open, options), HasSubstr("graph input `x` of shape [0, 4] is empty"));
  open.tensors[0].signature = {-1, -1};
  EXPECT_THAT(refusal(open), HasSubstr("dimension 1 of graph input `x` has no size"));
}

}  // namespace
}  // namespace heddle
