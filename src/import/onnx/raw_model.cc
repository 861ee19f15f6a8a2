#include "import/onnx/raw_model.h"

#include <fmt/format.h>

#include <cmath>

namespace heddle {
namespace {

constexpr double kGreatestWhole = 4611686018427387904.0;  // 2^62, as proto.cc reads them

}  // namespace

Tensor as_float(const Tensor& values) {
  if (values.dtype() == DType::float32) return values;
  Tensor reals(DType::float32, values.shape());
  for (int64_t i = 0; i < values.elements(); ++i)
    reals.set_float(i, static_cast<float>(values.at(i)));
  return reals;
}

RawTensor raw_constant(const Tensor& values, int32_t type) {
  RawTensor tensor{.type = type, .values = values};
  if (values.dtype() != DType::float32) return tensor;
  std::vector<int64_t> integers;
  for (int64_t i = 0; i < values.elements() && !tensor.fraction; ++i) {
    const double value = values.float_at(i);
    const bool whole = std::fabs(value) <= kGreatestWhole && value == std::floor(value);
    integers.push_back(whole ? static_cast<int64_t>(value) : 0);
    if (!whole) tensor.fraction = Fraction{i, value};
  }
  if (!tensor.fraction) {
    const Tensor wide = Tensor::of(DType::int64, values.shape(), integers);
    tensor.values = Tensor::of(narrowest_type(wide.min_max()), values.shape(), integers);
  }
  return tensor;
}

std::string onnx_type_name(int32_t type) {
  switch (type) {
    case kOnnxFloat:
      return "float32";
    case kOnnxUint8:
      return "uint8";
    case kOnnxInt8:
      return "int8";
    case kOnnxUint16:
      return "uint16";
    case kOnnxInt16:
      return "int16";
    case kOnnxInt32:
      return "int32";
    case kOnnxInt64:
      return "int64";
    case 8:
      return "string";
    case kOnnxBool:
      return "bool";
    case kOnnxFloat16:
      return "float16";
    case kOnnxDouble:
      return "float64";
    case kOnnxUint32:
      return "uint32";
    case kOnnxUint64:
      return "uint64";
    case kOnnxBfloat16:
      return "bfloat16";
    case kOnnxUint4:
      return "uint4";
    case kOnnxInt4:
      return "int4";
    default:
      return fmt::format("type {}", type);
  }
}

bool is_float_type(int32_t type) {
  return type == kOnnxFloat || type == kOnnxDouble || type == kOnnxFloat16 || type == kOnnxBfloat16;
}

}  // namespace heddle
