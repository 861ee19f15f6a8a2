// Drawn layers as text.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "check/trial.h"
#include "ops/op.h"

namespace heddle {
namespace {

std::string text_of(const Attribute& attribute) {
  if (const int64_t* const integer = std::get_if<int64_t>(&attribute)) return std::to_string(*integer);
  if (const std::string* const text = std::get_if<std::string>(&attribute)) return *text;
  if (const double* const real = std::get_if<double>(&attribute)) return fmt::format("{}", *real);
  return fmt::format("[{}]", fmt::join(std::get<std::vector<int64_t>>(attribute), ", "));
}

std::string type_of(const Value& value) {
  const TensorType& type = value.type;
  std::string text = fmt::format("{} {}", to_string(type.shape), name_of(type.dtype));
  if (type.dtype != DType::float32) text += fmt::format(" in [{}, {}]", type.range.lo, type.range.hi);
  return text;
}

}  // namespace

std::string values_in(const Expr& expr, const Environment& environment) {
  std::string text;
  for (const std::string& name : names_in(expr)) {
    const std::optional<ExprValue> value = environment(name);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value ? to_string(*value) : "absent");
  }
  return text;
}

std::string describe_layer(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) text += (text.empty() ? "" : " ") + node.op;
  for (const Value& value : graph.values)
    if (!value.producer.valid())
      text += fmt::format(", {} {} {}", value.name, to_string(value.type.shape), name_of(value.type.dtype));
  return text;
}

std::vector<std::string> explain_layer(const Graph& graph) {
  std::vector<std::string> lines;
  for (const Value& value : graph.values)
    if (!value.producer.valid()) lines.push_back(fmt::format("{:<10}{}", value.name, type_of(value)));
  for (const Node& node : graph.nodes) {
    std::string attributes;
    for (const auto& [name, value] : node.attributes)
      attributes += fmt::format("{}{} {}", attributes.empty() ? "" : ", ", name, text_of(value));
    lines.push_back(fmt::format("{:<10}{}", node.op + " ", attributes));
  }
  lines.push_back(fmt::format("{:<10}{}", "y", type_of(graph.value(graph.outputs[0]))));
  return lines;
}

std::vector<std::string> explain_trial(const Trial& trial) {
  std::vector<std::string> lines = explain_layer(trial.layer.graph);
  const Match& match = trial.step().candidate.match;
  const Soc& soc = trial.network.compilation.soc;
  if (const std::optional<Tiling>& tiling = trial.step().candidate.tiling) {
    std::string axes, memories;
    for (const TileAxis& axis : tiling->axes)
      axes += fmt::format(", {} {} of {}", axis.axis, axis.tile, axis.extent);
    for (const TileBuffer& buffer : tiling->buffers) {
      const std::string memory = fmt::format("{} bytes of {}", tiling->bytes_in(buffer.memory), buffer.memory);
      if (memories.find(memory) == std::string::npos) memories += ", " + memory;
    }
    lines.push_back(fmt::format("{:<10}{} tile{}{}{}", "cut", tiling->tiles(), tiling->tiles() == 1 ? "" : "s",
                                axes, memories));
  }
  lines.push_back(fmt::format("{:<10}{}", "found", trial.what));
  const Environment environment = layer_environment(trial.network.compilation.graph, soc, match);
  const char* lead = "accepted";
  for (const Condition& condition : rule_of(soc, match).when) {
    lines.push_back(fmt::format("{:<10}{}: {}", lead, condition.text, values_in(condition.expr, environment)));
    lead = "";
  }
  return lines;
}

}  // namespace heddle
