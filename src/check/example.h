// A layer as the static analysis describes it, made real: a graph that the matcher and the tiler take.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "check/layer_space.h"
#include "match/match.h"

namespace heddle {

struct Example {
  Graph graph;
  Soc soc;  // the given one, with the memory sizes and constants of the values
};
// nullopt: an operator that this file does not build, or values that no layer has. What `values` does
// not say is chosen.
std::optional<Example> example_of(const Soc& soc, int target, const Spine& spine,
                                  const std::map<std::string, ExprValue>& values);

// The rule's match of the whole layer, refused or not; nullopt where its pattern does not fit.
std::optional<Match> match_of(const Example& example, int target, int rule);

// "conv2d requant: n 1, c 16, conv2d.pad_top 1": the spine, sizes, and what of `values` is not usual (int8,
// stride 1, no padding ...).
std::string describe(const Spine& spine, const std::map<std::string, ExprValue>& values);

}  // namespace heddle
