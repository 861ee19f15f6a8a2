// What the elementwise operators of a match do to an element, counted in the C of their records: what
// a cost that fits every requantisation and every sum is made of.
#pragma once

#include <string_view>

#include "match/match.h"

namespace heddle {

// `maps.steps` and so on: names of expressions.
struct MapWork {
  int64_t steps = 0;     // additions, shifts ... and products of 32 bits
  int64_t wide = 0;      // products of 64 bits
  int64_t clamps = 0;    // branches: two clamp at both ends
  int64_t real = 0;      // steps in float32
  int64_t calls = 0;     // of functions
  int64_t operands = 0;  // elements that are read of other values
  int64_t channel = 0;   // numbers of a channel: multipliers, shifts, addends
};

// Of all operators of class `map`, the anchor included. Where a statement has two branches the last
// is counted, which by the convention of the records is the usual one.
MapWork map_work(const Graph& graph, const Match& match);

std::optional<int64_t> map_work_named(const MapWork& work, std::string_view name);

}  // namespace heddle
