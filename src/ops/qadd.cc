#include <fmt/format.h>

#include <cmath>

#include "ops/map.h"
#include "ops/rounding.h"
#include "ops/sum_form.h"

namespace heddle {
namespace {

enum Operand : size_t { X, RESIDUAL };

// (value - zero_point) * scale
struct Term {
  int64_t zero_point = 0;
  float scale = 1;
  float at(int64_t value) const { return static_cast<float>(value - zero_point) * scale; }
};

Term term_of(const OpView& op, Operand operand) {
  const std::string prefix = operand == X ? "x" : "residual";
  return {op.attribute(prefix + "_zero_point"), static_cast<float>(op.real(prefix + "_scale"))};
}

float y_scale(const OpView& op) { return static_cast<float>(op.real("scale")); }

// Before the zero point is added.
Range centred_bounds(const OpView& op) {
  const int64_t zero_point = op.attribute("zero_point");
  return {op.attribute("lo") - zero_point, op.attribute("hi") - zero_point};
}

int64_t element(const OpView& op, float x, float residual) {
  const float sum = x + residual;
  return round_clamped(sum / y_scale(op), Rounding::half_even, centred_bounds(op)) +
         op.attribute("zero_point");
}

Status check_parameters(const OpView& op) {
  for (const char* name : {"x_zero_point", "residual_zero_point", "zero_point"}) {
    if (Status status = check_attribute(op, name, -65536, 65536); !status.ok()) return status;
  }
  for (const char* name : {"x_scale", "residual_scale", "scale"}) {
    const float scale = static_cast<float>(op.real(name));
    if (std::isfinite(scale) && scale != 0.0f) continue;
    return node_error(op, fmt::format("`{}` is {}, no scale", name, op.real(name)));
  }
  if (y_scale(op) < 0) return node_error(op, fmt::format("`scale` is {}, negative", y_scale(op)));
  if (Status status = check_bounds(op); !status.ok()) return status;
  return check_rounded_bounds(op, centred_bounds(op));
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {X, RESIDUAL}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  if (Status status = check_parameters(op); !status.ok()) return status.errors();
  Result<Shape> shape = broadcast_shape(op, op.input(X).shape, op.input(RESIDUAL).shape);
  if (!shape.ok()) return shape.errors();
  // Every step is monotonic in either operand: the extremes are at the corners.
  const auto extremes = [&](Operand operand) {
    const Term term = term_of(op, operand);
    const float a = term.at(op.input(operand).range.lo), b = term.at(op.input(operand).range.hi);
    return std::pair{std::min(a, b), std::max(a, b)};
  };
  const auto [x_lo, x_hi] = extremes(X);
  const auto [residual_lo, residual_hi] = extremes(RESIDUAL);
  const Range range{element(op, x_lo, residual_lo), element(op, x_hi, residual_hi)};
  return TensorType{narrowest_type({op.attribute("lo"), op.attribute("hi")}), std::move(*shape),
                    range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> x = broadcast_values(*inputs[X], op.output().shape);
  const std::vector<int64_t> residual = broadcast_values(*inputs[RESIDUAL], op.output().shape);
  const Term of_x = term_of(op, X), of_residual = term_of(op, RESIDUAL);
  Tensor y(op.output().dtype, op.output().shape);
  for (size_t i = 0; i < x.size(); ++i)
    y.set(static_cast<int64_t>(i), element(op, of_x.at(x[i]), of_residual.at(residual[i])));
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(RESIDUAL).shape, op.output().shape));
  return nest;
}

std::string c_term(const Term& term, std::string_view value) {
  const std::string centred = term.zero_point == 0
                                  ? fmt::format("(float){}", value)
                                  : fmt::format("(float)({}{})", value, c_plus(-term.zero_point));
  return fmt::format("{} * {}", centred, c_literal(term.scale));
}

CBody c_body(const OpView& op) {
  CBody body;
  const Term of_x = term_of(op, X), of_residual = term_of(op, RESIDUAL);
  const double scale = static_cast<double>(y_scale(op));
  if (const std::optional<std::string> brief =
          c_small_sum({.x = op.input(X).range,
                       .residual = op.input(RESIDUAL).range,
                       .bounds = {op.attribute("lo"), op.attribute("hi")},
                       .x_slope = static_cast<double>(of_x.scale) / scale,
                       .residual_slope = static_cast<double>(of_residual.scale) / scale,
                       .y = [&](int64_t x, int64_t residual) {
                         return element(op, of_x.at(x), of_residual.at(residual));
                       }})) {
    body.map = *brief;
    return body;
  }
  body.map = fmt::format(
      "{{\n  const float term = {};\n  float real = ({} + term) / {};\n{}  $value = {}{};\n}}",
      c_term(term_of(op, RESIDUAL), "(int32_t)$residual"), c_term(term_of(op, X), "$value"),
      c_literal(y_scale(op)), c_clamp_real("real", centred_bounds(op), "  "),
      c_rounded("real", Rounding::half_even), c_plus(op.attribute("zero_point")));
  return body;
}

}  // namespace

const OpDef& qadd_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "qadd";
    d.summary =
        "Sum of two quantised tensors with ONNX Runtime's rounding: y = max(lo, min(hi, r + "
        "zero_point)), r the nearest integer, halves to even, of ((x - x_zero_point) * x_scale + "
        "(residual - residual_zero_point) * residual_scale) / scale in float32; broadcasts.";
    d.classes = {"map"};
    d.operands = {
        {.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
        {.name = "residual", .doc = "broadcasts against x", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "x_scale", .doc = "scale of x", .real = true},
                    {.name = "residual_scale",
                     .doc = "scale of residual; negative for a difference",
                     .real = true},
                    {.name = "scale", .doc = "scale of y", .real = true},
                    {.name = "x_zero_point", .doc = "zero point of x"},
                    {.name = "residual_zero_point", .doc = "zero point of residual"},
                    {.name = "zero_point", .doc = "zero point of y"},
                    {.name = "lo", .doc = "least value of y"},
                    {.name = "hi", .doc = "greatest value of y"}};
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
