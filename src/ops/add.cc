#include "ops/real.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  const TensorType& x = op.input(0);
  const TensorType& residual = op.input(1);
  Result<Shape> shape = broadcast_shape(op, x.shape, residual.shape);
  if (!shape.ok()) return shape.errors();
  if (op.is_real()) return TensorType{DType::float32, std::move(*shape), {}};
  const Result<Range> range = prove_int32(op, "sum", Wide{x.range.lo} + residual.range.lo,
                                          Wide{x.range.hi} + residual.range.hi);
  if (!range.ok()) return range.errors();
  return TensorType{narrowest_type(*range), std::move(*shape), *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  if (op.is_real()) return broadcast_reals(op, inputs, [](float x, float r) { return x + r; });
  const std::vector<int64_t> x = broadcast_values(*inputs[0], op.output().shape);
  const std::vector<int64_t> residual = broadcast_values(*inputs[1], op.output().shape);
  Tensor y(op.output().dtype, op.output().shape);
  for (size_t i = 0; i < x.size(); ++i) y.set(static_cast<int64_t>(i), x[i] + residual[i]);
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(1).shape, op.output().shape));
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.map = op.is_real() ? "$value += $residual;" : "$value += (int32_t)$residual;";
  return body;
}

}  // namespace

const OpDef& add_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "add";
    d.summary = "Sum of two activations: y = x + residual, broadcasting like NumPy.";
    d.classes = {"map"};
    d.operands = {
        {.name = "x",
         .doc = "any shape",
         .dims = {"n", "k", "oy", "ox"},
         .numbers = Numbers::either},
        {.name = "residual",
         .doc = "broadcasts against x",
         .dims = {"n", "k", "oy", "ox"},
         .numbers = Numbers::either}};
    d.output_doc = "the narrowest type that holds every sum; float32";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.commutative = true;
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
