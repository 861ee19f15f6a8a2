// CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, BATCH_MATMUL.
#include <fmt/format.h>

#include <algorithm>

#include "import/tflite/window.h"

namespace heddle::tflite {
namespace {

// What becomes of the accumulators of a layer.
struct Layer {
  Scale x;
  ChannelScales weights;
  Target y;
  bool exact_scales = true;  // multipliers from double scales; old kernels multiply in float32
  bool doubled = false;      // a kernel that rounds twice in every mode of LiteRT
};

// Weights whose zero point is subtracted, [.., channels, ..] along `dimension`.
Tensor centred(const Tensor& weights, const ChannelScales& scales, size_t dimension) {
  const bool centred_already = std::all_of(scales.zero_points.begin(), scales.zero_points.end(),
                                           [](int64_t z) { return z == 0; });
  if (centred_already) return weights;
  int64_t inner = 1;
  for (size_t d = dimension + 1; d < weights.shape().size(); ++d) inner *= weights.shape()[d];
  const bool bytes = bits_of(weights.dtype()) <= 8;
  Tensor result(bytes ? DType::int16 : DType::int64, weights.shape());
  for (int64_t i = 0; i < result.elements(); ++i) {
    const int64_t k = scales.zero_points.size() == 1 ? 0 : i / inner % weights.shape()[dimension];
    result.set(i, weights.at(i) - scales.zero_points[static_cast<size_t>(k)]);
  }
  return result;
}

// TFLite's multipliers of a layer. Convolutions with accumulators of 64 bits (int16 activations,
// int64 biases) get 16-bit ones.
std::vector<Multiplier> multipliers_of(const Layer& layer, bool wide) {
  std::vector<Multiplier> result;
  for (float scale : layer.weights.scales) {
    const double product = layer.exact_scales
                               ? static_cast<double>(layer.x.scale) * static_cast<double>(scale)
                               : static_cast<double>(layer.x.scale * scale);
    const Multiplier multiplier =
        quantise_multiplier(product / static_cast<double>(layer.y.scale.scale));
    result.push_back(wide ? narrowed(multiplier) : multiplier);
  }
  return result;
}

// The constant bias of `channels` elements; empty where there is none.
std::optional<Tensor> bias_of(Translation& t, const RawOperator& op, int64_t channels) {
  if (!has_input(op, 2)) return Tensor(DType::int32, {0});
  std::optional<Tensor> bias = constant_input(t, op, 2, "biases");
  if (!bias) return std::nullopt;
  if (bias->elements() == channels) return bias->reshaped({channels});
  fail(t, op,
       fmt::format("its bias has {} elements, the layer has {} output channels", bias->elements(),
                   channels));
  return std::nullopt;
}

ValueId emit_bias(Translation& t, const RawOperator& op, ValueId x, const Tensor& bias) {
  if (!x.valid() || bias.elements() == 0) return x;
  const bool real = bias.dtype() == DType::float32;
  if (!real && !range_of(DType::int32).contains(bias.min_max())) {
    fail(t, op, fmt::format("a bias of {} does not fit int32", bias.min_max().hi));
    return {};
  }
  const std::string name = t.model.tensors[static_cast<size_t>(op.inputs[2])].name;
  const ValueId constant = real ? add_constant(t.builder, name, bias)
                                : add_int32_constant(t.builder, name, bias.shape(), bias.to_ints());
  return emit(t, op, "bias_add", {x, constant}, {{"axis", int64_t{1}}}, "_biased");
}

// Scales of input, weights and result; nothing after an error.
std::optional<Layer> layer_of(Translation& t, const RawOperator& op, int64_t dimension,
                              int64_t channels) {
  const RawTensor* x = input_tensor(t, op, 0);
  const RawTensor* weights = input_tensor(t, op, 1);
  if (x == nullptr || weights == nullptr) return std::nullopt;
  t.types.insert(x->type);
  const std::optional<Scale> x_scale = scale_of(t, op, *x);
  const std::optional<ChannelScales> w = channel_scales(t, op, 1, dimension, channels);
  const std::optional<Target> y = output_target(t, op);
  if (!x_scale || !w || !y) return std::nullopt;
  return Layer{.x = *x_scale, .weights = *w, .y = *y};
}

// Bias and requantisation behind a layer's products. `wide`: in 64-bit accumulators.
ValueId finish(Translation& t, const RawOperator& op, ValueId products, const Tensor& bias,
               const Layer& layer, bool wide) {
  const ValueId biased = emit_bias(t, op, products, bias);
  return emit_requant(t, op, biased,
                      {.multipliers = multipliers_of(layer, wide),
                       .axis = 1,
                       .zero_point = layer.y.scale.zero_point,
                       .bounds = layer.y.bounds,
                       .doubled = !wide && (t.double_rounding || layer.doubled)});
}

// Integer weights with float32 activations: quantised while the model runs.
bool refuse_hybrid(Translation& t, const RawOperator& op) {
  const RawTensor* x = input_tensor(t, op, 0);
  const RawTensor* weights = input_tensor(t, op, 1);
  if (x == nullptr || weights == nullptr) return true;
  if (is_real(*x) == is_real(*weights)) return false;
  fail(t, op,
       fmt::format("its input is {}, its weights are {}: a model of dynamic range, which quantises "
                   "its activations anew in every inference",
                   name_of(x->type), name_of(weights->type)),
       "convert it with full integer quantisation (a representative data set), or to float32");
  return true;
}

ValueId add_weights(Translation& t, const RawOperator& op, const Tensor& values) {
  const std::string& name = t.model.tensors[static_cast<size_t>(op.inputs[1])].name;
  return values.dtype() == DType::float32 ? add_constant(t.builder, name, values)
                                          : add_narrow_constant(t.builder, name, values);
}

// A convolution with weights OIHW in `groups` groups of channels.
void emit_convolution(Translation& t, const RawOperator& op, ValueId x, const Tensor& oihw,
                      int64_t groups, const std::optional<Layer>& layer) {
  const Shape image = shape_of(t, x);
  const std::optional<Attributes> window = window_attributes(
      t, op, image, oihw.shape()[2], oihw.shape()[3], op.options.dilation_h, op.options.dilation_w);
  const std::optional<Tensor> bias = bias_of(t, op, oihw.shape()[0]);
  if (!window || !bias) return;
  Attributes attributes = *window;
  attributes["dilation_h"] = op.options.dilation_h;
  attributes["dilation_w"] = op.options.dilation_w;
  if (layer) attributes["x_zero_point"] = layer->x.zero_point;
  const bool depthwise =
      groups > 1 && groups == image[1] && groups == oihw.shape()[0] && oihw.shape()[1] == 1;
  if (!depthwise) attributes["group"] = groups;
  const ValueId y = emit(t, op, depthwise ? "depthwise_conv2d" : "conv2d",
                         {x, add_weights(t, op, oihw)}, std::move(attributes), "_products");
  const bool wide = output_tensor(t, op).type == RawType::int16 && bias->dtype() == DType::int64;
  if (layer) return set_planes(t, op, finish(t, op, y, *bias, *layer, wide));
  set_planes(t, op, emit_real_activation(t, op, emit_bias(t, op, y, *bias)));
}

// Weights of rank 4 with at least one element.
std::optional<Tensor> filters(Translation& t, const RawOperator& op) {
  std::optional<Tensor> weights = constant_input(t, op, 1, "weights");
  if (!weights) return std::nullopt;
  if (weights->shape().size() == 4 && weights->elements() > 0) return weights;
  fail(t, op,
       fmt::format("its weights have shape {}, not four dimensions", to_string(weights->shape())));
  return std::nullopt;
}

void conv_2d(Translation& t, const RawOperator& op) {
  if (refuse_hybrid(t, op)) return;
  const std::optional<ValueId> x = image_input(t, op, 0);
  const std::optional<Tensor> weights = filters(t, op);  // [K, FY, FX, C]
  if (!x || !weights) return;
  const int64_t channels = shape_of(t, *x)[1];
  const int64_t filter_channels = weights->shape()[3];
  if (channels % filter_channels != 0) {
    return fail(t, op,
                fmt::format("its weights have {} input channels, its input has {}", filter_channels,
                            channels));
  }
  if (real_input(t, op)) {
    return emit_convolution(t, op, *x, permuted(*weights, {0, 3, 1, 2}), channels / filter_channels,
                            std::nullopt);
  }
  std::optional<Layer> layer = layer_of(t, op, 0, weights->shape()[0]);
  if (!layer) return;
  layer->exact_scales = output_tensor(t, op).type != RawType::uint8;
  emit_convolution(t, op, *x, permuted(centred(*weights, layer->weights, 0), {0, 3, 1, 2}),
                   channels / filter_channels, layer);
}

// Weights [1, FY, FX, C * M]: each input channel has M filters.
void depthwise_conv_2d(Translation& t, const RawOperator& op) {
  if (refuse_hybrid(t, op)) return;
  const std::optional<ValueId> x = image_input(t, op, 0);
  const std::optional<Tensor> weights = filters(t, op);
  if (!x || !weights) return;
  const int64_t channels = shape_of(t, *x)[1];
  const int64_t outputs = weights->shape()[3];
  if (weights->shape()[0] != 1 || outputs % channels != 0) {
    return fail(t, op,
                fmt::format("its weights have shape {}, its input has {} channels",
                            to_string(weights->shape()), channels));
  }
  if (real_input(t, op)) {
    return emit_convolution(t, op, *x, permuted(*weights, {3, 0, 1, 2}), channels, std::nullopt);
  }
  std::optional<Layer> layer = layer_of(t, op, 3, outputs);
  if (!layer) return;
  layer->doubled = output_tensor(t, op).type == RawType::uint8;
  layer->exact_scales = !layer->doubled;
  emit_convolution(t, op, *x, permuted(centred(*weights, layer->weights, 3), {3, 0, 1, 2}),
                   channels, layer);
}

// The shape of the result in the model: rows of C features become rows of K.
Shape dense_shape(const RawOperator& op, const Shape& x, int64_t rows, int64_t outputs) {
  if (!op.options.keep_dims) return {rows, outputs};
  Shape shape = x;
  shape.back() = outputs;
  return shape;
}

void fully_connected(Translation& t, const RawOperator& op) {
  if (refuse_hybrid(t, op)) return;
  if (op.options.shuffled_weights)
    return fail(t, op, "its weights are shuffled for one processor", "convert the model again");
  const std::optional<ValueId> x = plain_input(t, op, 0);
  const std::optional<Tensor> weights = constant_input(t, op, 1, "weights");  // [K, C]
  if (!x || !weights) return;
  const Shape shape = shape_of(t, *x);
  if (weights->shape().size() != 2 || weights->elements() == 0 ||
      elements_of(shape) % weights->shape()[1] != 0 ||
      (op.options.keep_dims && (shape.empty() || shape.back() != weights->shape()[1]))) {
    return fail(t, op,
                fmt::format("its weights have shape {}, its input has shape {}",
                            to_string(weights->shape()), to_string(shape)));
  }
  const int64_t outputs = weights->shape()[0];
  const int64_t rows = elements_of(shape) / weights->shape()[1];
  const std::optional<Tensor> bias = bias_of(t, op, outputs);
  const bool real = real_input(t, op);
  std::optional<Layer> layer = real ? std::nullopt : layer_of(t, op, 0, outputs);
  if (!bias || (!real && !layer)) return;
  const std::string name = output_tensor(t, op).name;
  const ValueId flat = emit_reshape(t, name + "_rows", *x, {rows, weights->shape()[1]});
  if (!flat.valid()) return;
  Attributes attributes;
  if (layer) {
    layer->exact_scales = layer->weights.scales.size() > 1;
    attributes["x_zero_point"] = layer->x.zero_point;
  }
  const ValueId w = add_weights(t, op, layer ? centred(*weights, layer->weights, 0) : *weights);
  const ValueId products = emit(t, op, "dense", {flat, w}, std::move(attributes), "_products");
  const ValueId y = layer ? finish(t, op, products, *bias, *layer, false)
                          : emit_real_activation(t, op, emit_bias(t, op, products, *bias));
  set_plain(t, op, emit_reshape(t, name + "_kept", y, dense_shape(op, shape, rows, outputs)));
}

// The last two dimensions changed.
ValueId adjoint(Translation& t, const RawOperator& op, ValueId x, const char* suffix) {
  const size_t rank = shape_of(t, x).size();
  std::vector<int64_t> perm;
  for (size_t d = 0; d < rank; ++d) perm.push_back(static_cast<int64_t>(d));
  std::swap(perm[rank - 1], perm[rank - 2]);
  return emit_transpose(t, output_tensor(t, op).name + suffix, x, perm);
}

void batch_matmul(Translation& t, const RawOperator& op) {
  if (refuse_hybrid(t, op)) return;
  std::optional<ValueId> x = plain_input(t, op, 0);
  std::optional<ValueId> w = plain_input(t, op, 1);
  if (!x || !w) return;
  if (shape_of(t, *x).size() < 2 || shape_of(t, *w).size() < 2) {
    return fail(t, op,
                fmt::format("its operands have shapes {} and {}: two dimensions are needed",
                            to_string(shape_of(t, *x)), to_string(shape_of(t, *w))));
  }
  if (op.options.adjoint_x) x = adjoint(t, op, *x, "_x");
  if (op.options.adjoint_y) w = adjoint(t, op, *w, "_w");
  if (!x->valid() || !w->valid()) return;
  if (real_input(t, op)) return set_plain(t, op, emit(t, op, "matmul", {*x, *w}, {}));
  const std::optional<Scale> x_scale = input_scale(t, op, 0);
  const std::optional<Scale> w_scale = input_scale(t, op, 1);
  const std::optional<Target> y = output_target(t, op);
  if (!x_scale || !w_scale || !y) return;
  t.types.insert(output_tensor(t, op).type);
  const ValueId products = emit(
      t, op, "matmul", {*x, *w},
      {{"x_zero_point", x_scale->zero_point}, {"w_zero_point", w_scale->zero_point}}, "_products");
  const Layer layer{.x = *x_scale,
                    .weights = {{w_scale->scale}, {w_scale->zero_point}},
                    .y = *y,
                    .exact_scales = false};
  set_plain(t, op,
            emit_requant(
                t, op, products,
                {.multipliers = multipliers_of(layer, output_tensor(t, op).type == RawType::int16),
                 .zero_point = y->scale.zero_point,
                 .bounds = y->bounds,
                 .doubled = true}));
}

}  // namespace

std::vector<OperatorEntry> layer_operators() {
  return {{"BATCH_MATMUL", batch_matmul},
          {"CONV_2D", conv_2d},
          {"DEPTHWISE_CONV_2D", depthwise_conv_2d},
          {"FULLY_CONNECTED", fully_connected}};
}

}  // namespace heddle::tflite
