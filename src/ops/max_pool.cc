#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ops/pool.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  Result<Shape> shape = pool_shape(op);
  if (!shape.ok()) return shape.errors();
  return TensorType{op.input(0).dtype, std::move(*shape), op.input(0).range};
}

template <class T>
std::vector<T> maxima(const OpView& op, const std::vector<T>& x) {
  const Window w = pool_window(op);
  const Shape& in = op.input(0).shape;
  const Shape& out = op.output().shape;
  std::vector<T> y;
  for (int64_t flat = 0; flat < elements_of(out); ++flat) {
    const int64_t top = flat / out[3] % out[2] * w.stride_h - w.pad_top;
    const int64_t left = flat % out[3] * w.stride_w - w.pad_left;
    const int64_t plane = flat / out[3] / out[2];
    using Limits = std::numeric_limits<T>;
    T most = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    for (int64_t iy = std::max<int64_t>(0, top); iy < std::min(in[2], top + w.kernel_h); ++iy) {
      for (int64_t ix = std::max<int64_t>(0, left); ix < std::min(in[3], left + w.kernel_w); ++ix) {
        most = std::max(most, x[static_cast<size_t>((plane * in[2] + iy) * in[3] + ix)]);
      }
    }
    y.push_back(most);
  }
  return y;
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& out = op.output().shape;
  if (op.is_real()) return Tensor::of_floats(out, maxima(op, inputs[0]->to_floats()));
  return Tensor::of(op.output().dtype, out, maxima(op, inputs[0]->to_ints()));
}

CBody c_body(const OpView& op) {
  CBody body;
  if (op.is_real()) {
    body.accumulator = "float";
    body.init = fmt::format("$acc = {};", c_literal(-std::numeric_limits<float>::infinity()));
    body.update = "if ($x > $acc) $acc = $x;";
    body.result = "$acc";
    return body;
  }
  body.accumulator = "int32_t";
  body.init = fmt::format("$acc = {};", c_literal(op.input(0).range.lo));
  body.update = "if ((int32_t)$x > $acc) $acc = (int32_t)$x;";
  body.result = "$acc";
  return body;
}

}  // namespace

const OpDef& max_pool_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "max_pool";
    d.summary =
        "Greatest element of each window; padding never wins, and no window may lie wholly in it.";
    d.classes = {"pool"};
    d.operands = {{.name = "x",
                   .doc = "image, NCHW",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::either}};
    d.attributes = pool_attributes();
    d.output_doc = "type and range of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = {"n", "k", "oy", "ox", "fy", "fx"};
    d.infer = infer;
    d.reference = reference;
    d.loops = pool_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
