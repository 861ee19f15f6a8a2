#include "import/tflite/translate.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/text.h"
#include "ops/op.h"

namespace heddle::tflite {
namespace {

constexpr int64_t kMaxDecodedBytes = int64_t{1} << 29;
constexpr size_t kMaxRank = 8;

const RawTensor& tensor_at(const Translation& t, int32_t index) {
  return t.model.tensors[static_cast<size_t>(index)];
}

bool is_constant(const RawTensor& tensor) {
  return !tensor.data.empty() || elements_of(tensor.shape) == 0;
}

struct Encoding {
  DType dtype;
  int64_t bits;
};
std::optional<Encoding> encoding_of(RawType type) {
  switch (type) {
    case RawType::float32:
      return Encoding{DType::float32, 32};
    case RawType::float16:
      return Encoding{DType::float32, 16};
    case RawType::int32:
      return Encoding{DType::int32, 32};
    case RawType::int64:
      return Encoding{DType::int64, 64};
    case RawType::uint32:
      return Encoding{DType::int64, 32};
    case RawType::int16:
      return Encoding{DType::int16, 16};
    case RawType::uint16:
      return Encoding{DType::uint16, 16};
    case RawType::int8:
      return Encoding{DType::int8, 8};
    case RawType::uint8:
    case RawType::boolean:
      return Encoding{DType::uint8, 8};
    case RawType::int4:
      return Encoding{DType::int8, 4};
    default:
      return std::nullopt;
  }
}

float half_to_float(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int mantissa = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 0) return sign * static_cast<float>(mantissa) * 0x1p-24f;
  if (exponent == 31) return sign * (mantissa == 0 ? INFINITY : NAN);
  const uint32_t bits = static_cast<uint32_t>((exponent + 112) << 23 | mantissa << 13);
  return sign * std::bit_cast<float>(bits);
}

// Widens what a Tensor has no type for; two int4 stand in a byte, the lower half first.
void widen(const RawTensor& from, Tensor* to) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(from.data.data());
  for (int64_t i = 0; i < to->elements(); ++i) {
    if (from.type == RawType::int4) {
      const int nibble = bytes[i / 2] >> (i % 2 * 4) & 15;
      to->set(i, nibble < 8 ? nibble : nibble - 16);
    } else if (from.type == RawType::float16) {
      uint16_t half;
      std::memcpy(&half, bytes + 2 * i, sizeof half);
      to->set_float(i, half_to_float(half));
    } else {
      uint32_t word;
      std::memcpy(&word, bytes + 4 * i, sizeof word);
      to->set(i, word);
    }
  }
}

// The held tensor of an operand, with its constant decoded; null after an error.
Held* held_input(Translation& t, const RawOperator& op, size_t i) {
  const RawTensor* tensor = input_tensor(t, op, i);
  if (tensor == nullptr) return nullptr;
  Held& held = t.tensors[static_cast<size_t>(op.inputs[i])];
  if (!held.known && !held.broken) {
    if (elements_of(tensor->shape) == 0) {
      fail(t, op,
           fmt::format("its operand {} of shape {} has no elements", ticked(tensor->name),
                       to_string(tensor->shape)));
      held.broken = true;
    } else if (is_constant(*tensor)) {
      std::optional<Tensor> values = decode(t, *tensor, label(t, op));
      held.broken = !values;
      if (values) {
        held.plain = values->dtype() == DType::int64
                         ? add_narrow_constant(t.builder, tensor->name, *values)
                         : add_constant(t.builder, tensor->name, std::move(*values));
      }
    } else {
      fail(t, op,
           fmt::format("reads tensor {} before any operator writes it", ticked(tensor->name)),
           "operators must stand in the order in which they run");
      held.broken = true;
    }
    held.known = true;
  }
  return held.broken ? nullptr : &held;
}

// Open dimensions of the file agree with everything, and so does no shape at all.
bool check_shape(Translation& t, const RawOperator& op, const RawTensor& tensor,
                 const Shape& shape) {
  const auto agrees = [&] {
    if (tensor.shape.empty()) return shape.size() <= kMaxRank;
    if (tensor.shape.size() != shape.size()) return false;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool open = !tensor.signature.empty() && tensor.signature[d] < 0;
      if (!open && d > 0 && shape[d] != tensor.shape[d]) return false;
    }
    return true;
  };
  if (agrees()) return true;
  fail(t, op,
       fmt::format("its result {} has shape {}, the file says {}", ticked(tensor.name),
                   to_string(shape), to_string(tensor.shape)));
  return false;
}

}  // namespace

std::string label(const Translation& t, const RawOperator& op) {
  const std::string name = op.outputs.empty() ? "" : tensor_at(t, op.outputs[0]).name;
  return fmt::format("{} ({})", name, operator_name(op));
}

void fail(Translation& t, const RawOperator& op, const std::string& message, std::string remedy) {
  report(t.builder, label(t, op), message, std::move(remedy));
}

