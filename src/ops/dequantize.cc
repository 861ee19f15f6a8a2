#include <fmt/format.h>

#include "ops/scale.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_scale(op); !status.ok()) return status.errors();
  const Range& x = op.input(0).range;
  const int64_t zero_point = op.attribute("zero_point");
  const Result<Range> centred = prove_int32(op, "difference to the zero point", Wide{x.lo} - zero_point,
                                            Wide{x.hi} - zero_point);
  if (!centred.ok()) return centred.errors();
  return TensorType{DType::float32, op.input(0).shape, {}};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t zero_point = op.attribute("zero_point");
  const std::vector<float> scales = scale_of_elements(op);
  Tensor y(DType::float32, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    y.set_float(i, static_cast<float>(inputs[0]->at(i) - zero_point) *
                       scales[static_cast<size_t>(i)]);
  }
  return y;
}

CBody c_body(const OpView& op) {
  const std::string offset = c_plus(-op.attribute("zero_point"));
  CBody body;
  body.result_type = "float";
  body.map = fmt::format("$result = (float){} * {};",
                         offset.empty() ? "$value" : "($value" + offset + ")", c_scale(op));
  return body;
}

}  // namespace

const OpDef& dequantize_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "dequantize";
    d.summary = "From integers to float32: y = (x - zero_point) * scale.";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
                  scale_operand()};
    d.attributes = {
        {.name = "zero_point", .doc = "the integer for 0.0", .otherwise = Attribute{int64_t{0}}},
        scale_axis_attribute()};
    d.output_doc = "float32, shape of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = scaled_map_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
