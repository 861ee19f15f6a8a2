// A layer in another form, for a rule that does not take the layer as it is. The imported graph is
// not rewritten: a form is a small graph of its own that computes the same value, belongs to the
// candidate that uses it, and comes into the schedule's graph with it (schedule/splice.h).
//
// pads       an operator `pad` on the CPU before a convolution that then pads less or not at all
// depthwise  a convolution in groups as one with fewer, larger groups: block-diagonal weights, zeros
//            between the blocks
// dense      a dense layer as a 1x1 convolution
// channels   input channels filled up (any value, and weights of 0), output channels too (the last
//            one repeated, so that no proven range changes), and cut off behind
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "rules/rules.h"

namespace heddle {

struct Legalised {
  Graph graph;                 // valid; its inputs are activations, it has one output
  std::vector<NodeId> covers;  // nodes of the imported graph that it computes, ascending
  // What it has from the imported graph, activations (all its inputs) and constants: its own value,
  // the imported one.
  std::vector<std::pair<ValueId, ValueId>> inputs;
  ValueId output;             // the imported value that graph.outputs[0] equals, in type and name too
  std::vector<NodeId> spine;  // what the rule must match: one node for each of the layer's. The other
                              // nodes are the CPU's, or views
  std::string kind;           // "pads", "depthwise", "dense", "channels", "depthwise+pads"
  std::string what;           // for people: "explicit pad [0, 0, 1, 1]" (top, left, bottom, right)
};

// All forms of a layer, single kinds first, then pairs of them. `spine` are its nodes (match.h);
// `allowed` need not be what some rule allows: whoever asks what a hardware feature would gain may
// ask for all. Empty where no form applies: another operator, float32, nothing to change.
std::vector<std::shared_ptr<const Legalised>> legalisations(const Graph& graph,
                                                            std::span<const NodeId> spine,
                                                            const Legalise& allowed);

// The operator that the layer's first one becomes in some form of these kinds; empty: in none.
std::vector<std::string> legalised_ops(const Node& node, const Legalise& allowed);

}  // namespace heddle
