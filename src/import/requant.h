// Reduces every requantisation to the weakest dialect that computes the same, so that more hardware
// can run it.
#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// With A the addend plus the rounding term, all in integers and exact:
//   floor((x * m * 2^j + A) / 2^s) = floor((x * m + floor(A / 2^j)) / 2^(s - j))      for j <= s;
//   floor((x + A) / 2^s) = (x + A) >> s, where A joins the bias of the layer below    dialect
//   `shift`.
// Notes in the graph say how many requantisations changed and why the others did not.
Result<Graph> reduce_requantisations(const Graph& graph, const std::string& file);

}  // namespace heddle
