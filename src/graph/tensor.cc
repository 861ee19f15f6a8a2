#include "graph/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/diagnostic.h"

namespace heddle {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 40;

struct TypeFacts {
  DType type;
  int64_t bytes;
  bool is_signed;
  std::string_view name;
  std::string_view c_name;
  Range range;
};

// In the order of the enumerators.
constexpr TypeFacts kTypes[] = {
    {DType::int8, 1, true, "int8", "int8_t", {INT8_MIN, INT8_MAX}},
    {DType::uint8, 1, false, "uint8", "uint8_t", {0, UINT8_MAX}},
    {DType::int16, 2, true, "int16", "int16_t", {INT16_MIN, INT16_MAX}},
    {DType::uint16, 2, false, "uint16", "uint16_t", {0, UINT16_MAX}},
    {DType::int32, 4, true, "int32", "int32_t", {INT32_MIN, INT32_MAX}},
    {DType::int64, 8, true, "int64", "int64_t", {INT64_MIN, INT64_MAX}},
    {DType::float32, 4, true, "float32", "float", {0, 0}},
};

const TypeFacts& facts(DType type) {
  const size_t index = static_cast<size_t>(type);
  HEDDLE_CHECK(index < std::size(kTypes), "unknown element type");
  return kTypes[index];
}

// Calls `use` with a zero of the C++ type behind an integer DType.
template <class Use>
void with_integer_type(DType type, Use use) {
  switch (type) {
    case DType::int8:
      return use(int8_t{});
    case DType::uint8:
      return use(uint8_t{});
    case DType::int16:
      return use(int16_t{});
    case DType::uint16:
      return use(uint16_t{});
    case DType::int32:
      return use(int32_t{});
    case DType::int64:
      return use(int64_t{});
    case DType::float32:
      break;
  }
  HEDDLE_CHECK(false, "a float tensor read or written as integers");
}

}  // namespace

int64_t bytes_of(DType type) { return facts(type).bytes; }
int64_t bits_of(DType type) { return facts(type).bytes * 8; }
bool is_signed(DType type) { return facts(type).is_signed; }
std::string_view name_of(DType type) { return facts(type).name; }
std::string_view c_name_of(DType type) { return facts(type).c_name; }

int64_t elements_of(const Shape& shape) {
  int64_t product = 1;
  for (int64_t dim : shape) product *= dim;
  return product;
}

int64_t checked_elements(const Shape& shape) {
  // A zero anywhere makes the product zero, but the other dimensions must still be sane.
  bool empty = false;
  int64_t product = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || dim > kMaxElements) return -1;
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (product > kMaxElements / dim) return -1;
    product *= dim;
  }
  return empty ? 0 : product;
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Range range_of(DType type) {
  HEDDLE_CHECK(type != DType::float32, "a float has no integer range");
  return facts(type).range;
}

DType narrowest_type(const Range& range) {
  for (const TypeFacts& type : kTypes) {
    if (type.range.contains(range)) return type.type;
  }
  HEDDLE_CHECK(false, "unreachable: int64 holds every range");
  return DType::int64;
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), elements_(checked_elements(shape_)) {
  HEDDLE_CHECK(elements_ >= 0,
               fmt::format("a tensor of the impossible shape {}", to_string(shape_)));
  bytes_.resize(static_cast<size_t>(elements_ * bytes_of(dtype_)));
}

Tensor Tensor::of(DType dtype, Shape shape, const std::vector<int64_t>& values) {
  Tensor tensor(dtype, std::move(shape));
  HEDDLE_CHECK(static_cast<int64_t>(values.size()) == tensor.elements(),
               fmt::format("{} values for the shape {}", values.size(), to_string(tensor.shape())));
  for (size_t i = 0; i < values.size(); ++i) tensor.set(static_cast<int64_t>(i), values[i]);
  return tensor;
}

int64_t Tensor::at(int64_t flat) const {
  HEDDLE_CHECK(flat >= 0 && flat < elements_, "index outside the tensor");
  int64_t value = 0;
  with_integer_type(dtype_, [&](auto element) {
    std::memcpy(&element, bytes_.data() + flat * static_cast<int64_t>(sizeof element),
                sizeof element);
    value = element;
  });
  return value;
}

void Tensor::set(int64_t flat, int64_t value) {
  HEDDLE_CHECK(flat >= 0 && flat < elements_, "index outside the tensor");
  with_integer_type(dtype_, [&](auto element) {
    element = static_cast<decltype(element)>(value);
    HEDDLE_CHECK(static_cast<int64_t>(element) == value,
                 fmt::format("{} does not fit {}", value, name_of(dtype_)));
    std::memcpy(bytes_.data() + flat * static_cast<int64_t>(sizeof element), &element,
                sizeof element);
  });
}

Tensor Tensor::of_floats(Shape shape, const std::vector<float>& values) {
  Tensor tensor(DType::float32, std::move(shape));
  HEDDLE_CHECK(static_cast<int64_t>(values.size()) == tensor.elements(),
               "a tensor of another number of elements than its shape");
  std::memcpy(tensor.bytes_.data(), values.data(), tensor.bytes_.size());
  return tensor;
}

std::vector<float> Tensor::to_floats() const {
  HEDDLE_CHECK(dtype_ == DType::float32, "an integer tensor read as floats");
  std::vector<float> values(static_cast<size_t>(elements_));
  std::memcpy(values.data(), bytes_.data(), bytes_.size());
  return values;
}

float Tensor::float_at(int64_t flat) const {
  HEDDLE_CHECK(dtype_ == DType::float32 && flat >= 0 && flat < elements_, "no such float element");
  float value = 0;
  std::memcpy(&value, bytes_.data() + flat * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

void Tensor::set_float(int64_t flat, float value) {
  HEDDLE_CHECK(dtype_ == DType::float32 && flat >= 0 && flat < elements_, "no such float element");
  std::memcpy(bytes_.data() + flat * static_cast<int64_t>(sizeof value), &value, sizeof value);
}

std::vector<int64_t> Tensor::to_ints() const {
  std::vector<int64_t> values(static_cast<size_t>(elements_));
  with_integer_type(dtype_, [&](auto element) {
    for (size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&element, bytes_.data() + i * sizeof element, sizeof element);
      values[i] = element;
    }
  });
  return values;
}

Range Tensor::min_max() const {
  if (elements_ == 0) return {0, 0};
  Range range{INT64_MAX, INT64_MIN};
  with_integer_type(dtype_, [&](auto element) {
    for (size_t i = 0; i < static_cast<size_t>(elements_); ++i) {
      std::memcpy(&element, bytes_.data() + i * sizeof element, sizeof element);
      range.lo = std::min<int64_t>(range.lo, element);
      range.hi = std::max<int64_t>(range.hi, element);
    }
  });
  return range;
}

Tensor Tensor::reshaped(Shape shape) const {
  HEDDLE_CHECK(
      checked_elements(shape) == elements_,
      fmt::format("{} does not hold the elements of {}", to_string(shape), to_string(shape_)));
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

}  // namespace heddle
