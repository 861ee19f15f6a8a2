#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "ops/map.h"
#include "ops/product.h"

namespace heddle {
namespace {

// Of eta * divisor + eps, which must be positive; nothing where it is not, or leaves int64.
std::optional<Range> denominators(const OpView& op) {
  const Range& divisor = op.input(1).range;
  const Wide lo = Wide{op.attribute("eta")} * divisor.lo + op.attribute("eps");
  const Wide hi = Wide{op.attribute("eta")} * divisor.hi + op.attribute("eps");
  if (lo < 1 || hi > INT64_MAX) return std::nullopt;
  return Range{static_cast<int64_t>(lo), static_cast<int64_t>(hi)};
}

int64_t numerator(const OpView& op) { return op.attribute("delta") * op.attribute("eta"); }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  for (const char* name : {"delta", "eta", "eps"}) {
    if (Status status = check_attribute(op, name, 0, INT32_MAX); !status.ok())
      return status.errors();
  }
  Result<Shape> shape = broadcast_shape(op, op.input(0).shape, op.input(1).shape);
  if (!shape.ok()) return shape.errors();
  const std::optional<Range> below = denominators(op);
  if (!below) {
    return node_error(op,
                      fmt::format("`eta` * divisor + `eps` is not always positive: the divisor can "
                                  "lie in [{}, {}]",
                                  op.input(1).range.lo, op.input(1).range.hi));
  }
  const Result<Range> factor =
      prove_int32(op, "factor", numerator(op) / below->hi, numerator(op) / below->lo);
  if (!factor.ok()) return factor.errors();
  const Result<Range> range = prove_product(op, op.input(0).range, *factor);
  if (!range.ok()) return range.errors();
  return TensorType{narrowest_type(*range), std::move(*shape), *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const std::vector<int64_t> x = broadcast_values(*inputs[0], op.output().shape);
  const std::vector<int64_t> divisor = broadcast_values(*inputs[1], op.output().shape);
  Tensor y(op.output().dtype, op.output().shape);
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t below = op.attribute("eta") * divisor[i] + op.attribute("eps");
    y.set(static_cast<int64_t>(i), x[i] * floor_div(numerator(op), below));
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(1).shape, op.output().shape));
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.map = fmt::format("$value *= (int32_t)({} / ((int64_t){} * $divisor + {}));",
                         c_literal(numerator(op)), op.attribute("eta"), op.attribute("eps"));
  return body;
}

}  // namespace

const OpDef& true_div_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "true_div";
    d.summary =
        "Integer division by a reciprocal: y = x * floor(delta * eta / (eta * divisor + eps)).";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
                  {.name = "divisor",
                   .doc = "broadcasts against x; eta * divisor + eps must be positive",
                   .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "delta", .doc = "1 in the scale of the result"},
                    {.name = "eta", .doc = "scale of the divisor"},
                    {.name = "eps", .doc = "added below the line"}};
    d.output_doc = "the narrowest type that holds every product";
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
