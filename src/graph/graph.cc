#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace heddle {
namespace {

// FNV-1a, 64 bits: tells constants apart in dumps; no security is meant.
uint64_t checksum(const std::vector<std::byte>& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3u;
  return hash;
}

std::string quoted(const std::string& foreign) {
  return fmt::format("\"{}\"", terminal_text(foreign));
}

std::string dump_attribute(const Attribute& attribute) {
  if (const int64_t* number = std::get_if<int64_t>(&attribute)) return fmt::format("{}", *number);
  if (const double* number = std::get_if<double>(&attribute)) return fmt::format("{}", *number);
  if (const std::string* text = std::get_if<std::string>(&attribute)) return quoted(*text);
  return to_string(*std::get_if<std::vector<int64_t>>(&attribute));
}

std::string dump_ids(const std::vector<ValueId>& ids) {
  std::vector<std::string> texts;
  for (ValueId id : ids) texts.push_back(id.valid() ? fmt::format("v{}", id.index) : "-");
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string dump_value(const Graph& graph, size_t index) {
  const Value& value = graph.values[index];
  std::string line = fmt::format("value v{} {} {}{}", index, quoted(value.name),
                                 name_of(value.type.dtype), to_string(value.type.shape));
  if (value.type.dtype != DType::float32) {
    line += fmt::format(" in [{}, {}]", value.type.range.lo, value.type.range.hi);
  }
  if (value.constant) {
    line += " constant";
    if (value.constant->dtype() != DType::float32) {
      const Range range = value.constant->min_max();
      line += fmt::format(" min {} max {}", range.lo, range.hi);
    }
    line += fmt::format(" checksum {:016x}", checksum(value.constant->bytes()));
  }
  return line + "\n";
}

std::string dump_node(const Graph& graph, size_t index) {
  const Node& node = graph.nodes[index];
  std::string line = fmt::format("node n{} {} {}: v{} = ({})", index, node.op, quoted(node.name),
                                 node.output.index, dump_ids(node.inputs));
  for (const auto& [name, attribute] : node.attributes)
    line += fmt::format(" {}={}", name, dump_attribute(attribute));
  return line + "\n";
}

}  // namespace

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return ValueId{static_cast<int32_t>(values.size() - 1)};
}

NodeId Graph::add_node(Node node) {
  const NodeId id{static_cast<int32_t>(nodes.size())};
  const auto known = [&](ValueId value) {
    return value.valid() && static_cast<size_t>(value.index) < values.size();
  };
  HEDDLE_CHECK(known(node.output), "a node without an output value");
  HEDDLE_CHECK(!value(node.output).producer.valid(), "a value with two producers");
  value(node.output).producer = id;
  for (ValueId input : node.inputs) {
    if (!input.valid()) continue;
    HEDDLE_CHECK(known(input), "a node reads a value that does not exist");
    std::vector<NodeId>& consumers = value(input).consumers;
    if (consumers.empty() || consumers.back() != id) consumers.push_back(id);
  }
  nodes.push_back(std::move(node));
  return id;
}

bool Graph::is_output(ValueId id) const {
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

namespace {

std::vector<ValueId> without(const std::vector<ValueId>& ids, const std::vector<State>& states,
                             ValueId State::* end) {
  std::vector<ValueId> rest;
  for (const ValueId id : ids) {
    const bool kept = std::any_of(states.begin(), states.end(),
                                  [&](const State& state) { return state.*end == id; });
    if (!kept) rest.push_back(id);
  }
  return rest;
}

}  // namespace

std::vector<ValueId> Graph::given_inputs() const { return without(inputs, states, &State::input); }

std::vector<ValueId> Graph::returned_outputs() const {
  return without(outputs, states, &State::output);
}

Tensor kept_part(const Graph& graph, const State& state, const Tensor& output) {
  const TensorType& type = graph.value(state.input).type;
  const Shape& from = output.shape();
  Tensor kept(type.dtype, type.shape);
  for (int64_t i = 0; i < kept.elements(); ++i) {
    int64_t rest = i, source = 0, stride = 1;
    for (size_t d = from.size(); d-- > 0;) {
      source += (rest % type.shape[d] + from[d] - type.shape[d]) * stride;
      rest /= type.shape[d];
      stride *= from[d];
    }
    if (type.dtype == DType::float32) {
      kept.set_float(i, output.float_at(source));
    } else {
      kept.set(i, output.at(source));
    }
  }
  return kept;
}

Tensor initial_state(const Graph& graph, const State& state) {
  const Value& value = graph.value(state.input);
  Tensor initial(value.type.dtype, value.type.shape);
  if (value.type.dtype == DType::float32) return initial;
  const int64_t zero = value.quantisation ? value.quantisation->zero_point : 0;
  const int64_t first = std::clamp(zero, value.type.range.lo, value.type.range.hi);
  for (int64_t i = 0; i < initial.elements(); ++i) initial.set(i, first);
  return initial;
}

int64_t int_attribute(const Node& node, const std::string& name) {
  const auto found = node.attributes.find(name);
  const int64_t* number =
      found == node.attributes.end() ? nullptr : std::get_if<int64_t>(&found->second);
  HEDDLE_CHECK(number != nullptr,
               fmt::format("{} without the integer attribute {}", node.op, name));
  return *number;
}

double real_attribute(const Node& node, const std::string& name) {
  const auto found = node.attributes.find(name);
  const double* number =
      found == node.attributes.end() ? nullptr : std::get_if<double>(&found->second);
  HEDDLE_CHECK(number != nullptr, fmt::format("{} without the real attribute {}", node.op, name));
  return *number;
}

const std::string& string_attribute(const Node& node, const std::string& name) {
  const auto found = node.attributes.find(name);
  const std::string* text =
      found == node.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  HEDDLE_CHECK(text != nullptr, fmt::format("{} without the text attribute {}", node.op, name));
  return *text;
}

std::string dump(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", quoted(graph.name));
  if (!graph.dialect.empty())
    text += fmt::format("dialect {}\n", terminal_text(graph.dialect, 200));
  for (const std::string& note : graph.notes)
    text += fmt::format("note {}\n", terminal_text(note, 400));
  for (size_t i = 0; i < graph.values.size(); ++i) text += dump_value(graph, i);
  for (size_t i = 0; i < graph.nodes.size(); ++i) text += dump_node(graph, i);
  text += fmt::format("inputs {}\noutputs {}\n", dump_ids(graph.inputs), dump_ids(graph.outputs));
  for (const State& state : graph.states)
    text += fmt::format("state v{} = v{}\n", state.input.index, state.output.index);
  return text;
}

}  // namespace heddle
