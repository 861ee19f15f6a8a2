// An ONNX model as plain data, free of protobuf. proto.cc fills it; import_onnx.cc translates it to a
// Graph.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "graph/tensor.h"

namespace heddle {

// ONNX's TensorProto.DataType, as far as we name them.
enum OnnxType : int32_t {
  kOnnxFloat = 1,
  kOnnxUint8 = 2,
  kOnnxInt8 = 3,
  kOnnxUint16 = 4,
  kOnnxInt16 = 5,
  kOnnxInt32 = 6,
  kOnnxInt64 = 7,
  kOnnxBool = 9,
  kOnnxFloat16 = 10,
  kOnnxDouble = 11,
  kOnnxUint32 = 12,
  kOnnxUint64 = 13,
  kOnnxBfloat16 = 16,
  kOnnxUint4 = 21,  // newer than Debian's schema
  kOnnxInt4 = 22,
};
std::string onnx_type_name(int32_t type);  // "float32"; "type 99"
bool is_float_type(int32_t type);

struct Fraction {
  int64_t element = 0;
  double value = 0;
};

struct RawTensor {
  std::string name{};
  int32_t type = 0;  // as declared, an OnnxType
  Tensor values{};   // integers in the narrowest type; float32 where `fraction` is set
  std::optional<Fraction> fraction{};  // the first element that is no integer
};

// The tensor with its elements converted to float32.
Tensor as_float(const Tensor& values);
// A constant that was computed. Floats that are whole numbers become integers, as read from a file.
RawTensor raw_constant(const Tensor& values, int32_t type);

// monostate: a kind that we never use (graphs, sparse tensors ...).
using RawAttribute = std::variant<std::monostate, int64_t, double, std::string,
                                  std::vector<int64_t>, std::vector<double>, RawTensor>;

struct RawDim {
  int64_t value = -1;  // -1: unknown or symbolic
  std::string symbol{};
};

struct RawInfo {
  std::string name{};
  int32_t type = 0;  // 0: unknown
  bool has_shape = false;
  std::vector<RawDim> dims{};
};

struct RawNode {
  std::string name{};  // never empty: a node without a name has that of its first output
  std::string op{};
  std::string domain{};
  std::vector<std::string> inputs{};  // "" is an absent optional input
  std::vector<std::string> outputs{};
  std::map<std::string, RawAttribute> attributes{};
};

struct RawModel {
  std::string name{};
  int64_t opset = 0;  // of the default domain; 0: not stated
  std::vector<RawNode> nodes{};
  std::vector<RawTensor> initialisers{};
  std::vector<RawInfo> inputs{};
  std::vector<RawInfo> outputs{};
  std::vector<RawInfo> infos{};
};

// Decodes and checks sizes, types and encodings of every tensor before anything of its size is
// allocated. External data is read from the folder of `file`. Errors: no ONNX model, data elsewhere,
// sparse or segmented tensors, wrong sizes.
Result<RawModel> read_onnx_proto(std::string_view bytes, const std::string& file);

}  // namespace heddle
