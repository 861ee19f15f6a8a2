// What every front end does with its graph of canonical operators.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// Normalises, sinks transposes, reduces requantisations and verifies; `notes` of the front end come first.
Result<Graph> finish_import(const Graph& graph, const std::vector<std::string>& notes,
                            const std::string& file);

}  // namespace heddle
