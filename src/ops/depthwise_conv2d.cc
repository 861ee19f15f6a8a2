#include <fmt/format.h>

#include "ops/check.h"
#include "ops/window.h"

namespace heddle {
namespace {

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_rank(op, operand, 4); !status.ok()) return status.errors();
  }
  const Shape& x = op.input(0).shape;
  const Shape& weights = op.input(1).shape;
  if (weights[0] != x[1] || weights[1] != 1) {
    return node_error(
        op,
        fmt::format(
            "the weights are {}, x has {} channels: one filter of one channel each is needed",
            to_string(weights), x[1]),
        "a channel multiplier is a conv2d with `group`");
  }
  const Window window = conv_window(op);
  const Result<Extent> extent = window_output(op, window, x);
  if (!extent.ok()) return extent.errors();
  return prove_products(op, {x[0], x[1], extent->height, extent->width}, window.padded());
}

template <class T>
std::vector<T> convolve(const OpView& op, const std::vector<T>& x, const std::vector<T>& weights) {
  const Window w = conv_window(op);
  const Shape& in = op.input(0).shape;
  const Shape& out = op.output().shape;
  std::vector<T> y;
  y.reserve(static_cast<size_t>(elements_of(out)));
  for (int64_t plane = 0; plane < out[0] * out[1]; ++plane) {
    const T* image = x.data() + plane * in[2] * in[3];
    const T* filter = weights.data() + plane % out[1] * w.kernel_h * w.kernel_w;
    for (int64_t oy = 0; oy < out[2]; ++oy) {
      for (int64_t ox = 0; ox < out[3]; ++ox) {
        T sum = 0;
        for (int64_t fy = 0; fy < w.kernel_h; ++fy) {
          const int64_t iy = oy * w.stride_h + fy * w.dilation_h - w.pad_top;
          if (iy < 0 || iy >= in[2]) continue;
          for (int64_t fx = 0; fx < w.kernel_w; ++fx) {
            const int64_t ix = ox * w.stride_w + fx * w.dilation_w - w.pad_left;
            if (ix >= 0 && ix < in[3]) sum += image[iy * in[3] + ix] * filter[fy * w.kernel_w + fx];
          }
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& out = op.output().shape;
  if (op.is_real())
    return Tensor::of_floats(out, convolve(op, inputs[0]->to_floats(), inputs[1]->to_floats()));
  return Tensor::of(op.output().dtype, out,
                    convolve(op, centred(*inputs[0], op), inputs[1]->to_ints()));
}

LoopNest loops(const OpView& op) {
  const Window window = conv_window(op);
  LoopNest nest = channelwise_loops(window, op.output().shape);
  nest.inputs.push_back({along(K), DimAccess{}, along(FY), along(FX)});
  nest.macs = elements_of(op.output().shape) * window.kernel_h * window.kernel_w;
  return nest;
}

CBody c_body(const OpView& op) { return product_body(op); }

}  // namespace

const OpDef& depthwise_conv2d_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "depthwise_conv2d";
    d.summary =
        "2-D convolution of every channel with a filter of its own: y[n, k, oy, ox] = sum over fy, "
        "fx of (x - x_zero_point) * weights; no bias.";
    d.classes = {"mac"};
    d.operands = {{.name = "x", .doc = "image, NCHW", .dims = {"n", "ic", "iy", "ix"}, .numbers = Numbers::either},
                  {.name = "weights",
                   .doc = "[K, 1, FY, FX]",
                   .dims = {"k", "c", "fy", "fx"},
                   .constant = true,
                   .numbers = Numbers::either}};
    d.attributes = conv_attributes();
    d.attributes.push_back(x_zero_point_attribute());
    d.output_doc =
        "int32 accumulators, proven not to overflow in any order of summation; or float32, summed in "
        "the order of the axes";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = {"n", "k", "oy", "ox", "fy", "fx"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
