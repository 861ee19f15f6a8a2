// Every rule against every place of the graph: accepted, or refused with all failed conditions and
// their values.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "ops/op.h"
#include "rules/rules.h"

namespace heddle {

// A condition that did not hold: "conv2d.stride_h in [1, 2]" with "conv2d.stride_h is 3".
struct FailedCondition {
  std::string condition;
  std::string why;
  std::string values;
  // No condition of the rule, but what a job could not do; readers are told only where nothing else
  // refuses (stated()).
  bool implied = false;
};

// Where a rule was tried. The nodes are a dataflow spine in graph order; all but the last have one
// consumer, the next.
struct Match {
  int target = -1;  // -1: the CPU, else an index into Soc::accelerators
  int rule = 0;     // index into the target's rules
  std::vector<NodeId> nodes;
  NodeId anchor;  // the node whose axes, operands and sizes the rule speaks of (the first of the
                  // spine)
  // Operands by name: x, weights, bias, residual, y ...
  std::vector<std::pair<std::string, ValueId>> bound;
  std::vector<FailedCondition> failed;  // empty: accepted
  // The item of the rule's pattern that each node belongs to; empty where the pattern does not fit.
  std::vector<size_t> items{};

  bool accepted() const { return failed.empty(); }
  ValueId find(std::string_view operand) const;  // invalid if absent
  ValueId output(const Graph& graph) const { return graph.node(nodes.back()).output; }
};

// The reasons that readers are told.
std::vector<FailedCondition> stated(const Match& match);

const Target& target_of(const Soc& soc, const Match& match);
const Rule& rule_of(const Soc& soc, const Match& match);

// What conditions ask of constants, computed once for each: a graph's constants are large, and every
// rule that fits a place asks again.
class ConstantFacts;

// The names that `when` sees: attributes of the matched operators, sizes of the anchor, operands,
// memories, the SoC. `facts` (of this graph) may be shared between environments; null: its own.
Environment layer_environment(const Graph& graph, const Soc& soc, const Match& match,
                              std::shared_ptr<ConstantFacts> facts = nullptr);
std::shared_ptr<ConstantFacts> make_constant_facts();

// The longest spine that begins at this node, up to 64 nodes.
std::vector<NodeId> spine_of(const Graph& graph, NodeId start);

struct Matches {
  std::vector<Match> accepted;  // sorted by first node, then target, rule, length (longest first)
  std::vector<Match> refused;   // longest spine of each rule at each place that the pattern fits
};
Matches match_rules(const Graph& graph, const Soc& soc, const Policy& policy);
std::string dump(const Graph& graph, const Soc& soc, const Matches& matches);

}  // namespace heddle
