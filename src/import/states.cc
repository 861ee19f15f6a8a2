#include "import/states.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "import/builder.h"

namespace heddle {
namespace {

constexpr const char* kAuto = "auto";
constexpr int kRounds = 4;  // of narrowing the inputs of states

// Whether the last elements of a value of shape `output` are a value of shape `input`.
bool shapes_fit(const Shape& input, const Shape& output) {
  if (input.size() != output.size() || elements_of(input) == 0) return false;
  int longer = 0;
  for (size_t d = 0; d < input.size(); ++d) {
    if (output[d] < input[d]) return false;
    longer += output[d] > input[d] ? 1 : 0;
  }
  return longer <= 1;
}

const Node* producer_of(const Graph& graph, ValueId id) {
  const NodeId producer = graph.value(id).producer;
  return producer.valid() ? &graph.node(producer) : nullptr;
}

// Transposes sink below the concatenation of a cache, and then stand between it and its input and
// output; where they move only dimensions of 1 they are reshapes.
bool reorders(const Graph& graph, const Node& node) {
  if (node.op == "transpose") return true;
  if (node.op != "reshape") return false;
  Shape from = graph.value(node.inputs[0]).type.shape, to = graph.value(node.output).type.shape;
  std::erase(from, 1);
  std::erase(to, 1);
  return from == to;
}

// The graph input that this value is, in whatever order.
ValueId input_behind(const Graph& graph, ValueId id) {
  for (const Node* node = producer_of(graph, id); node != nullptr && reorders(graph, *node);
       node = producer_of(graph, id))
    id = node->inputs[0];
  const bool is_input =
      std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
  return is_input ? id : ValueId{};
}

// The graph input that this output continues; invalid if it does not look like that.
ValueId continued_by(const Graph& graph, ValueId output) {
  const Node* node = producer_of(graph, output);
  while (node != nullptr && (node->op == "requant" || node->op == "clip" || node->op == "relu" ||
                             reorders(graph, *node)))
    node = producer_of(graph, node->inputs[0]);
  if (node == nullptr || node->op != "concat") return {};
  for (const ValueId part : node->inputs) {
    if (const ValueId input = input_behind(graph, part); input.valid()) return input;
    const Node* slice = producer_of(graph, part);
    if (slice == nullptr || slice->op != "slice") continue;
    const ValueId shifted = input_behind(graph, slice->inputs[0]);
    if (shifted.valid() && graph.value(shifted).type.shape == graph.value(output).type.shape)
      return shifted;
  }
  return {};
}

std::vector<State> recognised(const Graph& graph) {
  std::vector<State> states;
  for (const ValueId output : graph.outputs) {
    const ValueId input = continued_by(graph, output);
    if (!input.valid()) continue;
    const bool taken = std::any_of(states.begin(), states.end(),
                                   [&](const State& state) { return state.input == input; });
    if (!taken && shapes_fit(graph.value(input).type.shape, graph.value(output).type.shape))
      states.push_back({input, output});
  }
  return states;
}

std::string pair_text(const Graph& graph, const State& state) {
  return fmt::format("{}={}", terminal_text(graph.value(state.input).name),
                     terminal_text(graph.value(state.output).name));
}

Diagnostic state_error(const std::string& file, std::string message, std::string remedy = "") {
  return error_at(in_file(file), std::move(message), std::move(remedy));
}

// The value of this name among `ids`; an error and nothing where there is none.
std::optional<ValueId> named(const Graph& graph, const std::vector<ValueId>& ids,
                             const std::string& name, const char* kind, const std::string& file,
                             Diagnostics& errors) {
  std::vector<std::string> known;
  for (const ValueId id : ids) {
    if (graph.value(id).name == name) return id;
    known.push_back(terminal_text(graph.value(id).name));
  }
  errors.push_back(state_error(
      file, fmt::format("--state names {}, which is no graph {}{}", ticked(name), kind,
                        did_you_mean(name, known)),
      fmt::format("graph {}s are {}", kind, fmt::join(known, ", "))));
  return std::nullopt;
}

Result<std::vector<State>> wanted_states(const Graph& graph, const ImportOptions& options,
                                         const std::string& file) {
  std::vector<State> states;
  Diagnostics errors;
  const auto taken = [&](ValueId id) {
    return std::any_of(states.begin(), states.end(),
                       [&](const State& s) { return s.input == id || s.output == id; });
  };
  for (const auto& [in, out] : options.states) {
    if (in == kAuto && out.empty()) continue;
    const auto input = named(graph, graph.inputs, in, "input", file, errors);
    const auto output = named(graph, graph.outputs, out, "output", file, errors);
    if (!input || !output) continue;
    const Shape& from = graph.value(*output).type.shape;
    const Shape& to = graph.value(*input).type.shape;
    if (taken(*input) || taken(*output)) {
      errors.push_back(state_error(
          file, fmt::format("--state {}={}: one of them is in another state already", ticked(in),
                            ticked(out))));
    } else if (!shapes_fit(to, from)) {
      errors.push_back(state_error(
          file,
          fmt::format("--state {}={}: the output has shape {}, the input {}", ticked(in),
                      ticked(out), to_string(from), to_string(to)),
          "they may differ in one dimension, in which the output is longer"));
    } else {
      states.push_back({*input, *output});
    }
  }
  if (!errors.empty()) return errors;
  for (const auto& [in, out] : options.states) {
    if (in != kAuto || !out.empty()) continue;
    for (const State& state : recognised(graph)) {
      if (!taken(state.input) && !taken(state.output)) states.push_back(state);
    }
  }
  return states;
}

bool holds(const TensorType& input, const TensorType& output) {
  if (input.dtype != output.dtype) return false;
  return input.dtype == DType::float32 || input.range.contains(output.range);
}

void note_candidates(Graph& graph) {
  const std::vector<State> states = recognised(graph);
  if (states.empty()) return;
  std::string pairs;
  for (size_t i = 0; i < states.size() && i < 4; ++i)
    pairs += (i == 0 ? "" : ", ") + pair_text(graph, states[i]);
  if (states.size() > 4) pairs += fmt::format(" and {} more", states.size() - 4);
  graph.notes.push_back(
      fmt::format("{} look like states that the caller carries from run to run: {}. `--state auto` "
                  "keeps them in the arena, `--state IN=OUT` one of them",
                  states.size() == 1 ? "an input and an output"
                                     : fmt::format("{} inputs and outputs", states.size()),
                  pairs));
}

}  // namespace

Result<Graph> import_with_states(const ImportOptions& options, const std::string& file,
                                 const std::function<Result<Graph>(const ImportOptions&)>& import) {
  ImportOptions narrowed = options;
  for (int round = 0;; ++round) {
    Result<Graph> graph = import(narrowed);
    if (!graph.ok()) return graph;
    if (options.states.empty()) {
      note_candidates(*graph);
      return graph;
    }
    Result<std::vector<State>> states = wanted_states(*graph, options, file);
    if (!states.ok()) return states.errors();
    Diagnostics errors;
    bool again = false;
    for (const State& state : *states) {
      const TensorType& input = graph->value(state.input).type;
      const TensorType& output = graph->value(state.output).type;
      if (holds(input, output)) continue;
      const std::string& name = graph->value(state.input).name;
      const bool chosen = options.input_types.contains(name);
      if (!chosen && output.dtype != DType::float32 && input.dtype != DType::float32 &&
          round < kRounds) {
        narrowed.input_types[name] = output.dtype;
        again = true;
        continue;
      }
      errors.push_back(state_error(
          file,
          fmt::format("state {}: the output is {} in [{}, {}], which the input, {} in [{}, {}], "
                      "does not hold",
                      ticked(pair_text(*graph, state)), name_of(output.dtype), output.range.lo,
                      output.range.hi, name_of(input.dtype), input.range.lo, input.range.hi),
          "say what it holds with --input-type, or put a Clip or a requantisation before the "
          "output"));
    }
    if (!errors.empty()) return errors;
    if (again) continue;
    graph->states = std::move(*states);
    if (graph->states.empty())
      graph->notes.push_back("--state auto: no pair of input and output looks like a state");
    return graph;
  }
}

}  // namespace heddle
