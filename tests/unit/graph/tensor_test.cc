#include "graph/tensor.h"

#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace heddle {
namespace {

TEST(DType, Facts) {
  struct Row {
    DType type;
    int64_t bytes;
    bool is_signed;
    const char* name;
    const char* c_name;
  };
  const Row rows[] = {
      {DType::int8, 1, true, "int8", "int8_t"},
      {DType::uint8, 1, false, "uint8", "uint8_t"},
      {DType::int16, 2, true, "int16", "int16_t"},
      {DType::uint16, 2, false, "uint16", "uint16_t"},
      {DType::int32, 4, true, "int32", "int32_t"},
      {DType::int64, 8, true, "int64", "int64_t"},
      {DType::float32, 4, true, "float32", "float"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(bytes_of(row.type), row.bytes) << row.name;
    EXPECT_EQ(bits_of(row.type), row.bytes * 8) << row.name;
    EXPECT_EQ(is_signed(row.type), row.is_signed) << row.name;
    EXPECT_EQ(name_of(row.type), row.name);
    EXPECT_EQ(c_name_of(row.type), row.c_name);
  }
  EXPECT_THROW(range_of(DType::float32), InternalError);
}

TEST(DType, Narrowest) {
  struct Row {
    Range range;
    DType type;
  };
  const Row rows[] = {
      {{0, 0}, DType::int8},
      {{0, 127}, DType::int8},
      {{-128, 127}, DType::int8},
      {{0, 128}, DType::uint8},
      {{0, 255}, DType::uint8},
      {{-1, 128}, DType::int16},
      {{-129, 0}, DType::int16},
      {{0, 256}, DType::int16},
      {{0, 32768}, DType::uint16},
      {{-1, 65535}, DType::int32},
      {{0, 65536}, DType::int32},
      {{INT32_MIN, INT32_MAX}, DType::int32},
      {{0, INT32_MAX + int64_t{1}}, DType::int64},
      {{INT64_MIN, INT64_MAX}, DType::int64},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(name_of(narrowest_type(row.range)), name_of(row.type))
        << row.range.lo << ".." << row.range.hi;
    EXPECT_TRUE(range_of(row.type).contains(row.range));
  }
}

TEST(Shape, CheckedElements) {
  struct Row {
    Shape shape;
    int64_t elements;
  };
  const Row rows[] = {
      {{}, 1},
      {{7}, 7},
      {{1, 16, 28, 28}, 12544},
      {{3, 0, 5}, 0},
      {{-1}, -1},
      {{0, -1}, -1},
      {{int64_t{1} << 40}, int64_t{1} << 40},
      {{int64_t{1} << 40, 2}, -1},
      {{INT64_MAX, INT64_MAX, INT64_MAX}, -1},
      {{0, INT64_MAX}, -1},
      {{int64_t{1} << 32, int64_t{1} << 32, 0}, -1},
  };
  for (const Row& row : rows)
    EXPECT_EQ(checked_elements(row.shape), row.elements) << to_string(row.shape);
  EXPECT_EQ(elements_of({2, 3, 4}), 24);
  EXPECT_EQ(to_string(Shape{1, 16, 28, 28}), "[1, 16, 28, 28]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(Tensor, HoldsTheExtremesOfEveryType) {
  for (DType type :
       {DType::int8, DType::uint8, DType::int16, DType::uint16, DType::int32, DType::int64}) {
    const Range range = range_of(type);
    Tensor tensor = Tensor::of(type, {3}, {range.hi, range.lo, 1});
    EXPECT_EQ(tensor.to_ints(), (std::vector<int64_t>{range.hi, range.lo, 1})) << name_of(type);
    EXPECT_EQ(tensor.at(1), range.lo);
    EXPECT_EQ(tensor.min_max(), (Range{std::min<int64_t>(range.lo, 1), range.hi}));
    EXPECT_EQ(static_cast<int64_t>(tensor.bytes().size()), 3 * bytes_of(type));
    if (type != DType::int64) {
      EXPECT_THROW(tensor.set(0, range.hi + 1), InternalError) << name_of(type);
    }
  }
}

TEST(Tensor, MisuseIsABug) {
  Tensor tensor(DType::int8, {2, 2});
  EXPECT_THROW(tensor.at(4), InternalError);
  EXPECT_THROW(tensor.at(-1), InternalError);
  EXPECT_THROW(tensor.set(4, 0), InternalError);
  EXPECT_THROW(tensor.float_at(0), InternalError);
  EXPECT_THROW(tensor.reshaped({5}), InternalError);
  EXPECT_THROW(Tensor::of(DType::int8, {2}, {1}), InternalError);
  EXPECT_THROW(Tensor(DType::int8, {-1}), InternalError);
  EXPECT_THROW(Tensor(DType::float32, {1}).at(0), InternalError);
}

TEST(Tensor, ZerosFloatsAndShapes) {
  EXPECT_EQ(Tensor(DType::int32, {2}).to_ints(), (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(Tensor(DType::int8, {0}).min_max(), (Range{0, 0}));
  Tensor floats(DType::float32, {2});
  floats.set_float(1, 0.5f);
  EXPECT_EQ(floats.float_at(0), 0.0f);
  EXPECT_EQ(floats.float_at(1), 0.5f);
  const Tensor tensor = Tensor::of(DType::int8, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(tensor.reshaped({3, 2}).to_ints(), tensor.to_ints());
  EXPECT_EQ(tensor.reshaped({3, 2}).shape(), (Shape{3, 2}));
  EXPECT_FALSE(tensor.reshaped({3, 2}) == tensor);
}

}  // namespace
}  // namespace heddle
