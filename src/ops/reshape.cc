#include <fmt/format.h>

#include "ops/check.h"

namespace heddle {
namespace {

const Shape& shape_of(const OpView& op) { return std::get<Shape>(op.node.attributes.at("shape")); }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  if (checked_elements(shape_of(op)) != elements_of(x.shape)) {
    return node_error(
        op, fmt::format("`shape` is {}, which does not hold the {} elements of {}",
                        to_string(shape_of(op)), elements_of(x.shape), to_string(x.shape)));
  }
  return TensorType{x.dtype, shape_of(op), x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  return inputs[0]->reshaped(op.output().shape);
}

LoopNest loops(const OpView&) { return {}; }

CBody c_body(const OpView&) { return {}; }

}  // namespace

const OpDef& reshape_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "reshape";
    d.summary = "The same elements, in row-major order, in another shape.";
    d.classes = {"view"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {}, .numbers = Numbers::either}};
    d.attributes = {
        {.name = "shape", .doc = "shape of y, every dimension written out", .vector = true},
        {.name = "turn",
         .doc = "of a layout conversion, which the schedule inserts: 1 where it turns rows of bytes into pixels "
                "or back, 4 where all strides are multiples of 4 besides",
         .otherwise = Attribute{int64_t{0}}}};
    d.output_doc = "type and range of x";
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
