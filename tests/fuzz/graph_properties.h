// What must hold for every graph that an importer accepts, however odd the file.
#pragma once

#include <cstdlib>

#include "ops/op.h"

namespace heddle::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

// Bytes of all tensors and steps of all loops: whether the interpreter is quick on the graph.
inline bool is_small(const Graph& graph) {
  constexpr int64_t kLimit = 20'000;
  int64_t work = 0;
  for (const Value& value : graph.values) {
    work += elements_of(value.type.shape);
    if (work > kLimit) return false;
  }
  for (const Node& node : graph.nodes) {
    int64_t steps = 1;
    for (const Axis& axis : op_of(node).loops(OpView{graph, node}).axes) {
      steps = axis.extent > kLimit ? kLimit : steps * axis.extent;
      if (steps > kLimit) return false;
    }
    work += steps;
    if (work > kLimit) return false;
  }
  return true;
}

// The reference interpreter stays within the proven ranges at both ends of the inputs; it stops the
// program where it does not.
inline void check_graph(const Graph& graph) {
  require(verify_graph(graph).ok());
  require(!dump(graph).empty());
  if (!is_small(graph)) return;
  for (const bool low : {true, false}) {
    std::vector<Tensor> inputs;
    for (ValueId id : graph.inputs) {
      const TensorType& type = graph.value(id).type;
      Tensor tensor(type.dtype, type.shape);
      for (int64_t i = 0; i < tensor.elements(); ++i) {
        if (type.dtype == DType::float32) {
          tensor.set_float(i, low ? -1.5f : 2.25f);
        } else {
          tensor.set(i, low == (i % 3 == 0) ? type.range.lo : type.range.hi);
        }
      }
      inputs.push_back(std::move(tensor));
    }
    require(interpret(graph, inputs).ok());
  }
}

}  // namespace heddle::fuzz
