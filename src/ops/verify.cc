#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/check.h"
#include "ops/op.h"

namespace heddle {
namespace {

Diagnostic value_error(const Graph& graph, size_t index, std::string message) {
  Place place;
  place.node = fmt::format("{} (value {})", graph.values[index].name, index);
  return error_at(std::move(place), std::move(message));
}

std::string text_of(const TensorType& type) {
  return fmt::format("{}{} in [{}, {}]", name_of(type.dtype), to_string(type.shape), type.range.lo,
                     type.range.hi);
}

bool exists(const Graph& graph, ValueId id) {
  return id.valid() && static_cast<size_t>(id.index) < graph.values.size();
}

// The nodes that read each value, ascending, one entry a node.
std::vector<std::vector<NodeId>> readers_of(const Graph& graph) {
  std::vector<std::vector<NodeId>> readers(graph.values.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const NodeId id{static_cast<int32_t>(i)};
    for (ValueId input : graph.nodes[i].inputs) {
      if (!exists(graph, input)) continue;
      std::vector<NodeId>& of_value = readers[static_cast<size_t>(input.index)];
      if (of_value.empty() || of_value.back() != id) of_value.push_back(id);
    }
  }
  return readers;
}

// Types, constants and the links to nodes of one value.
void verify_value(const Graph& graph, size_t index, const std::vector<NodeId>& readers,
                  Diagnostics& errors) {
  const Value& value = graph.values[index];
  const auto fail = [&](std::string message) {
    errors.push_back(value_error(graph, index, std::move(message)));
  };
  if (checked_elements(value.type.shape) < 0)
    return fail(fmt::format("impossible shape {}", to_string(value.type.shape)));
  if (value.type.dtype != DType::float32) {
    const Range& range = value.type.range;
    if (range.lo > range.hi) fail(fmt::format("the range [{}, {}] is empty", range.lo, range.hi));
    if (!range_of(value.type.dtype).contains(range)) {
      fail(fmt::format("the range [{}, {}] does not fit {}", range.lo, range.hi,
                       name_of(value.type.dtype)));
    }
  }
  if (value.constant) {
    if (value.producer.valid()) fail("a constant with a producer");
    if (value.constant->dtype() != value.type.dtype ||
        value.constant->shape() != value.type.shape) {
      fail(fmt::format("declared as {}{}, the constant is {}{}", name_of(value.type.dtype),
                       to_string(value.type.shape), name_of(value.constant->dtype()),
                       to_string(value.constant->shape())));
    } else if (value.type.dtype != DType::float32 &&
               !value.type.range.contains(value.constant->min_max())) {
      const Range held = value.constant->min_max();
      fail(fmt::format("the constant holds [{}, {}], outside its range [{}, {}]", held.lo, held.hi,
                       value.type.range.lo, value.type.range.hi));
    }
  }
  if (value.producer.valid() && static_cast<size_t>(value.producer.index) >= graph.nodes.size()) {
    fail(fmt::format("the producer is node {} of {}", value.producer.index, graph.nodes.size()));
  } else if (value.producer.valid() &&
             graph.node(value.producer).output.index != static_cast<int32_t>(index)) {
    fail(fmt::format("node {} is its producer but writes another value", value.producer.index));
  }
  if (readers != value.consumers) {
    fail(fmt::format("lists {} consumers, {} nodes read it", value.consumers.size(),
                     readers.size()));
  }
}

void verify_node(const Graph& graph, size_t index, Diagnostics& errors) {
  const Node& node = graph.nodes[index];
  const OpView view{graph, node};
  const NodeId id{static_cast<int32_t>(index)};
  const auto fail = [&](std::string message) {
    errors.push_back(node_error(view, std::move(message)));
  };
  const OpDef* op = find_op(node.op);
  if (op == nullptr) {
    std::vector<std::string> known;
    for (const OpDef* each : all_ops()) known.emplace_back(each->name);
    return fail(fmt::format("unknown operator `{}`{}", terminal_text(node.op),
                            did_you_mean(node.op, known)));
  }
  if (!exists(graph, node.output))
    return fail(fmt::format("the output is value {}", node.output.index));
  if (graph.value(node.output).producer != id) fail("the output names another producer");
  for (ValueId input : node.inputs) {
    if (!input.valid()) continue;
    if (!exists(graph, input))
      return fail(fmt::format("reads value {} of {}", input.index, graph.values.size()));
    const Value& value = graph.value(input);
    if (value.producer.index >= id.index) {
      fail(fmt::format("reads value {}, which node {} writes later", input.index,
                       value.producer.index));
    }
    const bool given =
        std::find(graph.inputs.begin(), graph.inputs.end(), input) != graph.inputs.end();
    if (!value.producer.valid() && !value.constant && !given) {
      fail(fmt::format("reads value {}, which nothing defines", input.index));
    }
  }
  const Result<TensorType> inferred = op->infer(view);
  if (!inferred.ok()) {
    errors.insert(errors.end(), inferred.errors().begin(), inferred.errors().end());
  } else if (*inferred != view.output()) {
    fail(fmt::format("the output is declared as {}, the operator gives {}", text_of(view.output()),
                     text_of(*inferred)));
  }
}

}  // namespace

Status verify_graph(const Graph& graph) {
  Diagnostics errors;
  const std::vector<std::vector<NodeId>> readers = readers_of(graph);
  for (size_t i = 0; i < graph.values.size(); ++i) verify_value(graph, i, readers[i], errors);
  for (size_t i = 0; i < graph.nodes.size(); ++i) verify_node(graph, i, errors);
  const auto file_error = [&](std::string message) {
    errors.push_back(error_at({}, std::move(message)));
  };
  for (ValueId id : graph.inputs) {
    if (!exists(graph, id)) {
      file_error(fmt::format("graph input {} of {} values", id.index, graph.values.size()));
    } else if (graph.value(id).producer.valid() || graph.value(id).constant) {
      errors.push_back(value_error(graph, static_cast<size_t>(id.index),
                                   "a graph input that is computed or constant"));
    }
  }
  for (ValueId id : graph.outputs) {
    if (!exists(graph, id))
      file_error(fmt::format("graph output {} of {} values", id.index, graph.values.size()));
  }
  for (const State& state : graph.states) {
    const auto count = [&](ValueId id) {
      return std::count_if(graph.states.begin(), graph.states.end(), [&](const State& other) {
        return other.input == id || other.output == id;
      });
    };
    const bool known =
        std::find(graph.inputs.begin(), graph.inputs.end(), state.input) != graph.inputs.end() &&
        graph.is_output(state.output);
    if (!known || count(state.input) != 1 || count(state.output) != 1) {
      file_error("a state that is no pair of a graph input and a graph output of its own");
      continue;
    }
    const TensorType& in = graph.value(state.input).type;
    const TensorType& out = graph.value(state.output).type;
    int differing = in.shape.size() == out.shape.size() ? 0 : 2;
    for (size_t d = 0; differing < 2 && d < in.shape.size(); ++d)
      differing += in.shape[d] == out.shape[d] ? 0 : in.shape[d] < out.shape[d] ? 1 : 2;
    const bool held =
        in.dtype == out.dtype && (in.dtype == DType::float32 || in.range.contains(out.range));
    if (differing > 1 || !held) {
      file_error(fmt::format("a state of {} cannot hold {}", text_of(in), text_of(out)));
    }
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

}  // namespace heddle
