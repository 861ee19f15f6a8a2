// Makes a graph of canonical operators smaller without changing any output: one pass over the
// nodes, one new graph.
#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// Dead nodes, views that keep the shape, biases of zeros, clips and requantisations that cannot
// change a value go; Relu and Clip behind a requantisation become its bounds; a chain of views
// becomes one, `flatten` where it keeps the batch. Names of outputs stay. `file` is for messages.
Result<Graph> normalise(const Graph& graph, const std::string& file);

}  // namespace heddle
