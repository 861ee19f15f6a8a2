// TensorFlow Lite's quantised addition and subtraction, https://github.com/tensorflow/tensorflow,
// lite/kernels/internal/reference/add.h: both operands are brought to a common scale below their
// own, then the sum to the scale of the result, with gemmlowp's doubling high product and rounding
// shift (see requant_gemmlowp.cc).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/checked.h"
#include "ops/check.h"
#include "ops/map.h"
#include "ops/sum_form.h"

namespace heddle {
namespace {

// How one of the three numbers is rescaled: by mul / 2^31 / 2^shift.
struct Rescale {
  int64_t mul = 0;
  int64_t shift = 0;
};

Rescale rescale_of(const OpView& op, const std::string& prefix) {
  return {op.attribute(prefix + "mul"), op.attribute(prefix + "shift")};
}

int64_t rescaled(int64_t x, const Rescale& rescale) {
  const int64_t product = x * rescale.mul;
  const int64_t half = int64_t{1} << 30;
  const int64_t high = (product + (product >= 0 ? half : 1 - half)) / (int64_t{1} << 31);
  if (rescale.shift == 0) return high;
  const int64_t magnitude = (std::abs(high) + (int64_t{1} << (rescale.shift - 1))) >> rescale.shift;
  return high < 0 ? -magnitude : magnitude;
}

// An operand's way into the common scale: its attributes, looked up once for many numbers.
struct Common {
  int64_t zero_point = 0;
  int64_t scale = 1;
  Rescale rescale;

  Common(const OpView& op, const std::string& prefix)
      : zero_point(op.attribute(prefix + "zero_point")),
        scale(int64_t{1} << op.attribute("left_shift")),
        rescale(rescale_of(op, prefix)) {}
  int64_t operator()(int64_t x) const { return rescaled((x - zero_point) * scale, rescale); }
};

Range common_range(const OpView& op, const std::string& prefix, const Range& x) {
  const Common common(op, prefix);
  return {common(x.lo), common(x.hi)};
}

Range sum_range(const OpView& op) {
  const Range x = common_range(op, "x_", op.input(0).range);
  const Range residual = common_range(op, "residual_", op.input(1).range);
  if (op.attribute("subtract") != 0) return {x.lo - residual.hi, x.hi - residual.lo};
  return {x.lo + residual.lo, x.hi + residual.hi};
}

Range unbounded_range(const OpView& op) {
  const Range sum = sum_range(op);
  const Rescale rescale = rescale_of(op, "");
  const int64_t zero_point = op.attribute("zero_point");
  return {rescaled(sum.lo, rescale) + zero_point, rescaled(sum.hi, rescale) + zero_point};
}

Status check_operand(const OpView& op, size_t operand, const std::string& prefix) {
  const std::string zero_point = prefix + "zero_point";
  if (Status status = check_attribute(op, zero_point, INT16_MIN, UINT16_MAX); !status.ok())
    return status;
  const Wide scale = Wide{1} << op.attribute("left_shift");
  const Range x = op.input(operand).range;
  const Wide offset = op.attribute(zero_point);
  const Result<Range> shifted = prove_int32(op, operand == 0 ? "shifted `x`" : "shifted `residual`",
                                            (x.lo - offset) * scale, (x.hi - offset) * scale);
  if (!shifted.ok()) return shifted.errors();
  return Unit{};
}

Status check_parameters(const OpView& op) {
  if (Status status = check_attribute(op, "left_shift", 0, 30); !status.ok()) return status;
  if (Status status = check_attribute(op, "subtract", 0, 1); !status.ok()) return status;
  if (Status status = check_attribute(op, "zero_point", INT16_MIN, UINT16_MAX); !status.ok())
    return status;
  for (const char* prefix : {"x_", "residual_", ""}) {
    const std::string mul = std::string(prefix) + "mul", shift = std::string(prefix) + "shift";
    if (Status status = check_attribute(op, mul, 0, INT32_MAX); !status.ok()) return status;
    if (Status status = check_attribute(op, shift, 0, 31); !status.ok()) return status;
  }
  if (Status status = check_operand(op, 0, "x_"); !status.ok()) return status;
  return check_operand(op, 1, "residual_");
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  if (Status status = check_bounds(op); !status.ok()) return status.errors();
  if (Status status = check_parameters(op); !status.ok()) return status.errors();
  Result<Shape> shape = broadcast_shape(op, op.input(0).shape, op.input(1).shape);
  if (!shape.ok()) return shape.errors();
  const Range sum = sum_range(op);
  if (const Result<Range> fits = prove_int32(op, "sum", sum.lo, sum.hi); !fits.ok())
    return fits.errors();
  const Range bounds{op.attribute("lo"), op.attribute("hi")};
  return TensorType{narrowest_type(bounds), std::move(*shape),
                    clamped(unbounded_range(op), bounds)};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> x = broadcast_values(*inputs[0], op.output().shape);
  const std::vector<int64_t> residual = broadcast_values(*inputs[1], op.output().shape);
  const int64_t sign = op.attribute("subtract") != 0 ? -1 : 1;
  const int64_t zero_point = op.attribute("zero_point");
  const int64_t lo = op.attribute("lo"), hi = op.attribute("hi");
  const Common common_x(op, "x_"), common_residual(op, "residual_");
  const Rescale rescale = rescale_of(op, "");
  Tensor y(op.output().dtype, op.output().shape);
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t sum = common_x(x[i]) + sign * common_residual(residual[i]);
    const int64_t value = rescaled(sum, rescale) + zero_point;
    y.set(static_cast<int64_t>(i), std::clamp(value, lo, hi));
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(1).shape, op.output().shape));
  return nest;
}

