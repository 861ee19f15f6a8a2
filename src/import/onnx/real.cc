#include "import/onnx/real.h"

#include <fmt/format.h>

#include <algorithm>

#include "import/onnx/quant.h"

namespace heddle {

std::vector<OperatorEntry> real_operators() {
  std::vector<OperatorEntry> all;
  for (const std::vector<OperatorEntry>& some :
       {real_layer_operators(), real_map_operators(), real_unary_operators(), real_norm_operators(),
        real_reduce_operators(), real_qonnx_operators(), real_quant_operators(),
        real_qlinear_operators()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::optional<ValueId> real_operand(Translation& t, const RawNode& node, size_t i) {
  std::optional<ValueId> value = value_operand(t, node, i);
  if (!value || type_of(t.builder, *value).dtype == DType::float32) return value;
  fail(t, node,
       fmt::format("operand {}, {}, holds {}: only float32 tensors are computed with", i,
                   ticked(node.inputs[i]), name_of(type_of(t.builder, *value).dtype)));
  return std::nullopt;
}

std::optional<Tensor> real_constant(Translation& t, const RawNode& node, size_t i,
                                    std::string_view what) {
  const RawTensor* tensor = constant_operand(t, node, i, what);
  if (tensor == nullptr) return std::nullopt;
  return as_float(tensor->values);
}

std::optional<double> real_scalar(Translation& t, const RawNode& node, size_t i,
                                  std::string_view what) {
  std::optional<Tensor> tensor = real_constant(t, node, i, what);
  if (!tensor) return std::nullopt;
  if (tensor->elements() == 1) return tensor->float_at(0);
  fail(t, node,
       fmt::format("the {} {} has shape {}, not one element", what, ticked(node.inputs[i]),
                   to_string(tensor->shape())));
  return std::nullopt;
}

const Shape& shape_of(const Translation& t, ValueId id) { return type_of(t.builder, id).shape; }

bool is_parameter(const Translation& t, ValueId id) {
  const Graph& graph = t.builder.graph;
  if (graph.value(id).constant) return true;
  if (!graph.value(id).producer.valid()) return false;
  const std::vector<ValueId>& inputs = graph.node(graph.value(id).producer).inputs;
  return std::all_of(inputs.begin(), inputs.end(),
                     [&](ValueId input) { return !input.valid() || is_parameter(t, input); });
}

ValueId step(Translation& t, const RawNode& node, const char* suffix, std::string op,
             std::vector<ValueId> inputs, Attributes attributes) {
  if (!inputs[0].valid()) return {};
  return emit_named(t, node.name + suffix, node.name + suffix, std::move(op), std::move(inputs),
                    std::move(attributes));
}

ValueId reshaped(Translation& t, const RawNode& node, const char* suffix, ValueId x,
                 const Shape& shape) {
  if (!x.valid() || shape_of(t, x) == shape) return x;
  return step(t, node, suffix, "reshape", {x}, {{"shape", shape}});
}

void finish(Translation& t, const RawNode& node, std::string op, std::vector<ValueId> inputs,
            Attributes attributes) {
  if (!inputs[0].valid()) return;
  set_value(t, node, emit(t, node, std::move(op), std::move(inputs), std::move(attributes)));
}

void finish_reshaped(Translation& t, const RawNode& node, ValueId x, const Shape& shape) {
  if (!x.valid()) return;
  if (shape_of(t, x) == shape) return set_value(t, node, x);
  finish(t, node, "reshape", {x}, {{"shape", shape}});
}

ValueId add_reals(Translation& t, const RawNode& node, const char* suffix, const Shape& shape,
                  const std::vector<float>& values) {
  Tensor tensor(DType::float32, shape);
  for (size_t i = 0; i < values.size(); ++i) tensor.set_float(static_cast<int64_t>(i), values[i]);
  return add_constant(t.builder, node.name + suffix, std::move(tensor));
}

std::vector<float> floats_of(const Tensor& reals) {
  std::vector<float> values(static_cast<size_t>(reals.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = reals.float_at(static_cast<int64_t>(i));
  return values;
}

ValueId add_real_bias(Translation& t, const RawNode& node, ValueId x, ValueId bias, int64_t axis) {
  if (!x.valid() || !bias.valid()) return {};
  if (const std::optional<Tensor>& constant = t.builder.graph.value(bias).constant) {
    const std::vector<float> values = floats_of(*constant);
    if (std::all_of(values.begin(), values.end(), [](float v) { return v == 0; })) return x;
  }
  const std::string name = node.outputs.empty() ? node.name : node.outputs[0];
  t.builder.graph.value(x).name = name + "_acc";
  return emit_named(t, node.name + "_bias", name, "bias_add", {x, bias}, {{"axis", axis}});
}

std::optional<int64_t> normal_axis(Translation& t, const RawNode& node, int64_t axis, int64_t rank,
                                   int64_t most) {
  const int64_t normal = axis < 0 ? axis + rank : axis;
  if (0 <= normal && normal <= most) return normal;
  fail(t, node, fmt::format("axis {} is outside {} dimensions", axis, rank));
  return std::nullopt;
}

}  // namespace heddle
