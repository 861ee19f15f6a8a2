// AVERAGE_POOL_2D, MAX_POOL_2D, MEAN and other reductions, SOFTMAX.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "import/tflite/tables.h"
#include "import/tflite/window.h"

namespace heddle::tflite {
namespace {

// Pools take and give the same scale: they compute on the integers as they are.
bool same_scale(Translation& t, const RawOperator& op) {
  const std::optional<Scale> x = input_scale(t, op, 0);
  const std::optional<Scale> y = output_scale(t, op);
  if (!x || !y) return false;
  if (x->scale == y->scale && x->zero_point == y->zero_point) return true;
  fail(t, op,
       fmt::format("its input has scale {} and zero point {}, its result {} and {}: TFLite "
                   "wants them equal here",
                   x->scale, x->zero_point, y->scale, y->zero_point));
  return false;
}

void pool(Translation& t, const RawOperator& op, const char* canonical, Attributes more) {
  const std::optional<ValueId> x = image_input(t, op, 0);
  if (!x) return;
  std::optional<Attributes> attributes =
      window_attributes(t, op, shape_of(t, *x), op.options.filter_h, op.options.filter_w, 1, 1);
  if (!attributes) return;
  (*attributes)["kernel_h"] = op.options.filter_h;
  (*attributes)["kernel_w"] = op.options.filter_w;
  attributes->merge(more);
  if (real_input(t, op)) {
    const ValueId y = emit(t, op, canonical, {*x}, *attributes);
    return set_planes(t, op, emit_real_activation(t, op, y));
  }
  const std::optional<Target> target = output_target(t, op);
  if (!target || !same_scale(t, op)) return;
  t.types.insert(output_tensor(t, op).type);
  const ValueId y = emit(t, op, canonical, {*x}, *attributes);
  set_planes(t, op, emit_bounds(t, op, y, target->bounds));
}

void average_pool(Translation& t, const RawOperator& op) {
  Attributes more{{"count_include_pad", int64_t{0}}};
  if (!real_input(t, op)) more["rounding"] = std::string("half_away");
  pool(t, op, "average_pool", std::move(more));
}

void max_pool(Translation& t, const RawOperator& op) { pool(t, op, "max_pool", {}); }

// The axes of a reduction: sorted, each once, from 0.
std::optional<std::vector<int64_t>> reduced_axes(Translation& t, const RawOperator& op,
                                                 int64_t rank) {
  std::optional<std::vector<int64_t>> axes = ints_input(t, op, 1, "axes");
  if (!axes) return std::nullopt;
  for (int64_t& axis : *axes) {
    if (axis < -rank || axis >= rank) {
      fail(t, op, fmt::format("it reduces axis {} of a tensor of {} dimensions", axis, rank));
      return std::nullopt;
    }
    axis += axis < 0 ? rank : 0;
  }
  std::sort(axes->begin(), axes->end());
  axes->erase(std::unique(axes->begin(), axes->end()), axes->end());
  return axes;
}

Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& axes, bool keep) {
  Shape result;
  for (size_t d = 0; d < shape.size(); ++d) {
    const bool reduced = std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(d));
    if (!reduced || keep) result.push_back(reduced ? 1 : shape[d]);
  }
  return result;
}

void real_reduction(Translation& t, const RawOperator& op, const char* function) {
  const std::optional<ValueId> x = plain_input(t, op, 0);
  if (!x) return;
  const Shape shape = shape_of(t, *x);
  const std::optional<std::vector<int64_t>> axes =
      reduced_axes(t, op, static_cast<int64_t>(shape.size()));
  if (!axes) return;
  const ValueId y =
      emit(t, op, "reduce", {*x}, {{"function", std::string(function)}, {"axes", *axes}});
  if (!y.valid()) return;
  set_plain(t, op,
            emit_reshape(t, output_tensor(t, op).name + "_reduced", y,
                         reduced_shape(shape, *axes, op.options.keep_dims)));
}

// An image [N, C, H, W] whose windows of `height` by `width` are summed whole.
struct Sums {
  ValueId image;
  bool planes = false;  // it is the operand itself, channels first
};

// The reduced dimensions of x as the height of an image: [1, kept, reduced, 1].
Sums image_of_sums(Translation& t, const RawOperator& op, const Shape& shape,
                   const std::vector<int64_t>& axes) {
  if (shape.size() == 4 && axes == std::vector<int64_t>{1, 2}) {
    const std::optional<ValueId> image = planes_input(t, op, 0);
    return {.image = image.value_or(ValueId{}), .planes = true};
  }
  const std::optional<ValueId> x = plain_input(t, op, 0);
  if (!x) return {};
  std::vector<int64_t> perm;
  int64_t reduced = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    const auto dim = static_cast<int64_t>(d);
    if (!std::binary_search(axes.begin(), axes.end(), dim)) perm.push_back(dim);
  }
  for (int64_t axis : axes) {
    perm.push_back(axis);
    reduced *= shape[static_cast<size_t>(axis)];
  }
  const std::string name = output_tensor(t, op).name;
  const ValueId sorted = emit_transpose(t, name + "_sorted", *x, perm);
  return {.image = emit_reshape(t, name + "_image", sorted,
                                {1, elements_of(shape) / reduced, reduced, 1})};
}

// TFLite's multiplier of a mean: the scales' one over the count, in integers.
Multiplier mean_multiplier(const Scale& x, const Scale& y, int64_t count) {
  Multiplier m = quantise_multiplier(static_cast<double>(x.scale) / static_cast<double>(y.scale));
  int shift = 63 - std::countl_zero(static_cast<uint64_t>(count));
  shift = std::min({shift, 32, 31 + m.exponent});
  return {(m.mul << shift) / count, m.exponent - shift};
}

