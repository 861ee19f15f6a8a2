// Appends inferred operators to a Graph; what the translation and every normalisation pass build
// their result with.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

struct Builder {
  Graph graph;
  std::string file;  // for messages
  Diagnostics errors;
  int64_t constant_bytes = 0;  // of all constants added so far
};

std::string ticked(const std::string& foreign);  // `name`, shortened and harmless

void report(Builder& builder, const std::string& node, std::string message,
            std::string remedy = "");

ValueId add_constant(Builder& builder, std::string name, Tensor values);
ValueId add_narrow_constant(Builder& builder, std::string name,
                            const Tensor& values);  // narrowest type that holds them; float32 stays
// int32, for bias, mul and add. The values must fit.
ValueId add_int32_constant(Builder& builder, std::string name, Shape shape,
                           const std::vector<int64_t>& values);

struct NewNode {
  std::string op;
  std::string name;
  std::string value_name;  // of the output
  std::vector<ValueId> inputs;
  Attributes attributes;
};

Value new_value(std::string name, TensorType type);

// Infers the output's type and appends the node; where all inputs are constants, its value instead.
// Invalid and an error in builder.errors where the operator refuses its operands.
ValueId add_operator(Builder& builder, NewNode node);

const TensorType& type_of(const Builder& builder, ValueId id);
bool is_constant(const Builder& builder, ValueId id);

// The operator that made a value, for `x`'s sake where it is a node: "" for inputs and constants.
std::string producer_op(const Graph& graph, ValueId id);

// Copies a graph node by node into a builder whose values have new ids. A pass fills `ids` for
// values that it handled.
struct Rebuild {
  Builder to;
  std::vector<ValueId> ids;  // by old id; invalid: not copied yet
};
Rebuild start_rebuild(const Graph& from,
                      const std::string& file);  // copies name, dialect, notes and graph inputs
ValueId copy_value(Rebuild& rebuild, const Graph& from,
                   ValueId id);  // the new id; constants are copied on demand
void copy_node(Rebuild& rebuild, const Graph& from, const Node& node);
Result<Graph> finish_rebuild(Rebuild rebuild,
                             const Graph& from);  // maps the outputs, keeping their names

}  // namespace heddle
