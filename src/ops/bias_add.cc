#include <fmt/format.h>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  const TensorType& bias = op.input(1);
  if (Status status = check_attribute(op, "axis", 0, static_cast<int64_t>(x.shape.size()) - 1);
      !status.ok()) {
    return status.errors();
  }
  const int64_t channels = x.shape[static_cast<size_t>(op.attribute("axis"))];
  if (bias.shape != Shape{channels}) {
    return node_error(
        op, fmt::format("the bias has shape {}, x has {} channels (dimension {} of {})",
                        to_string(bias.shape), channels, op.attribute("axis"), to_string(x.shape)));
  }
  if (op.is_real()) return TensorType{DType::float32, x.shape, {}};
  const Range values = op.constant(1)->min_max();
  const Result<Range> range =
      prove_int32(op, "sum", Wide{x.range.lo} + values.lo, Wide{x.range.hi} + values.hi);
  if (!range.ok()) return range.errors();
  return TensorType{DType::int32, x.shape, *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  Tensor y(op.output().dtype, op.output().shape);
  const int64_t axis = op.attribute("axis");
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t k = channel_of(y.shape(), axis, i);
    if (op.is_real()) {
      y.set_float(i, inputs[0]->float_at(i) + inputs[1]->float_at(k));
    } else {
      y.set(i, inputs[0]->at(i) + inputs[1]->at(k));
    }
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(per_channel_access(op.input(1).shape, op.attribute("axis")));
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  if (op.is_real()) {
    body.map = "$value += $bias;";
    return body;
  }
  const Tensor& bias = *op.constant(1);
  body.map = bias.elements() == 1 ? fmt::format("$value += {};", c_literal(bias.at(0)))
                                  : "$value += (int32_t)$bias;";
  return body;
}

}  // namespace

const OpDef& bias_add_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "bias_add";
    d.summary = "Adds one constant per channel: y = x + bias[index along axis].";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::either},
                  {.name = "bias",
                   .doc = "[K]",
                   .dims = {"k"},
                   .constant = true,
                   .numbers = Numbers::either}};
    d.attributes = {{.name = "axis", .doc = "the dimension of x that bias runs along"}};
    d.output_doc = "int32 or float32, shape of x";
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
