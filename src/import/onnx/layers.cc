// Conv, Gemm, MatMul, BatchNormalization, pools and means.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/onnx/sliding.h"

namespace heddle {
namespace {

// A Known value of rank 4, or an error that says what rank 3 is.
std::optional<ValueId> image_operand(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return std::nullopt;
  const Shape& shape = type_of(t.builder, *x).shape;
  if (shape.size() == 4) return x;
  fail(t, node,
       fmt::format("its input has shape {}: only 2-D images [N, C, H, W] are supported",
                   to_string(shape)));
  return std::nullopt;
}

// The constant bias of Conv or Gemm as one number per channel; broadcasts a single one.
std::optional<std::vector<int64_t>> bias_operand(Translation& t, const RawNode& node, size_t i,
                                                 int64_t channels) {
  if (!has_operand(node, i)) return std::vector<int64_t>(static_cast<size_t>(channels), 0);
  const RawTensor* tensor = constant_operand(t, node, i, "biases");
  if (tensor == nullptr) return std::nullopt;
  std::vector<int64_t> bias = tensor->values.to_ints();
  const Shape& shape = tensor->values.shape();
  if (bias.size() == 1) bias.assign(static_cast<size_t>(channels), bias[0]);
  bool along_last =
      shape.empty() || bias.size() == 1 || shape.back() == static_cast<int64_t>(bias.size());
  if (static_cast<int64_t>(bias.size()) == channels && along_last) return bias;
  fail(t, node,
       fmt::format("the bias has shape {}, the layer has {} output channels", to_string(shape),
                   channels));
  return std::nullopt;
}

void conv(Translation& t, const RawNode& node) {
  const RawTensor* weights = constant_operand(t, node, 1, "weights");
  std::optional<ValueId> x = image_operand(t, node);
  if (weights == nullptr || !x) return;
  const Shape& kernel = weights->values.shape();
  if (kernel.size() != 4 || weights->values.elements() == 0) {
    return fail(t, node,
                fmt::format("the weights have shape {}, not [K, C, FY, FX]", to_string(kernel)));
  }
  std::optional<std::vector<int64_t>> bias = bias_operand(t, node, 2, kernel[0]);
  const Shape shape = type_of(t.builder, *x).shape;
  std::optional<Sliding> window = read_window(t, node, shape, {kernel[2], kernel[3]});
  if (!bias || !window) return;
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
  ValueId w = add_narrow_constant(t.builder, weights->name, weights->values);
  ValueId y =
      emit(t, node, depthwise ? "depthwise_conv2d" : "conv2d", {*x, w}, std::move(attributes));
  set_value(t, node, emit_bias(t, node, y, *bias, 1));
}

Tensor transposed(const Tensor& matrix) {
  int64_t rows = matrix.shape()[0];
  int64_t columns = matrix.shape()[1];
  Tensor result(matrix.dtype(), {columns, rows});
  for (int64_t i = 0; i < rows * columns; ++i)
    result.set(i % columns * rows + i / columns, matrix.at(i));
  return result;
}

// x [..., C] times W [C, K] (given as [K, C]); more than two dimensions are flattened for the
// product.
void dense(Translation& t, const RawNode& node, ValueId x, const RawTensor& weights, bool transpose,
           const std::vector<int64_t>* bias) {
  ValueId w = add_narrow_constant(t.builder, weights.name,
                                  transpose ? transposed(weights.values) : weights.values);
  const Shape shape = type_of(t.builder, x).shape;
  std::vector<int64_t> none{0};
  if (shape.size() == 2) {
    ValueId y = emit(t, node, "dense", {x, w}, {});
    return set_value(t, node, emit_bias(t, node, y, bias == nullptr ? none : *bias, 1));
  }
  if (shape.empty() || shape.back() == 0)
    return fail(t, node, fmt::format("its input has shape {}", to_string(shape)));
  int64_t channels = shape.back();
  Shape rows{elements_of(shape) / channels, channels};
  Shape back = shape;
  back.back() = type_of(t.builder, w).shape[0];
  ValueId flat =
      emit_named(t, node.name + "_rows", node.name + "_rows", "reshape", {x}, {{"shape", rows}});
  if (!flat.valid()) return;
  ValueId y = emit_named(t, node.name, node.name + "_product", "dense", {flat, w}, {});
  if (!y.valid()) return;
  set_value(t, node, emit(t, node, "reshape", {y}, {{"shape", back}}));
}

bool matrix(Translation& t, const RawNode& node, const RawTensor& weights) {
  if (weights.values.shape().size() == 2 && weights.values.elements() > 0) return true;
  fail(t, node,
       fmt::format("the weights have shape {}, not that of a matrix",
                   to_string(weights.values.shape())));
  return false;
}

void gemm(Translation& t, const RawNode& node) {
  const RawTensor* weights = constant_operand(t, node, 1, "weights");
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (int_of(t, node, "alpha", 1) != 1 || int_of(t, node, "beta", 1) != 1)
    return fail(t, node, "`alpha` and `beta` must be 1");
  if (int_of(t, node, "transA", 0) != 0) return fail(t, node, "`transA` must be 0");
  if (weights == nullptr || !matrix(t, node, *weights)) return;
  bool transposed_weights = int_of(t, node, "transB", 0) != 0;
  std::optional<std::vector<int64_t>> bias =
      bias_operand(t, node, 2, weights->values.shape()[transposed_weights ? 0 : 1]);
  if (!x || !bias) return;
  if (type_of(t.builder, *x).shape.size() != 2) {
    return fail(
        t, node,
        fmt::format("its input has shape {}, not [N, C]", to_string(type_of(t.builder, *x).shape)));
  }
  dense(t, node, *x, *weights, !transposed_weights, &*bias);
}

void matmul(Translation& t, const RawNode& node) {
  const RawTensor* weights = constant_operand(t, node, 1, "weights");
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (weights == nullptr || !x || !matrix(t, node, *weights)) return;
  dense(t, node, *x, *weights, true, nullptr);
}

// scale * (x - mean) / sqrt(var + epsilon) + shift, where that is x * m + a with integers m and a;
// a chain then.
void batch_norm(Translation& t, const RawNode& node) {
  double epsilon = 1e-5;
  if (auto found = node.attributes.find("epsilon"); found != node.attributes.end()) {
    if (const double* number = std::get_if<double>(&found->second)) epsilon = *number;
  }
  if (int_of(t, node, "training_mode", 0) != 0)
    return fail(t, node, "`training_mode` is set: the model was exported for training");
  std::vector<const Tensor*> parameters;
  for (size_t i = 1; i <= 4; ++i) {
    auto found = has_operand(node, i) ? t.tensors.find(node.inputs[i]) : t.tensors.end();
    if (found == t.tensors.end() || !found->second.constant)
      return fail(t, node, "scale, shift, mean and variance must be constant");
    parameters.push_back(&found->second.constant->values);
    if (parameters.back()->elements() != parameters.front()->elements())
      return fail(t, node, "scale, shift, mean and variance differ in length");
  }
  auto at = [&](size_t p, int64_t k) {
    const Tensor& tensor = *parameters[p];
    return tensor.dtype() == DType::float32 ? static_cast<double>(tensor.float_at(k))
                                            : static_cast<double>(tensor.at(k));
  };
  PerChannel mul{.values = {}, .axis = 1};
  PerChannel add{.values = {}, .axis = 1};
  for (int64_t k = 0; k < parameters[0]->elements(); ++k) {
    double deviation = std::sqrt(static_cast<float>(at(3, k)) +
                                 static_cast<float>(epsilon));  // float32, as ONNX computes it
    double m = at(0, k) / deviation;
    double a = at(1, k) - m * at(2, k);
    if (!(std::fabs(m) < 2147483648.0) || !(std::fabs(a) < 4503599627370496.0) ||
        m != std::floor(m) || a != std::floor(a)) {
      return fail(t, node,
                  fmt::format("batch norm of channel {} is x * {} + {}, which are no integers: it "
                              "cannot be folded exactly",
                              k, m, a),
                  "fold it into the convolution before quantising, or use RequantShift");
    }
    mul.values.push_back(static_cast<int64_t>(m));
    add.values.push_back(static_cast<int64_t>(a));
  }
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  std::optional<ValueId> value = value_operand(t, node, 0);
  if (!value) return;
  Chain chain = start_chain(*value, x->shared);
  const Shape& shape = type_of(t.builder, *value).shape;
  int64_t channels = static_cast<int64_t>(mul.values.size());
  if (shape.size() < 2 || shape[1] != channels || !scale_chain(chain, mul) ||
      !offset_chain(chain, add)) {
    return fail(t, node,
                fmt::format("{} channels of parameters for an input of shape {}", channels,
                            to_string(shape)));
  }
  set_chain(t, node, std::move(chain));
}

void max_pool(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = image_operand(t, node);
  if (!x) return;
  std::optional<Sliding> window = read_window(t, node, type_of(t.builder, *x).shape, {});
  if (!window) return;
  if (window->dilations != std::vector<int64_t>{1, 1})
    return fail(t, node, "dilated pooling is not supported");
  set_value(t, node, emit(t, node, "max_pool", {*x}, pool_attributes(*window)));
}

// A mean has fractions. The PULP dialect rounds half up; elsewhere nothing says how.
bool mean_rounds(Translation& t, const RawNode& node) {
  if (t.pulp) return true;
  fail(t, node,
       "its means have fractions: only networks with RequantShift say how they are rounded "
       "(floor(sum / n + 1/2))",
       "use MaxPool, or a depthwise Conv with weights of 1 and Div, Floor behind it");
  return false;
}

void average_pool(Translation& t, const RawNode& node) {
  if (!mean_rounds(t, node)) return;
  std::optional<ValueId> x = image_operand(t, node);
  if (!x) return;
  if (int_of(t, node, "ceil_mode", 0) != 0)
    return fail(t, node, "`ceil_mode` of averages is not supported");
  std::optional<Sliding> window = read_window(t, node, type_of(t.builder, *x).shape, {});
  if (!window) return;
  if (window->dilations != std::vector<int64_t>{1, 1})
    return fail(t, node, "dilated pooling is not supported");
  Attributes attributes = pool_attributes(*window);
  attributes["count_include_pad"] = int64_t{int_of(t, node, "count_include_pad", 0) != 0};
  set_value(t, node, emit(t, node, "average_pool", {*x}, std::move(attributes)));
}

void global_average_pool(Translation& t, const RawNode& node) {
  if (!mean_rounds(t, node)) return;
  if (std::optional<ValueId> x = image_operand(t, node))
    set_value(t, node, emit(t, node, "global_average_pool", {*x}, {}));
}

void global_max_pool(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = image_operand(t, node);
  if (!x) return;
  const Shape& shape = type_of(t.builder, *x).shape;
  Sliding window{
      .kernel = {shape[2], shape[3]}, .strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}};
  set_value(t, node, emit(t, node, "max_pool", {*x}, pool_attributes(window)));
}

// IntegerMean, and ReduceMean of the PULP dialect, over height and width.
void reduce_mean(Translation& t, const RawNode& node) {
  if (!mean_rounds(t, node)) return;
  std::optional<ValueId> x = image_operand(t, node);
  if (!x) return;
  std::optional<std::vector<int64_t>> axes = maybe_ints(t, node, "axes");
  if (!axes && has_operand(node, 1)) axes = ints_operand(t, node, 1, "axes");
  if (!axes) return fail(t, node, "only means over height and width (axes 2 and 3) are supported");
  for (int64_t& axis : *axes) axis += axis < 0 ? 4 : 0;
  std::sort(axes->begin(), axes->end());
  if (*axes != std::vector<int64_t>{2, 3}) {
    return fail(
        t, node,
        fmt::format("its mean is over axes {}: only height and width (axes 2 and 3) are supported",
                    to_string(*axes)));
  }
  bool keep = int_of(t, node, "keepdims", 1) != 0;
  if (keep) return set_value(t, node, emit(t, node, "global_average_pool", {*x}, {}));
  ValueId y = emit_named(t, node.name, node.name + "_kept", "global_average_pool", {*x}, {});
  if (!y.valid()) return;
  const Shape& shape = type_of(t.builder, y).shape;
  set_value(t, node, emit(t, node, "reshape", {y}, {{"shape", Shape{shape[0], shape[1]}}}));
}

}  // namespace

std::vector<OperatorEntry> layer_operators() {
  return {{"Conv", conv},
          {"Gemm", gemm},
          {"MatMul", matmul},
          {"BatchNormalization", batch_norm},
          {"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool},
          {"ReduceMean", reduce_mean},
          {"IntegerMean", reduce_mean, true}};
}

}  // namespace heddle
