#include <algorithm>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

constexpr Range kBounds{0, INT32_MAX};

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (op.is_real()) return op.input(0);
  const Range range = clamped(op.input(0).range, kBounds);
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  Tensor y(op.output().dtype, op.output().shape);
  if (op.is_real()) {
    std::vector<float> values = inputs[0]->to_floats();
    for (float& value : values) value = value < 0 ? 0 : value;
    return Tensor::of_floats(y.shape(), values);
  }
  for (int64_t i = 0; i < y.elements(); ++i) y.set(i, std::max<int64_t>(0, inputs[0]->at(i)));
  return y;
}

CBody c_body(const OpView& op) {
  CBody body;
  if (op.is_real()) {
    body.map = "if ($value < 0.0f) $value = 0.0f;";
    return body;
  }
  body.map = or_comment(c_clamp("$value", op.input(0).range, kBounds), kBounds);
  return body;
}

}  // namespace

const OpDef& relu_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "relu";
    d.summary = "Rectifier: y = max(0, x).";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::either}};
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
