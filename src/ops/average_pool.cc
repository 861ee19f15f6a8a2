#include <algorithm>

#include "base/checked.h"
#include "ops/pool.h"

namespace heddle {
namespace {

bool counts_padding(const OpView& op) { return op.attribute("count_include_pad") != 0; }

int64_t area(const Window& window) { return window.kernel_h * window.kernel_w; }

Result<TensorType> infer(const OpView& op) {
  Result<Shape> shape = pool_shape(op);
  if (!shape.ok()) return shape.errors();
  if (Status status = check_attribute(op, "count_include_pad", 0, 1); !status.ok())
    return status.errors();
  const Window window = pool_window(op);
  if (Status status = check_average(op, area(window)); !status.ok()) return status.errors();
  // An average lies between the least and the greatest element; counted padding is elements of
  // zero.
  const TensorType& x = op.input(0);
  const bool zeros = window.padded() && counts_padding(op);
  return TensorType{x.dtype, std::move(*shape), zeros ? with_zero(x.range) : x.range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Window w = pool_window(op);
  const Shape& in = inputs[0]->shape();
  const Shape& out = op.output().shape;
  Tensor y(op.output().dtype, out);
  for (int64_t flat = 0; flat < y.elements(); ++flat) {
    const int64_t top = flat / out[3] % out[2] * w.stride_h - w.pad_top;
    const int64_t left = flat % out[3] * w.stride_w - w.pad_left;
    const int64_t plane = flat / out[3] / out[2];
    int64_t sum = 0;
    int64_t count = 0;
    for (int64_t iy = top; iy < top + w.kernel_h; ++iy) {
      for (int64_t ix = left; ix < left + w.kernel_w; ++ix) {
        const bool inside = iy >= 0 && iy < in[2] && ix >= 0 && ix < in[3];
        if (inside) sum += inputs[0]->at((plane * in[2] + iy) * in[3] + ix);
        if (inside || counts_padding(op)) ++count;
      }
    }
    y.set(flat, floor_div(2 * sum + count, 2 * count));
  }
  return y;
}

CBody c_body(const OpView& op) {
  const Window window = pool_window(op);
  return average_body(op.input(0).range, area(window), window.padded() && !counts_padding(op));
}

}  // namespace

const OpDef& average_pool_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "average_pool";
    d.summary = "Mean of each window, rounded half up: y = floor(sum / count + 1/2).";
    d.classes = {"pool"};
    d.operands = {{.name = "x", .doc = "image, NCHW", .dims = {"n", "k", "iy", "ix"}}};
    d.attributes = pool_attributes();
    d.attributes.push_back(
        {.name = "count_include_pad",
         .doc = "1: padding counts as zeros; 0: count is the elements inside the image"});
    d.output_doc = "type of x";
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
