// Moves elementwise operators in front of reshapes, so that they fuse with the layer that the reshape
// stands behind.
#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// `layer, reshape, bias_add, requant` becomes `layer, bias_add, requant, reshape`. Where a constant
// varies along a dimension that the reshape splits or merges, the reshape stays. It leaves dead
// views for normalise(). `file` is for messages.
Result<Graph> sink_views(const Graph& graph, const std::string& file);

}  // namespace heddle
