#include <fmt/format.h>

#include "ops/map.h"
#include "ops/product.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  const TensorType& x = op.input(0);
  const TensorType& w = op.input(1);
  Result<Shape> shape = broadcast_shape(op, x.shape, w.shape);
  if (!shape.ok()) return shape.errors();
  const Result<Range> left = centred_range(op, 0, "x_zero_point");
  if (!left.ok()) return left.errors();
  const Result<Range> right = centred_range(op, 1, "w_zero_point");
  if (!right.ok()) return right.errors();
  if (op.is_real()) return TensorType{DType::float32, std::move(*shape), {}};
  const Result<Range> range = prove_product(op, *left, *right);
  if (!range.ok()) return range.errors();
  return TensorType{narrowest_type(*range), std::move(*shape), *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  Tensor y(op.output().dtype, op.output().shape);
  const std::vector<int64_t> x = broadcast_places(inputs[0]->shape(), y.shape());
  const std::vector<int64_t> w = broadcast_places(inputs[1]->shape(), y.shape());
  const int64_t x_zero = op.attribute("x_zero_point"), w_zero = op.attribute("w_zero_point");
  for (int64_t i = 0; i < y.elements(); ++i) {
    const size_t at = static_cast<size_t>(i);
    if (op.is_real()) {
      y.set_float(i, inputs[0]->float_at(x[at]) * inputs[1]->float_at(w[at]));
    } else {
      y.set(i, (inputs[0]->at(x[at]) - x_zero) * (inputs[1]->at(w[at]) - w_zero));
    }
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(1).shape, op.output().shape));
  return nest;
}

CBody c_body(const OpView& op) {
  const int64_t x_zero = op.attribute("x_zero_point"), w_zero = op.attribute("w_zero_point");
  CBody body;
  if (op.is_real()) {
    body.map = "$value *= $w;";
  } else if (x_zero == 0 && w_zero == 0) {
    body.map = "$value *= (int32_t)$w;";
  } else {
    body.map =
        fmt::format("$value = {} * {};", c_centred("$value", x_zero), c_centred("$w", w_zero));
    body.map_swapped =
        fmt::format("$value = {} * {};", c_centred("$w", x_zero), c_centred("$value", w_zero));
  }
  return body;
}

}  // namespace

const OpDef& mul_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "mul";
    d.summary =
        "Product of two activations: y = (x - x_zero_point) * (w - w_zero_point), broadcasting "
        "like "
        "NumPy.";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::either},
                  {.name = "w",
                   .doc = "broadcasts against x",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::either}};
    d.attributes = {zero_point_attribute("x", "x_zero_point"),
                    zero_point_attribute("w", "w_zero_point")};
    d.output_doc = "the narrowest type that holds every product; float32 for float32";
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
