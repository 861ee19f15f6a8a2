#include "match/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "match/spine.h"

namespace heddle {
namespace {

// A fused region computes one element of the next value from one of this: no broadcasting along a
// spine.
bool is_broadcast(const Graph& graph, ValueId value, const Node& next) {
  return in_class(op_of(next), "map") &&
         graph.value(next.output).type.shape != graph.value(value).type.shape;
}

// The longest spine from `start`: each value has one consumer, which uses it once, and is no output
// of the network.
std::vector<NodeId> spine_from(const Graph& graph, NodeId start, size_t limit) {
  std::vector<NodeId> spine{start};
  while (spine.size() < limit) {
    const ValueId out = graph.node(spine.back()).output;
    const Value& value = graph.value(out);
    if (value.consumers.size() != 1 || graph.is_output(out)) break;
    const Node& next = graph.node(value.consumers.front());
    if (std::count(next.inputs.begin(), next.inputs.end(), out) != 1) break;
    if (is_broadcast(graph, out, next)) break;
    spine.push_back(value.consumers.front());
  }
  return spine;
}

// Why the spine ends where it does, for a pattern that wanted more of it.
std::string spine_end(const Graph& graph, NodeId last) {
  const ValueId out = graph.node(last).output;
  const Value& value = graph.value(out);
  if (graph.is_output(out)) return "then the network's output";
  if (value.consumers.empty()) return "then nothing";
  const bool once = value.consumers.size() == 1;
  if (once && is_broadcast(graph, out, graph.node(value.consumers[0]))) {
    return "whose result is broadcast by `" + graph.node(value.consumers[0]).op + "`";
  }
  if (once) return "whose result is used twice by `" + graph.node(value.consumers[0]).op + "`";
  return fmt::format("whose result has {} consumers", value.consumers.size());
}

void bind(Match& match, std::string name, ValueId value) {
  if (!value.valid() || match.find(name).valid()) return;
  match.bound.emplace_back(std::move(name), value);
}

// The name that the pattern gives to the operand off the spine of this operator, or `otherwise`.
std::string off_spine_name(const Pattern& pattern, std::string_view op,
                           std::string_view otherwise) {
  for (const PatternItem& item : pattern.items) {
    if (!item.bound.empty() && accepts(item, op)) return item.bound;
  }
  return std::string(otherwise);
}

void bind_operands(const Graph& graph, const Pattern& pattern, Match& match) {
  ValueId spine_value;
  for (const NodeId id : match.nodes) {
    const Node& node = graph.node(id);
    const OpDef& op = op_of(node);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      if (!input.valid() || input == spine_value) continue;
      // In the middle of a spine the operand that is not on it has the second one's name.
      const bool first_on_middle = i == 0 && spine_value.valid();
      const size_t last = op.operands.size() - 1;  // which may be variadic
      const std::string_view name = op.operands[first_on_middle ? 1 : std::min(i, last)].name;
      const bool activation = !graph.value(input).constant && (i == 1 || first_on_middle);
      bind(match, activation ? off_spine_name(pattern, node.op, name) : std::string(name), input);
    }
    spine_value = node.output;
  }
  bind(match, "y", match.output(graph));
}

// True if the condition speaks of an optional operator that this match does not have.
bool holds_vacuously(const Graph& graph, const Rule& rule, const Match& match, const Expr& expr) {
  for (const std::string& name : names_in(expr)) {
    const std::string op = name.substr(0, name.find('.'));
    if (op == name || name.ends_with(".present")) continue;
    const bool in_pattern = find_op(op) != nullptr &&
                            std::any_of(rule.pattern.items.begin(), rule.pattern.items.end(),
                                        [&](const PatternItem& item) { return accepts(item, op); });
    const bool present = std::any_of(match.nodes.begin(), match.nodes.end(),
                                     [&](NodeId id) { return graph.node(id).op == op; });
    if (in_pattern && !present) return true;
  }
  return false;
}

// "conv2d.stride_h is 3, conv2d.stride_w is 1": the value of every name in the expression.
std::string values_of(const Expr& expr, const Environment& environment) {
  std::string text;
  for (const std::string& name : names_in(expr)) {
    const std::optional<ExprValue> value = environment(name);
    if (!text.empty()) text += ", ";
    text += name + (value ? " is " + to_string(*value) : " is not known here");
  }
  return text;
}

void check_conditions(const Graph& graph, const Soc& soc, const Rule& rule, Match& match) {
  const Environment environment = layer_environment(graph, soc, match);
  for (const Condition& condition : rule.when) {
    if (holds_vacuously(graph, rule, match, condition.expr)) continue;
    const std::variant<int64_t, ExprError> holds = evaluate_int(condition.expr, environment);
    if (const ExprError* error = std::get_if<ExprError>(&holds)) {
      match.failed.push_back({condition.text, condition.why, error->message});
    } else if (std::get<int64_t>(holds) == 0) {
      match.failed.push_back(
          {condition.text, condition.why, values_of(condition.expr, environment)});
    }
  }
}

struct RuleSite {
  int target;
  int rule;
  SpinePattern pattern;
  bool avoided;  // by the policy
};

void try_rule(const Graph& graph, const Soc& soc, const Policy& policy, const RuleSite& site,
              NodeId start, Matches& matches) {
  constexpr size_t kLongestSpine = 64;
  const std::string& first_op = graph.node(start).op;
  if (!site.pattern.starts_with(first_op)) return;
  const std::vector<NodeId> spine = spine_from(graph, start, kLongestSpine);
  std::vector<std::string> ops;
  for (const NodeId id : spine) ops.push_back(graph.node(id).op);

  Match match{.target = site.target,
              .rule = site.rule,
              .nodes = {},
              .anchor = start,
              .bound = {},
              .failed = {}};
  const Rule& rule = rule_of(soc, match);
  const std::vector<size_t> lengths = site.pattern.matching_lengths(ops);
  if (lengths.empty()) {
    match.nodes = {start};
    bind_operands(graph, rule.pattern, match);
    std::string found;
    for (size_t i = 0; i < std::min<size_t>(ops.size(), 6); ++i) found += ops[i] + ' ';
    match.failed.push_back({"pattern `" + rule.pattern.text + "`",
                            "the operators do not follow the rule's pattern",
                            "found `" + found.substr(0, found.size() - 1) + "`, " +
                                (ops.size() > 6 ? "and more" : spine_end(graph, spine.back()))});
    matches.refused.push_back(std::move(match));
    return;
  }
  for (const size_t length : lengths) {
    match.nodes.assign(spine.begin(), spine.begin() + static_cast<std::ptrdiff_t>(length));
    match.bound.clear();
    match.failed.clear();
    bind_operands(graph, rule.pattern, match);
    check_conditions(graph, soc, rule, match);
    if (site.avoided) {
      match.failed.push_back({"policy `" + policy.name + "`", "the policy avoids this target",
                              "the target is " + target_of(soc, match).name});
    }
    if (match.accepted()) {
      matches.accepted.push_back(match);
    } else if (length == lengths.front()) {
      matches.refused.push_back(match);
    }
  }
}

std::vector<RuleSite> rule_sites(const Soc& soc, const Policy& policy) {
  std::vector<RuleSite> sites;
  const auto add_all = [&](const Target& target, int index, bool avoided) {
    for (size_t r = 0; r < target.rules.size(); ++r) {
      sites.push_back({index, static_cast<int>(r), SpinePattern(target.rules[r].pattern), avoided});
    }
  };
  add_all(soc.cpu, -1, false);
  for (size_t a = 0; a < soc.accelerators.size(); ++a) {
    const std::string& name = soc.accelerators[a].target.name;
    const bool avoided =
        std::any_of(policy.avoid.begin(), policy.avoid.end(),
                    [&](const std::string& text) { return text == "*" || text == name; });
    add_all(soc.accelerators[a].target, static_cast<int>(a), avoided);
  }
  return sites;
}

}  // namespace

