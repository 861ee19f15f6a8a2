#include "export/onnx_file.h"

#include <bit>
#include <cstring>

namespace heddle::onnx_file {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// One protobuf message under construction.
class Message {
 public:
  Message& integer(int field, int64_t value) {
    key(field, 0);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& real(int field, float value) {
    key(field, 5);
    char raw[4];
    std::memcpy(raw, &value, sizeof raw);
    bytes_.append(raw, sizeof raw);
    return *this;
  }
  Message& text(int field, const std::string& value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, int kind) {
    varint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(kind));
  }
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>((value & 127) | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

Message message_of(const Constant& constant) {
  Message tensor;
  for (int64_t dim : constant.shape) tensor.integer(1, dim);
  tensor.integer(2, static_cast<int64_t>(constant.type));
  if (!constant.name.empty()) tensor.text(8, constant.name);
  return tensor.text(9, constant.bytes);
}

struct FillAttribute {
  Message& attribute;
  void operator()(int64_t value) { attribute.integer(3, value).integer(20, 2); }
  void operator()(float value) { attribute.real(2, value).integer(20, 1); }
  void operator()(const std::string& value) { attribute.text(4, value).integer(20, 3); }
  void operator()(const std::vector<int64_t>& values) {
    for (int64_t value : values) attribute.integer(8, value);
    attribute.integer(20, 7);
  }
  void operator()(const Constant& value) { attribute.message(5, message_of(value)).integer(20, 4); }
};

Message message_of(const Node& node) {
  Message message;
  for (const std::string& input : node.inputs) message.text(1, input);
  for (const std::string& output : node.outputs) message.text(2, output);
  if (!node.name.empty()) message.text(3, node.name);
  message.text(4, node.op);
  for (const Attribute& given : node.attributes) {
    Message attribute;
    attribute.text(1, given.name);
    std::visit(FillAttribute{attribute}, given.value);
    message.message(5, attribute);
  }
  if (!node.domain.empty()) message.text(7, node.domain);
  return message;
}

Message message_of(const TypedName& value) {
  Message shape;
  for (int64_t dim : value.shape) shape.message(1, Message().integer(1, dim));
  const Message tensor = Message().integer(1, static_cast<int64_t>(value.type)).message(2, shape);
  return Message().text(1, value.name).message(2, Message().message(1, tensor));
}

Message opset(const std::string& domain, int64_t version) {
  return Message().text(1, domain).integer(2, version);
}

Message message_of(const Function& function) {
  Message message;
  message.text(1, function.name);
  for (const std::string& input : function.inputs) message.text(4, input);
  message.text(5, function.output);
  for (const Node& node : function.nodes) message.message(7, message_of(node));
  return message.message(9, opset("", kOpset)).text(10, kFunctionDomain);
}

template <class T>
std::string raw_bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace

Type type_of(DType dtype) {
  switch (dtype) {
    case DType::int8:
      return Type::int8;
    case DType::uint8:
      return Type::uint8;
    case DType::int16:
      return Type::int16;
    case DType::uint16:
      return Type::uint16;
    case DType::int32:
      return Type::int32;
    case DType::int64:
      return Type::int64;
    case DType::float32:
      break;
  }
  return Type::float32;
}

Constant integers(std::string name, Shape shape, const std::vector<int64_t>& values) {
  return {std::move(name), Type::int64, std::move(shape), raw_bytes(values)};
}

Constant reals(std::string name, Shape shape, const std::vector<float>& values) {
  return {std::move(name), Type::float32, std::move(shape), raw_bytes(values)};
}

Constant constant_of(std::string name, const Tensor& tensor) {
  return tensor.dtype() == DType::float32
             ? reals(std::move(name), tensor.shape(), tensor.to_floats())
             : integers(std::move(name), tensor.shape(), tensor.to_ints());
}

std::string encode(const Node& node) { return message_of(node).bytes(); }

std::string encode(const Model& model) {
  Message graph;
  for (const Node& node : model.nodes) graph.message(1, message_of(node));
  graph.text(2, model.name);
  for (const Constant& constant : model.constants) graph.message(5, message_of(constant));
  for (const TypedName& input : model.inputs) graph.message(11, message_of(input));
  for (const TypedName& output : model.outputs) graph.message(12, message_of(output));
  Message message;
  message.integer(1, kIrVersion).text(2, model.producer).message(7, graph);
  message.message(8, opset("", kOpset));
  if (!model.functions.empty()) message.message(8, opset(kFunctionDomain, 1));
  for (const Function& function : model.functions) message.message(25, message_of(function));
  return message.bytes();
}

}  // namespace heddle::onnx_file
