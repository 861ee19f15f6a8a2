// The names that a rule's expressions see for one match, layer-wide. Tiles add theirs in
// tiler/geometry.cc.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "match/match.h"

namespace heddle {
namespace {

using Names = std::map<std::string, ExprValue>;

void add_sizes(const Graph& graph, const Match& match, Names& names) {
  const Node& anchor = graph.node(match.anchor);
  const OpDef& op = op_of(anchor);
  const OpView view{graph, anchor};
  for (size_t i = 0; i < op.operands.size() && i < anchor.inputs.size(); ++i) {
    if (!anchor.inputs[i].valid()) continue;
    const Shape& shape = view.input(i).shape;
    const std::vector<std::string_view>& dims = op.operands[i].dims;
    for (size_t d = 0; d < std::min(dims.size(), shape.size()); ++d)
      names[std::string(dims[d])] = shape[d];
  }
  for (const Axis& axis : op.loops(view).axes)
    names[axis.name] = axis.extent;  // `c` of a group wins over the whole
}

// `inside.fy`: how many values of a reduction axis fall inside the image, summed over the axis that
// shares the dimension with it (`oy`); the tiler has the same for tiles.
void add_inside(const Graph& graph, const Match& match, Names& names) {
  const Node& anchor = graph.node(match.anchor);
  const OpView view{graph, anchor};
  const LoopNest nest = op_of(anchor).loops(view);
  const auto axis_of = [&](const AffineTerm& term) -> const Axis& {
    return nest.axes[static_cast<size_t>(term.axis)];
  };
  for (size_t i = 0; i < nest.inputs.size(); ++i) {
    for (size_t d = 0; d < nest.inputs[i].size(); ++d) {
      const DimAccess& dim = nest.inputs[i][d];
      if (dim.terms.size() != 2) continue;
      const size_t r = axis_of(dim.terms[0]).reduction ? 0 : 1;
      const AffineTerm& inner = dim.terms[r];
      const AffineTerm& outer = dim.terms[1 - r];
      const int64_t step = inner.coefficient;  // operators have positive ones
      if (!axis_of(inner).reduction || axis_of(outer).reduction || step <= 0) continue;
      const int64_t extent = view.input(i).shape[d];
      int64_t count = 0;
      for (int64_t p = 0; p < axis_of(outer).extent; ++p) {
        // How many values have 0 <= base + step * value < extent.
        const int64_t base = dim.offset + outer.coefficient * p;
        const int64_t first = base >= 0 ? 0 : (-base + step - 1) / step;
        const int64_t end = base >= extent ? 0 : (extent - base + step - 1) / step;
        count += std::max<int64_t>(0, std::min(end, axis_of(inner).extent) - first);
      }
      names.emplace("inside." + axis_of(inner).name, count);
    }
  }
}

void add_attributes(const Graph& graph, const Match& match, const Rule& rule, Names& names) {
  for (const PatternItem& item : rule.pattern.items) {
    for (const OpDef* op : all_ops()) {
      const bool meant = std::any_of(
          item.alternatives.begin(), item.alternatives.end(),
          [&](const std::string& name) { return name == op->name || in_class(*op, name); });
      if (meant) names.emplace(std::string(op->name) + ".present", int64_t{0});
    }
  }
  for (const NodeId id : match.nodes) {
    const Node& node = graph.node(id);
    names[node.op + ".present"] = int64_t{1};
    for (const AttributeDef& attribute : op_of(node).attributes) {
      const std::string name = fmt::format("{}.{}", node.op, attribute.name);
      const Attribute& value = OpView{graph, node}.any_attribute(std::string(attribute.name));
      if (const int64_t* integer = std::get_if<int64_t>(&value)) names.emplace(name, *integer);
      if (const std::string* text = std::get_if<std::string>(&value)) names.emplace(name, *text);
    }
  }
}

void add_operand(const Value& value, const std::string& operand, Names& names) {
  const TensorType& type = value.type;
  names[operand + ".bits"] = bits_of(type.dtype);
  names[operand + ".signed"] = int64_t{is_signed(type.dtype)};
  names[operand + ".lo"] = type.range.lo;
  names[operand + ".hi"] = type.range.hi;
  names[operand + ".elements"] = elements_of(type.shape);
  names[operand + ".bytes"] = elements_of(type.shape) * bytes_of(type.dtype);
  names[operand + ".rank"] = static_cast<int64_t>(type.shape.size());
  names[operand + ".constant"] = int64_t{value.constant.has_value()};
  names[operand + ".dtype"] = std::string(name_of(type.dtype));
  names[operand + ".constant"] = int64_t{value.constant.has_value()};
  if (value.constant && type.dtype != DType::float32) {
    const Range range = value.constant->min_max();
    names[operand + ".min"] = range.lo;
    names[operand + ".max"] = range.hi;
  }
}

void add_machine(const Soc& soc, const Target& target, Names& names) {
  for (const Memory& memory : soc.memories)
    names["memory." + memory.name + ".bytes"] = memory.bytes;
  for (const Memory& memory : target.memories)
    names["memory." + memory.name + ".bytes"] = memory.bytes;
  for (const auto& [name, memory] : target.uses)
    names["memory." + name + ".bytes"] = soc.find_memory(memory)->bytes;
  for (const auto& [key, value] : soc.cpu_constants) names["cpu." + key] = value;
  names["cpu.isa"] = std::string(name_of(soc.isa));
  for (const auto& [key, value] : target.constants) names["unit." + key] = value;
}

}  // namespace

Environment layer_environment(const Graph& graph, const Soc& soc, const Match& match) {
  const std::shared_ptr<Names> names = std::make_shared<Names>();
  add_sizes(graph, match, *names);
  add_inside(graph, match, *names);
  add_attributes(graph, match, rule_of(soc, match), *names);
  int64_t macs = 0;
  for (const NodeId id : match.nodes) {
    const Node& node = graph.node(id);
    macs += op_of(node).loops(OpView{graph, node}).macs;
  }
  (*names)["macs"] = macs;
  for (const auto& [operand, value] : match.bound) add_operand(graph.value(value), operand, *names);
  add_machine(soc, target_of(soc, match), *names);

  // The set of all values of a constant is made only when an expression asks for it.
  const Graph* const source = &graph;
  const std::vector<std::pair<std::string, ValueId>> bound = match.bound;
  return [names, source, bound](std::string_view name) -> std::optional<ExprValue> {
    std::optional<ExprValue> result;
    if (const auto found = names->find(std::string(name)); found != names->end()) {
      result = found->second;
    } else if (name.ends_with(".values")) {
      for (const auto& [operand, id] : bound) {
        const Value& value = source->value(id);
        if (operand + ".values" != name || !value.constant) continue;
        const std::vector<int64_t> ints = value.constant->to_ints();
        result.emplace(IntSet(ints.begin(), ints.end()));
      }
    }
    return result;
  };
}

}  // namespace heddle
