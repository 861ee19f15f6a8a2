#include "import/sink_views.h"

#include <algorithm>
#include <optional>

#include "import/builder.h"
#include "ops/op.h"

namespace heddle {
namespace {

// The dimension of `to` that runs over the elements as dimension `axis` of `from` does.
std::optional<int64_t> same_axis(const Shape& from, int64_t axis, const Shape& to) {
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < from.size(); ++d) inner *= from[d];
  int64_t own = 1;
  for (size_t d = to.size(); d-- > 0;) {
    if (own == inner && to[d] == from[static_cast<size_t>(axis)]) return static_cast<int64_t>(d);
    own *= to[d];
  }
  return std::nullopt;
}

// What the view reads that made this value of the new graph, where a kernel could take operators
// behind it: a layer, a pool, another elementwise operator. Invalid otherwise.
ValueId behind_view(const Graph& graph, ValueId id) {
  if (!id.valid() || !graph.value(id).producer.valid()) return {};
  const Node& view = graph.node(graph.value(id).producer);
  if (view.op != "reshape" && view.op != "flatten") return {};
  const NodeId producer = graph.value(view.inputs[0]).producer;
  if (!producer.valid()) return {};
  const OpDef& op = op_of(graph.node(producer));
  const bool fuses = in_class(op, "mac") || in_class(op, "pool") || in_class(op, "map");
  return fuses ? view.inputs[0] : ValueId{};
}

// The node's attributes for an operand of shape `source` that holds the same elements; nothing
// where it cannot work on that one.
std::optional<Attributes> attributes_for(const Graph& graph, const Node& node,
                                         const Shape& source) {
  const Shape& shape = graph.value(node.inputs[0]).type.shape;
  Attributes attributes = node.attributes;
  const auto axis = attributes.find("axis");
  // One number stands for every channel, but in bias_add, which has as many as there are channels.
  bool varies = node.op == "bias_add";
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].valid()) continue;
    const Value& operand = graph.value(node.inputs[i]);
    if (!operand.constant) return std::nullopt;
    varies = varies || operand.constant->elements() > 1;
  }
  if (varies && axis == attributes.end()) return std::nullopt;
  if (axis == attributes.end()) return attributes;
  const int64_t last = static_cast<int64_t>(source.size()) - 1;
  std::optional<int64_t> moved = std::clamp<int64_t>(last, 0, 1);
  if (varies) moved = same_axis(shape, std::get<int64_t>(axis->second), source);
  if (!moved) return std::nullopt;
  axis->second = *moved;
  return attributes;
}

// The node in front of the view that it reads; false where it stays behind it.
bool sink(Rebuild& rebuild, const Graph& graph, const Node& node) {
  if (!in_class(op_of(node), "map")) return false;
  const ValueId x = node.inputs[0];
  const Value& value = graph.value(x);
  if (value.constant || value.consumers.size() != 1 || graph.is_output(x)) return false;
  const ValueId source = behind_view(rebuild.to.graph, rebuild.ids[static_cast<size_t>(x.index)]);
  if (!source.valid()) return false;
  const TensorType& y = graph.value(node.output).type;
  if (y.shape != value.type.shape) return false;
  std::optional<Attributes> attributes =
      attributes_for(graph, node, type_of(rebuild.to, source).shape);
  if (!attributes) return false;

  const std::string& name = graph.value(node.output).name;
  const bool output = graph.is_output(node.output);
  std::vector<ValueId> inputs{source};
  for (size_t i = 1; i < node.inputs.size(); ++i)
    inputs.push_back(node.inputs[i].valid() ? copy_value(rebuild, graph, node.inputs[i])
                                            : ValueId{});
  const ValueId result = add_operator(rebuild.to, {.op = node.op,
                                                   .name = node.name,
                                                   .value_name = output ? name + "_rows" : name,
                                                   .inputs = std::move(inputs),
                                                   .attributes = std::move(*attributes)});
  if (!result.valid()) return true;
  rebuild.ids[static_cast<size_t>(node.output.index)] =
      add_operator(rebuild.to, {.op = "reshape",
                                .name = node.name + "_shape",
                                .value_name = output ? name : name + "_shape",
                                .inputs = {result},
                                .attributes = {{"shape", y.shape}}});
  return true;
}

}  // namespace

Result<Graph> sink_views(const Graph& graph, const std::string& file) {
  Rebuild rebuild = start_rebuild(graph, file);
  for (const Node& node : graph.nodes) {
    if (!rebuild.to.errors.empty()) break;
    if (!sink(rebuild, graph, node)) copy_node(rebuild, graph, node);
  }
  return finish_rebuild(std::move(rebuild), graph);
}

}  // namespace heddle
