// Conv, Gemm, MatMul and pools of real numbers.
#include <fmt/format.h>

#include <algorithm>

#include "import/onnx/real.h"
#include "import/onnx/sliding.h"

namespace heddle {
namespace {

// [N, C, H, W]; a line [N, C, L] is an image of one row.
struct Image {
  ValueId value;
  bool line = false;
  size_t dimensions() const { return line ? 1 : 2; }
};

Shape with_row(const Shape& line) { return {line[0], line[1], 1, line[2]}; }

// `integers`: those of a quantised tensor are welcome too.
std::optional<Image> image_operand(Translation& t, const RawNode& node, bool integers = false) {
  std::optional<ValueId> x = integers ? value_operand(t, node, 0) : real_operand(t, node, 0);
  if (!x) return std::nullopt;
  const Shape shape = shape_of(t, *x);
  if (shape.size() == 4) return Image{*x};
  if (shape.size() == 3) {
    ValueId row = reshaped(t, node, "_row", *x, with_row(shape));
    if (!row.valid()) return std::nullopt;
    return Image{row, true};
  }
  fail(t, node,
       fmt::format("its input has shape {}: images [N, C, H, W] and lines [N, C, L] are supported",
                   to_string(shape)));
  return std::nullopt;
}

// The result in the rank of the operand. `name`: of the node that is not the result of a line.
void finish_image(Translation& t, const RawNode& node, const Image& x, ValueId y) {
  if (!y.valid()) return;
  if (!x.line) return set_value(t, node, y);
  const Shape shape = shape_of(t, y);
  t.builder.graph.value(y).name = node.name + "_image";
  finish_reshaped(t, node, y, {shape[0], shape[1], shape[3]});
}

void conv(Translation& t, const RawNode& node) {
  std::optional<Image> x = image_operand(t, node);
  std::optional<ValueId> weights = real_operand(t, node, 1);
  std::optional<ValueId> bias;
  if (has_operand(node, 2) && !(bias = real_operand(t, node, 2))) return;
  if (!x || !weights) return;
  Shape kernel = shape_of(t, *weights);
  if (kernel.size() != x->dimensions() + 2) {
    return fail(t, node,
                fmt::format("the weights have shape {}, not {}", to_string(kernel),
                            x->line ? "[K, C, FX]" : "[K, C, FY, FX]"));
  }
  if (x->line) {
    kernel = with_row(kernel);
    weights = reshaped(t, node, "_weights", *weights, kernel);
    if (!weights->valid()) return;
  }
  const Shape shape = shape_of(t, x->value);
  std::vector<int64_t> size(kernel.begin() + (x->line ? 3 : 2), kernel.end());
  std::optional<Sliding> window = read_window(t, node, shape, size, x->dimensions());
  if (!window) return;
  if (window->kernel != std::vector<int64_t>{kernel[2], kernel[3]}) {
    return fail(t, node,
                fmt::format("`kernel_shape` is {}, the weights have shape {}",
                            to_string(window->kernel), to_string(kernel)));
  }
  int64_t group = int_of(t, node, "group", 1);
  Attributes attributes = window_attributes(*window);
  attributes["dilation_h"] = window->dilations[0];
  attributes["dilation_w"] = window->dilations[1];
  bool depthwise = group > 1 && group == shape[1] && group == kernel[0] && kernel[1] == 1;
  if (!depthwise) attributes["group"] = group;
  ValueId y = emit(t, node, depthwise ? "depthwise_conv2d" : "conv2d", {x->value, *weights},
                   std::move(attributes));
  if (bias) y = add_real_bias(t, node, y, *bias, 1);
  finish_image(t, node, *x, y);
}

void conv_transpose(Translation& t, const RawNode& node) {
  fail(t, node, "transposed convolutions have no kernel",
       "use Resize (nearest) followed by Conv, or export the decoder for another target");
}

// A matrix with rows and columns exchanged.
ValueId turned(Translation& t, const RawNode& node, const char* suffix, ValueId x) {
  std::vector<int64_t> order;
  for (size_t d = shape_of(t, x).size(); d-- > 0;) order.push_back(static_cast<int64_t>(d));
  if (order.size() >= 2) {
    std::sort(order.begin(), order.end());
    std::swap(order[order.size() - 1], order[order.size() - 2]);
  }
  return step(t, node, suffix, "transpose", {x}, {{"perm", order}});
}

ValueId scaled(Translation& t, const RawNode& node, const char* suffix, ValueId x, double factor) {
  if (!x.valid() || factor == 1) return x;
  ValueId constant = add_reals(t, node, "_factor", {1}, {static_cast<float>(factor)});
  return step(t, node, suffix, "mul", {x, constant});
}

// The constant as one element for each of `channels` columns, if it varies along the last
// dimension only.
std::optional<ValueId> row_constant(Translation& t, const RawNode& node, ValueId c,
                                    int64_t channels) {
  if (!is_constant(t.builder, c)) return std::nullopt;
  const Shape& shape = shape_of(t, c);
  if (elements_of(shape) == channels && (shape.empty() || shape.back() == channels))
    return reshaped(t, node, "_row_bias", c, {channels});
  if (elements_of(shape) != 1) return std::nullopt;
  const float value = t.builder.graph.value(c).constant->float_at(0);
  return add_reals(t, node, "_row_bias", {channels},
                   std::vector<float>(static_cast<size_t>(channels), value));
}

// alpha * A' * B' + beta * C.
void gemm(Translation& t, const RawNode& node) {
  std::optional<ValueId> a = real_operand(t, node, 0);
  std::optional<ValueId> b = real_operand(t, node, 1);
  std::optional<ValueId> c;
  if (has_operand(node, 2) && !(c = real_operand(t, node, 2))) return;
  if (!a || !b) return;
  if (shape_of(t, *a).size() != 2 || shape_of(t, *b).size() != 2) {
    return fail(t, node,
                fmt::format("its operands have shapes {} and {}, not those of matrices",
                            to_string(shape_of(t, *a)), to_string(shape_of(t, *b))));
  }
  double alpha = real_of(t, node, "alpha", 1);
  double beta = real_of(t, node, "beta", 1);
  if (int_of(t, node, "transA", 0) != 0) a = turned(t, node, "_a", *a);
  bool transposed = int_of(t, node, "transB", 0) != 0;
  bool weights = is_parameter(t, *b);
  // Constant weights take alpha: [K, C] for dense, [C, K] for matmul.
  if (weights) b = scaled(t, node, "_scaled", *b, alpha);
  if (transposed != weights && b->valid()) b = turned(t, node, "_b", *b);
  if (!a->valid() || !b->valid()) return;
  ValueId y = emit(t, node, weights ? "dense" : "matmul", {*a, *b}, {});
  if (!weights) y = scaled(t, node, "_scaled", y, alpha);
  if (!y.valid()) return;
  if (!c || beta == 0) return set_value(t, node, y);
  c = scaled(t, node, "_c", *c, beta);
  if (!c->valid()) return;
  if (std::optional<ValueId> bias = row_constant(t, node, *c, shape_of(t, y).back()))
    return set_value(t, node, add_real_bias(t, node, y, *bias, 1));
  t.builder.graph.value(y).name = node.name + "_product";
  finish(t, node, "add", {y, *c});
}

// x [..., C] times a constant matrix [C, K]: all rows in one product.
void product_of_rows(Translation& t, const RawNode& node, ValueId x, ValueId matrix) {
  ValueId weights = turned(t, node, "_weights", matrix);
  if (!weights.valid()) return;
  Shape shape = shape_of(t, x);
  if (shape.size() == 2) return finish(t, node, "dense", {x, weights});
  const int64_t channels = shape.back();
  ValueId rows = reshaped(t, node, "_rows", x, {elements_of(shape) / channels, channels});
  ValueId y = step(t, node, "_product", "dense", {rows, weights});
  shape.back() = shape_of(t, weights)[0];
  finish_reshaped(t, node, y, shape);
}

// As NumPy: a vector is a row on the left, a column on the right, and gives up that dimension
// again.
void matmul(Translation& t, const RawNode& node) {
  std::optional<ValueId> a = real_operand(t, node, 0);
  std::optional<ValueId> b = real_operand(t, node, 1);
  if (!a || !b) return;
  const Shape left = shape_of(t, *a), right = shape_of(t, *b);
  if (left.empty() || right.empty()) {
    return fail(t, node,
                fmt::format("its operands have shapes {} and {}: a scalar is no matrix",
                            to_string(left), to_string(right)));
  }
  if (right.size() == 2 && left.size() >= 2 && is_parameter(t, *b) && !is_parameter(t, *a) &&
      left.back() > 0)
    return product_of_rows(t, node, *a, *b);
  if (left.size() >= 2 && right.size() >= 2) return finish(t, node, "matmul", {*a, *b});
  ValueId row = left.size() == 1 ? reshaped(t, node, "_a", *a, {1, left[0]}) : *a;
  ValueId column = right.size() == 1 ? reshaped(t, node, "_b", *b, {right[0], 1}) : *b;
  if (!row.valid() || !column.valid()) return;
  ValueId y = step(t, node, "_product", "matmul", {row, column});
  if (!y.valid()) return;
  Shape shape = shape_of(t, y);
  if (right.size() == 1) shape.pop_back();
  if (left.size() == 1) shape.erase(shape.end() - (right.size() == 1 ? 1 : 2));
  finish_reshaped(t, node, y, shape);
}

std::optional<Sliding> pool_window_of(Translation& t, const RawNode& node, const Image& x) {
  std::optional<Sliding> window = read_window(t, node, shape_of(t, x.value), {}, x.dimensions());
  if (!window) return std::nullopt;
  if (window->dilations == std::vector<int64_t>{1, 1}) return window;
  fail(t, node, "dilated pooling is not supported");
  return std::nullopt;
}

void max_pool(Translation& t, const RawNode& node) {
  std::optional<Image> x = image_operand(t, node, true);
  if (!x) return;
  std::optional<Sliding> window = pool_window_of(t, node, *x);
  if (!window) return;
  finish_image(t, node, *x, emit(t, node, "max_pool", {x->value}, pool_attributes(*window)));
}

void average_pool(Translation& t, const RawNode& node) {
  std::optional<Image> x = image_operand(t, node);
  if (!x) return;
  std::optional<Sliding> window = pool_window_of(t, node, *x);
  if (!window) return;
  bool counts = int_of(t, node, "count_include_pad", 0) != 0;
  if (counts && window->widened) {
    return fail(t, node,
                "`ceil_mode` with `count_include_pad` gives the last windows divisors of their own",
                "export with count_include_pad=0, or pad the input first");
  }
  Attributes attributes = pool_attributes(*window);
  attributes["count_include_pad"] = int64_t{counts};
  finish_image(t, node, *x, emit(t, node, "average_pool", {x->value}, std::move(attributes)));
}

void global_average_pool(Translation& t, const RawNode& node) {
  if (std::optional<Image> x = image_operand(t, node))
    finish_image(t, node, *x, emit(t, node, "global_average_pool", {x->value}, {}));
}

void global_max_pool(Translation& t, const RawNode& node) {
  std::optional<Image> x = image_operand(t, node);
  if (!x) return;
  const Shape& shape = shape_of(t, x->value);
  Sliding window{
      .kernel = {shape[2], shape[3]}, .strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}};
  finish_image(t, node, *x, emit(t, node, "max_pool", {x->value}, pool_attributes(window)));
}

}  // namespace

std::vector<OperatorEntry> real_layer_operators() {
  return {{"Conv", conv},
          {"ConvTranspose", conv_transpose, false, true},
          {"Gemm", gemm},
          {"MatMul", matmul},
          {"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool}};
}

}  // namespace heddle
