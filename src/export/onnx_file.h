// An ONNX model as plain data, and its bytes. The encoding is written by hand: five kinds of
// protobuf fields are all that a model needs (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "graph/tensor.h"

namespace heddle::onnx_file {

enum class Type : int32_t {  // TensorProto.DataType
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  float64 = 11,
};
Type type_of(DType dtype);

struct Constant {
  std::string name;
  Type type = Type::int64;
  Shape shape;
  std::string bytes;  // little-endian elements
};
Constant constant_of(std::string name, const Tensor& tensor);  // int64 or float32 elements
Constant integers(std::string name, Shape shape, const std::vector<int64_t>& values);
Constant reals(std::string name, Shape shape, const std::vector<float>& values);

struct Attribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, Constant> value;
};

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<Attribute> attributes{};
  std::string domain{};
  std::string name{};
};

struct TypedName {
  std::string name;
  Type type = Type::int64;
  Shape shape;
};

struct Function {  // of domain kFunctionDomain
  std::string name;
  std::vector<std::string> inputs;
  std::string output;
  std::vector<Node> nodes;
};

inline constexpr const char* kFunctionDomain = "heddle";
inline constexpr int64_t kOpset = 17;
inline constexpr int64_t kIrVersion = 8;  // the first with functions

struct Model {
  std::string name;
  std::string producer;
  std::vector<TypedName> inputs;
  std::vector<TypedName> outputs;
  std::vector<Constant> constants;
  std::vector<Node> nodes;
  std::vector<Function> functions;
};

std::string encode(const Node& node);  // to compare bodies of functions
std::string encode(const Model& model);

}  // namespace heddle::onnx_file
