#include "match/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "match/constant_facts.h"
#include "match/spine.h"
#include "ops/requant_division.h"
#include "rules/names.h"

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

// Which input of the node the spine comes in by; -1 for the first of the spine.
int spine_input(const Graph& graph, const Match& match, size_t index) {
  if (index == 0) return -1;
  const ValueId before = graph.node(match.nodes[index - 1]).output;
  const std::vector<ValueId>& inputs = graph.node(match.nodes[index]).inputs;
  return static_cast<int>(std::find(inputs.begin(), inputs.end(), before) - inputs.begin());
}

// What a rule calls input `i` of a matched node. The operand that is not on the spine has the name
// that the pattern gives it, else that of the operator's second one.
std::string operand_called(const Graph& graph, const Pattern& pattern, const Match& match,
                           size_t index, size_t i) {
  const OpDef& op = op_of(graph.node(match.nodes[index]));
  const int on_spine = spine_input(graph, match, index);
  const size_t last = op.operands.size() - 1;  // which may be variadic
  const size_t other = on_spine > 0 ? 0 : 1;
  const OperandDef& def = op.operands[i == other ? std::min<size_t>(1, last) : std::min(i, last)];
  if (match.items.empty()) return std::string(def.name);
  const size_t item = match.items[index];
  if (i == other && !def.constant && !pattern.items[item].bound.empty())
    return pattern.items[item].bound;
  return def.name == "x" ? "x" : operand_name(pattern, item, def.name);
}

void bind_operands(const Graph& graph, const Pattern& pattern, Match& match) {
  for (size_t n = 0; n < match.nodes.size(); ++n) {
    const Node& node = graph.node(match.nodes[n]);
    const int on_spine = spine_input(graph, match, n);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].valid() || static_cast<int>(i) == on_spine) continue;
      bind(match, operand_called(graph, pattern, match, n, i), node.inputs[i]);
    }
  }
  bind(match, "y", match.output(graph));
}

// An operator whose operands differ, and whose second one the pattern names, is entered by its first.
// Says what is wrong, or "".
std::string wrong_entrance(const Graph& graph, const Pattern& pattern, const Match& match) {
  for (size_t n = 1; n < match.nodes.size(); ++n) {
    const Node& node = graph.node(match.nodes[n]);
    const std::string& bound = pattern.items[match.items[n]].bound;
    if (bound.empty() || op_of(node).commutative || spine_input(graph, match, n) == 0) continue;
    return fmt::format("the spine enters `{}` where the pattern has `{}`", node.op, bound);
  }
  return "";
}

// True if the condition speaks of an optional operator that this match does not have.
bool holds_vacuously(const Graph& graph, const Rule& rule, const Match& match, const Expr& expr) {
  const Pattern& pattern = rule.pattern;
  for (const std::string& name : names_in(expr)) {
    const std::string head = name.substr(0, name.find('.'));
    if (head == name || name.ends_with(".present")) continue;
    bool in_pattern = false;
    for (size_t i = 0; i < pattern.items.size() && !in_pattern; ++i) {
      for (const OpDef* op : all_ops()) {
        if (!head.starts_with(op->name) || !accepts(pattern.items[i], op->name)) continue;
        in_pattern |= operator_name(pattern, i, op->name) == head;
      }
    }
    bool present = false;
    for (size_t n = 0; n < match.nodes.size(); ++n) {
      const std::string& op = graph.node(match.nodes[n]).op;
      present |= op == head;
      if (!match.items.empty()) present |= operator_name(pattern, match.items[n], op) == head;
    }
    if (in_pattern && !present) return true;
  }
  return false;
}

// " (it divides by 12, no power of two)" of "requant.rounding" where that is so: the import has made a
// multiplier and a shift of the divisor.
std::string division_text(const Graph& graph, const Rule& rule, const Match& match,
                          const std::string& name) {
  for (size_t n = 0; n < match.nodes.size() && n < match.items.size(); ++n) {
    const Node& node = graph.node(match.nodes[n]);
    if (node.op != "requant" ||
        name != operator_name(rule.pattern, match.items[n], node.op) + ".rounding")
      continue;
    const std::optional<int64_t> divisor = division_of({graph, node});
    if (divisor && (*divisor & (*divisor - 1)) != 0)
      return fmt::format(" (it divides by {}, no power of two)", *divisor);
  }
  return "";
}

// "conv2d.stride_h is 3, conv2d.stride_w is 1": the value of every name in the expression.
std::string values_of(const Graph& graph, const Rule& rule, const Match& match, const Expr& expr,
                      const Environment& environment) {
  std::string text;
  for (const std::string& name : names_in(expr)) {
    const std::optional<ExprValue> value = environment(name);
    if (!text.empty()) text += ", ";
    text += name + (value ? " is " + to_string(*value) : " is not known here");
    text += division_text(graph, rule, match, name);
  }
  return text;
}

// The activations that a job reads are no constants: those are packed, or the CPU's.
void check_activations(const Graph& graph, const Rule& rule, Match& match) {
  for (const OperandPlacement& placement : rule.operands) {
    const ValueId value = match.find(placement.operand);
    if (!value.valid() || rule.packs(placement.operand) || !graph.value(value).constant) continue;
    const std::string name = placement.operand + ".constant";
    const bool said = std::any_of(match.failed.begin(), match.failed.end(), [&](const auto& failed) {
      return failed.values.find(name) != std::string::npos;
    });
    if (said) continue;
    match.failed.push_back({fmt::format("not {}", name),
                            fmt::format("the unit takes `{}` as an activation", placement.operand),
                            name + " is 1"});
  }
}

