// Element types, shapes and dense tensors (row-major, host memory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heddle {

enum class DType : uint8_t { int8, uint8, int16, uint16, int32, int64, float32 };

int64_t bytes_of(DType type);
int64_t bits_of(DType type);
bool is_signed(DType type);
std::string_view name_of(DType type);    // "int8"
std::string_view c_name_of(DType type);  // "int8_t", "float"

using Shape = std::vector<int64_t>;

// Product of the dimensions; 1 for a scalar. Shapes in a Graph have passed checked_elements().
int64_t elements_of(const Shape& shape);
// -1 where a dimension is negative or the product exceeds 2^40.
int64_t checked_elements(const Shape& shape);
std::string to_string(const Shape& shape);  // "[1, 16, 28, 28]"

// Inclusive bounds of every element, in integers of the network.
struct Range {
  int64_t lo = 0;
  int64_t hi = 0;
  bool contains(const Range& other) const { return lo <= other.lo && other.hi <= hi; }
  bool operator==(const Range&) const = default;
};
Range range_of(DType type);
// The narrowest of int8, uint8, int16, uint16, int32, int64 that holds the range; int8 wins over
// uint8.
DType narrowest_type(const Range& range);

struct TensorType {
  DType dtype = DType::int8;
  Shape shape;
  Range range;  // proven: no element is ever outside
  bool operator==(const TensorType&) const = default;
};

// A dense tensor. Elements are read and written as int64 whatever the integer type is.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);  // zeros
  static Tensor of(DType dtype, Shape shape, const std::vector<int64_t>& values);
  static Tensor of_floats(Shape shape, const std::vector<float>& values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return elements_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte>& bytes() { return bytes_; }

  int64_t at(int64_t flat) const;         // integer types
  void set(int64_t flat, int64_t value);  // integer types; the value must fit
  float float_at(int64_t flat) const;     // float32
  void set_float(int64_t flat, float value);

  std::vector<int64_t> to_ints() const;  // all elements of an integer tensor
  std::vector<float> to_floats() const;  // all elements of a float32 tensor
  Range min_max() const;                 // integer types; {0, 0} when empty
  Tensor reshaped(Shape shape) const;    // same elements

  bool operator==(const Tensor&) const = default;

 private:
  DType dtype_ = DType::int8;
  Shape shape_;
  int64_t elements_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace heddle