void sum_or_mean(Translation& t, const RawOperator& op, bool mean) {
  if (real_input(t, op)) return real_reduction(t, op, mean ? "mean" : "sum");
  const RawTensor* tensor = input_tensor(t, op, 0);
  const std::optional<Scale> x = input_scale(t, op, 0);
  const std::optional<Target> y = output_target(t, op);
  if (tensor == nullptr || !x || !y) return;
  const std::optional<ValueId> held =
      held_as_planes(t, op, 0) ? planes_input(t, op, 0) : plain_input(t, op, 0);
  if (!held) return;
  Shape shape = shape_of(t, *held);
  if (held_as_planes(t, op, 0)) shape = permuted(shape, from_planes(shape.size()));
  const std::optional<std::vector<int64_t>> axes =
      reduced_axes(t, op, static_cast<int64_t>(shape.size()));
  if (!axes) return;
  const Sums sums = image_of_sums(t, op, shape, *axes);
  if (!sums.image.valid()) return;
  const Shape image = shape_of(t, sums.image);
  const int64_t count = image[2] * image[3];
  if (count == 0) return fail(t, op, "it reduces a tensor without elements");
  const ValueId total = emit(t, op, "sum_pool", {sums.image},
                             {{"kernel_h", image[2]},
                              {"kernel_w", image[3]},
                              {"stride_h", int64_t{1}},
                              {"stride_w", int64_t{1}},
                              {"pad_top", int64_t{0}},
                              {"pad_left", int64_t{0}},
                              {"pad_bottom", int64_t{0}},
                              {"pad_right", int64_t{0}},
                              {"x_zero_point", x->zero_point}},
                             "_sums");
  const ValueId result =
      emit_requant(t, op, total,
                   {.multipliers = {mean_multiplier(*x, y->scale, mean ? count : 1)},
                    .axis = 1,
                    .zero_point = y->scale.zero_point,
                    .bounds = y->bounds,
                    .doubled = t.double_rounding || doubles(output_tensor(t, op))});
  if (!result.valid()) return;
  if (sums.planes && op.options.keep_dims) return set_planes(t, op, result);
  set_plain(t, op,
            emit_reshape(t, output_tensor(t, op).name + "_reduced", result,
                         reduced_shape(shape, *axes, op.options.keep_dims)));
}

void mean(Translation& t, const RawOperator& op) { sum_or_mean(t, op, true); }
void sum(Translation& t, const RawOperator& op) { sum_or_mean(t, op, false); }

bool only_real(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return true;
  const RawTensor* x = input_tensor(t, op, 0);
  if (x != nullptr)
    fail(t, op, fmt::format("its input is {}: only float32 is supported", name_of(x->type)));
  return false;
}
void reduce_max(Translation& t, const RawOperator& op) {
  if (only_real(t, op)) real_reduction(t, op, "max");
}
void reduce_min(Translation& t, const RawOperator& op) {
  if (only_real(t, op)) real_reduction(t, op, "min");
}

// beta * x in float32.
ValueId scaled_by_beta(Translation& t, const RawOperator& op, ValueId x, float beta) {
  if (beta == 1) return x;
  Tensor factor(DType::float32, {1});
  factor.set_float(0, beta);
  const ValueId constant =
      add_constant(t.builder, output_tensor(t, op).name + "_beta", std::move(factor));
  return emit(t, op, "mul", {x, constant}, {}, "_scaled");
}

void softmax(Translation& t, const RawOperator& op) {
  const std::optional<ValueId> x = plain_input(t, op, 0);
  if (!x) return;
  const RawTensor& input = *input_tensor(t, op, 0);
  const float beta = op.options.beta;
  if (!std::isfinite(beta)) return fail(t, op, fmt::format("`beta` is {}", beta));
  if (is_real(input)) {
    const ValueId scaled = scaled_by_beta(t, op, *x, beta);
    if (!scaled.valid()) return;
    return set_plain(t, op, emit(t, op, "softmax", {scaled}, {}));
  }
  const std::optional<Scale> x_scale = input_scale(t, op, 0);
  const std::optional<Scale> y_scale = output_scale(t, op);
  if (!x_scale || !y_scale) return;
  const RawType type = output_tensor(t, op).type;
  if (type != input.type || (type != RawType::int8 && type != RawType::uint8)) {
    return fail(t, op,
                fmt::format("it turns {} into {}: only int8 and uint8 are supported",
                            name_of(input.type), name_of(type)));
  }
  t.types.insert(type);
  const ValueId table = add_constant(t.builder, output_tensor(t, op).name + "_table",
                                     exponential_table(x_scale->scale, beta));
  const Range bounds = range_of(type == RawType::int8 ? DType::int8 : DType::uint8);
  set_plain(t, op,
            emit(t, op, "tflite_softmax", {*x, table},
                 {{"scale", static_cast<double>(y_scale->scale)},
                  {"zero_point", y_scale->zero_point},
                  {"lo", bounds.lo},
                  {"hi", bounds.hi}}));
}

}  // namespace

std::vector<OperatorEntry> pool_operators() {
  return {{"AVERAGE_POOL_2D", average_pool},
          {"MAX_POOL_2D", max_pool},
          {"MEAN", mean},
          {"REDUCE_MAX", reduce_max},
          {"REDUCE_MIN", reduce_min},
          {"SOFTMAX", softmax},
          {"SUM", sum}};
}

}  // namespace heddle::tflite