// Whether the rule's text speaks of the operand: "mul.elements" in a condition or a field.
bool speaks_of(const Rule& rule, const std::string& operand) {
  const auto in = [&](const Expr& expr) {
    const std::vector<std::string> names = names_in(expr);
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name.starts_with(operand + "."); });
  };
  return std::any_of(rule.when.begin(), rule.when.end(),
                     [&](const Condition& condition) { return in(condition.expr); }) ||
         std::any_of(rule.job->fields.begin(), rule.job->fields.end(),
                     [&](const JobField& field) { return in(field.expr); });
}

// A constant that the operators have and the job is not given (the shifts of a requantisation, one for
// each channel) would be left out of the result in silence.
void check_constants(const Graph& graph, const Rule& rule, Match& match) {
  if (!rule.job) return;
  for (const auto& [operand, value] : match.bound) {
    if (!graph.value(value).constant) continue;
    const bool packed = std::any_of(
        rule.packings.begin(), rule.packings.end(), [&, &name = operand](const Packing& packing) {
          return packing.name == name ||
                 std::any_of(packing.parts.begin(), packing.parts.end(),
                             [&](const PackPart& part) { return part.operand == name; });
        });
    const bool placed = std::any_of(
        rule.operands.begin(), rule.operands.end(),
        [&, &name = operand](const OperandPlacement& placement) { return placement.operand == name; });
    if (packed || placed || speaks_of(rule, operand)) continue;
    match.failed.push_back({fmt::format("no `{}`", operand),
                            fmt::format("a job is not given the constant `{}`", operand),
                            fmt::format("`{}` has the shape {}", operand,
                                        to_string(graph.value(value).type.shape)),
                            true});
  }
}

void check_conditions(const Graph& graph, const Soc& soc, const Rule& rule,
                      const std::shared_ptr<ConstantFacts>& facts, Match& match) {
  const Environment environment = layer_environment(graph, soc, match, facts);
  for (const Condition& condition : rule.when) {
    if (holds_vacuously(graph, rule, match, condition.expr)) continue;
    const std::variant<int64_t, ExprError> holds = evaluate_int(condition.expr, environment);
    if (const ExprError* error = std::get_if<ExprError>(&holds)) {
      const std::string values = values_of(graph, rule, match, condition.expr, environment);
      match.failed.push_back(
          {condition.text, condition.why, error->message + (values.empty() ? "" : "; " + values)});
    } else if (std::get<int64_t>(holds) == 0) {
      match.failed.push_back(
          {condition.text, condition.why, values_of(graph, rule, match, condition.expr, environment)});
    }
  }
  check_activations(graph, rule, match);
  check_constants(graph, rule, match);
}

struct RuleSite {
  int target;
  int rule;
  SpinePattern pattern;
  bool avoided;  // by the policy
};

bool avoids_rule(const Policy& policy, const Target& target, const Rule& rule) {
  return std::find(policy.avoid.begin(), policy.avoid.end(), target.name + "/" + rule.name) !=
         policy.avoid.end();
}

void try_rule(const Graph& graph, const Soc& soc, const Policy& policy, const RuleSite& site,
              NodeId start, const std::shared_ptr<ConstantFacts>& facts, Matches& matches) {
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
  std::string entrance;  // what is wrong with the longest match
  std::vector<size_t> lengths = site.pattern.matching_lengths(ops);
  std::erase_if(lengths, [&](size_t length) {
    match.nodes.assign(spine.begin(), spine.begin() + static_cast<std::ptrdiff_t>(length));
    match.items = site.pattern.items_of({ops.data(), length});
    const std::string wrong = wrong_entrance(graph, rule.pattern, match);
    if (entrance.empty()) entrance = wrong;
    return !wrong.empty();
  });
  if (lengths.empty()) {
    match.nodes = {start};
    match.items.clear();
    bind_operands(graph, rule.pattern, match);
    std::string found;
    for (size_t i = 0; i < std::min<size_t>(ops.size(), 6); ++i) found += ops[i] + ' ';
    match.failed.push_back(
        {"pattern `" + rule.pattern.text + "`", "the operators do not follow the rule's pattern",
         !entrance.empty() ? entrance
                           : "found `" + found.substr(0, found.size() - 1) + "`, " +
                                 (ops.size() > 6 ? "and more" : spine_end(graph, spine.back()))});
    matches.refused.push_back(std::move(match));
    return;
  }
  for (const size_t length : lengths) {
    match.nodes.assign(spine.begin(), spine.begin() + static_cast<std::ptrdiff_t>(length));
    match.items = site.pattern.items_of({ops.data(), length});
    match.bound.clear();
    match.failed.clear();
    bind_operands(graph, rule.pattern, match);
    check_conditions(graph, soc, rule, facts, match);
    if (site.avoided) {
      match.failed.push_back({"policy `" + policy.name + "`", "the policy avoids this target",
                              "the target is " + target_of(soc, match).name});
    } else if (avoids_rule(policy, target_of(soc, match), rule)) {
      match.failed.push_back({"policy `" + policy.name + "`", "the policy avoids this rule",
                              "the rule is " + target_of(soc, match).name + "/" + rule.name});
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

std::vector<FailedCondition> stated(const Match& match) {
  std::vector<FailedCondition> reasons = match.failed;
  const auto implied = [](const FailedCondition& failed) { return failed.implied; };
  if (!std::all_of(reasons.begin(), reasons.end(), implied)) std::erase_if(reasons, implied);
  return reasons;
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
  const std::shared_ptr<ConstantFacts> facts = make_constant_facts();
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const RuleSite& site : sites)
      try_rule(graph, soc, policy, site, NodeId{static_cast<int32_t>(n)}, facts, matches);
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
