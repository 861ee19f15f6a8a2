#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

Range bounds_of(const OpView& op) { return {op.attribute("lo"), op.attribute("hi")}; }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (op.is_real()) {
    if (op.real("lo") <= op.real("hi")) return op.input(0);
    return node_error(
        op, fmt::format("`lo` is {}, greater than `hi`, {}", op.real("lo"), op.real("hi")));
  }
  if (Status status = check_bounds(op); !status.ok()) return status.errors();
  const Range range = clamped(op.input(0).range, bounds_of(op));
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  if (op.is_real()) {
    const float lo = static_cast<float>(op.real("lo")), hi = static_cast<float>(op.real("hi"));
    std::vector<float> values = inputs[0]->to_floats();
    for (float& value : values) value = value < lo ? lo : value > hi ? hi : value;
    return Tensor::of_floats(op.output().shape, values);
  }
  const Range bounds = bounds_of(op);
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i)
    y.set(i, std::max(bounds.lo, std::min(bounds.hi, inputs[0]->at(i))));
  return y;
}

// Without the bounds that are infinite.
std::string real_clamp(const OpView& op) {
  const float lo = static_cast<float>(op.real("lo")), hi = static_cast<float>(op.real("hi"));
  std::vector<std::string> lines;
  if (!std::isinf(lo)) lines.push_back(fmt::format("if ($value < {0}) $value = {0};", c_literal(lo)));
  if (!std::isinf(hi)) lines.push_back(fmt::format("if ($value > {0}) $value = {0};", c_literal(hi)));
  return lines.empty() ? "/* no bounds */" : fmt::format("{}", fmt::join(lines, "\n"));
}

CBody c_body(const OpView& op) {
  CBody body;
  if (op.is_real()) {
    body.map = real_clamp(op);
    return body;
  }
  body.map = or_comment(c_clamp("$value", op.input(0).range, bounds_of(op)), bounds_of(op));
  return body;
}

}  // namespace

const OpDef& clip_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "clip";
    d.summary = "Limits values: y = max(lo, min(hi, x)).";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::either}};
    d.attributes = {{.name = "lo", .doc = "least value of y", .number = true},
                    {.name = "hi", .doc = "greatest value of y", .number = true}};
    d.output_doc = "the narrowest type that holds every result; float32";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = map_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
