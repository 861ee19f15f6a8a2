#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/pool.h"

namespace heddle {
namespace {

float scale_of(const OpView& op) { return static_cast<float>(op.real("scale")); }

bool sums_reals(const OpView& op) { return op.is_real() || scale_of(op) != 0.0f; }

Range centred_range(const OpView& op) {
  const int64_t zero_point = op.attribute("x_zero_point");
  return {op.input(0).range.lo - zero_point, op.input(0).range.hi - zero_point};
}

Result<TensorType> infer(const OpView& op) {
  Result<Shape> shape = pool_shape(op);
  if (!shape.ok()) return shape.errors();
  if (Status status = check_attribute(op, "x_zero_point", -65536, 65536); !status.ok())
    return status.errors();
  if (!std::isfinite(scale_of(op)) || scale_of(op) < 0)
    return node_error(op, fmt::format("`scale` is {}, no scale", op.real("scale")));
  if (op.is_real() && (scale_of(op) != 0.0f || op.attribute("x_zero_point") != 0)) {
    return node_error(op, fmt::format("x is float32, but `scale` is {} and `x_zero_point` {}",
                                      op.real("scale"), op.attribute("x_zero_point")));
  }
  if (sums_reals(op)) return TensorType{DType::float32, std::move(*shape), {}};
  const Window window = pool_window(op);
  const Wide count = Wide{window.kernel_h} * window.kernel_w;
  const Range x = centred_range(op), partial = with_zero(x);
  const Result<Range> sum = prove_int32(op, "accumulator", partial.lo * count, partial.hi * count);
  if (!sum.ok()) return sum.errors();
  if (window.padded()) return TensorType{DType::int32, std::move(*shape), *sum};
  const int64_t elements = static_cast<int64_t>(count);
  return TensorType{DType::int32, std::move(*shape), {x.lo * elements, x.hi * elements}};
}

// The sums, in the order of the window's elements.
template <class T>
std::vector<T> summed(const OpView& op, const std::vector<T>& x) {
  const Window w = pool_window(op);
  const Shape& in = op.input(0).shape;
  const Shape& out = op.output().shape;
  std::vector<T> y(static_cast<size_t>(elements_of(out)), 0);
  for (int64_t flat = 0; flat < std::ssize(y); ++flat) {
    const int64_t top = flat / out[3] % out[2] * w.stride_h - w.pad_top;
    const int64_t left = flat % out[3] * w.stride_w - w.pad_left;
    const int64_t plane = flat / out[3] / out[2];
    T sum = 0;
    for (int64_t iy = std::max<int64_t>(0, top); iy < std::min(in[2], top + w.kernel_h); ++iy) {
      for (int64_t ix = std::max<int64_t>(0, left); ix < std::min(in[3], left + w.kernel_w); ++ix)
        sum += x[static_cast<size_t>((plane * in[2] + iy) * in[3] + ix)];
    }
    y[static_cast<size_t>(flat)] = sum;
  }
  return y;
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const Shape& out = op.output().shape;
  if (op.is_real()) return Tensor::of_floats(out, summed(op, inputs[0]->to_floats()));
  const std::vector<int64_t> x = centred(*inputs[0], op);
  if (!sums_reals(op)) return Tensor::of(DType::int32, out, summed(op, x));
  std::vector<float> reals;
  for (int64_t value : x) reals.push_back(static_cast<float>(value) * scale_of(op));
  return Tensor::of_floats(out, summed(op, reals));
}

CBody c_body(const OpView& op) {
  const int64_t zero_point = op.attribute("x_zero_point");
  const std::string x = zero_point == 0  ? "(int32_t)$x"
                        : zero_point > 0 ? fmt::format("((int32_t)$x - {})", zero_point)
                                         : fmt::format("((int32_t)$x + {})", -zero_point);
  CBody body;
  body.accumulator = sums_reals(op) ? "float" : "int32_t";
  body.init = sums_reals(op) ? "$acc = 0.0f;" : "$acc = 0;";
  body.update = op.is_real() ? "$acc += $x;"
                : sums_reals(op)
                    ? fmt::format("$acc += (float){} * {};", x, c_literal(scale_of(op)))
                    : fmt::format("$acc += {};", x);
  body.result = "$acc";
  return body;
}

}  // namespace

const OpDef& sum_pool_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "sum_pool";
    d.summary =
        "Sum of each window, row by row: of x - x_zero_point in int32; of (x - x_zero_point) * "
        "scale in float32 where scale is not 0; of float32 elements as they are. Padding adds "
        "nothing.";
    d.classes = {"pool"};
    d.operands = {{.name = "x",
                   .doc = "image, NCHW",
                   .dims = {"n", "k", "iy", "ix"},
                   .numbers = Numbers::any}};
    d.attributes = pool_attributes();
    d.attributes.push_back(x_zero_point_attribute());
    d.attributes.push_back({.name = "scale",
                            .doc = "of the integers, where float32 sums are wanted; else 0",
                            .real = true,
                            .otherwise = Attribute{0.0}});
    d.output_doc = "int32, proven; or float32";
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
