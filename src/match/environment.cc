// The names that a rule's expressions see for one match, layer-wide. Tiles add theirs in
// tiler/geometry.cc.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "match/constant_facts.h"
#include "match/match.h"
#include "match/spine.h"
#include "rules/names.h"

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

void add_node(const Graph& graph, const Node& node, const std::string& called, Names& names) {
  names[called + ".present"] = int64_t{1};
  for (const AttributeDef& attribute : op_of(node).attributes) {
    const std::string name = fmt::format("{}.{}", called, attribute.name);
    const Attribute& value = OpView{graph, node}.any_attribute(std::string(attribute.name));
    if (const int64_t* integer = std::get_if<int64_t>(&value)) names.emplace(name, *integer);
    if (const std::string* text = std::get_if<std::string>(&value)) names.emplace(name, *text);
  }
}

void add_attributes(const Graph& graph, const Match& match, const Rule& rule, Names& names) {
  const Pattern& pattern = rule.pattern;
  for (size_t i = 0; i < pattern.items.size(); ++i) {
    for (const OpDef* op : all_ops()) {
      if (accepts(pattern.items[i], op->name))
        names.emplace(operator_name(pattern, i, op->name) + ".present", int64_t{0});
    }
  }
  // Of several operators of one name the one that the pattern names is meant, then the first.
  const std::vector<size_t>& items = match.items;
  for (const bool named : {true, false}) {
    for (size_t n = 0; n < match.nodes.size(); ++n) {
      const Node& node = graph.node(match.nodes[n]);
      const PatternItem* const item = items.empty() ? nullptr : &pattern.items[items[n]];
      const bool by_name =
          item != nullptr && item->repeat != PatternItem::Repeat::star &&
          std::find(item->alternatives.begin(), item->alternatives.end(), node.op) !=
              item->alternatives.end();
      if (by_name == named)
        add_node(graph, node, item == nullptr ? node.op : operator_name(pattern, items[n], node.op),
                 names);
    }
  }
}

void add_operand(const Value& value, const std::string& operand, Names& names) {
  const TensorType& type = value.type;
  names[operand + ".present"] = int64_t{1};
  names[operand + ".bits"] = bits_of(type.dtype);
  names[operand + ".signed"] = int64_t{is_signed(type.dtype)};
  names[operand + ".lo"] = type.range.lo;
  names[operand + ".hi"] = type.range.hi;
  names[operand + ".elements"] = elements_of(type.shape);
  names[operand + ".bytes"] = elements_of(type.shape) * bytes_of(type.dtype);
  names[operand + ".rank"] = static_cast<int64_t>(type.shape.size());
  names[operand + ".constant"] = int64_t{value.constant.has_value()};
  names[operand + ".dtype"] = std::string(name_of(type.dtype));
  for (size_t d = 0; d < type.shape.size(); ++d)
    names[fmt::format("{}.d{}", operand, d)] = type.shape[d];
}

void add_machine(const Soc& soc, const Target& target, Names& names) {
  const auto add_memory = [&](const std::string& name, int64_t bytes) {
    names["memory." + name + ".bytes"] = bytes;
    names["memory." + name + ".present"] = int64_t{1};
  };
  for (const Memory& memory : soc.memories) add_memory(memory.name, memory.bytes);
  for (const Memory& memory : target.memories) add_memory(memory.name, memory.bytes);
  for (const auto& [name, memory] : target.uses) add_memory(name, soc.find_memory(memory)->bytes);
  names["soc.name"] = soc.name;
  names["soc.clock_hz"] = soc.clock_hz;
  for (const auto& [key, value] : soc.cpu_constants) names["cpu." + key] = value;
  names["cpu.isa"] = std::string(name_of(soc.isa));
  for (const auto& [key, value] : target.constants) names["unit." + key] = value;
}

void add_layout(const BufferLayout& layout, Names& names) {
  const bool last = layout.order == DimOrder::channels_last;
  names["layout.order"] = std::string(last ? "channels_last" : "channels_first");
  names["layout.row"] = layout.row;
  names["layout.plane"] = layout.plane;
}

// What is not in the table: values of constants, which take long; memories and operands that are not
// there (names that nothing could have are refused when the rule is read).
std::optional<ExprValue> late_value(const Graph& graph,
                                    const std::vector<std::pair<std::string, ValueId>>& bound,
                                    ConstantFacts& facts, std::string_view name) {
  if (name.ends_with(".present")) return int64_t{0};
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view property = name.substr(dot + 1);
  for (const auto& [operand, id] : bound) {
    const Value& value = graph.value(id);
    if (operand != name.substr(0, dot) || !value.constant || value.type.dtype == DType::float32)
      continue;
    if (property == "values") return facts.values(graph, id);
    if (property == "min") return facts.range(graph, id).lo;
    if (property == "max") return facts.range(graph, id).hi;
  }
  return std::nullopt;
}

}  // namespace

std::shared_ptr<ConstantFacts> make_constant_facts() { return std::make_shared<ConstantFacts>(); }

Environment layer_environment(const Graph& graph, const Soc& soc, const Match& match,
                              std::shared_ptr<ConstantFacts> facts) {
  const std::shared_ptr<Names> names = std::make_shared<Names>();
  const Rule& rule = rule_of(soc, match);
  add_sizes(graph, match, *names);
  add_inside(graph, match, *names);
  add_attributes(graph, match, rule, *names);
  int64_t macs = 0;
  for (const NodeId id : match.nodes) {
    const Node& node = graph.node(id);
    macs += op_of(node).loops(OpView{graph, node}).macs;
  }
  (*names)["macs"] = macs;
  for (const auto& [operand, value] : match.bound) add_operand(graph.value(value), operand, *names);
  add_machine(soc, target_of(soc, match), *names);
  if (rule.layout) add_layout(*rule.layout, *names);

  if (facts == nullptr) facts = make_constant_facts();
  const Graph* const source = &graph;
  const std::vector<std::pair<std::string, ValueId>> bound = match.bound;
  return [names, source, bound, facts](std::string_view name) -> std::optional<ExprValue> {
    if (const auto found = names->find(std::string(name)); found != names->end())
      return found->second;
    return late_value(*source, bound, *facts, name);
  };
}

}  // namespace heddle
