#include <fmt/format.h>

#include "ops/check.h"
#include "ops/window.h"

namespace heddle {
namespace {

enum AxisIndex { N, K, OY, OX };

constexpr int64_t kMostPad = int64_t{1} << 24;

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_rank(op, 0, 4); !status.ok()) return status.errors();
  for (const char* name : {"pad_top", "pad_left", "pad_bottom", "pad_right"}) {
    if (Status status = check_attribute(op, name, 0, kMostPad); !status.ok())
      return status.errors();
  }
  const TensorType& x = op.input(0);
  Shape shape = x.shape;
  shape[2] += op.attribute("pad_top") + op.attribute("pad_bottom");
  shape[3] += op.attribute("pad_left") + op.attribute("pad_right");
  if (checked_elements(shape) < 0) {
    return node_error(
        op, fmt::format("the output would have the impossible shape {}", to_string(shape)));
  }
  if (op.is_real()) return TensorType{DType::float32, std::move(shape), {}};
  if (Status status = check_attribute(op, "value", INT32_MIN, INT32_MAX); !status.ok())
    return status.errors();
  const int64_t value = op.attribute("value");
  const Range range = shape == x.shape ? x.range : united(x.range, {value, value});
  return TensorType{range_of(x.dtype).contains(range) ? x.dtype : narrowest_type(range),
                    std::move(shape), range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& in = inputs[0]->shape();
  const Shape& out = op.output().shape;
  Tensor y(op.output().dtype, out);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t iy = i / out[3] % out[2] - op.attribute("pad_top");
    const int64_t ix = i % out[3] - op.attribute("pad_left");
    const bool inside = iy >= 0 && iy < in[2] && ix >= 0 && ix < in[3];
    const int64_t plane = i / out[3] / out[2];
    const int64_t from = (plane * in[2] + iy) * in[3] + ix;
    if (op.is_real()) {
      y.set_float(i, inside ? inputs[0]->float_at(from) : static_cast<float>(op.real("value")));
    } else {
      y.set(i, inside ? inputs[0]->at(from) : op.attribute("value"));
    }
  }
  return y;
}

LoopNest loops(const OpView& op) {
  const Shape& out = op.output().shape;
  LoopNest nest;
  nest.axes = {{"n", out[0]}, {"k", out[1]}, {"oy", out[2]}, {"ox", out[3]}};
  nest.inputs = {{along(N),
                  along(K),
                  {{{OY, 1}}, -op.attribute("pad_top")},
                  {{{OX, 1}}, -op.attribute("pad_left")}}};
  nest.output = {along(N), along(K), along(OY), along(OX)};
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  if (op.is_real()) {
    body.accumulator = "float";
    body.init = fmt::format("$acc = {};", c_literal(static_cast<float>(op.real("value"))));
    body.update = "$acc = $x;";
    body.result = "$acc";
    return body;
  }
  body.accumulator = "int32_t";
  body.init = fmt::format("$acc = {};", c_literal(op.attribute("value")));
  body.update = "$acc = (int32_t)$x;";
  body.result = "$acc";
  return body;
}

}  // namespace

const OpDef& pad_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "pad";
    d.summary = "Surrounds every image with rows and columns of one value.";
    d.operands = {{.name = "x",
                   .doc = "image, NCHW",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::either}};
    d.attributes = {{.name = "pad_top", .doc = "rows added above"},
                    {.name = "pad_left", .doc = "columns added on the left"},
                    {.name = "pad_bottom", .doc = "rows added below"},
                    {.name = "pad_right", .doc = "columns added on the right"},
                    {.name = "value",
                     .doc = "what they hold",
                     .number = true,
                     .otherwise = Attribute{int64_t{0}}}};
    d.output_doc = "type of x if it holds the value, else the narrowest that does; float32";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = {"n", "k", "oy", "ox"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
