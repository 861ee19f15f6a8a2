// What conditions ask of a constant: its least and greatest value, and the set of all.
#pragma once

#include <map>

#include "expr/expr.h"
#include "graph/graph.h"

namespace heddle {

// Remembers what it computed; of one graph.
class ConstantFacts {
 public:
  // Of an integer constant.
  const Range& range(const Graph& graph, ValueId id);
  const IntSet& values(const Graph& graph, ValueId id);

 private:
  std::map<int32_t, Range> ranges_;
  std::map<int32_t, IntSet> values_;
};

// The distinct values; time linear in the elements where they lie within 2^20 of each other.
IntSet distinct_values(const Tensor& tensor);

}  // namespace heddle
