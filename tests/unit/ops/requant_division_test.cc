// The divisor that people are told is the one that the node divides by, for every value of its range.
#include "ops/requant_division.h"

#include <gtest/gtest.h>

#include "unit/ops/helpers.h"

namespace heddle {
namespace {

constexpr Range kRange{-500, 700};

int64_t floor_of(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }  // b > 0

// None where `mul` is 0.
std::optional<int64_t> division(const std::string& rounding, int64_t mul, int64_t add, int64_t shift,
                                int64_t zero_point = 0) {
  Attributes attributes = test::requant(rounding, shift);
  attributes["zero_point"] = zero_point;
  std::vector<Value> operands = {test::activation({1, 4}, kRange)};
  if (mul != 0) operands.insert(operands.end(), {test::constant({}, {mul}), test::constant({}, {add})});
  const Graph graph = test::graph_of("requant", attributes, operands);
  return division_of(test::view_of(graph));
}

TEST(RequantDivision, EveryDivisorIsFoundAgain) {
  constexpr int64_t kShift = 20;
  for (int64_t divisor = 2; divisor <= 200; ++divisor) {
    const int64_t mul = ((int64_t{1} << kShift) + divisor - 1) / divisor;
    const int64_t excess = mul * divisor - (int64_t{1} << kShift);
    const int64_t add = (-kRange.lo * excess + divisor - 1) / divisor;
    EXPECT_EQ(division("floor", mul, add, kShift), divisor);
  }
}

TEST(RequantDivision, WhatItSaysIsSoAndItMissesNone) {
  int found = 0;
  for (int64_t mul = 1; mul < 300; ++mul) {
    for (const int64_t add : {0, 1, 7, 100, -3}) {
      for (const int64_t shift : {4, 9, 14}) {
        const auto divides_by = [&](int64_t divisor) {
          int64_t x = kRange.lo;
          while (x <= kRange.hi && floor_of(x * mul + add, int64_t{1} << shift) == floor_of(x, divisor)) ++x;
          return x > kRange.hi;
        };
        const std::optional<int64_t> said = division("floor", mul, add, shift);
        found += said.has_value();
        for (int64_t divisor = 1; divisor <= 400; ++divisor)
          ASSERT_EQ(divides_by(divisor), said == divisor) << mul << ' ' << add << ' ' << shift;
      }
    }
  }
  EXPECT_GT(found, 10);
}

TEST(RequantDivision, AShiftDividesByAPowerOfTwo) {
  EXPECT_EQ(division("shift", 0, 0, 5), 32);
  EXPECT_EQ(division("floor", 4, 3, 7), 32);  // what is added is less than a step
}

TEST(RequantDivision, OtherMapsAreNone) {
  EXPECT_EQ(division("half_up", 0, 0, 5), std::nullopt);
  EXPECT_EQ(division("shift", 0, 0, 5, 1), std::nullopt);
  EXPECT_EQ(division("floor", 3, 0, 4), std::nullopt);    // 16 / 3
  EXPECT_EQ(division("floor", 1, 16, 4), std::nullopt);   // one more than floor(x / 16)
  EXPECT_EQ(division("floor", -1, 0, 4), std::nullopt);
}

}  // namespace
}  // namespace heddle
