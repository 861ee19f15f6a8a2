// TFLite's fixed-point arithmetic: how scales become multipliers, and the rounding steps of its
// kernels, for tables that the importer computes.
#pragma once

#include <cstdint>

#include "graph/tensor.h"

namespace heddle::tflite {

struct Scale {
  float scale = 1;
  int64_t zero_point = 0;
};

// x * mul / 2^31 * 2^exponent; mul in [2^30, 2^31), or 0.
struct Multiplier {
  int64_t mul = 0;
  int exponent = 0;
};
// The nearest, halves away from zero; 0 where it is below 2^-32. `real` is finite and not negative.
Multiplier quantise_multiplier(double real);
// Of the kernels with 64-bit accumulators: 16 bits of mul.
Multiplier narrowed(Multiplier multiplier);

// round(x * multiplier): once, halves up; or doubled, as gemmlowp: to 32 bits halves up, then
// halves away from zero. x * 2^exponent fits int32 where the exponent is positive.
int64_t scaled(int64_t x, Multiplier multiplier, bool doubled);

int64_t round_away(double x);  // to nearest, halves away from zero

}  // namespace heddle::tflite
