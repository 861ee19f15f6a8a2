// The network: values (tensors) and nodes (operators). Importers build and normalise it; after that
// it is const.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "graph/tensor.h"

namespace heddle {

using Attribute = std::variant<int64_t, std::string, std::vector<int64_t>, double>;
using Attributes = std::map<std::string, Attribute>;  // names and meaning: records in src/ops

// What the integers of a graph input or output mean: real = (integer - zero_point) * scale.
struct Quantisation {
  double scale = 1;
  int64_t zero_point = 0;
  bool operator==(const Quantisation&) const = default;
};

struct Value {
  std::string name;  // as in the model; foreign text, may be empty or a duplicate
  TensorType type;
  std::optional<Tensor> constant;  // set: a weight, bias, multiplier ...
  NodeId producer;                 // none for graph inputs and constants
  std::vector<NodeId> consumers;   // ascending, one entry a node
  std::optional<Quantisation> quantisation{};  // inputs and outputs, where the model says it
};

struct Node {
  std::string name;  // as in the model; foreign text
  std::string op;    // a name of the operator table (ops/op.h)
  Attributes attributes;
  std::vector<ValueId> inputs;  // in operand order; an absent optional one is invalid
  ValueId output;
};

// Memory that lives from one inference to the next (a KV cache, a ring buffer): what `output` holds
// after a run is what `input` holds before the next one. Shapes agree but for at most one dimension;
// where the output is longer in it, its last elements are kept.
struct State {
  ValueId input;
  ValueId output;
};

// Invariants (verify_graph): nodes are in topological order; every id is in range; producer and
// consumers agree with the nodes; types are those that the operators infer; graph inputs and
// constants have no producer.
struct Graph {
  std::string name;
  std::string dialect;  // what the importer found: "integer ONNX, half_up (RequantShift)"
  std::vector<std::string> notes;  // what the importer assumed or dropped, one line each
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;  // a value may be an output and have consumers
  std::vector<State> states{};   // pairs of `inputs` and `outputs`

  const Value& value(ValueId id) const { return values[static_cast<size_t>(id.index)]; }
  Value& value(ValueId id) { return values[static_cast<size_t>(id.index)]; }
  const Node& node(NodeId id) const { return nodes[static_cast<size_t>(id.index)]; }
  Node& node(NodeId id) { return nodes[static_cast<size_t>(id.index)]; }

  ValueId add_value(Value value);
  NodeId add_node(Node node);  // appends; sets the output's producer and the inputs' consumers
  bool is_output(ValueId id) const;
  // What the caller gives and gets: inputs and outputs that are no states.
  std::vector<ValueId> given_inputs() const;
  std::vector<ValueId> returned_outputs() const;
};

// What the input of a state holds after a run that gave `output`: the last elements.
Tensor kept_part(const Graph& graph, const State& state, const Tensor& output);
// At first: the zero point where the model says one, else 0, or the nearest value of its range.
Tensor initial_state(const Graph& graph, const State& state);

int64_t int_attribute(const Node& node, const std::string& name);  // a bug if absent
double real_attribute(const Node& node, const std::string& name);
const std::string& string_attribute(const Node& node, const std::string& name);

// One line a value and node, deterministic, foreign names escaped; constants as shape, type, min,
// max and a checksum.
std::string dump(const Graph& graph);

}  // namespace heddle
