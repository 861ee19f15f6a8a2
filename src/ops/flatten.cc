#include "ops/check.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(0);
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  if (Status status = check_attribute(op, "axis", 0, rank); !status.ok()) return status.errors();
  const auto axis = x.shape.begin() + op.attribute("axis");
  return TensorType{
      x.dtype, {elements_of({x.shape.begin(), axis}), elements_of({axis, x.shape.end()})}, x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  return inputs[0]->reshaped(op.output().shape);
}

LoopNest loops(const OpView&) { return {}; }

CBody c_body(const OpView&) { return {}; }

}  // namespace

const OpDef& flatten_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "flatten";
    d.summary =
        "The same elements as a matrix: dimensions before `axis` become rows, the others columns.";
    d.classes = {"view"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {}, .numbers = Numbers::either}};
    d.attributes = {{.name = "axis", .doc = "first dimension of the columns, 0 to rank"}};
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
