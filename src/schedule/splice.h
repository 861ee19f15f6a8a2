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
  std::vector<ValueId> values;  // by imported value; invalid: it exists inside of a form only
  std::vector<ValueId> copies;  // of each conversion
};

// `chosen` cover the imported graph, in execution order: whatever a candidate reads is computed before
// it. The nodes of the result are in the order of the steps, its values in that of the imported graph,
// then those of forms and conversions. With nothing to splice, graph and ids are the imported ones.
// Error: no rule of the CPU copies a value.
Result<Spliced> splice(const Graph& graph, const Soc& soc,
                       const std::vector<const Candidate*>& chosen,
                       const std::vector<Conversion>& conversions = {});

// How the CPU copies a value of this type between two storages, and what that costs: `match` speaks of a
// graph of one `reshape`, whose `turn` says how they differ (turn.h). Error: no rule accepts it, or its cost
// cannot be computed.
Result<Extra> copy_kernel(const Soc& soc, const TensorType& type, const Storage& from,
                          const Storage& to);

}  // namespace heddle
