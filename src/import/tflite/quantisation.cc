#include "import/tflite/quantisation.h"

#include <algorithm>
#include <cmath>

namespace heddle::tflite {

Multiplier quantise_multiplier(double real) {
  if (!(real > 0)) return {};
  real = std::min(real, 0x1p62);  // far beyond what any caller takes
  int exponent = 0;
  const double fraction = std::frexp(real, &exponent);
  int64_t mul = std::llround(fraction * 2147483648.0);
  if (mul == int64_t{1} << 31) {
    mul /= 2;
    ++exponent;
  }
  if (exponent < -31) return {};
  return {mul, exponent};
}

Multiplier narrowed(Multiplier multiplier) {
  const int64_t mul = multiplier.mul < 0x7FFF0000 ? (multiplier.mul + (1 << 15)) >> 16 : 0x7FFF;
  return {mul << 16, multiplier.exponent};
}

int64_t scaled(int64_t x, Multiplier multiplier, bool doubled) {
  const int shift = 31 - multiplier.exponent;
  if (!doubled) {
    if (shift <= 0) return x * multiplier.mul * (int64_t{1} << -shift);
    return (x * multiplier.mul + (int64_t{1} << (shift - 1))) >> shift;
  }
  const int left = std::clamp(multiplier.exponent, 0, 20);  // more saturates any 8-bit result
  const int right = std::max(-multiplier.exponent, 0);
  const int64_t high = (x * (int64_t{1} << left) * multiplier.mul + (int64_t{1} << 30)) >> 31;
  if (right == 0) return high;
  const int64_t magnitude = (std::abs(high) + (int64_t{1} << (right - 1))) >> right;
  return high < 0 ? -magnitude : magnitude;
}

int64_t round_away(double x) { return std::llround(x); }

}  // namespace heddle::tflite
