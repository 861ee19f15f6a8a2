// Softmax, batch, layer, instance and group normalisation of real numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/chain.h"
#include "import/onnx/real.h"

namespace heddle {
namespace {

// ---- batch norm: y = x * a + b with a = scale / sqrt(variance + epsilon), b = shift - mean * a

struct Affine {
  std::vector<double> scale, shift;  // one per channel
};

std::optional<Affine> batch_parameters(Translation& t, const RawNode& node) {
  if (int_of(t, node, "training_mode", 0) != 0) {
    fail(t, node, "`training_mode` is set: the model was exported for training");
    return std::nullopt;
  }
  if (int_of(t, node, "spatial", 1) == 0) {
    fail(t, node, "`spatial` is 0: statistics of every pixel are not supported");
    return std::nullopt;
  }
  const double epsilon = real_of(t, node, "epsilon", 1e-5);
  std::vector<float> parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    std::optional<Tensor> tensor = real_constant(t, node, i + 1, "statistics");
    if (!tensor) return std::nullopt;
    parameters[i] = floats_of(*tensor);
    if (parameters[i].size() != parameters[0].size()) {
      fail(t, node, "scale, shift, mean and variance differ in length");
      return std::nullopt;
    }
  }
  Affine affine;
  for (size_t k = 0; k < parameters[0].size(); ++k) {
    const double a = parameters[0][k] / std::sqrt(parameters[3][k] + epsilon);
    affine.scale.push_back(a);
    affine.shift.push_back(parameters[1][k] - parameters[2][k] * a);
  }
  return affine;
}

// A convolution or matrix product with constant weights, and the bias behind it.
struct Layer {
  const Node* mac = nullptr;
  const Node* bias = nullptr;
};

// The layer that makes `value`, where nothing else reads what it makes.
std::optional<Layer> layer_before(const Translation& t, ValueId value) {
  const Graph& graph = t.builder.graph;
  const auto producer = [&](ValueId id) {
    const NodeId made = graph.value(id).producer;
    return made.valid() && graph.value(id).consumers.empty() ? &graph.node(made) : nullptr;
  };
  Layer layer;
  layer.mac = producer(value);
  if (layer.mac != nullptr && layer.mac->op == "bias_add" &&
      int_attribute(*layer.mac, "axis") == 1 && is_constant(t.builder, layer.mac->inputs[1])) {
    layer.bias = layer.mac;
    const ValueId sum = layer.bias->inputs[0];
    const NodeId made = graph.value(sum).producer;
    layer.mac = made.valid() && graph.value(sum).consumers.size() == 1 ? &graph.node(made) : nullptr;
  }
  if (layer.mac == nullptr || !is_mac(layer.mac->op) || layer.mac->inputs.size() != 2 ||
      !is_constant(t.builder, layer.mac->inputs[1]) || layer.mac->op == "matmul")
    return std::nullopt;
  return layer;
}

// Weights and bias take the factors, each product rounded once to float32.
void fold_into(Translation& t, const RawNode& node, const Layer& layer, const Affine& affine) {
  const Graph& graph = t.builder.graph;
  const Node mac = *layer.mac;
  Tensor weights = *graph.value(mac.inputs[1]).constant;
  const int64_t channels = static_cast<int64_t>(affine.scale.size());
  const int64_t taps = weights.elements() / channels;
  for (int64_t i = 0; i < weights.elements(); ++i) {
    const double scaled = weights.float_at(i) * affine.scale[static_cast<size_t>(i / taps)];
    weights.set_float(i, static_cast<float>(scaled));
  }
  std::vector<float> bias;
  for (size_t k = 0; k < affine.shift.size(); ++k) {
    const double before =
        layer.bias == nullptr
            ? 0
            : graph.value(layer.bias->inputs[1]).constant->float_at(static_cast<int64_t>(k));
    bias.push_back(static_cast<float>(before * affine.scale[k] + affine.shift[k]));
  }
  ValueId folded = add_constant(t.builder, node.name + "_weights", std::move(weights));
  ValueId y = emit_named(t, mac.name, node.name, mac.op, {mac.inputs[0], folded}, mac.attributes);
  set_value(t, node,
            add_real_bias(t, node, y, add_reals(t, node, "_shift", {channels}, bias), 1));
}

void batch_norm(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  std::optional<Affine> affine = batch_parameters(t, node);
  if (!x || !affine) return;
  const Shape shape = shape_of(t, *x);
  const int64_t channels = static_cast<int64_t>(affine->scale.size());
  if (shape.size() < 2 || shape[1] != channels) {
    return fail(t, node,
                fmt::format("{} channels of parameters for an input of shape {}", channels,
                            to_string(shape)));
  }
  std::optional<Layer> layer;
  // Quantised weights stay on their grid: the factors belong to the requantisation behind them.
  if (t.dialect == Dialect::float32 && !operand(t, node, 0)->shared) layer = layer_before(t, *x);
  if (layer) return fold_into(t, node, *layer, *affine);
  Shape along(shape.size() - 1, 1);
  along[0] = channels;
  const std::vector<float> scale(affine->scale.begin(), affine->scale.end());
  const std::vector<float> shift(affine->shift.begin(), affine->shift.end());
  ValueId y = step(t, node, "_scaled", "mul", {*x, add_reals(t, node, "_scale", along, scale)});
  set_value(t, node,
            add_real_bias(t, node, y, add_reals(t, node, "_shift", {channels}, shift), 1));
}

// ---- norms of rows

// Rows of `width` elements, normalised.
ValueId normalised_rows(Translation& t, const RawNode& node, ValueId x, int64_t width,
                        ValueId scale, ValueId shift) {
  const double epsilon = real_of(t, node, "epsilon", 1e-5);
  ValueId rows = reshaped(t, node, "_rows", x, {elements_of(shape_of(t, x)) / width, width});
  return step(t, node, "_normalised", "layer_norm", {rows, scale, shift}, {{"epsilon", epsilon}});
}

void layer_norm(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  std::optional<ValueId> scale = real_operand(t, node, 1);
  if (!x || !scale) return;
  const Shape shape = shape_of(t, *x);
  const int64_t rank = static_cast<int64_t>(shape.size());
  std::optional<int64_t> axis =
      normal_axis(t, node, int_of(t, node, "axis", -1), rank, rank - 1);
  if (!axis) return;
  const int64_t width = elements_of(Shape(shape.begin() + *axis, shape.end()));
  ValueId parameters[2] = {*scale, {}};
  if (has_operand(node, 2)) {
    std::optional<ValueId> shift = real_operand(t, node, 2);
    if (!shift) return;
    parameters[1] = *shift;
  }
  for (ValueId& parameter : parameters) {
    if (!parameter.valid()) continue;
    if (elements_of(shape_of(t, parameter)) != width) {
      return fail(t, node,
                  fmt::format("parameters of shape {} for rows of {} elements",
                              to_string(shape_of(t, parameter)), width));
    }
    parameter = reshaped(t, node, "_parameters", parameter, {width});
  }
  finish_reshaped(t, node, normalised_rows(t, node, *x, width, parameters[0], parameters[1]),
                  shape);
}

// x * scale[k] + shift[k] for channels in dimension 1.
void finish_channels(Translation& t, const RawNode& node, ValueId x, const Shape& shape,
                     const std::vector<float>& scale, const std::vector<float>& shift) {
  x = reshaped(t, node, "_image", x, shape);
  if (!x.valid()) return;
  Shape along(shape.size() - 1, 1);
  along[0] = shape[1];
  ValueId y = step(t, node, "_scaled", "mul", {x, add_reals(t, node, "_scale", along, scale)});
  if (!y.valid()) return;
  set_value(t, node,
            add_real_bias(t, node, y, add_reals(t, node, "_shift", {shape[1]}, shift), 1));
}

// Each channel, or each of `num_groups` groups of channels, is a row.
void group_norm(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  std::optional<Tensor> scale = real_constant(t, node, 1, "scales");
  std::optional<Tensor> shift = real_constant(t, node, 2, "shifts");
  if (!x || !scale || !shift) return;
  const Shape shape = shape_of(t, *x);
  const bool instance = node.op == "InstanceNormalization";
  if (shape.size() < 3)
    return fail(t, node, fmt::format("its input has shape {}, not [N, C, ...]", to_string(shape)));
  const int64_t groups = instance ? shape[1] : int_of(t, node, "num_groups", 0);
  if (groups < 1 || shape[1] % groups != 0) {
    return fail(t, node, fmt::format("`num_groups` is {} for {} channels", groups, shape[1]));
  }
  std::vector<float> parameters[2] = {floats_of(*scale), floats_of(*shift)};
  for (std::vector<float>& values : parameters) {
    const int64_t count = static_cast<int64_t>(values.size());
    if (count != shape[1] && count != groups) {  // per group before opset 21
      return fail(t, node, fmt::format("{} parameters for {} channels", count, shape[1]));
    }
    std::vector<float> all;
    for (int64_t k = 0; k < shape[1]; ++k)
      all.push_back(values[static_cast<size_t>(k * count / shape[1])]);
    values = all;
  }
  ValueId y = normalised_rows(t, node, *x, elements_of(shape) / shape[0] / groups, {}, {});
  finish_channels(t, node, y, shape, parameters[0], parameters[1]);
}

// ---- softmax

// Before opset 13 everything from `axis` on is one row; since then one dimension is.
void softmax(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  const Shape shape = shape_of(t, *x);
  const int64_t rank = static_cast<int64_t>(shape.size());
  const bool flat = t.opset < 13;
  std::optional<int64_t> axis =
      normal_axis(t, node, int_of(t, node, "axis", flat ? 1 : -1), rank, flat ? rank : rank - 1);
  if (!axis) return;
  const Attributes attributes{{"log", int64_t{node.op == "LogSoftmax"}}};
  const int64_t width = flat ? elements_of(Shape(shape.begin() + *axis, shape.end())) : 0;
  if (!flat ? *axis == rank - 1 : width == shape.back() && *axis == rank - 1)
    return finish(t, node, "softmax", {*x}, attributes);
  if (flat) {
    ValueId rows = reshaped(t, node, "_rows", *x, {elements_of(shape) / width, width});
    return finish_reshaped(t, node, step(t, node, "_softmax", "softmax", {rows}, attributes),
                           shape);
  }
  std::vector<int64_t> exchange;
  for (int64_t d = 0; d < rank; ++d) exchange.push_back(d);
  std::swap(exchange[static_cast<size_t>(*axis)], exchange.back());
  ValueId rows = step(t, node, "_rows", "transpose", {*x}, {{"perm", exchange}});
  if (!rows.valid()) return;
  ValueId y = step(t, node, "_softmax", "softmax", {rows}, attributes);
  if (y.valid()) finish(t, node, "transpose", {y}, {{"perm", exchange}});
}

}  // namespace

std::vector<OperatorEntry> real_norm_operators() {
  return {{"BatchNormalization", batch_norm},  {"LayerNormalization", layer_norm},
          {"InstanceNormalization", group_norm}, {"GroupNormalization", group_norm},
          {"Softmax", softmax},                {"LogSoftmax", softmax}};
}

}  // namespace heddle
