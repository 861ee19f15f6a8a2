// Pools and means.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "import/onnx/sliding.h"

namespace heddle {
namespace {

std::optional<Sliding> pool_window(Translation& t, const RawNode& node, const ImageOperand& x) {
  std::optional<Sliding> window =
      read_window(t, node, type_of(t.builder, x.value).shape, {}, x.dimensions);
  if (!window || window->dilations == std::vector<int64_t>{1, 1}) return window;
  fail(t, node, "dilated pooling is not supported");
  return std::nullopt;
}

void max_pool(Translation& t, const RawNode& node) {
  std::optional<ImageOperand> x = image_or_line(t, node);
  if (!x) return;
  if (std::optional<Sliding> window = pool_window(t, node, *x))
    set_image(t, node, emit(t, node, "max_pool", {x->value}, pool_attributes(*window)), *x);
}

Sliding whole_image(const Shape& x) {
  return {.kernel = {x[2], x[3]}, .strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}};
}

void global_max_pool(Translation& t, const RawNode& node) {
  std::optional<ImageOperand> x = image_or_line(t, node);
  if (!x) return;
  const Sliding window = whole_image(type_of(t.builder, x->value).shape);
  set_image(t, node, emit(t, node, "max_pool", {x->value}, pool_attributes(window)), *x);
}

// A mean has fractions. The PULP dialect rounds half up; elsewhere a Floor must follow, which is
// exact where `count` is a power of two.
bool mean_rounds(Translation& t, const RawNode& node, int64_t count) {
  if (t.pulp || (count > 0 && std::has_single_bit(static_cast<uint64_t>(count)))) return true;
  fail(t, node,
       fmt::format("its means{} have fractions: only networks with RequantShift say how they are "
                   "rounded (floor(sum / n + 1/2))",
                   count > 0 ? fmt::format(" of {} elements", count) : ""),
       "use MaxPool, or a depthwise Conv with weights of 1 and Div, Floor behind it");
  return false;
}

// sum / count, with fractions until a Floor: a depthwise convolution by ones, divided.
void exact_average(Translation& t, const RawNode& node, const ImageOperand& x, const Sliding& window) {
  const Shape shape = type_of(t.builder, x.value).shape;
  Tensor ones(DType::int8, {shape[1], 1, window.kernel[0], window.kernel[1]});
  for (int64_t i = 0; i < ones.elements(); ++i) ones.set(i, 1);
  Attributes attributes = window_attributes(window);
  attributes["dilation_h"] = int64_t{1};
  attributes["dilation_w"] = int64_t{1};
  ValueId w = add_narrow_constant(t.builder, node.name + "_ones", ones);
  set_image(t, node, emit(t, node, "depthwise_conv2d", {x.value, w}, std::move(attributes)), x);
  const Known& sum = t.tensors.at(node.outputs[0]);
  if (sum.broken || sum.constant) return;
  Chain chain = start_chain(sum.chain.base, false);
  const uint64_t count = static_cast<uint64_t>(window.kernel[0] * window.kernel[1]);
  chain.shift = std::countr_zero(count);
  if (chain.shift > 0) chain.stage = Chain::Stage::divided;
  t.builder.graph.value(chain.base).name += "_sum";
  set_chain(t, node, std::move(chain));
}

void average_pool(Translation& t, const RawNode& node) {
  std::optional<ImageOperand> x = image_or_line(t, node);
  if (!x) return;
  if (int_of(t, node, "ceil_mode", 0) != 0)
    return fail(t, node, "`ceil_mode` of averages is not supported");
  std::optional<Sliding> window = pool_window(t, node, *x);
  if (!window) return;
  bool counts_padding = int_of(t, node, "count_include_pad", 0) != 0;
  bool padded = window->pads != std::vector<int64_t>{0, 0, 0, 0};
  bool constant_count = counts_padding || !padded;
  int64_t count = constant_count ? window->kernel[0] * window->kernel[1] : 0;
  if (!mean_rounds(t, node, count)) return;
  if (!t.pulp) return exact_average(t, node, *x, *window);
  Attributes attributes = pool_attributes(*window);
  attributes["count_include_pad"] = int64_t{counts_padding};
  set_image(t, node, emit(t, node, "average_pool", {x->value}, std::move(attributes)), *x);
}

void global_average_pool(Translation& t, const RawNode& node) {
  std::optional<ImageOperand> x = image_or_line(t, node);
  if (!x) return;
  const Shape shape = type_of(t.builder, x->value).shape;
  if (!mean_rounds(t, node, shape[2] * shape[3])) return;
  if (!t.pulp) return exact_average(t, node, *x, whole_image(shape));
  set_image(t, node, emit(t, node, "global_average_pool", {x->value}, {}), *x);
}

// Ascending and non-negative; all of them where none are named.
std::optional<std::vector<int64_t>> mean_axes(Translation& t, const RawNode& node, int64_t rank) {
  std::optional<std::vector<int64_t>> axes =
      has_operand(node, 1) ? ints_operand(t, node, 1, "axes") : maybe_ints(t, node, "axes");
  if (has_operand(node, 1) && !axes) return std::nullopt;
  if (!axes || axes->empty()) {
    axes.emplace();
    if (int_of(t, node, "noop_with_empty_axes", 0) != 0) return axes;
    for (int64_t d = 0; d < rank; ++d) axes->push_back(d);
  }
  const std::vector<int64_t> given = *axes;
  for (int64_t& axis : *axes) axis += axis < 0 ? rank : 0;
  std::sort(axes->begin(), axes->end());
  bool fits = std::adjacent_find(axes->begin(), axes->end()) == axes->end();
  for (int64_t axis : *axes) fits = fits && axis >= 0 && axis < rank;
  if (fits) return axes;
  fail(t, node, fmt::format("`axes` {} do not fit {} dimensions", to_string(given), rank));
  return std::nullopt;
}

// IntegerMean, and ReduceMean of the PULP dialect.
void reduce_mean(Translation& t, const RawNode& node) {
  if (!mean_rounds(t, node, 0)) return;
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return;
  const Shape shape = type_of(t.builder, *x).shape;
  std::optional<std::vector<int64_t>> axes = mean_axes(t, node, static_cast<int64_t>(shape.size()));
  if (!axes) return;
  if (axes->empty()) return set_alias(t, node, *operand(t, node, 0));
  bool image = shape.size() == 4 && *axes == std::vector<int64_t>{2, 3};
  Attributes attributes;
  if (!image) attributes["axes"] = *axes;
  ValueId y = emit(t, node, image ? "global_average_pool" : "mean", {*x}, std::move(attributes));
  if (!y.valid() || int_of(t, node, "keepdims", 1) != 0) return set_value(t, node, y);
  Shape left;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!std::binary_search(axes->begin(), axes->end(), static_cast<int64_t>(d)))
      left.push_back(shape[d]);
  }
  t.builder.graph.value(y).name += "_kept";
  set_value(
      t, node,
      emit_named(t, node.name + "_shape", node.outputs[0], "reshape", {y}, {{"shape", left}}));
}

}  // namespace

std::vector<OperatorEntry> pool_operators() {
  return {{"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool},
          {"ReduceMean", reduce_mean},
          {"IntegerMean", reduce_mean, true}};
}

}  // namespace heddle
