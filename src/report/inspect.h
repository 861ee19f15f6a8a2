// What the importer made of a network: dialect, assumptions, inputs and outputs, operators with
// their requantisation.
#pragma once

#include <string>

#include "graph/graph.h"

namespace heddle {

std::string inspect_text(const Graph& graph);
std::string inspect_json(const Graph& graph);

}  // namespace heddle
