// Constants in the order that a device reads them (rules.h: Packing). Used through geometry.h's
// pack().
#pragma once

#include "graph/graph.h"
#include "match/match.h"
#include "ops/op.h"

namespace heddle {

// What is wrong with a packing of this rule for this match: message and remedy, without a place.
Diagnostics check_packing(const Graph& graph, const Match& match, const Rule& rule,
                          const LoopNest& nest, const Packing& packing);

}  // namespace heddle