bool has_input(const RawOperator& op, size_t i) {
  return i < op.inputs.size() && op.inputs[i] >= 0;
}

const RawTensor* input_tensor(Translation& t, const RawOperator& op, size_t i) {
  if (has_input(op, i)) return &tensor_at(t, op.inputs[i]);
  fail(t, op, fmt::format("input {} is missing", i));
  return nullptr;
}

const RawTensor& output_tensor(const Translation& t, const RawOperator& op, size_t i) {
  return tensor_at(t, op.outputs[i]);
}

bool is_real(const RawTensor& tensor) {
  return tensor.type == RawType::float32 || tensor.type == RawType::float16;
}
bool quantised(const RawTensor& tensor) {
  return !tensor.quantisation.scales.empty() && !is_real(tensor);
}
bool real_input(const Translation& t, const RawOperator& op, size_t i) {
  return has_input(op, i) && is_real(tensor_at(t, op.inputs[i]));
}

std::optional<ValueId> plain_input(Translation& t, const RawOperator& op, size_t i) {
  Held* held = held_input(t, op, i);
  if (held == nullptr) return std::nullopt;
  if (!held->plain.valid()) {
    const size_t rank = shape_of(t, held->planes).size();
    held->plain = emit_transpose(t, tensor_at(t, op.inputs[i]).name + "_nhwc", held->planes,
                                 from_planes(rank));
  }
  if (!held->plain.valid()) return std::nullopt;
  return held->plain;
}

std::optional<ValueId> planes_input(Translation& t, const RawOperator& op, size_t i) {
  Held* held = held_input(t, op, i);
  if (held == nullptr) return std::nullopt;
  if (!held->planes.valid()) {
    const size_t rank = shape_of(t, held->plain).size();
    held->planes = rank < 3 ? held->plain
                            : emit_transpose(t, tensor_at(t, op.inputs[i]).name + "_nchw",
                                             held->plain, to_planes(rank));
  }
  if (!held->planes.valid()) return std::nullopt;
  return held->planes;
}

std::optional<Shape> model_shape(Translation& t, const RawOperator& op, size_t i) {
  const Held* held = held_input(t, op, i);
  if (held == nullptr) return std::nullopt;
  if (held->plain.valid()) return shape_of(t, held->plain);
  const Shape& shape = shape_of(t, held->planes);
  return permuted(shape, from_planes(shape.size()));
}

bool held_as_planes(const Translation& t, const RawOperator& op, size_t i) {
  return has_input(op, i) && t.tensors[static_cast<size_t>(op.inputs[i])].planes.valid();
}

bool is_constant_input(const Translation& t, const RawOperator& op, size_t i) {
  if (!has_input(op, i)) return false;
  const Held& held = t.tensors[static_cast<size_t>(op.inputs[i])];
  if (!held.known) return is_constant(tensor_at(t, op.inputs[i]));
  return held.plain.valid() && heddle::is_constant(t.builder, held.plain);
}

std::optional<Tensor> decode(Translation& t, const RawTensor& tensor, const std::string& where) {
  const std::optional<Encoding> encoding = encoding_of(tensor.type);
  if (!encoding || tensor.sparse) {
    report(t.builder, where,
           fmt::format("constant {} is {}{}, which is not supported", ticked(tensor.name),
                       tensor.sparse ? "sparse " : "", name_of(tensor.type)),
           tensor.sparse ? "convert the model with dense weights" : "");
    return std::nullopt;
  }
  const int64_t elements = elements_of(tensor.shape);
  const int64_t bytes = (elements * encoding->bits + 7) / 8;
  if (bytes != static_cast<int64_t>(tensor.data.size())) {
    report(t.builder, where,
           fmt::format("constant {} of shape {} and type {} needs {} bytes, the file has {}",
                       ticked(tensor.name), to_string(tensor.shape), name_of(tensor.type), bytes,
                       tensor.data.size()));
    return std::nullopt;
  }
  t.decoded_bytes += elements * bytes_of(encoding->dtype);
  if (t.decoded_bytes > kMaxDecodedBytes) {
    report(t.builder, where, "the constants of the model are too large");
    return std::nullopt;
  }
  Tensor values(encoding->dtype, tensor.shape);
  if (bits_of(encoding->dtype) == encoding->bits) {
    if (bytes > 0) std::memcpy(values.bytes().data(), tensor.data.data(), tensor.data.size());
  } else {
    widen(tensor, &values);
  }
  return values;
}

