#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "ops/rounding.h"
#include "ops/scale.h"

namespace heddle {
namespace {

Range bounds_of(const OpView& op) { return {op.attribute("lo"), op.attribute("hi")}; }

Range centred_bounds(const OpView& op) {
  const int64_t zero_point = op.attribute("zero_point");
  return {bounds_of(op).lo - zero_point, bounds_of(op).hi - zero_point};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_bounds(op); !status.ok()) return status.errors();
  if (Status status = check_scale(op); !status.ok()) return status.errors();
  if (!find_rounding(op.text("rounding"))) {
    return node_error(op, fmt::format("`rounding` is '{}', not one of 'half_even', 'half_away', "
                                      "'floor', 'ceil', 'truncate'",
                                      terminal_text(op.text("rounding"))));
  }
  if (Status status = check_rounded_bounds(op, centred_bounds(op)); !status.ok())
    return status.errors();
  return TensorType{narrowest_type(bounds_of(op)), op.input(0).shape, bounds_of(op)};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Range bounds = centred_bounds(op);
  const Rounding rounding = *find_rounding(op.text("rounding"));
  const int64_t zero_point = op.attribute("zero_point");
  const std::vector<float> scales = scale_of_elements(op);
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const float real = inputs[0]->float_at(i) / scales[static_cast<size_t>(i)];
    y.set(i, round_clamped(real, rounding, bounds) + zero_point);
  }
  return y;
}

// heddle_quantize(), for one scale that is no extreme number.
std::optional<std::string> c_quantize(const OpView& op) {
  const Tensor& scales = *op.constant(1);
  if (op.text("rounding") != "half_even" || scales.elements() != 1) return std::nullopt;
  const double scale = scales.float_at(0);
  if (scale < std::ldexp(1.0, -100) || scale > std::ldexp(1.0, 100)) return std::nullopt;
  int exponent = 31 + std::ilogb(scale);  // 2^exponent / scale lies in (2^30, 2^31]
  double inverse = std::nearbyint(std::ldexp(1.0 / scale, exponent));
  while (inverse < 2147483648.0) inverse = std::nearbyint(std::ldexp(1.0 / scale, ++exponent));
  const Range bounds = centred_bounds(op);
  return fmt::format("$result = heddle_quantize($value, {}, {}u, {}, {}, {}){};", c_scale(op),
                     static_cast<int64_t>(inverse), exponent, bounds.lo, bounds.hi,
                     c_plus(op.attribute("zero_point")));
}

CBody c_body(const OpView& op) {
  const int64_t zero_point = op.attribute("zero_point");
  CBody body;
  body.result_type = "int32_t";
  if (const std::optional<std::string> text = c_quantize(op)) {
    body.map = *text;
    body.uses_math = true;
    return body;
  }
  body.map = fmt::format("$value = $value / {};\n", c_scale(op));
  body.map += c_clamp_real("$value", centred_bounds(op), "");
  body.map += fmt::format("$result = {}{};", c_rounded("$value", *find_rounding(op.text("rounding"))),
                          c_plus(zero_point));
  return body;
}

}  // namespace

const OpDef& quantize_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "quantize";
    d.summary =
        "From float32 to integers: y = max(lo, min(hi, round(x / scale) + zero_point)); NaN becomes "
        "lo.";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals},
                  scale_operand()};
    d.attributes = {
        {.name = "lo", .doc = "least value of y"},
        {.name = "hi", .doc = "greatest value of y"},
        {.name = "zero_point", .doc = "the integer for 0.0", .otherwise = Attribute{int64_t{0}}},
        scale_axis_attribute(),
        {.name = "rounding",
         .doc = "'half_even', 'half_away', 'floor', 'ceil', 'truncate'",
         .text = true,
         .otherwise = Attribute{std::string("half_even")}}};
    d.output_doc = "the narrowest type that holds lo and hi, shape of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = scaled_map_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
