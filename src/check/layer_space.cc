#include "check/layer_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "check/operator_facts.h"
#include "match/spine.h"
#include "ops/op.h"
#include "rules/names.h"

namespace heddle {
namespace {

constexpr size_t kMostSpines = 48;

// Operators that stand for themselves in an item: those that are named, and one more of its class, of
// which nothing is known.
std::vector<std::string> choices(const PatternItem& item, const std::set<std::string>& mentioned,
                                 bool anchor) {
  std::vector<std::string> chosen;
  bool other = false;
  const auto named = [&](std::string_view op) {
    return mentioned.contains(std::string(op)) ||
           std::find(item.alternatives.begin(), item.alternatives.end(), op) !=
               item.alternatives.end();
  };
  for (const OpDef* op : all_ops()) {
    if (!accepts(item, op->name)) continue;
    // Sizes are the anchor's: each is a case of its own.
    if (anchor || named(op->name)) {
      chosen.emplace_back(op->name);
    } else if (!other && op->operands.size() == 1 && !has_result_facts(op->name)) {
      chosen.emplace_back(op->name);
      other = true;
    }
  }
  return chosen;
}

void extend(const Pattern& pattern, size_t item, const std::set<std::string>& mentioned,
            Spine& spine, std::set<std::pair<size_t, Spine>>& found, bool& complete) {
  if (found.size() > kMostSpines * 4) {
    complete = false;
    return;
  }
  if (item == pattern.items.size()) {
    if (!spine.empty()) found.emplace(spine.size(), spine);
    return;
  }
  const PatternItem& here = pattern.items[item];
  if (here.repeat != PatternItem::Repeat::once)
    extend(pattern, item + 1, mentioned, spine, found, complete);
  constexpr size_t kDistinct = 2;  // of a repeated item
  const std::vector<std::string> ops = choices(here, mentioned, spine.empty());
  if (here.repeat == PatternItem::Repeat::star && !spine.empty() && ops.size() > kDistinct)
    complete = false;
  for (const std::string& op : ops) {
    spine.push_back(op);
    extend(pattern, item + 1, mentioned, spine, found, complete);
    if (here.repeat == PatternItem::Repeat::star) {
      for (const std::string& second : choices(here, mentioned, false)) {
        if (second == op) continue;
        spine.push_back(second);
        extend(pattern, item + 1, mentioned, spine, found, complete);
        spine.pop_back();
      }
    }
    spine.pop_back();
  }
}

std::string head_of(const std::string& name) { return name.substr(0, name.find('.')); }

// What the spine's operators bind, by the names of this rule: as the matcher does it.
std::vector<BoundOperand> operands_of(const Spine& spine, const Pattern& pattern) {
  std::vector<BoundOperand> operands;
  const auto bind = [&](BoundOperand operand) {
    const bool there = std::any_of(operands.begin(), operands.end(),
                                   [&](const BoundOperand& o) { return o.name == operand.name; });
    if (!there) operands.push_back(std::move(operand));
  };
  const std::vector<size_t> items = SpinePattern(pattern).items_of(spine);
  for (size_t node = 0; node < spine.size(); ++node) {
    const OpDef& op = *find_op(spine[node]);
    for (size_t i = node == 0 ? 0 : 1; i < op.operands.size(); ++i) {
      const OperandDef& operand = op.operands[i];
      const std::string& bound = pattern.items[items[node]].bound;
      const bool by_pattern = i == 1 && !operand.constant && !bound.empty();
      const std::string name = by_pattern             ? bound
                               : operand.name == "x" ? "x"
                                                     : operand_name(pattern, items[node], operand.name);
      bind({name, &operand, node == 0 && i == 0, operand.optional});
    }
  }
  bind({"y", nullptr, false, false});
  return operands;
}

// Whether the pattern calls one of the spine's operators so: "requant_2".
bool is_present(const Pattern& pattern, const Spine& spine, const std::string& called) {
  const std::vector<size_t> items = SpinePattern(pattern).items_of(spine);
  for (size_t n = 0; n < spine.size(); ++n)
    if (operator_name(pattern, items[n], spine[n]) == called) return true;
  return false;
}

std::set<std::string> texts_compared(const std::vector<const Expr*>& exprs) {
  std::set<std::string> texts;
  const auto collect = [&](const Expr& expr, const auto& self) -> void {
    if (expr.op == ExprOp::text) texts.insert(expr.text);
    for (const Expr& child : expr.children) self(child, self);
  };
  for (const Expr* expr : exprs) collect(*expr, collect);
  return texts;
}

}  // namespace

std::set<std::string> mentioned_operators(const Rule& rule) {
  std::set<std::string> operators;
  for (const Condition& condition : rule.when) {
    for (const std::string& name : names_in(condition.expr)) {
      const std::string head = without_number(head_of(name));
      if (head_of(name) == name || head == "x" || head == "y") continue;
      if (find_op(head) != nullptr) operators.insert(head);
      // An operand's name: whatever binds it.
      for (const PatternItem& item : rule.pattern.items) {
        for (const OpDef* op : all_ops()) {
          const bool has = std::any_of(
              op->operands.begin(), op->operands.end(),
              [&](const OperandDef& operand) { return operand.name == head; });
          const bool binds = item.bound == head_of(name) && op->operands.size() > 1;
          if ((has || binds) && accepts(item, op->name)) operators.emplace(op->name);
        }
      }
    }
  }
  return operators;
}

Spines spines_of(const Pattern& pattern, const std::set<std::string>& mentioned) {
  Spines spines;
  Spine spine;
  std::set<std::pair<size_t, Spine>> found;
  extend(pattern, 0, mentioned, spine, found, spines.complete);
  for (const auto& [length, each] : found) {
    if (spines.list.size() == kMostSpines) spines.complete = false;
    if (spines.list.size() < kMostSpines) spines.list.push_back(each);
  }
  return spines;
}

bool accepts_spine(const Pattern& pattern, const Spine& spine) {
  const std::vector<size_t> lengths = SpinePattern(pattern).matching_lengths(spine);
  return !lengths.empty() && lengths.front() == spine.size();
}

std::vector<const Condition*> conditions_on(const Rule& rule, const Spine& spine) {
  std::vector<const Condition*> conditions;
  for (const Condition& condition : rule.when) {
    const std::vector<std::string> names = names_in(condition.expr);
    const bool vacuous = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      const std::string head = head_of(name);
      if (head == name || name.ends_with(".present") || find_op(without_number(head)) == nullptr)
        return false;
      const std::string op = find_op(head) != nullptr ? head : without_number(head);
      const bool present = std::find(spine.begin(), spine.end(), head) != spine.end();
      bool in_pattern = false;
      for (size_t i = 0; i < rule.pattern.items.size(); ++i)
        in_pattern |= accepts(rule.pattern.items[i], op) && operator_name(rule.pattern, i, op) == head;
      if (!in_pattern || present) return false;
      if (std::find(spine.begin(), spine.end(), op) == spine.end()) return true;
      return !is_present(rule.pattern, spine, head);
    });
    if (!vacuous) conditions.push_back(&condition);
  }
  return conditions;
}

