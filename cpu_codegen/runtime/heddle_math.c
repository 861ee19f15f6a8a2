/* See heddle_math.h. Polynomials are near-minimax fits (Chebyshev nodes, 40 digits) of the function
 * named beside them on the interval named there; tests/unit/ops/math_test.cc measures every error. */
#include "heddle_math.h"

#include <float.h>
#include <stdint.h>

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "float must be computed in single precision; on x86 compile with -msse2 -mfpmath=sse"
#endif

typedef union heddle_bits {
  float f;
  uint32_t u;
} heddle_bits;

static uint32_t bits_of(float x) {
  heddle_bits b;
  b.f = x;
  return b.u;
}

static float float_of(uint32_t u) {
  heddle_bits b;
  b.u = u;
  return b.f;
}

static const uint32_t sign_bit = 0x80000000u;
static const uint32_t infinity_bits = 0x7f800000u;
static const uint32_t nan_bits = 0x7fc00000u;
static const float ln2_high = 0.693145752f; /* 15 bits: a multiple by an exponent is exact */
static const float ln2_low = 1.42860682e-06f;

static float absolute(float x) { return float_of(bits_of(x) & ~sign_bit); }
static float with_sign(float magnitude, float sign) {
  return float_of(bits_of(magnitude) | (bits_of(sign) & sign_bit));
}

/* 2^k for -126 <= k <= 127. */
static float power_of_two(int32_t k) { return float_of((uint32_t)(k + 127) << 23); }

/* Adding 2^23 leaves no bit for fractions; the sum is rounded to nearest even. */
float heddle_round_even(float x) {
  const float magnitude = absolute(x);
  if (!(magnitude < 8388608.0f)) return x;
  return with_sign((magnitude + 8388608.0f) - 8388608.0f, x);
}

float heddle_floor(float x) {
  const float nearest = heddle_round_even(x);
  return nearest > x ? nearest - 1.0f : nearest;
}

float heddle_ceil(float x) {
  const float nearest = heddle_round_even(x);
  return nearest < x ? with_sign(nearest + 1.0f, x) : nearest;
}

/* Digit by digit: root holds the first bits of the square root, rest what is left of the mantissa. */
float heddle_sqrt(float x) {
  uint32_t u = bits_of(x);
  if (u == 0 || u == sign_bit || u == infinity_bits) return x;
  if (u > infinity_bits) return float_of(nan_bits); /* negative, or NaN */
  int32_t exponent = (int32_t)(u >> 23) - 127;
  uint32_t mantissa = u & 0x7fffffu;
  if (exponent == -127) {
    exponent = -126;
    while (mantissa < 0x800000u) {
      mantissa <<= 1;
      --exponent;
    }
  } else {
    mantissa |= 0x800000u;
  }
  if ((exponent & 1) != 0) {
    mantissa <<= 1;
    --exponent;
  }
  /* The root of mantissa * 2^25, which has 25 bits: 24 of the result and one to round by. */
  uint64_t rest = (uint64_t)mantissa << 25;
  uint64_t root = 0;
  uint64_t bit = (uint64_t)1 << 48;
  while (bit != 0) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
    bit >>= 2;
  }
  /* A square root is never halfway between two floats: an odd root is above the half. */
  const uint32_t rounded = (uint32_t)((root + (root & 1)) >> 1);
  return float_of(((uint32_t)(exponent / 2 + 126) << 23) + rounded);
}

/* exp(x) = 2^k * exp(r), r within ln(2)/2. */
float heddle_exp(float x) {
  if (x != x) return x;
  if (x > 88.8f) return float_of(infinity_bits);
  if (x < -104.0f) return 0.0f;
  const float k = heddle_round_even(x * 1.44269504f);
  const float r = (x - k * ln2_high) - k * ln2_low;
  /* (exp(r) - 1 - r) / r^2 */
  const float p =
      0.5f + r * (0.166665763f + r * (0.0416665524f + r * (0.00836323295f + r * 0.00139262504f)));
  const float y = 1.0f + (r + r * r * p);
  /* In two steps: 2^k may be no float, and a subnormal result is rounded once. */
  const int32_t whole = (int32_t)k;
  const int32_t half = whole / 2;
  return y * power_of_two(half) * power_of_two(whole - half);
}

