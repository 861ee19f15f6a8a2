#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "ops/check.h"
#include "ops/window.h"

namespace heddle {
namespace {

enum AxisIndex { N, G, K, OY, OX, C, FY, FX };

Status check_channels(const OpView& op) {
  const Shape& x = op.input(0).shape;
  const Shape& weights = op.input(1).shape;
  const int64_t group = op.attribute("group");
  if (Status status = check_attribute(op, "group", 1, x[1]); !status.ok()) return status;
  if (x[1] % group != 0 || weights[0] % group != 0) {
    return node_error(
        op, fmt::format(
                "`group` is {}, x has {} channels, the weights have {} output channels: group must "
                "divide both",
                group, x[1], weights[0]));
  }
  if (weights[1] * group != x[1]) {
    return node_error(
        op, fmt::format("the weights have {} input channels{}, x has {}", weights[1],
                        group == 1 ? "" : fmt::format(" in each of {} groups", group), x[1]));
  }
  return Unit{};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_rank(op, operand, 4); !status.ok()) return status.errors();
  }
  if (Status status = check_channels(op); !status.ok()) return status.errors();
  const Window window = conv_window(op);
  const Shape& x = op.input(0).shape;
  const Result<Extent> extent = window_output(op, window, x);
  if (!extent.ok()) return extent.errors();
  const Shape shape{x[0], op.input(1).shape[0], extent->height, extent->width};
  return prove_products(op, shape, window.padded());
}

// Walks the image once per weight, over the part of the output whose input lies inside: no test in
// the inner loop.
template <class T>
std::vector<T> convolve(const OpView& op, const std::vector<T>& x, const std::vector<T>& weights) {
  const Window w = conv_window(op);
  const Shape& in = op.input(0).shape;
  const Shape& kernel = op.input(1).shape;
  const Shape& out = op.output().shape;
  const int64_t group_outputs = out[1] / op.attribute("group");
  std::vector<T> y(static_cast<size_t>(elements_of(out)), 0);
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t k = 0; k < out[1]; ++k) {
      T* plane = y.data() + (n * out[1] + k) * out[2] * out[3];
      for (int64_t tap = 0; tap < kernel[1] * kernel[2] * kernel[3]; ++tap) {
        const int64_t fx = tap % kernel[3];
        const int64_t fy = tap / kernel[3] % kernel[2];
        const int64_t c = k / group_outputs * kernel[1] + tap / kernel[3] / kernel[2];
        const T weight =
            weights[static_cast<size_t>(k * kernel[1] * kernel[2] * kernel[3] + tap)];
        // Columns with 0 <= ox * stride + shift < width.
        const int64_t shift = fx * w.dilation_w - w.pad_left;
        const int64_t first = std::max<int64_t>(0, ceil_div(-shift, w.stride_w));
        const int64_t last = std::min(out[3] - 1, floor_div(in[3] - 1 - shift, w.stride_w));
        for (int64_t oy = 0; oy < out[2]; ++oy) {
          const int64_t iy = oy * w.stride_h + fy * w.dilation_h - w.pad_top;
          if (iy < 0 || iy >= in[2]) continue;
          const T* row = x.data() + ((n * in[1] + c) * in[2] + iy) * in[3];
          for (int64_t ox = first; ox <= last; ++ox)
            plane[oy * out[3] + ox] += weight * row[ox * w.stride_w + shift];
        }
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
  const Shape& out = op.output().shape;
  const Shape& kernel = op.input(1).shape;
  const int64_t group = op.attribute("group");
  const int64_t group_outputs = out[1] / group;
  LoopNest nest;
  nest.axes = {{"n", out[0]},           {"g", group},           {"k", group_outputs},
               {"oy", out[2]},          {"ox", out[3]},         {"c", kernel[1], true},
               {"fy", kernel[2], true}, {"fx", kernel[3], true}};
  const DimAccess input_channel{{{G, kernel[1]}, {C, 1}}, 0};
  const DimAccess output_channel{{{G, group_outputs}, {K, 1}}, 0};
  nest.inputs = {
      {along(N), input_channel, window_rows(window, OY, FY), window_columns(window, OX, FX)},
      {output_channel, along(C), along(FY), along(FX)}};
  nest.output = {along(N), output_channel, along(OY), along(OX)};
  nest.macs = elements_of(out) * kernel[1] * kernel[2] * kernel[3];
  return nest;
}

CBody c_body(const OpView& op) { return product_body(op); }

}  // namespace

const OpDef& conv2d_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "conv2d";
    d.summary =
        "2-D convolution: y[n, g*k+k', oy, ox] = sum over c, fy, fx of (x - "
        "x_zero_point) * weights, in g groups of "
        "k outputs; no bias.";
    d.classes = {"mac"};
    d.operands = {
        {.name = "x", .doc = "image, NCHW", .dims = {"n", "ic", "iy", "ix"}, .numbers = Numbers::either},
        {.name = "weights", .doc = "OIHW", .dims = {"k", "c", "fy", "fx"}, .constant = true, .numbers = Numbers::either}};
    d.attributes = conv_attributes();
    d.attributes.push_back(
        {.name = "group", .doc = "independent groups of channels; 1 convolves all"});
    d.attributes.push_back(x_zero_point_attribute());
    d.output_doc =
        "int32 accumulators, proven not to overflow in any order of summation; or float32, summed in "
        "the order of the axes";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = {"n", "g", "k", "oy", "ox", "c", "fy", "fx"};
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
