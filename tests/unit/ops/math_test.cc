// The functions of float32 against libm in long double: errors in units in the last place over a
// dense sample of all floats, and the special values.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "cpu_codegen/runtime/heddle_math.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Error of `got` in units in the last place of the exact result; huge where one of the two is NaN
// or infinite and the other not.
double error_of(float got, long double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e30;
  const float nearest = static_cast<float>(want);
  if (std::isinf(nearest) || std::isinf(got)) return got == nearest ? 0 : 1e30;
  if (std::isnan(got)) return 1e30;
  int exponent = -125;
  if (fabsl(want) >= 0x1p-126L) frexpl(want, &exponent);
  return static_cast<double>(fabsl(got - want) / ldexpl(1, exponent - 24));
}

struct Function {
  const char* name;
  float (*ours)(float);
  long double (*exact)(long double);
  double most;  // units in the last place
};

const Function kFunctions[] = {
    {"exp", heddle_exp, expl, 1.5},
    {"log", heddle_log, logl, 1.5},
    {"log1p", heddle_log1p, log1pl, 2},
    {"sqrt", heddle_sqrt, sqrtl, 0.5},
    {"tanh", heddle_tanh, tanhl, 2},
    {"erf", heddle_erf, erfl, 2},
    {"sin", heddle_sin, sinl, 2},
    {"cos", heddle_cos, cosl, 2},
    {"round_even", heddle_round_even, rintl, 0},
    {"floor", heddle_floor, floorl, 0},
    {"ceil", heddle_ceil, ceill, 0},
};

TEST(Math, ErrorsAreSmallOverAllFloats) {
  for (const Function& f : kFunctions) {
    double worst = 0;
    float at = 0;
    // A stride that is coprime to 2^32: every exponent, ends of mantissas included.
    for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 9973) {
      const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
      const double error = error_of(f.ours(x), f.exact(x));
      if (error > worst) {
        worst = error;
        at = x;
      }
    }
    EXPECT_LE(worst, f.most) << f.name << " at " << at;
  }
}

// Every float in intervals where approximations change over.
TEST(Math, ErrorsAreSmallWhereFormulasMeet) {
  const std::pair<float, float> intervals[] = {{0.6249f, 0.6251f}, {0.8999f, 0.9001f},
                                               {0.7853f, 0.7855f}, {1.5707f, 1.5709f},
                                               {3.9499f, 3.9501f}, {88.7f, 88.73f},
                                               {-104.0f, -103.9f}, {-87.4f, -87.3f}};
  for (const Function& f : kFunctions) {
    for (const auto& [from, to] : intervals) {
      for (float x = from; x < to; x = std::nextafter(x, kInfinity))
        ASSERT_LE(error_of(f.ours(x), f.exact(x)), f.most) << f.name << " at " << x;
    }
  }
}

TEST(Math, SignsOfZeroAndSpecialValues) {
  for (const Function& f : kFunctions) {
    for (const float x : {0.0f, -0.0f, 1.0f, -1.0f, kInfinity, -kInfinity, kNan, 1e-45f, -1e-45f,
                          3.4028235e38f, -3.4028235e38f}) {
      const float got = f.ours(x);
      const float want = static_cast<float>(f.exact(x));
      EXPECT_EQ(std::isnan(got), std::isnan(want)) << f.name << " of " << x;
      if (std::isnan(want)) continue;
      EXPECT_LE(error_of(got, f.exact(x)), f.most) << f.name << " of " << x;
      EXPECT_EQ(std::signbit(got), std::signbit(want)) << f.name << " of " << x;
    }
  }
}

// By the definition, as `quantize` has it.
int32_t quantized(float x, float scale, int32_t lo, int32_t hi) {
  const float real = x / scale;
  if (!(real >= static_cast<float>(lo))) return lo;
  if (real > static_cast<float>(hi)) return hi;
  return static_cast<int32_t>(std::nearbyint(real));
}

