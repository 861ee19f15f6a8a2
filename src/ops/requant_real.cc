// ONNX's rounding: the integer accumulator times a float32 scale, to the nearest integer, halves to
// even (https://onnx.ai/onnx/operators/onnx__QLinearConv.html).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "ops/requant_forms.h"
#include "ops/rounding.h"

namespace heddle::requant {
namespace {

float scale_of(const OpView& op, int64_t channel) {
  const Tensor& mul = *op.constant(MUL);
  return mul.float_at(mul.elements() == 1 ? 0 : channel);
}

std::vector<float> addends_of(const OpView& op) {
  return op.has(ADD) ? op.constant(ADD)->to_floats() : std::vector<float>{};
}

// Bounds before the zero point is added.
Range centred_bounds(const OpView& op) {
  const int64_t zero_point = op.attribute("zero_point");
  return {bounds_of(op).lo - zero_point, bounds_of(op).hi - zero_point};
}

Status check(const OpView& op) {
  if (op.has(SHIFTS)) return node_error(op, "`rounding` is 'float', which has no `shifts`");
  if (op.has(ADD) && op.input(ADD).dtype != DType::float32)
    return node_error(op, "`rounding` is 'float', which needs `add` in float32");
  if (!op.has(MUL) || op.input(MUL).dtype != DType::float32)
    return node_error(op, "`rounding` is 'float', which needs `mul` in float32");
  if (Status status = check_attribute(op, "shift", 0, 0); !status.ok()) return status;
  for (int64_t k = 0; k < op.constant(MUL)->elements(); ++k) {
    if (std::isfinite(scale_of(op, k))) continue;
    return node_error(op, fmt::format("`mul` of channel {} is {}", k, scale_of(op, k)));
  }
  const Range x = op.input(X).range;
  const Wide zero_point = op.attribute("x_zero_point");
  if (const Result<Range> centred =
          prove_int32(op, "difference to the zero point", x.lo - zero_point, x.hi - zero_point);
      !centred.ok())
    return centred.errors();
  const std::vector<float> addends = addends_of(op);
  for (size_t k = 0; k < addends.size(); ++k) {
    if (std::isfinite(addends[k])) continue;
    return node_error(op, fmt::format("`add` of channel {} is {}", k, addends[k]));
  }
  return check_rounded_bounds(op, centred_bounds(op));
}

Formula formula(const OpView& op) {
  return [scales = op.constant(MUL)->to_floats(), addends = addends_of(op),
          bounds = centred_bounds(op), x_zero_point = op.attribute("x_zero_point"),
          zero_point = op.attribute("zero_point")](int64_t x, size_t k) {
    float real = static_cast<float>(x - x_zero_point) * scales[scales.size() == 1 ? 0 : k];
    if (!addends.empty()) real += addends[addends.size() == 1 ? 0 : k];
    return round_clamped(real, Rounding::half_even, bounds) + zero_point;
  };
}

Range result(const OpView& op) {
  const Range x = op.input(X).range;
  const Formula y = formula(op);
  Range range;
  for (size_t k = 0; k < static_cast<size_t>(channels_of(op)); ++k) {  // monotonic in x
    const int64_t a = y(x.lo, k), b = y(x.hi, k);
    const Range channel{std::min(a, b), std::max(a, b)};
    range = k == 0 ? channel : united(range, channel);
  }
  return range;
}

// The product in fixed point, with `fraction` bits behind the point: the high word of
// ((x - x_zero_point) << left) times the scale times 2^(32 - left + fraction). It is at most
// `error` / 2^fraction off what float32 gives, as long as that is within the bounds.
struct FixedPoint {
  int64_t left = 0;
  int64_t fraction = 0;
  int64_t error = 0;
  float power = 0;  // the scale's factor
};

std::optional<FixedPoint> fixed_point(const OpView& op) {
  constexpr int64_t kLeast = 8, kMost = 29;  // bits behind the point
  if (op.has(ADD)) return std::nullopt;
  const int64_t x_zero_point = op.attribute("x_zero_point");
  const Range x{op.input(X).range.lo - x_zero_point, op.input(X).range.hi - x_zero_point};
  FixedPoint form;
  while (form.left < 30 &&
         fits_int32(x.lo * (int64_t{2} << form.left), x.hi * (int64_t{2} << form.left)))
    ++form.left;
  double most = 0;
  for (int64_t k = 0; k < op.constant(MUL)->elements(); ++k)
    most = std::max(most, std::abs(static_cast<double>(scale_of(op, k))));
  const auto factor = [&](int64_t fraction) { return static_cast<int>(32 - form.left + fraction); };
  while (form.fraction < kMost && std::ldexp(most, factor(form.fraction + 1)) < 2147483648.0)
    ++form.fraction;
  if (form.fraction < kLeast) return std::nullopt;
  form.power = std::ldexp(1.0f, factor(form.fraction));
  // Twice float32's rounding (of x, of the product), at most 2^-24 of a result that is not clamped;
  // one each for the factor's and the product's fractions that are dropped.
  const Range bounds = centred_bounds(op);
  const int64_t reach = std::max(std::abs(bounds.lo), std::abs(bounds.hi)) + 2;
  form.error =
      3 + (form.fraction > 23 ? reach << (form.fraction - 23) : reach >> (23 - form.fraction));
  if (4 * form.error > int64_t{1} << form.fraction) return std::nullopt;
  return form;
}

// By the definition, on the variable `real`.
std::string real_body(const OpView& op) {
  const std::string mul = per_channel(op, MUL) ? "$mul" : c_literal(scale_of(op, 0));
  const int64_t x_zero_point = op.attribute("x_zero_point");
  const std::string x =
      x_zero_point == 0 ? "$value" : fmt::format("($value{})", c_plus(-x_zero_point));
  std::string add;
  if (op.has(ADD)) {
    add = fmt::format("  real = real + {};\n",
                      per_channel(op, ADD) ? "$add" : c_literal(addends_of(op)[0]));
  }
  return fmt::format("{{\n  float real = (float){} * {};\n{}{}  $value = {}{};\n}}", x, mul, add,
                     c_clamp_real("real", centred_bounds(op), "  "),
                     c_rounded("real", Rounding::half_even), c_plus(op.attribute("zero_point")));
}

// Integers wherever they cannot differ, which is all but a sliver around the halves: a CPU without
// floating point has to emulate every step of the definition.
std::string c_body(const OpView& op) {
  const std::optional<FixedPoint> form = fixed_point(op);
  if (!form) return real_body(op);
  const int64_t x_zero_point = op.attribute("x_zero_point"),
                zero_point = op.attribute("zero_point");
  const std::string x =
      x_zero_point == 0 ? "$value" : fmt::format("($value{})", c_plus(-x_zero_point));
  const std::string shifted =
      form->left == 0 ? x : fmt::format("({} * {})", x, int64_t{1} << form->left);
  std::string body = "{\n", mul;
  if (per_channel(op, MUL)) {
    body +=
        fmt::format("  const int32_t row_mul = heddle_fixed($mul, {});\n", std::ilogb(form->power));
    mul = "row_mul";
  } else {
    mul = c_literal(static_cast<int64_t>(scale_of(op, 0) * form->power));
  }
  const int64_t one = int64_t{1} << form->fraction;
  // |high| is at most 2^30.
  const int64_t joined = one / 2 + zero_point * one;
  const bool inside = std::abs(joined) < int64_t{1} << 30;
  body += fmt::format("  const int32_t row_high = (int32_t)(((int64_t){} * {}) >> 32);\n", shifted,
                      mul);
  body += fmt::format("  if ((((uint32_t)row_high + {}u) & {}u) < {}u) {{\n", one / 2 + form->error,
                      one - 1, 2 * form->error + 1);
  body += indented(indented(real_body(op)));
  body += fmt::format("\n  }} else {{\n    $value = {};\n",
                      inside ? fmt::format("(row_high{}) >> {}", c_plus(joined), form->fraction)
                             : fmt::format("((row_high{}) >> {}){}", c_plus(one / 2),
                                           form->fraction, c_plus(zero_point)));
  const int64_t reach = (int64_t{1} << 30 >> form->fraction) + 1;
  const std::string clamp =
      c_clamp("$value", {zero_point - reach, zero_point + reach}, bounds_of(op));
  if (!clamp.empty()) body += indented(indented(clamp)) + "\n";
  return body + "  }\n}";
}

}  // namespace

const Family real_family = {check, result, formula, c_body};

}  // namespace heddle::requant
