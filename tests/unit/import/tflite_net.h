// Small TFLite models for tests, good and bad, through the schema that the reader uses.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "import/tflite/tflite_generated.h"

namespace heddle::test {

// The format's numbers.
enum TfType : int8_t { kFloat32 = 0, kInt32 = 2, kUint8 = 3, kInt64 = 4, kInt8 = 9 };
enum TfCode : int32_t {
  kAdd = 0,
  kAveragePool = 1,
  kConcatenation = 2,
  kConv2d = 3,
  kFullyConnected = 9,
  kLstm = 16,
  kRelu = 19,
  kReshape = 22,
  kSoftmax = 25,
  kPad = 34,
  kTranspose = 39,
  kMean = 40,
  kStridedSlice = 45,
  kSplit = 49,
  kCumsum = 128,
};

struct TfTensor {
  std::string name;
  std::vector<int32_t> shape;
  int8_t type = kInt8;
  std::vector<float> scales{0.5f};
  std::vector<int64_t> zero_points{0};
  std::string data{};
  std::vector<int32_t> signature{};
  std::optional<uint32_t> buffer{};  // instead of the data's
};

struct TfOperator {
  int32_t code = kRelu;
  std::vector<int32_t> inputs{}, outputs{};
  tfl::BuiltinOptions kind = tfl::BuiltinOptions::NONE;
  // Makes the options' table.
  flatbuffers::Offset<void> (*options)(flatbuffers::FlatBufferBuilder&) = nullptr;
  std::string custom{};
};

struct TfNet {
  std::vector<TfTensor> tensors;
  std::vector<TfOperator> operators;
  std::vector<int32_t> inputs{}, outputs{};
  uint32_t version = 3;
  bool without_graph = false;

  std::string bytes() const {
    flatbuffers::FlatBufferBuilder b;
    std::vector<flatbuffers::Offset<tfl::Buffer>> buffers{tfl::CreateBuffer(b)};
    std::vector<flatbuffers::Offset<tfl::Tensor>> all;
    for (const TfTensor& t : tensors) {
      uint32_t buffer = 0;
      if (!t.data.empty()) {
        buffer = static_cast<uint32_t>(buffers.size());
        const auto* data = reinterpret_cast<const uint8_t*>(t.data.data());
        buffers.push_back(tfl::CreateBuffer(b, b.CreateVector(data, t.data.size())));
      }
      flatbuffers::Offset<tfl::QuantizationParameters> q = 0;
      if (!t.scales.empty())
        q = tfl::CreateQuantizationParametersDirect(b, nullptr, nullptr, &t.scales, &t.zero_points);
      all.push_back(tfl::CreateTensorDirect(b, &t.shape, t.type, t.buffer.value_or(buffer),
                                            t.name.c_str(), q, false, 0,
                                            t.signature.empty() ? nullptr : &t.signature));
    }
    std::vector<flatbuffers::Offset<tfl::OperatorCode>> codes;
    std::vector<flatbuffers::Offset<tfl::Operator>> nodes;
    for (const TfOperator& op : operators) {
      const auto old = static_cast<int8_t>(op.code > 127 ? 127 : op.code);
      codes.push_back(tfl::CreateOperatorCodeDirect(
          b, old, op.custom.empty() ? nullptr : op.custom.c_str(), 1, op.code));
      const flatbuffers::Offset<void> options = op.options ? op.options(b) : 0;
      nodes.push_back(tfl::CreateOperatorDirect(b, static_cast<uint32_t>(codes.size() - 1),
                                                &op.inputs, &op.outputs, op.kind, options));
    }
    std::vector<flatbuffers::Offset<tfl::SubGraph>> graphs;
    if (!without_graph)
      graphs.push_back(tfl::CreateSubGraphDirect(b, &all, &inputs, &outputs, &nodes, "main"));
    tfl::FinishModelBuffer(b, tfl::CreateModelDirect(b, version, &codes, &graphs, "", &buffers));
    return {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()};
  }
};

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline TfTensor int8(std::string name, std::vector<int32_t> shape) {
  return {.name = std::move(name), .shape = std::move(shape)};
}
inline TfTensor ints(std::string name, const std::vector<int32_t>& values) {
  return {.name = std::move(name),
          .shape = {static_cast<int32_t>(values.size())},
          .type = kInt32,
          .scales = {},
          .zero_points = {},
          .data = bytes_of(values)};
}

// x -> operator -> y, both int8, further operands constant.
inline TfNet net_of(TfOperator op, TfTensor x, TfTensor y, std::vector<TfTensor> constants = {}) {
  TfNet net{
      .tensors = {std::move(x), std::move(y)}, .operators = {}, .inputs = {0}, .outputs = {1}};
  op.inputs.insert(op.inputs.begin(), 0);
  op.outputs = {1};
  for (TfTensor& constant : constants) {
    op.inputs.push_back(static_cast<int32_t>(net.tensors.size()));
    net.tensors.push_back(std::move(constant));
  }
  net.operators.push_back(std::move(op));
  return net;
}

inline TfNet relu_net() { return net_of({.code = kRelu}, int8("x", {1, 4}), int8("y", {1, 4})); }

}  // namespace heddle::test
