// A layer that a rule may take, as choices by name: the spine's operators, and what the names of
// conditions mean there (`fy`, `conv2d.stride_h`, `requant.rounding`, `x.dtype`). Building a graph
// from choices draws whatever is not chosen yet and remembers it, so that a layer can be built again
// with one choice changed: that is how layers are repaired and shrunk.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "check/hints.h"
#include "check/random.h"
#include "graph/graph.h"

namespace heddle {

struct LayerChoices {
  std::vector<std::string> ops;            // the spine, first operator first
  std::map<std::string, ExprValue> values;
  uint64_t seed = 0;                       // of the constants' elements
};

// The graph: one spine, its activations from outside, one output. Choices that contradict each other
// give an error that says how; what was drawn stays in `choices`.
Result<Graph> build_layer(const Hints& hints, LayerChoices& choices, Random& random);

// A layer that somebody wrote down (rules/cases.h): what is not said is plain, not drawn.
struct SaidLayer {
  LayerChoices choices;                                  // what was said
  std::map<std::string, std::vector<int64_t>> palettes;  // "weights": its elements are all of these
  std::map<std::string, Place> places;                   // of what was said
  Place place;                                           // of the whole
  std::set<std::string> asked{};  // names that it was built of, said or not; written by build_layer
};
// Errors, at their places: what has to be said and is not, and what is of the wrong kind.
Result<Graph> build_layer(SaidLayer& layer);

// "requant_2" of the second of that name, as conditions call it.
std::string occurrence_name(const std::vector<std::string>& ops, size_t at);

// Whether layers with this operator in them can be drawn.
bool can_draw(std::string_view op);

int64_t macs_of(const Graph& graph);
// Elements of all values, and of the largest one.
int64_t elements_in(const Graph& graph);

}  // namespace heddle
