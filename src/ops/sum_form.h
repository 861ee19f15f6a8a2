// Sums of two rescaled 8-bit numbers in 32-bit arithmetic.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ops/op.h"

namespace heddle {

// A function of two small integers that is nearly linear: y is clamped to the bounds afterwards.
struct SmallSum {
  Range x, residual;   // proven
  Range bounds;        // of y
  double x_slope = 0;  // y grows by about this much with x
  double residual_slope = 0;
  std::function<int64_t(int64_t x, int64_t residual)> y;
};

// Statements that give `$value`, which holds x, the clamped sum with `$residual`, in int32
// arithmetic: ($value * a + $residual * b + c) >> s, or the same with the high words of products.
// The numbers are found by trying every pair of x and residual, so the values are those of `y`;
// nothing where no such numbers are found, or where there are more pairs than two 8-bit types have.
std::optional<std::string> c_small_sum(const SmallSum& sum);

}  // namespace heddle