std::optional<Tensor> constant_input(Translation& t, const RawOperator& op, size_t i,
                                     std::string_view what) {
  if (input_tensor(t, op, i) == nullptr) return std::nullopt;
  if (!is_constant_input(t, op, i)) {
    if (!t.tensors[static_cast<size_t>(op.inputs[i])].broken) {
      fail(t, op,
           fmt::format("its {} are tensor {}, which is not constant", what,
                       ticked(tensor_at(t, op.inputs[i]).name)),
           "only constant ones are supported");
    }
    return std::nullopt;
  }
  const Held& held = t.tensors[static_cast<size_t>(op.inputs[i])];
  if (held.known) return t.builder.graph.value(held.plain).constant;
  return decode(t, tensor_at(t, op.inputs[i]), label(t, op));
}

std::optional<std::vector<int64_t>> ints_input(Translation& t, const RawOperator& op, size_t i,
                                               std::string_view what) {
  const std::optional<Tensor> values = constant_input(t, op, i, what);
  if (!values) return std::nullopt;
  if (values->dtype() != DType::float32) return values->to_ints();
  fail(t, op, fmt::format("its {} are float32, not integers", what));
  return std::nullopt;
}

std::vector<int64_t> to_planes(size_t rank) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  if (rank > 2) std::rotate(perm.begin() + 1, perm.end() - 1, perm.end());
  return perm;
}

std::vector<int64_t> from_planes(size_t rank) {
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  if (rank > 2) std::rotate(perm.begin() + 1, perm.begin() + 2, perm.end());
  return perm;
}

Shape permuted(const Shape& shape, const std::vector<int64_t>& perm) {
  Shape result;
  for (int64_t d : perm) result.push_back(shape[static_cast<size_t>(d)]);
  return result;
}

Tensor permuted(const Tensor& tensor, const std::vector<int64_t>& perm) {
  const Shape& from = tensor.shape();
  std::vector<int64_t> strides(from.size(), 1);
  for (size_t d = from.size(); d-- > 1;) strides[d - 1] = strides[d] * from[d];
  Tensor result(tensor.dtype(), permuted(from, perm));
  std::vector<int64_t> index(from.size(), 0);
  for (int64_t i = 0; i < result.elements(); ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < perm.size(); ++d) at += index[d] * strides[static_cast<size_t>(perm[d])];
    if (tensor.dtype() == DType::float32) {
      result.set_float(i, tensor.float_at(at));
    } else {
      result.set(i, tensor.at(at));
    }
    for (size_t d = perm.size(); d-- > 0;) {
      if (++index[d] < result.shape()[d]) break;
      index[d] = 0;
    }
  }
  return result;
}

ValueId emit_transpose(Translation& t, const std::string& name, ValueId x,
                       const std::vector<int64_t>& perm) {
  if (!x.valid() || std::is_sorted(perm.begin(), perm.end())) return x;
  const Shape shape = shape_of(t, x);
  std::vector<int64_t> moved;
  for (int64_t d : perm) {
    if (shape[static_cast<size_t>(d)] != 1) moved.push_back(d);
  }
  if (std::is_sorted(moved.begin(), moved.end()))
    return emit_reshape(t, name, x, permuted(shape, perm));
  return add_operator(t.builder, {.op = "transpose",
                                  .name = name,
                                  .value_name = name,
                                  .inputs = {x},
                                  .attributes = {{"perm", perm}}});
}

ValueId emit_reshape(Translation& t, const std::string& name, ValueId x, const Shape& shape) {
  if (!x.valid() || shape_of(t, x) == shape) return x;
  return add_operator(t.builder, {.op = "reshape",
                                  .name = name,
                                  .value_name = name,
                                  .inputs = {x},
                                  .attributes = {{"shape", shape}}});
}

const Shape& shape_of(const Translation& t, ValueId id) { return type_of(t.builder, id).shape; }

ValueId emit(Translation& t, const RawOperator& op, std::string canonical,
             std::vector<ValueId> inputs, Attributes attributes, const std::string& suffix,
             size_t output) {
  const std::string name = output_tensor(t, op, output).name + suffix;
  return add_operator(t.builder, {.op = std::move(canonical),
                                  .name = name,
                                  .value_name = name,
                                  .inputs = std::move(inputs),
                                  .attributes = std::move(attributes)});
}

void set_plain(Translation& t, const RawOperator& op, ValueId value, size_t output) {
  if (!value.valid() || !check_shape(t, op, output_tensor(t, op, output), shape_of(t, value)))
    return;
  Held& held = t.tensors[static_cast<size_t>(op.outputs[output])];
  held = {.known = true, .broken = false, .plain = value, .planes = {}};
}

void set_planes(Translation& t, const RawOperator& op, ValueId value, size_t output) {
  if (!value.valid()) return;
  const Shape& shape = shape_of(t, value);
  if (shape.size() < 3) return set_plain(t, op, value, output);
  if (!check_shape(t, op, output_tensor(t, op, output),
                   permuted(shape, from_planes(shape.size()))))
    return;
  Held& held = t.tensors[static_cast<size_t>(op.outputs[output])];
  held = {.known = true, .broken = false, .plain = {}, .planes = value};
}

}  // namespace heddle::tflite