ValueId Match::find(std::string_view operand) const {
  for (const auto& [name, value] : bound) {
    if (name == operand) return value;
  }
  return {};
}

const Target& target_of(const Soc& soc, const Match& match) {
  return match.target < 0 ? soc.cpu : soc.accelerators[static_cast<size_t>(match.target)].target;
}

const Rule& rule_of(const Soc& soc, const Match& match) {
  return target_of(soc, match).rules[static_cast<size_t>(match.rule)];
}

std::vector<NodeId> spine_of(const Graph& graph, NodeId start) {
  constexpr size_t kLongestSpine = 64;
  return spine_from(graph, start, kLongestSpine);
}

Matches match_rules(const Graph& graph, const Soc& soc, const Policy& policy) {
  Matches matches;
  const std::vector<RuleSite> sites = rule_sites(soc, policy);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const RuleSite& site : sites)
      try_rule(graph, soc, policy, site, NodeId{static_cast<int32_t>(n)}, matches);
  }
  return matches;
}

std::string dump(const Graph& graph, const Soc& soc, const Matches& matches) {
  std::string text;
  const auto heading = [&](const Match& match) {
    std::string nodes;
    for (const NodeId id : match.nodes)
      nodes += fmt::format(" n{}:{}", id.index, graph.node(id).op);
    return fmt::format("{}/{}{}\n", target_of(soc, match).name, rule_of(soc, match).name, nodes);
  };
  for (const Match& match : matches.accepted) text += "accepted " + heading(match);
  for (const Match& match : matches.refused) {
    text += "refused " + heading(match);
    for (const FailedCondition& failed : match.failed) {
      text += fmt::format("  {}: {} ({})\n", failed.condition, failed.why, failed.values);
    }
  }
  return text;
}

}  // namespace heddle
