#include "import/builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr int64_t kMaxElements =
    int64_t{1} << 28;  // of one tensor: far beyond any microcontroller, still allocatable
constexpr int64_t kMaxFoldedElements = int64_t{1} << 24;
constexpr int64_t kMaxFoldedMacs = int64_t{1} << 28;

// Where all operands are constants the operator is evaluated now, by its own reference.
ValueId fold(Builder& builder, const OpDef& op, const Node& node, const TensorType& type,
             std::string name) {
  Graph& graph = builder.graph;
  Node folded = node;
  folded.output = graph.add_value(new_value(name, type));
  OpView view{graph, folded};
  if (elements_of(type.shape) > kMaxFoldedElements ||
      (op.loops != nullptr && op.loops(view).macs > kMaxFoldedMacs)) {
    report(builder, node.name,
           "all operands are constants, but evaluating them would take too long",
           "replace the node by its result");
    return {};
  }
  std::vector<const Tensor*> operands;
  for (ValueId id : node.inputs)
    operands.push_back(id.valid() ? &*graph.value(id).constant : nullptr);
  Tensor values = op.reference(view, operands);
  graph.values.pop_back();
  return add_narrow_constant(builder, std::move(name), values);
}

}  // namespace

Value new_value(std::string name, TensorType type) {
  Value value;
  value.name = std::move(name);
  value.type = std::move(type);
  return value;
}

std::string ticked(const std::string& foreign) { return "`" + terminal_text(foreign) + "`"; }

void report(Builder& builder, const std::string& node, std::string message, std::string remedy) {
  Place place = in_file(builder.file);
  place.node = node;
  builder.errors.push_back(error_at(std::move(place), std::move(message), std::move(remedy)));
}

ValueId add_constant(Builder& builder, std::string name, Tensor values) {
  builder.constant_bytes += values.elements() * bytes_of(values.dtype());
  const Range range = values.dtype() == DType::float32 ? Range{} : values.min_max();
  Value value = new_value(std::move(name), {values.dtype(), values.shape(), range});
  value.constant = std::move(values);
  return builder.graph.add_value(std::move(value));
}

ValueId add_narrow_constant(Builder& builder, std::string name, const Tensor& values) {
  if (values.dtype() == DType::float32) return add_constant(builder, std::move(name), values);
  Tensor narrow(narrowest_type(values.min_max()), values.shape());
  for (int64_t i = 0; i < values.elements(); ++i) narrow.set(i, values.at(i));
  return add_constant(builder, std::move(name), std::move(narrow));
}

ValueId add_int32_constant(Builder& builder, std::string name, Shape shape,
                           const std::vector<int64_t>& values) {
  return add_constant(builder, std::move(name), Tensor::of(DType::int32, std::move(shape), values));
}

ValueId add_operator(Builder& builder, NewNode wanted) {
  Node node{wanted.name, wanted.op, std::move(wanted.attributes), std::move(wanted.inputs), {}};
  const OpDef& op = op_of(node);
  Result<TensorType> type = op.infer(OpView{builder.graph, node});
  if (!type.ok()) {
    for (Diagnostic error : type.errors()) {
      error.place.file = builder.file;
      builder.errors.push_back(std::move(error));
    }
    return {};
  }
  if (elements_of(type->shape) > kMaxElements) {
    report(builder, node.name,
           fmt::format("the result {} has more than {} elements", to_string(type->shape),
                       thousands(kMaxElements)));
    return {};
  }
  bool constant = std::all_of(node.inputs.begin(), node.inputs.end(),
                              [&](ValueId id) { return !id.valid() || is_constant(builder, id); });
  if (constant) return fold(builder, op, node, *type, std::move(wanted.value_name));
  node.output = builder.graph.add_value(new_value(std::move(wanted.value_name), std::move(*type)));
  ValueId output = node.output;
  builder.graph.add_node(std::move(node));
  return output;
}

const TensorType& type_of(const Builder& builder, ValueId id) {
  return builder.graph.value(id).type;
}
bool is_constant(const Builder& builder, ValueId id) {
  return builder.graph.value(id).constant.has_value();
}

std::string producer_op(const Graph& graph, ValueId id) {
  NodeId producer = graph.value(id).producer;
  return producer.valid() ? graph.node(producer).op : "";
}

Rebuild start_rebuild(const Graph& from, const std::string& file) {
  Rebuild rebuild;
  rebuild.to.file = file;
  rebuild.to.graph.name = from.name;
  rebuild.to.graph.dialect = from.dialect;
  rebuild.to.graph.notes = from.notes;
  rebuild.ids.resize(from.values.size());
  for (ValueId id : from.inputs) {
    Value input = from.value(id);
    input.consumers.clear();
    rebuild.ids[static_cast<size_t>(id.index)] = rebuild.to.graph.add_value(std::move(input));
    rebuild.to.graph.inputs.push_back(rebuild.ids[static_cast<size_t>(id.index)]);
  }
  return rebuild;
}

ValueId copy_value(Rebuild& rebuild, const Graph& from, ValueId id) {
  if (!id.valid()) return id;
  ValueId& copied = rebuild.ids[static_cast<size_t>(id.index)];
  if (!copied.valid() && from.value(id).constant) {
    Value constant = from.value(id);
    constant.consumers.clear();
    copied = rebuild.to.graph.add_value(std::move(constant));
  }
  return copied;
}

void copy_node(Rebuild& rebuild, const Graph& from, const Node& node) {
  NewNode copy{.op = node.op,
               .name = node.name,
               .value_name = from.value(node.output).name,
               .inputs = {},
               .attributes = node.attributes};
  for (ValueId id : node.inputs) copy.inputs.push_back(copy_value(rebuild, from, id));
  rebuild.ids[static_cast<size_t>(node.output.index)] = add_operator(rebuild.to, std::move(copy));
}

Result<Graph> finish_rebuild(Rebuild rebuild, const Graph& from) {
  if (!rebuild.to.errors.empty()) return rebuild.to.errors;
  for (ValueId id : from.outputs) {
    ValueId copied = copy_value(rebuild, from, id);
    rebuild.to.graph.value(copied).name = from.value(id).name;
    rebuild.to.graph.value(copied).quantisation = from.value(id).quantisation;
    rebuild.to.graph.outputs.push_back(copied);
  }
  for (const State& state : from.states) {
    rebuild.to.graph.states.push_back(
        {copy_value(rebuild, from, state.input), copy_value(rebuild, from, state.output)});
  }
  return std::move(rebuild.to.graph);
}

}  // namespace heddle
