// gemmlowp's fixed point, as TensorFlow Lite's reference kernels use it where they are not built for
// single rounding: https://github.com/google/gemmlowp, fixedpoint/fixedpoint.h, functions
// SaturatingRoundingDoublingHighMul and RoundingDivideByPOT.
#include <fmt/format.h>

#include <algorithm>

#include "ops/requant_forms.h"

namespace heddle::requant {
namespace {

constexpr int64_t kMostShift = 62;

int64_t left_of(int64_t shift) { return std::max<int64_t>(31 - shift, 0); }
int64_t right_of(int64_t shift) { return std::max<int64_t>(shift - 31, 0); }

// round(a * b / 2^31), halves away from zero; |a|, |b| <= 2^31, not both -2^31.
int64_t high_product(int64_t a, int64_t b) {
  const int64_t product = a * b;
  const int64_t half = int64_t{1} << 30;
  return (product + (product >= 0 ? half : 1 - half)) / (int64_t{1} << 31);
}

// round(x / 2^bits), halves away from zero.
int64_t rounded_quotient(int64_t x, int64_t bits) {
  if (bits == 0) return x;
  const int64_t magnitude = (std::abs(x) + (int64_t{1} << (bits - 1))) >> bits;
  return x < 0 ? -magnitude : magnitude;
}

Status check(const OpView& op) {
  if (op.has(ADD))
    return node_error(op, "`rounding` is 'tflite_double', which has no `add`", "use a bias_add");
  if (!op.has(MUL))
    return node_error(op, "`rounding` is 'tflite_double', which needs `mul`, in Q31");
  const Range x = op.input(X).range;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    const int64_t shift = shift_of(op, k);
    if (shift < 0 || shift > kMostShift) {
      return node_error(op, fmt::format("channel {} is shifted by {} bits, outside [0, {}]", k,
                                        shift, kMostShift));
    }
    const Wide scale = Wide{1} << left_of(shift);
    if (!fits_int32(x.lo * scale, x.hi * scale)) {
      return node_error(op, fmt::format("x in [{}, {}] leaves int32 when shifted left by {} bits",
                                        x.lo, x.hi, left_of(shift)));
    }
    if (at_channel(op, MUL, k, 1) == INT32_MIN)
      return node_error(op, fmt::format("`mul` of channel {} is -2^31", k));
  }
  return Unit{};
}

Formula formula(const OpView& op) {
  return [mul = all_channels(op, MUL, 1), shifts = all_channels(op, SHIFTS, 0),
          common = op.attribute("shift"),
          zero_point = op.attribute("zero_point")](int64_t x, size_t k) {
    const int64_t shift = common + shifts[k];
    const int64_t high = high_product(x * (int64_t{1} << left_of(shift)), mul[k]);
    return rounded_quotient(high, right_of(shift)) + zero_point;
  };
}

// Each channel is monotonic in x.
Range result(const OpView& op) {
  const Range x = op.input(X).range;
  const Formula y = formula(op);
  Range range;
  for (size_t k = 0; k < static_cast<size_t>(channels_of(op)); ++k) {
    const int64_t a = y(x.lo, k), b = y(x.hi, k);
    const Range channel{std::min(a, b), std::max(a, b)};
    range = k == 0 ? channel : united(range, channel);
  }
  return range;
}

// Bounds over all channels of the high product while it is rounded.
Range high_range(const OpView& op) {
  const Range x = op.input(X).range;
  Range range;
  for (int64_t k = 0; k < channels_of(op); ++k) {
    const int64_t shift = shift_of(op, k), right = right_of(shift);
    const int64_t scale = int64_t{1} << left_of(shift);
    const int64_t a = high_product(x.lo * scale, at_channel(op, MUL, k, 1));
    const int64_t b = high_product(x.hi * scale, at_channel(op, MUL, k, 1));
    const int64_t half = right > 0 ? int64_t{1} << (right - 1) : 0;
    const Range channel{std::min(a, b) - 1, std::max(a, b) + half};
    range = k == 0 ? channel : united(range, channel);
  }
  return range;
}

// (x * mul + 2^30) >> 31 is the high product for either sign: C's division would round towards zero,
// and the nudge of a negative product is one more than that of a positive one.
std::string c_body(const OpView& op) {
  const std::string mul =
      per_channel(op, MUL) ? "$mul" : c_literal(at_channel(op, MUL, 0, 1));
  std::string left, right;
  if (per_channel(op, SHIFTS)) {
    left = fmt::format("({0} < 31 ? 31 - {0} : 0)", c_shift(op));
    right = fmt::format("({0} > 31 ? {0} - 31 : 0)", c_shift(op));
  } else {
    left = fmt::format("{}", left_of(shift_of(op, 0)));
    right = fmt::format("{}", right_of(shift_of(op, 0)));
  }
  const std::string shifted =
      left == "0" ? "(int64_t)$value" : fmt::format("(int64_t)$value * ((int64_t)1 << {})", left);
  const Range high = high_range(op);
  const bool narrow = fits_int32(high.lo, high.hi);
  const std::string product = fmt::format("({} * {} + 1073741824) >> 31", shifted, mul);
  std::string body = narrow ? fmt::format("{{\n  int32_t row_high = (int32_t)({});\n", product)
                            : fmt::format("{{\n  int64_t wide = {};\n", product);
  const std::string name = narrow ? "row_high" : "wide";
  if (right != "0") {
    // Halves away from zero: a negative number loses one before it is rounded up.
    const std::string one = narrow ? "(int32_t)1" : "(int64_t)1";
    body += per_channel(op, SHIFTS)
                ? fmt::format("  if ({0} > 0) {1} = ({1} - ({1} < 0) + ({2} << ({0} - 1))) >> {0};\n",
                              right, name, one)
                : fmt::format("  {0} = ({0} - ({0} < 0) + {1}) >> {2};\n", name,
                              c_literal(int64_t{1} << (right_of(shift_of(op, 0)) - 1)), right);
  }
  const Range known = result(op);
  const std::string zero_point = c_plus(op.attribute("zero_point"));
  if (fits_int32(known.lo, known.hi)) {
    body += fmt::format("  $value = {}{}{};\n}}\n", narrow ? "" : "(int32_t)", name, zero_point);
    return body + c_clamp("$value", known, bounds_of(op));
  }
  body += narrow ? fmt::format("  int64_t wide = (int64_t)row_high{};\n", zero_point)
                 : fmt::format("  wide = wide{};\n", zero_point);
  return body + indented(c_clamp("wide", known, bounds_of(op))) +
         "\n  $value = (int32_t)wide;\n}";
}

}  // namespace

const Family gemmlowp_family = {check, result, formula, c_body};

}  // namespace heddle::requant
