#include <fmt/format.h>

#include <algorithm>

#include "ops/map.h"
#include "ops/product.h"

namespace heddle {
namespace {

// Of x + three before and after the clip.
Range gate_range(const OpView& op) {
  const Range& x = op.input(0).range;
  return {x.lo + op.attribute("three"), x.hi + op.attribute("three")};
}
Range clipped_range(const OpView& op) { return clamped(gate_range(op), {0, op.attribute("six")}); }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  for (const char* name : {"three", "one_over_six"}) {
    if (Status status = check_attribute(op, name, INT32_MIN, INT32_MAX); !status.ok())
      return status.errors();
  }
  if (Status status = check_attribute(op, "six", 0, INT32_MAX); !status.ok())
    return status.errors();
  const Range gate = gate_range(op);
  const Result<Range> sum = prove_int32(op, "sum x + three", gate.lo, gate.hi);
  if (!sum.ok()) return sum.errors();
  const Range clipped = clipped_range(op);
  const Wide scale = op.attribute("one_over_six");
  const Result<Range> factor =
      prove_int32(op, "factor", std::min(scale * clipped.lo, scale * clipped.hi),
                  std::max(scale * clipped.lo, scale * clipped.hi));
  if (!factor.ok()) return factor.errors();
  const Range& x = op.input(0).range;
  const Result<Range> range = prove_product(op, x, *factor);
  if (!range.ok()) return range.errors();
  return TensorType{narrowest_type(*range), op.input(0).shape, *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t x = inputs[0]->at(i);
    const int64_t gate = std::clamp<int64_t>(x + op.attribute("three"), 0, op.attribute("six"));
    y.set(i, x * (gate * op.attribute("one_over_six")));
  }
  return y;
}

CBody c_body(const OpView& op) {
  std::string clamp = c_clamp("row_gate", gate_range(op), {0, op.attribute("six")});
  if (!clamp.empty()) clamp = "\n" + clamp;
  CBody body;
  body.map =
      fmt::format("{{\nint32_t row_gate = $value + {};{}\n$value *= row_gate * {};\n}}",
                  c_literal(op.attribute("three")), clamp, c_literal(op.attribute("one_over_six")));
  return body;
}

}  // namespace

const OpDef& i_hardswish_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "i_hardswish";
    d.summary = "Integer hard swish: y = x * (clip(x + three, 0, six) * one_over_six).";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "three", .doc = "3 in the scale of x"},
                    {.name = "six", .doc = "6 in the scale of x"},
                    {.name = "one_over_six", .doc = "1/6 in a scale of its own"}};
    d.output_doc = "the narrowest type that holds every product";
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
