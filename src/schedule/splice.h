// From the chosen candidates to the graph that is compiled: the imported one with the forms of
// legalised candidates (legalise/legalise.h) and layout conversions in their places.
#pragma once

#include <vector>

#include "schedule/schedule.h"

namespace heddle {

// A value that is also needed in another storage: a copy of it, made by the CPU before the first
// candidate that reads the copy.
struct Conversion {
  ValueId value;  // of the imported graph; a graph input, or the output of a chosen candidate
  Storage from, to;
  std::vector<size_t> readers;  // into the chosen candidates, ascending
};

struct Spliced {
  Graph graph;
  // In execution order: of each candidate its extras and its job, matches renumbered, cycles of that
  // step alone; a conversion has no `covers`. `cycles_on_cpu` and `why` are the caller's.
  std::vector<Step> steps;
  std::vector<ValueId> values;  // by imported value; invalid: it lives inside of a form only
  std::vector<ValueId> copies;  // of each conversion
};

// `chosen` cover the imported graph, in execution order: whatever a candidate reads is computed before
// it. The graph has the nodes in the order of the steps, and values in theirs: imported ones first.
// With nothing to splice, graph and ids are those of the imported graph.
// Error: a conversion that no rule of the CPU makes.
Result<Spliced> splice(const Graph& graph, const Soc& soc,
                       const std::vector<const Candidate*>& chosen,
                       const std::vector<Conversion>& conversions = {});

// Where the CPU alone could do one node: its cheapest rule that accepts it, and what that costs.
// Error: none does.
Result<Extra> cheapest_kernel(const Graph& graph, const Soc& soc, NodeId node);

}  // namespace heddle