LayerSpace layer_space(const Spine& spine, const std::vector<const Rule*>& rules,
                       const std::vector<const Expr*>& exprs) {
  LayerSpace space{spine, {}, {}, {}, {}};
  std::vector<const Expr*> used = exprs;
  std::vector<BoundOperand> operands;
  for (const Rule* rule : rules) {
    for (const Condition* condition : conditions_on(*rule, spine)) used.push_back(&condition->expr);
    for (BoundOperand& operand : operands_of(spine, rule->pattern)) {
      if (std::none_of(operands.begin(), operands.end(),
                       [&](const BoundOperand& o) { return o.name == operand.name; }))
        operands.push_back(std::move(operand));
    }
  }

  std::set<std::string> wanted;
  for (const Expr* expr : used) {
    const std::vector<std::string> names = names_in(*expr);
    wanted.insert(names.begin(), names.end());
  }
  std::vector<Fact> facts = facts_of(spine, operands);
  const auto speaks_of = [&](const std::string& what) {
    if (what.empty()) return true;
    if (!what.ends_with('.')) return wanted.contains(what);
    const auto next = wanted.lower_bound(what);
    return next != wanted.end() && next->starts_with(what);
  };
  for (bool more = true; more;) {
    more = false;
    for (Fact& fact : facts) {
      if (fact.taken || !speaks_of(fact.about)) continue;
      fact.taken = more = true;
      for (const std::string& name : names_in(fact.expr)) wanted.insert(name);
      space.facts.push_back(fact.expr);
    }
  }
  const std::set<std::string> texts = texts_compared(used);
  for (const std::string& name : wanted) {
    std::optional<NameFacts> what = name_facts(spine, operands, name, texts);
    if (!what) continue;
    what->variable.name = name;
    if (name.ends_with(".present") && head_of(name) != without_number(head_of(name)) &&
        rules.size() == 1) {
      const bool present = is_present(rules[0]->pattern, spine, head_of(name));
      what->variable.range = {present, present};
    }
    if (what->small) space.small.insert(name);
    if (what->optional) space.optional.insert(name);
    // What one of two operators of a name is called may differ between rules.
    const std::string head = head_of(name);
    if (rules.size() > 1 && std::count(spine.begin(), spine.end(), without_number(head)) > 1)
      space.optional.insert(name);
    space.variables.push_back(std::move(what->variable));
  }
  return space;
}

}  // namespace heddle
