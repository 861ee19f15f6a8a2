// ONNX's rounding: the integer accumulator times a float32 scale, to the nearest integer, halves to
// even (https://onnx.ai/onnx/operators/onnx__QLinearConv.html).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/rounding.h"
#include "ops/requant_forms.h"

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
  if (const Result<Range> centred = prove_int32(op, "difference to the zero point",
                                                x.lo - zero_point, x.hi - zero_point);
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
          bounds = centred_bounds(op),
          x_zero_point = op.attribute("x_zero_point"),
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

std::string c_body(const OpView& op) {
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
                     c_clamp_real("real", centred_bounds(op), "  "), c_rounded("real", Rounding::half_even),
                     c_plus(op.attribute("zero_point")));
}

}  // namespace

const Family real_family = {check, result, formula, c_body};

}  // namespace heddle::requant