/* log(x) = k ln(2) + log(1 + f), 1 + f between the square roots of 1/2 and 2. */
float heddle_log(float x) {
  uint32_t u = bits_of(x);
  if (u == 0 || u == sign_bit) return float_of(sign_bit | infinity_bits);
  if (u >= infinity_bits) return u == infinity_bits ? x : float_of(nan_bits);
  int32_t k = -127;
  if (u < 0x00800000u) {
    u = bits_of(x * 33554432.0f);
    k -= 25;
  }
  u += 0x3f800000u - 0x3f3504f3u;
  k += (int32_t)(u >> 23);
  const float f = float_of((u & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const float exponent = (float)k;
  /* (log(1 + f) - f + f^2 / 2) / f^3 */
  float q = 0.116857849f + f * (-0.114812121f + f * 0.0697251856f);
  q = -0.166678071f + f * (0.142490074f + f * (-0.124255233f + f * q));
  q = 0.333333313f + f * (-0.24999997f + f * (0.20000717f + f * q));
  const float square = f * f;
  const float tail = 0.5f * square - (square * f * q + exponent * ln2_low);
  return exponent * ln2_high + (f - tail);
}

/* 1 + x rounds; what it lost, over it, is the difference of the logarithms. */
float heddle_log1p(float x) {
  const float sum = 1.0f + x;
  if (sum == 1.0f) return x;
  if (!(sum > 0.0f && sum < float_of(infinity_bits))) return heddle_log(sum);
  return heddle_log(sum) + (x - (sum - 1.0f)) / sum;
}

float heddle_tanh(float x) {
  const float magnitude = absolute(x);
  if (x == 0.0f) return x; /* with its sign */
  if (magnitude < 0.625f) {
    const float s = x * x; /* (tanh(x) - x) / x^3 */
    const float p =
        -0.333333284f +
        s * (0.133327693f + s * (-0.0538509078f + s * (0.0209971797f + s * -0.00609671418f)));
    return x + x * s * p;
  }
  if (x != x) return x;
  if (magnitude > 9.1f) return with_sign(1.0f, x);
  return with_sign(1.0f - 2.0f / (heddle_exp(2.0f * magnitude) + 1.0f), x);
}

float heddle_erf(float x) {
  const float a = absolute(x);
  if (a < 0.9f) {
    const float s = x * x; /* erf(x) / x - 1 */
    float p = 0.00520422682f + s * (-0.000817963213f + s * 8.52940138e-05f);
    p = 0.128379166f + s * (-0.376126349f + s * (0.11283718f + s * (-0.0268606655f + s * p)));
    return x + x * p;
  }
  if (x != x) return x;
  if (a > 3.95f) return with_sign(1.0f, x);
  /* -log(1 - erf(a)) */
  float p = 0.00477243448f + a * (-0.00059985969f + a * (4.64552359e-05f + a * -1.65890208e-06f));
  p = 0.631784439f + a * (0.110128097f + a * (-0.0264531579f + a * p));
  p = -0.000323185639f + a * (1.13025188f + a * p);
  return with_sign(1.0f - heddle_exp(-p), x);
}

/* x = (quadrant + f) * pi/2 with |f| <= 1/2, for x >= pi/4: the product of the mantissa and the 96
 * bits of 2/pi that matter (Payne and Hanek). Gives f * pi/2. */
static float reduced_angle(float x, uint32_t *quadrant) {
  static const uint32_t two_over_pi[9] = {0x00000000u, 0xa2f9836eu, 0x4e441529u,
                                          0xfc2757d1u, 0xf534ddc0u, 0xdb629599u,
                                          0x3c439041u, 0xfe5163abu, 0xdebbc561u};
  const uint32_t u = bits_of(x);
  const uint64_t mantissa = (u & 0x7fffffu) | 0x800000u;
  const uint32_t start = (u >> 23) - 150u + 30u; /* bits above it are multiples of four turns */
  const uint32_t word = start / 32;
  const uint32_t shift = start % 32;
  uint32_t window[3];
  for (uint32_t i = 0; i < 3; ++i) {
    const uint64_t pair = ((uint64_t)two_over_pi[word + i] << 32) | two_over_pi[word + i + 1];
    window[i] = (uint32_t)((pair << shift) >> 32);
  }
  const uint64_t low = mantissa * window[2];
  const uint64_t middle = mantissa * window[1] + (low >> 32);
  const uint64_t high = ((mantissa * window[0] + (middle >> 32)) << 32) | (middle & 0xffffffffu);
  const uint64_t fraction = (high << 2) | ((low & 0xffffffffu) >> 30);
  const uint64_t half = (uint64_t)1 << 63;
  const double scale = 1.5707963267948966 / 18446744073709551616.0;
  *quadrant = (uint32_t)(high >> 62);
  if (fraction < half) return (float)((double)fraction * scale);
  ++*quadrant;
  return -(float)((double)(~fraction + 1u) * scale);
}

static float sine_kernel(float r) {
  if (r == 0.0f) return r; /* with its sign */
  const float s = r * r; /* (sin(r) - r) / r^3 */
  const float p =
      -0.166666672f + s * (0.00833333191f + s * (-0.00019840039f + s * 2.72437819e-06f));
  return r + r * s * p;
}

static float cosine_kernel(float r) {
  const float s = r * r; /* (cos(r) - 1 + r^2 / 2) / r^4 */
  const float p =
      0.0416666679f + s * (-0.00138888881f + s * (2.48005599e-05f + s * -2.72958317e-07f));
  return 1.0f - (0.5f * s - s * s * p);
}

static float sine_of_quadrant(float r, uint32_t quadrant) {
  const float y = (quadrant & 1u) != 0 ? cosine_kernel(r) : sine_kernel(r);
  return (quadrant & 2u) != 0 ? -y : y;
}

float heddle_sin(float x) {
  const float magnitude = absolute(x);
  if (magnitude < 0.785398163f) return sine_kernel(x);
  if (!(magnitude < float_of(infinity_bits))) return float_of(nan_bits);
  uint32_t quadrant;
  const float r = reduced_angle(magnitude, &quadrant);
  const float y = sine_of_quadrant(r, quadrant);
  return x < 0.0f ? -y : y;
}

float heddle_cos(float x) {
  const float magnitude = absolute(x);
  if (magnitude < 0.785398163f) return cosine_kernel(x);
  if (!(magnitude < float_of(infinity_bits))) return float_of(nan_bits);
  uint32_t quadrant;
  const float r = reduced_angle(magnitude, &quadrant);
  return sine_of_quadrant(r, quadrant + 1u);
}

/* 2^(y log2(x)) for positive finite x, in double precision: the product may have seven bits before
 * the point, all of which cost the result. */
static float power_of_positive(float x, float y) {
  uint32_t u = bits_of(x);
  int32_t k = -127;
  if (u < 0x00800000u) {
    u = bits_of(x * 33554432.0f);
    k -= 25;
  }
  u += 0x3f800000u - 0x3f3504f3u;
  k += (int32_t)(u >> 23);
  const double f = (double)float_of((u & 0x7fffffu) + 0x3f3504f3u) - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s; /* log2((1 + s) / (1 - s)) / s */
  double p = 0.32061640671973194 + z * (0.2614435320372129 + z * 0.24292494988354651);
  p = 0.5770780172481442 + z * (0.4121984017519617 + z * p);
  p = 2.885390081777927 + z * (0.9617966939243305 + z * p);
  const double power = (double)y * ((double)k + s * p);
  if (power >= 128.0) return float_of(infinity_bits);
  if (power < -151.0) return 0.0f;
  int32_t whole = (int32_t)power;
  double r = power - (double)whole;
  if (r > 0.5) {
    r -= 1.0;
    ++whole;
  } else if (r < -0.5) {
    r += 1.0;
    --whole;
  }
  /* 2^r */
  double e = 0.00015403455792749644 + r * (1.531010238038351e-05 + r * 1.3255240797206966e-06);
  e = 0.009618129159464759 + r * (0.0013333450481819327 + r * e);
  e = 0.24022650695812833 + r * (0.05550410941295717 + r * e);
  e = 1.0 + r * (0.693147180545911 + r * e);
  const int32_t half = whole / 2;
  return (float)(e * (double)power_of_two(half) * (double)power_of_two(whole - half));
}

static int is_integer(float y) { return heddle_round_even(y) == y; }
static int is_odd(float y) {
  return is_integer(y) && heddle_round_even(y * 0.5f) != y * 0.5f;
}

float heddle_pow(float x, float y) {
  const float infinity = float_of(infinity_bits);
  const float magnitude = absolute(x);
  if (y == 0.0f || x == 1.0f) return 1.0f;
  if (x != x || y != y) return float_of(nan_bits);
  if (absolute(y) == infinity) {
    if (magnitude == 1.0f) return 1.0f;
    return (magnitude > 1.0f) == (y > 0.0f) ? infinity : 0.0f;
  }
  const float sign = is_odd(y) ? x : 1.0f;
  if (magnitude == 0.0f || magnitude == infinity)
    return with_sign((magnitude == infinity) == (y > 0.0f) ? infinity : 0.0f, sign);
  if (x < 0.0f && !is_integer(y)) return float_of(nan_bits);
  return with_sign(power_of_positive(magnitude, y), sign);
}

/* By the definition. */
static int32_t divided(float x, float scale, int32_t lo, int32_t hi) {
  float real = x / scale;
  if (!(real >= (float)lo)) real = (float)lo;
  if (real > (float)hi) real = (float)hi;
  return (int32_t)heddle_round_even(real);
}

/* |x| / scale is `high` / 2^shift, off by less than `error` of its units: 2 for what the product drops
 * and for the rounding of `inverse`, 2^30 / 2^24 for that of the division. */
int32_t heddle_quantize(float x, float scale, uint32_t inverse, int32_t exponent, int32_t lo,
                        int32_t hi) {
  const uint32_t error = 80;
  const uint32_t u = bits_of(x);
  const int32_t shift = 124 + exponent - (int32_t)((u >> 23) & 255u);
  const uint32_t mantissa = (u << 8) | sign_bit;
  if (shift < 9) return divided(x, scale, lo, hi); /* large, infinite or no number */
  if (shift > 31) return lo > 0 ? lo : hi < 0 ? hi : 0; /* below a quarter */
  const uint32_t high = (uint32_t)(((uint64_t)mantissa * inverse) >> 34);
  const uint32_t rounded = high + ((uint32_t)1 << (shift - 1));
  if (((rounded + error) & (((uint32_t)1 << shift) - 1u)) < 2u * error)
    return divided(x, scale, lo, hi);
  int32_t y = (int32_t)(rounded >> shift);
  if ((u & sign_bit) != 0) y = -y;
  if (y < lo) return lo;
  return y > hi ? hi : y;
}

int32_t heddle_fixed(float x, int32_t bits) {
  const uint32_t u = bits_of(x);
  const int32_t shift = 150 - bits - (int32_t)((u >> 23) & 255u);
  const int32_t mantissa = (int32_t)((u & 0x7fffffu) | 0x800000u);
  if (shift > 23) return 0;
  const int32_t y = shift >= 0 ? mantissa >> shift : mantissa * (1 << -shift);
  return (u & sign_bit) != 0 ? -y : y;
}
