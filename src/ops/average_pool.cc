#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "ops/pool.h"

namespace heddle {
namespace {

bool counts_padding(const OpView& op) { return op.attribute("count_include_pad") != 0; }

bool rounds_away(const OpView& op) { return op.text("rounding") == "half_away"; }

int64_t area(const Window& window) { return window.kernel_h * window.kernel_w; }

Result<TensorType> infer(const OpView& op) {
  Result<Shape> shape = pool_shape(op);
  if (!shape.ok()) return shape.errors();
  if (Status status = check_attribute(op, "count_include_pad", 0, 1); !status.ok())
    return status.errors();
  if (op.text("rounding") != "half_up" && !rounds_away(op)) {
    return node_error(op, fmt::format("`rounding` is '{}', not 'half_up' or 'half_away'",
                                      terminal_text(op.text("rounding"))));
  }
  const Window window = pool_window(op);
  if (Status status = check_average(op, area(window)); !status.ok()) return status.errors();
  // An average lies between the least and the greatest element; counted padding is elements of
  // zero.
  const TensorType& x = op.input(0);
  if (op.is_real()) return TensorType{DType::float32, std::move(*shape), {}};
  const bool zeros = window.padded() && counts_padding(op);
  return TensorType{x.dtype, std::move(*shape), zeros ? with_zero(x.range) : x.range};
}

template <class T>
std::vector<T> averages(const OpView& op, const std::vector<T>& x, T (*divide)(T, int64_t)) {
  const Window w = pool_window(op);
  const Shape& in = op.input(0).shape;
  const Shape& out = op.output().shape;
  std::vector<T> y;
  for (int64_t flat = 0; flat < elements_of(out); ++flat) {
    const int64_t top = flat / out[3] % out[2] * w.stride_h - w.pad_top;
    const int64_t left = flat % out[3] * w.stride_w - w.pad_left;
    const int64_t plane = flat / out[3] / out[2];
    T sum = 0;
    int64_t count = 0;
    for (int64_t iy = top; iy < top + w.kernel_h; ++iy) {
      for (int64_t ix = left; ix < left + w.kernel_w; ++ix) {
        const bool inside = iy >= 0 && iy < in[2] && ix >= 0 && ix < in[3];
        if (inside) sum += x[static_cast<size_t>((plane * in[2] + iy) * in[3] + ix)];
        if (inside || counts_padding(op)) ++count;
      }
    }
    y.push_back(divide(sum, count));
  }
  return y;
}

int64_t half_up(int64_t sum, int64_t count) { return floor_div(2 * sum + count, 2 * count); }
int64_t half_away(int64_t sum, int64_t count) {
  return sum < 0 ? -half_up(-sum, count) : half_up(sum, count);
}
float quotient(float sum, int64_t count) { return sum / static_cast<float>(count); }

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& out = op.output().shape;
  if (op.is_real()) return Tensor::of_floats(out, averages(op, inputs[0]->to_floats(), quotient));
  return Tensor::of(op.output().dtype, out,
                    averages(op, inputs[0]->to_ints(), rounds_away(op) ? half_away : half_up));
}

CBody c_body(const OpView& op) {
  const Window window = pool_window(op);
  if (op.is_real())
    return real_average_body(area(window), window.padded() && !counts_padding(op));
  return average_body(op.input(0).range, area(window), window.padded() && !counts_padding(op),
                      rounds_away(op));
}

}  // namespace

const OpDef& average_pool_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "average_pool";
    d.summary =
        "Mean of each window: y = sum / count; of integers to nearest, `rounding` says where halves "
        "go.";
    d.classes = {"pool"};
    d.operands = {{.name = "x",
                   .doc = "image, NCHW",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::either}};
    d.attributes = pool_attributes();
    d.attributes.push_back(
        {.name = "count_include_pad",
         .doc = "1: padding counts as zeros; 0: count is the elements inside the image"});
    d.attributes.push_back({.name = "rounding",
                            .doc = "'half_up' or 'half_away' (from zero)",
                            .text = true,
                            .otherwise = Attribute{std::string("half_up")}});
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
