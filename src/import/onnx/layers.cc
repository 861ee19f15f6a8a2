// Conv, Gemm, MatMul, BatchNormalization.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/onnx/sliding.h"

namespace heddle {
namespace {

// The constant bias of Conv or Gemm as one number per channel; broadcasts a single one.
std::optional<std::vector<int64_t>> bias_operand(Translation& t, const RawNode& node, size_t i,
                                                 int64_t channels) {
  if (!has_operand(node, i)) return std::vector<int64_t>(static_cast<size_t>(channels), 0);
  const RawTensor* tensor = integer_operand(t, node, i, "biases");
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
  std::optional<ImageOperand> x = image_or_line(t, node);
  if (weights == nullptr || !x) return;
  Shape kernel = weights->values.shape();
  if (kernel.size() != 2 + x->dimensions || weights->values.elements() == 0) {
    return fail(t, node,
                fmt::format("the weights have shape {}, not {}", to_string(kernel),
                            x->dimensions == 1 ? "[K, C, FX]" : "[K, C, FY, FX]"));
  }
  std::optional<std::vector<int64_t>> bias = bias_operand(t, node, 2, kernel[0]);
  const Shape shape = type_of(t.builder, x->value).shape;
  std::optional<Sliding> window = read_window(
      t, node, shape, std::vector<int64_t>(kernel.begin() + 2, kernel.end()), x->dimensions);
  if (!bias || !window) return;
  if (x->dimensions == 1) kernel.insert(kernel.begin() + 2, 1);
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
  ValueId w = add_narrow_constant(t.builder, weights->name, weights->values.reshaped(kernel));
  ValueId y = emit(t, node, depthwise ? "depthwise_conv2d" : "conv2d", {x->value, w},
                   std::move(attributes));
  set_image(t, node, emit_bias(t, node, y, *bias, 1), *x);
}

Tensor transposed(const Tensor& matrix) {
  int64_t rows = matrix.shape()[0];
  int64_t columns = matrix.shape()[1];
  Tensor result(matrix.dtype(), {columns, rows});
  for (int64_t i = 0; i < rows * columns; ++i)
    result.set(i % columns * rows + i / columns, matrix.at(i));
  return result;
}

// The node's result so far, as a value.
std::optional<ValueId> value_of_result(Translation& t, const RawNode& node) {
  const Known& known = t.tensors.at(node.outputs[0]);
  if (known.broken || known.constant) return std::nullopt;
  return known.chain.base;
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
  set_value(
      t, node,
      emit_named(t, node.name + "_shape", node.outputs[0], "reshape", {y}, {{"shape", back}}));
}

bool matrix(Translation& t, const RawNode& node, const RawTensor& weights) {
  if (weights.values.shape().size() == 2 && weights.values.elements() > 0) return true;
  fail(t, node,
       fmt::format("the weights have shape {}, not that of a matrix",
                   to_string(weights.values.shape())));
  return false;
}

// A computed operand as a matrix, transposed where the attribute says so.
std::optional<ValueId> matrix_operand(Translation& t, const RawNode& node, size_t i,
                                      const char* transposition) {
  std::optional<ValueId> value = value_operand(t, node, i);
  if (!value) return std::nullopt;
  const Shape shape = type_of(t.builder, *value).shape;
  if (shape.size() != 2) {
    fail(t, node,
         fmt::format("operand {} has shape {}, not that of a matrix", i, to_string(shape)));
    return std::nullopt;
  }
  if (int_of(t, node, transposition, 0) == 0) return value;
  const std::string name = fmt::format("{}_{}", node.name, transposition);
  ValueId y =
      emit_named(t, name, name, "transpose", {*value}, {{"perm", std::vector<int64_t>{1, 0}}});
  return y.valid() ? std::optional<ValueId>(y) : std::nullopt;
}

// A bias that is computed, or varies over the rows.
bool has_broadcast_bias(const Translation& t, const RawNode& node, int64_t channels) {
  auto found = has_operand(node, 2) ? t.tensors.find(node.inputs[2]) : t.tensors.end();
  if (found == t.tensors.end() || found->second.broken) return false;
  if (!found->second.constant) return true;
  const int64_t count = found->second.constant->values.elements();
  return count != 1 && count != channels;
}

void gemm(Translation& t, const RawNode& node) {
  if (int_of(t, node, "alpha", 1) != 1 || int_of(t, node, "beta", 1) != 1)
    return fail(t, node, "`alpha` and `beta` must be 1");
  Known* second = operand(t, node, 1);
  std::optional<ValueId> x = matrix_operand(t, node, 0, "transA");
  if (second == nullptr || !x) return;
  bool weights_transposed = int_of(t, node, "transB", 0) != 0;
  if (second->constant && !matrix(t, node, *second->constant)) return;
  if (second->constant) {
    const RawTensor weights = *second->constant;
    int64_t channels = weights.values.shape()[weights_transposed ? 0 : 1];
    if (!has_broadcast_bias(t, node, channels)) {
      std::optional<std::vector<int64_t>> bias = bias_operand(t, node, 2, channels);
      if (bias) dense(t, node, *x, weights, !weights_transposed, &*bias);
      return;
    }
    dense(t, node, *x, weights, !weights_transposed, nullptr);
  } else {
    std::optional<ValueId> w = matrix_operand(t, node, 1, "transB");
    if (!w) return;
    set_value(t, node, emit(t, node, "matmul", {*x, *w}, {}));
  }
  if (!has_operand(node, 2)) return;
  std::optional<ValueId> y = value_of_result(t, node);
  std::optional<ValueId> bias = value_operand(t, node, 2);
  if (!y || !bias) return;
  t.builder.graph.value(*y).name += "_product";
  set_value(t, node, emit_named(t, node.name + "_bias", node.outputs[0], "add", {*y, *bias}, {}));
}

// A vector is a matrix of one row (the first operand) or one column.
std::optional<ValueId> factor_operand(Translation& t, const RawNode& node, size_t i) {
  std::optional<ValueId> value = value_operand(t, node, i);
  if (!value) return std::nullopt;
  const Shape shape = type_of(t.builder, *value).shape;
  if (shape.size() != 1) return value;
  const std::string name = fmt::format("{}_{}", node.name, i == 0 ? "row" : "column");
  ValueId y = emit_named(t, name, name, "reshape", {*value},
                         {{"shape", i == 0 ? Shape{1, shape[0]} : Shape{shape[0], 1}}});
  return y.valid() ? std::optional<ValueId>(y) : std::nullopt;
}

// Of two computed tensors, or with a constant that is no matrix.
void product(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = factor_operand(t, node, 0);
  std::optional<ValueId> w = factor_operand(t, node, 1);
  if (!x || !w) return;
  ValueId y = emit(t, node, "matmul", {*x, *w}, {});
  if (!y.valid()) return;
  auto rank = [&](size_t i) {
    const Known& known = t.tensors.at(node.inputs[i]);
    return known.constant ? known.constant->values.shape().size()
                          : type_of(t.builder, known.chain.base).shape.size();
  };
  Shape shape = type_of(t.builder, y).shape;
  if (rank(1) == 1) shape.pop_back();
  if (rank(0) == 1) shape.erase(shape.end() - (rank(1) == 1 ? 1 : 2));
  if (shape == type_of(t.builder, y).shape) return set_value(t, node, y);
  t.builder.graph.value(y).name += "_product";
  set_value(
      t, node,
      emit_named(t, node.name + "_shape", node.outputs[0], "reshape", {y}, {{"shape", shape}}));
}

void matmul(Translation& t, const RawNode& node) {
  Known* x = operand(t, node, 0);
  Known* w = operand(t, node, 1);
  if (x == nullptr || w == nullptr) return;
  bool layer = w->constant && w->constant->values.shape().size() == 2 && !x->constant;
  if (!layer) return product(t, node);
  const RawTensor weights = *w->constant;
  std::optional<ValueId> value = value_operand(t, node, 0);
  if (!value || !matrix(t, node, weights)) return;
  dense(t, node, *value, weights, true, nullptr);
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

}  // namespace

std::vector<OperatorEntry> layer_operators() {
  return {{"Conv", conv}, {"Gemm", gemm}, {"MatMul", matmul}, {"BatchNormalization", batch_norm}};
}

}  // namespace heddle