TEST(Math, QuantizationsOfAllMagnitudesAndNextToHalves) {
  const float scales[] = {1.0f, 0.0625f, 0.0371f, 3.9215688e-3f, 7.25f, 1.2e30f, 7.9e-31f};
  const std::pair<int32_t, int32_t> bounds[] = {
      {-128, 127}, {0, 255}, {-4194304, 4194304}, {3, 9}, {-9, -3}};
  for (const float scale : scales) {
    int32_t exponent = 31 + std::ilogb(scale);
    while (std::ldexp(1.0 / static_cast<double>(scale), exponent) < 2147483648.0) ++exponent;
    const uint32_t inverse = static_cast<uint32_t>(
        std::nearbyint(std::ldexp(1.0 / static_cast<double>(scale), exponent)));
    for (const std::pair<int32_t, int32_t>& bound : bounds) {
      const int32_t lo = bound.first, hi = bound.second;
      const auto check = [&](float x) {
        ASSERT_EQ(heddle_quantize(x, scale, inverse, exponent, lo, hi),
                  quantized(x, scale, lo, hi))
            << x << " by " << scale << " in [" << lo << ", " << hi << "]";
      };
      for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 99991)
        check(std::bit_cast<float>(static_cast<uint32_t>(bits)));
      for (int32_t n = -700; n <= 700; ++n) {  // halves, and the floats on either side of them
        float x = static_cast<float>(n) * 0.5f * scale;
        for (int i = 0; i < 3; ++i) x = std::nextafter(x, -INFINITY);
        for (int i = 0; i < 7; ++i, x = std::nextafter(x, INFINITY)) check(x);
      }
    }
  }
}

TEST(Math, FixedPointOfScales) {
  for (const int32_t bits : {10, 31, 47, 61}) {
    for (uint64_t u = 0; u < (uint64_t{1} << 32); u += 99991) {
      const float x = std::bit_cast<float>(static_cast<uint32_t>(u));
      const double product = std::ldexp(static_cast<double>(x), bits);
      if (!(std::abs(product) < 2147483648.0)) continue;
      ASSERT_EQ(heddle_fixed(x, bits), static_cast<int32_t>(product)) << x << " by 2^" << bits;
    }
  }
}

// Correctly rounded: the square root's neighbours are farther away, decided in exact integers.
TEST(Math, SquareRootsAreCorrectlyRounded) {
  for (uint64_t bits = 1; bits < 0x7f800000; bits += 4099) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    ASSERT_EQ(heddle_sqrt(x), static_cast<float>(std::sqrt(static_cast<double>(x)))) << x;
  }
}

TEST(Math, PowersOfRandomNumbers) {
  test::Random random(7);
  for (int i = 0; i < 300000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(
        random.between(0x3f800000 - (0x4000000 >> (i % 24)), 0x3f800000 + (0x4000000 >> (i % 24)))));
    const float y = static_cast<float>(random.between(-4000, 4000)) / (i % 2 == 0 ? 16.0f : 3.0f);
    ASSERT_LE(error_of(heddle_pow(x, y), powl(x, y)), 1) << x << " to the power of " << y;
    const float whole = static_cast<float>(random.between(-40, 40));
    ASSERT_LE(error_of(heddle_pow(-x, whole), powl(-x, whole)), 1) << -x << " to " << whole;
  }
}

TEST(Math, PowersOfSpecialValues) {
  const float values[] = {0.0f,      -0.0f,      1.0f,  -1.0f,  2.0f,   -2.0f,      3.0f,
                          -3.0f,     0.5f,       -0.5f, 1e38f,  1e-40f, 16777216.0f, -16777217.0f,
                          kInfinity, -kInfinity, kNan,  -1e30f, 2.5f,   -2.5f};
  for (const float x : values) {
    for (const float y : values) {
      const float got = heddle_pow(x, y);
      const float want = std::pow(x, y);
      EXPECT_EQ(std::isnan(got), std::isnan(want)) << x << " to the power of " << y;
      if (std::isnan(want)) continue;
      EXPECT_LE(error_of(got, powl(x, y)), 1) << x << " to the power of " << y;
      EXPECT_EQ(std::signbit(got), std::signbit(want)) << x << " to the power of " << y;
    }
  }
}

}  // namespace
}  // namespace heddle