// "name = round(name / 2^shift);", halves away from zero.
std::string c_rounding_shift(std::string_view name, int64_t shift) {
  if (shift == 0) return "";
  return fmt::format("  {0} = ({0} - ({0} < 0) + {1}) >> {2};\n", name,
                     c_literal(int64_t{1} << (shift - 1)), shift);
}

// The operand's value in the common scale, in a new variable. The left shift and the division by
// 2^31 are one shift: (x * 2^l * m + 2^30) >> 31 = (x * m + 2^(30-l)) >> (31-l).
std::string c_common(const OpView& op, const std::string& prefix, std::string_view name,
                     std::string_view value) {
  const int64_t left = op.attribute("left_shift");
  const Rescale rescale = rescale_of(op, prefix);
  return fmt::format("  int64_t {} = ((int64_t)({}{}) * {} + {}) >> {};\n", name, value,
                     c_plus(-op.attribute(prefix + "zero_point")), c_literal(rescale.mul),
                     c_literal(int64_t{1} << (30 - left)), 31 - left) +
         c_rounding_shift(name, rescale.shift);
}

// The sum as one function of two numbers, for the short form.
SmallSum small_sum(const OpView& op) {
  const int64_t sign = op.attribute("subtract") != 0 ? -1 : 1;
  const auto factor = [&](const std::string& prefix) {
    const Rescale rescale = rescale_of(op, prefix);
    return std::ldexp(static_cast<double>(rescale.mul), -31 - static_cast<int>(rescale.shift));
  };
  const double whole = std::ldexp(factor(""), static_cast<int>(op.attribute("left_shift")));
  return {.x = op.input(0).range,
          .residual = op.input(1).range,
          .bounds = {op.attribute("lo"), op.attribute("hi")},
          .x_slope = factor("x_") * whole,
          .residual_slope = factor("residual_") * whole * static_cast<double>(sign),
          .y = [sign, common_x = Common(op, "x_"), common_residual = Common(op, "residual_"),
                rescale = rescale_of(op, ""),
                zero_point = op.attribute("zero_point")](int64_t x, int64_t residual) {
            return rescaled(common_x(x) + sign * common_residual(residual), rescale) + zero_point;
          }};
}

CBody c_body(const OpView& op) {
  const Rescale rescale = rescale_of(op, "");
  CBody body;
  if (const std::optional<std::string> brief = c_small_sum(small_sum(op))) {
    body.map = *brief;
    return body;
  }
  body.map = "{\n";
  body.map += c_common(op, "x_", "wide", "$value");
  body.map += c_common(op, "residual_", "row_residual", "(int32_t)$residual");
  body.map += fmt::format("  wide = ((wide {} row_residual) * {} + 1073741824) >> 31;\n",
                          op.attribute("subtract") != 0 ? "-" : "+", c_literal(rescale.mul));
  body.map += c_rounding_shift("wide", rescale.shift);
  body.map += fmt::format("  $value = (int32_t)wide{};\n}}\n", c_plus(op.attribute("zero_point")));
  body.map += c_clamp("$value", unbounded_range(op), {op.attribute("lo"), op.attribute("hi")});
  while (body.map.back() == '\n') body.map.pop_back();
  return body;
}

void add_rescale(OpDef* d, const char* mul, const char* shift, const char* doc) {
  d->attributes.push_back({.name = mul, .doc = doc});
  d->attributes.push_back({.name = shift, .doc = "and by 2^-shift, 0 to 31"});
}

}  // namespace

const OpDef& tflite_add_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "tflite_add";
    d.summary =
        "TensorFlow Lite's quantised sum: y = max(lo, min(hi, R(Rx((x - x_zero_point) << "
        "left_shift) + Rr((residual - residual_zero_point) << left_shift)) + zero_point)), "
        "broadcasting like NumPy; each R multiplies by its mul / 2^31, rounding halves up, then by "
        "its 2^-shift, rounding halves away from zero.";
    d.classes = {"map"};
    d.operands = {
        {.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
        {.name = "residual", .doc = "broadcasts against x", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "left_shift", .doc = "bits of the common scale below the operands'"},
                    {.name = "x_zero_point", .doc = "the x for 0.0"},
                    {.name = "residual_zero_point", .doc = "the residual for 0.0"},
                    {.name = "zero_point", .doc = "the y for 0.0"}};
    add_rescale(&d, "x_mul", "x_shift", "Rx multiplies by it");
    add_rescale(&d, "residual_mul", "residual_shift", "Rr multiplies by it");
    add_rescale(&d, "mul", "shift", "R multiplies by it");
    d.attributes.push_back({.name = "subtract", .doc = "1: the difference; 0: the sum"});
    d.attributes.push_back({.name = "lo", .doc = "least value of y"});
    d.attributes.push_back({.name = "hi", .doc = "greatest value of y"});
    d.output_doc = "the narrowest type that holds lo and hi";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
