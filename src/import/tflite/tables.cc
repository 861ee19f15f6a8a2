#include "import/tflite/tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace heddle::tflite {
namespace {

// TFLite keeps HARD_SWISH in 16-bit fixed point: products are rounded to 16 bits, shifts saturate.
constexpr int64_t kLeast = INT16_MIN, kMost = INT16_MAX;

int64_t saturated(int64_t x) { return std::clamp(x, kLeast, kMost); }

int64_t rounded_high_product(int64_t a, int64_t b) {
  if (a == kLeast && b == kLeast) return kMost;
  const int64_t product = a * b;
  return (product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
}

int64_t truncated_high_product(int64_t a, int64_t b) {
  return a == kLeast && b == kLeast ? kMost : a * b / (1 << 15);
}

int64_t rounded_shift(int64_t x, int bits) {
  if (bits <= 0) return x;
  const int64_t magnitude = (std::abs(x) + (int64_t{1} << (bits - 1))) >> bits;
  return x < 0 ? -magnitude : magnitude;
}

// The upper 16 bits of a multiplier, rounded.
int64_t upper_half(const Multiplier& multiplier) {
  constexpr int64_t kHalf = 1 << 15;
  return multiplier.mul >= INT32_MAX - kHalf ? kMost : (multiplier.mul + kHalf) >> 16;
}

}  // namespace

int64_t hard_swish(int64_t x, const Scale& x_scale, const Scale& y_scale) {
  const float fine_scale = (1.0f / 128.0f) * x_scale.scale;
  const Multiplier to_output = quantise_multiplier(fine_scale / y_scale.scale);
  const Multiplier to_gate = quantise_multiplier(fine_scale / (3.0f / 32768.0f));
  const int64_t fine = (x - x_scale.zero_point) * 128;
  const int64_t value = rounded_high_product(fine, upper_half(to_output));
  // The gate is (x + 3) / 6 in [0, 1]: first x / 3 in [-1, 1], saturating.
  int64_t gate = fine;
  if (to_gate.exponent > 0)
    gate = saturated(gate * (int64_t{1} << std::min(to_gate.exponent - 1, 16)));
  gate = rounded_high_product(gate, upper_half(to_gate));
  if (to_gate.exponent > 0) gate = saturated(gate * 2);
  if (to_gate.exponent < 0) gate = rounded_shift(gate, -to_gate.exponent);
  gate = (gate + (1 << 15)) >> 1;
  const int64_t product = truncated_high_product(gate, value);
  return rounded_shift(product, -to_output.exponent) + y_scale.zero_point;
}

// Double precision and one rounding: within reach of no 8-bit rounding step that a last bit of a
// C library could decide.
float exp_of(float x) { return static_cast<float>(std::exp(static_cast<double>(x))); }
float tanh_of(float x) { return static_cast<float>(std::tanh(static_cast<double>(x))); }
float sigmoid_of(float x) { return 1.0f / (1.0f + exp_of(-x)); }
float elu_of(float x) {
  return x < 0.0f ? static_cast<float>(std::expm1(static_cast<double>(x))) : x;
}
float gelu_of(float x) {
  const double half_erfc = 0.5 * std::erfc(-static_cast<double>(x) / std::numbers::sqrt2);
  return static_cast<float>(static_cast<double>(x) * half_erfc);
}
float gelu_tanh_of(float x) {
  const auto wide = static_cast<double>(x);
  const double inner = std::sqrt(2.0 / std::numbers::pi) * (wide + 0.044715 * wide * wide * wide);
  return static_cast<float>(0.5 * wide * (1.0 + std::tanh(inner)));
}

Tensor integer_table(DType x, DType y, const Range& bounds,
                     const std::function<int64_t(int64_t)>& function) {
  const Range domain = range_of(x);
  Tensor table(y, {domain.hi - domain.lo + 1});
  for (int64_t q = domain.lo; q <= domain.hi; ++q)
    table.set(q - domain.lo, std::clamp(function(q), bounds.lo, bounds.hi));
  return table;
}

Tensor function_table(DType x, DType y, const Scale& x_scale, const Scale& y_scale,
                      const std::function<float(float)>& function) {
  const float inverse = 1.0f / y_scale.scale;
  const Range bounds = range_of(y);
  return integer_table(x, y, bounds, [&](int64_t q) {
    const float real = x_scale.scale * static_cast<float>(q - x_scale.zero_point);
    const float rescaled = std::round(function(real) * inverse);
    // Beyond the type the result is a bound anyway; NaN is the least.
    if (!(rescaled > -1e6f)) return bounds.lo;
    return rescaled > 1e6f ? bounds.hi : static_cast<int64_t>(rescaled) + y_scale.zero_point;
  });
}

Tensor exponential_table(float scale, float beta) {
  Tensor table(DType::float32, {256});
  const float factor = -scale * beta;
  for (int64_t d = 0; d < 256; ++d)
    table.set_float(255 - d, exp_of(factor * static_cast<float>(d)));
  return table;
}

}  // namespace heddle::tflite
