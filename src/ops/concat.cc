#include <fmt/format.h>

#include <algorithm>

#include "ops/check.h"
#include "ops/map.h"
#include "ops/move.h"
#include "ops/window.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const TensorType& first = op.input(0);
  if (Status status =
          check_attribute(op, "axis", 0, static_cast<int64_t>(first.shape.size()) - 1);
      !status.ok())
    return status.errors();
  const size_t axis = static_cast<size_t>(op.attribute("axis"));
  TensorType type = first;
  bool same_type = true;
  for (size_t i = 1; i < op.node.inputs.size(); ++i) {
    const TensorType& x = op.input(i);
    Shape wanted = first.shape;
    if (x.shape.size() == wanted.size()) wanted[axis] = x.shape[axis];
    if (x.shape != wanted) {
      return node_error(op, fmt::format("operand {} has shape {}, operand 0 {}: they may differ "
                                        "only in dimension {}",
                                        i, to_string(x.shape), to_string(first.shape), axis));
    }
    type.shape[axis] += x.shape[axis];
    type.range = united(type.range, x.range);
    same_type = same_type && x.dtype == first.dtype;
  }
  if (checked_elements(type.shape) < 0) {
    return node_error(
        op, fmt::format("the output would have the impossible shape {}", to_string(type.shape)));
  }
  if (!same_type) type.dtype = narrowest_type(type.range);
  return type;
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const size_t axis = static_cast<size_t>(op.attribute("axis"));
  const std::vector<int64_t> strides = row_major_strides(op.output().shape);
  Tensor y(op.output().dtype, op.output().shape);
  int64_t start = 0;
  for (const Tensor* x : inputs) {
    int64_t source = 0;
    for_each_index(x->shape(), [&](const std::vector<int64_t>& index) {
      int64_t target = start * strides[axis];
      for (size_t d = 0; d < index.size(); ++d) target += index[d] * strides[d];
      if (op.is_real()) {
        y.set_float(target, x->float_at(source++));
      } else {
        y.set(target, x->at(source++));
      }
    });
    start += x->shape()[axis];
  }
  return y;
}

// Every operand is read at the index of y, shifted; outside it lie the other operands.
LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  const size_t axis = static_cast<size_t>(op.attribute("axis"));
  nest.inputs.clear();
  int64_t start = 0;
  for (size_t i = 0; i < op.node.inputs.size(); ++i) {
    Access access = nest.output;
    access[axis].offset = -start;
    start += op.input(i).shape[axis];
    nest.inputs.push_back(std::move(access));
  }
  return nest;
}

CBody c_body(const OpView&) {
  CBody body;
  body.parts = true;
  body.result = "$x";
  return body;
}

}  // namespace

const OpDef& concat_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "concat";
    d.summary = "Its operands one after the other along a dimension.";
    d.operands = {{.name = "x",
                   .doc = "any shapes that agree but for dimension `axis`",
                   .dims = {},
                   .numbers = Numbers::either,
                   .variadic = true}};
    d.attributes = {{.name = "axis", .doc = "the dimension that grows"}};
    d.output_doc =
        "the operands' common type, else the narrowest that holds all of their elements";
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
