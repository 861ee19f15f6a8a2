#include "report/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "ops/op.h"
#include "report/table.h"

namespace heddle {
namespace {

std::string type_text(const TensorType& type) {
  if (type.dtype == DType::float32) return "float32 " + to_string(type.shape);
  return fmt::format("{} {} [{}, {}]", name_of(type.dtype), to_string(type.shape), type.range.lo,
                     type.range.hi);
}

// "half_up, mul 514 (16 values), add 0, >> 16, clip [0, 255]": the requantisation of a node, "" for
// other operators.
std::string detail_of(const Graph& graph, const Node& node) {
  if (node.op != "requant") return "";
  std::string text = string_attribute(node, "rounding");
  const OpDef& op = op_of(node);
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].valid()) continue;
    const Tensor& constant = *graph.value(node.inputs[i]).constant;
    if (constant.dtype() == DType::float32) {
      const std::vector<float> scales = constant.to_floats();
      const auto [least, most] = std::minmax_element(scales.begin(), scales.end());
      text += fmt::format(", {} {}", op.operands[i].name, *least);
      if (*least != *most) text += fmt::format(" to {}", *most);
      continue;
    }
    const Range range = constant.min_max();
    text += fmt::format(", {} {}", op.operands[i].name, range.lo);
    if (range.hi != range.lo) text += fmt::format(" to {}", range.hi);
  }
  const OpView view{graph, node};
  if (view.text("rounding") != "float") text += fmt::format(", >> {}", view.attribute("shift"));
  if (view.attribute("zero_point") != 0)
    text += fmt::format(", zero point {}", view.attribute("zero_point"));
  return text + fmt::format(", clip [{}, {}]", view.attribute("lo"), view.attribute("hi"));
}

int64_t macs_of(const Graph& graph, const Node& node) {
  return op_of(node).loops(OpView{graph, node}).macs;
}

}  // namespace

std::string inspect_text(const Graph& graph) {
  std::string text = fmt::format("{}: {}\n", terminal_text(graph.name), graph.dialect);
  for (const ValueId id : graph.inputs)
    text += fmt::format("  input  {}: {}\n", terminal_text(graph.value(id).name),
                        type_text(graph.value(id).type));
  for (const ValueId id : graph.outputs)
    text += fmt::format("  output {}: {}\n", terminal_text(graph.value(id).name),
                        type_text(graph.value(id).type));
  for (const State& state : graph.states)
    text += fmt::format("  state  {} = {}\n", terminal_text(graph.value(state.input).name),
                        terminal_text(graph.value(state.output).name));
  for (const std::string& note : graph.notes)
    text += "  note: " + wrap(terminal_text(note, 1000), 88, 4) + '\n';
  std::vector<Row> rows;
  int64_t macs = 0;
  for (const Node& node : graph.nodes) {
    const TensorType& out = graph.value(node.output).type;
    macs += macs_of(graph, node);
    rows.push_back(
        {{terminal_text(node.name), node.op, to_string(out.shape), std::string(name_of(out.dtype)),
          out.dtype == DType::float32 ? std::string("-")
                                      : fmt::format("[{}, {}]", out.range.lo, out.range.hi),
          thousands(macs_of(graph, node))},
         detail_of(graph, node)});
  }
  text += '\n' + format_table({{"node", false, 24},
                               {"operator"},
                               {"shape"},
                               {"type"},
                               {"proven range"},
                               {"MACs", true}},
                              rows);
  text += fmt::format("\n{} operators, {} MACs\n", graph.nodes.size(), thousands(macs));
  return text;
}

std::string inspect_json(const Graph& graph) {
  using Json = nlohmann::ordered_json;
  const auto value_json = [&](ValueId id) {
    const TensorType& type = graph.value(id).type;
    return Json{{"name", terminal_text(graph.value(id).name)},
                {"type", name_of(type.dtype)},
                {"shape", type.shape},
                {"range", {type.range.lo, type.range.hi}}};
  };
  Json json = {{"network", terminal_text(graph.name)},
               {"dialect", graph.dialect},
               {"notes", graph.notes},
               {"inputs", Json::array()},
               {"outputs", Json::array()},
               {"nodes", Json::array()}};
  for (const ValueId id : graph.inputs) json["inputs"].push_back(value_json(id));
  for (const ValueId id : graph.outputs) json["outputs"].push_back(value_json(id));
  for (const Node& node : graph.nodes) {
    json["nodes"].push_back({{"name", terminal_text(node.name)},
                             {"operator", node.op},
                             {"output", value_json(node.output)},
                             {"requantisation", detail_of(graph, node)},
                             {"macs", macs_of(graph, node)}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace heddle
