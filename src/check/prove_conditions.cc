#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "check/prove.h"
#include "check/questions.h"
#include "ops/op.h"

namespace heddle {
namespace {

const Target& target_at(const Soc& soc, int target) {
  return target < 0 ? soc.cpu : soc.accelerators[static_cast<size_t>(target)].target;
}

std::string line_of(const Condition& condition) {
  return fmt::format("line {}: `{}`", condition.place.line, terminal_text(condition.text, 120));
}

bool mentions(const Expr& expr, const std::set<std::string>& names) {
  const std::vector<std::string> used = names_in(expr);
  return std::any_of(used.begin(), used.end(),
                     [&](const std::string& name) { return names.contains(name); });
}

class RuleProof {
 public:
  RuleProof(ConditionSolver& solver, const Soc& soc, int target, int rule)
      : solver_(solver),
        soc_(soc),
        target_(target),
        index_(rule),
        rule_(target_at(soc, target).rules[static_cast<size_t>(rule)]),
        spines_(spines_of(rule_.pattern, mentioned_operators(rule_))) {
    for (const Spine& spine : spines_.list) spaces_.push_back(layer_space(spine, {&rule_}));
  }

  std::vector<Finding> run() {
    if (rule_.when.empty()) return {};
    accept();
    const bool broken = never_evaluated();
    if (!broken) contradiction();
    if (!impossible_) redundant();
    return std::move(findings_);
  }

 private:
  Answer ask_all(const LayerSpace& space) {
    return ask(solver_, space, {{exprs_of(conditions_on(rule_, space.spine)), Wanted::How::hold}});
  }

  // Looks for a layer that the rule accepts, spine by spine.
  void accept() {
    for (size_t s = 0; s < spaces_.size(); ++s) {
      answers_.push_back(ask_all(spaces_[s]));
      if (accepted_ >= 0 || answers_[s].kind != Answer::Kind::possible) continue;
      if (!accepted_example(soc_, target_, {index_}, spaces_[s], answers_[s])) continue;
      accepted_ = static_cast<int>(s);
      say(Finding::Kind::proven, rule_.place, fmt::format("rule `{}` accepts layers", rule_.name), "",
          {describe(spaces_[s].spine, answers_[s].values)});
    }
    impossible_ = spines_.complete && std::all_of(answers_.begin(), answers_.end(), refused);
  }
  static bool refused(const Answer& answer) { return answer.kind == Answer::Kind::impossible; }

  std::vector<std::string> conflict(const LayerSpace& space, std::vector<const Condition*>& conditions) {
    conditions = conditions_of(
        minimal_conflict(solver_, space, exprs_of(conditions_on(rule_, space.spine))));
    std::vector<std::string> lines;
    for (const Condition* condition : conditions) lines.push_back(line_of(*condition));
    return lines;
  }

  void contradiction() {
    if (accepted_ >= 0) return partial_contradictions();
    if (!impossible_) {
      say(Finding::Kind::undecided, rule_.place,
          fmt::format("whether rule `{}` accepts any layer", rule_.name), "", {});
      return;
    }
    std::set<std::vector<std::string>> distinct;
    std::vector<const Condition*> conditions;
    std::vector<std::string> values;
    for (const LayerSpace& space : spaces_) {
      const std::vector<std::string> lines = conflict(space, conditions);
      if (!distinct.insert(lines).second) continue;
      values.push_back(describe(space.spine, {}));
      values.insert(values.end(), lines.begin(), lines.end());
    }
    // One reason for all spines needs no headings; one condition none at all: it is the place.
    if (distinct.size() == 1) values = *distinct.begin();
    const std::string what =
        distinct.size() > 1      ? "whatever its operators are, some of its conditions exclude each other"
        : conditions.size() == 1 ? "no layer fulfils this condition"
                                 : fmt::format("{} of its conditions exclude each other", values.size());
    if (values.size() == 1) values.clear();
    say(Finding::Kind::error, conditions.empty() ? rule_.place : conditions.back()->place,
        fmt::format("rule `{}` accepts no layer: {}", rule_.name, what), "loosen one of them", values);
  }

  // Operators that the pattern names, with which no layer is accepted.
  void partial_contradictions() {
    std::set<std::string> named;
    for (const PatternItem& item : rule_.pattern.items)
      named.insert(item.alternatives.begin(), item.alternatives.end());
    for (const std::string& op : named) {
      std::optional<size_t> first;
      bool all = spines_.complete;
      for (size_t s = 0; s < spaces_.size(); ++s) {
        const Spine& spine = spaces_[s].spine;
        if (std::find(spine.begin(), spine.end(), op) == spine.end()) continue;
        if (!first) first = s;
        all = all && refused(answers_[s]);
      }
      if (!all || !first) continue;
      std::vector<const Condition*> conditions;
      std::vector<std::string> lines = conflict(spaces_[*first], conditions);
      say(Finding::Kind::warning, rule_.place,
          fmt::format("rule `{}` accepts no layer with `{}`", rule_.name, op),
          fmt::format("loosen one of these conditions, or leave `{}` out of the pattern", op),
          std::move(lines));
    }
  }

  // Conditions that no layer of any spine can give a value to.
  bool never_evaluated() {
    bool any = false;
    for (const Condition& condition : rule_.when) {
      if (accepted_ >= 0 && applies(condition, static_cast<size_t>(accepted_))) continue;
      bool never = spines_.complete, asked = false;
      for (size_t s = 0; s < spaces_.size() && never; ++s) {
        if (!applies(condition, s)) continue;
        asked = true;
        never = ask(solver_, spaces_[s], {{{&condition.expr}, Wanted::How::evaluate}}).kind ==
                Answer::Kind::impossible;
      }
      if (!never || !asked) continue;
      any = true;
      say(Finding::Kind::error, condition.place,
          fmt::format("rule `{}` accepts no layer: this condition has no value for any layer{}",
                      rule_.name, reason(condition)),
          "a condition that cannot be evaluated refuses the layer", {});
    }
    return any;
  }

  // What evaluate() says of some layer.
  std::string reason(const Condition& condition) {
    for (size_t s = 0; s < spaces_.size(); ++s) {
      if (!applies(condition, s)) continue;
      const Answer answer = ask(solver_, spaces_[s], {});
      if (answer.kind != Answer::Kind::possible) continue;
      const auto value = evaluate_int(condition.expr, environment_of(answer.values));
      if (const ExprError* error = std::get_if<ExprError>(&value)) return ": " + error->message;
    }
    return "";
  }

  void redundant() {
    for (const Condition& condition : rule_.when) {
      bool always = spines_.complete, follows = always, asked = false;
      for (size_t s = 0; s < spaces_.size() && follows; ++s) {
        if (!applies(condition, s)) continue;
        const LayerSpace& space = spaces_[s];
        const Exprs before = before_of(condition, space.spine);
        // Of conditions that exclude each other everything follows.
        if (refused(answers_[s]) &&
            ask(solver_, space, {{before, Wanted::How::hold}}).kind == Answer::Kind::impossible)
          continue;
        asked = true;
        if (mentions(condition.expr, space.optional)) follows = always = false;
        const Wanted refuses{{&condition.expr}, Wanted::How::refuse};
        if (follows)
          follows = ask(solver_, space, {refuses, {before, Wanted::How::hold}}).kind ==
                    Answer::Kind::impossible;
        if (follows && always) always = ask(solver_, space, {refuses}).kind == Answer::Kind::impossible;
      }
      if (!follows || !asked) continue;
      say(Finding::Kind::proven, condition.place,
          always ? fmt::format("rule `{}`: this condition is redundant, every layer fulfils it",
                               rule_.name)
                 : fmt::format("rule `{}`: this condition is redundant, it follows from those before it",
                               rule_.name),
          "", always ? std::vector<std::string>{} : reasons(condition));
    }
  }

  // The conditions before it that it follows from, for the first spine that has it.
  std::vector<std::string> reasons(const Condition& condition) {
    std::vector<std::string> lines;
    for (size_t s = 0; s < spaces_.size(); ++s) {
      if (!applies(condition, s) || refused(answers_[s])) continue;
      const Exprs needed =
          minimal_conflict(solver_, spaces_[s], before_of(condition, spaces_[s].spine),
                           {{{&condition.expr}, Wanted::How::refuse}});
      for (const Condition* each : conditions_of(needed)) lines.push_back(line_of(*each));
      break;
    }
    return lines;
  }

  Exprs before_of(const Condition& condition, const Spine& spine) const {
    Exprs before;
    for (const Condition* earlier : conditions_on(rule_, spine)) {
      if (earlier == &condition) break;
      before.push_back(&earlier->expr);
    }
    return before;
  }

  bool applies(const Condition& condition, size_t spine) const {
    const std::vector<const Condition*> all = conditions_on(rule_, spaces_[spine].spine);
    return std::find(all.begin(), all.end(), &condition) != all.end();
  }

  std::vector<const Condition*> conditions_of(const Exprs& exprs) const {
    std::vector<const Condition*> conditions;
    for (const Condition& condition : rule_.when) {
      if (std::find(exprs.begin(), exprs.end(), &condition.expr) != exprs.end())
        conditions.push_back(&condition);
    }
    return conditions;
  }

  void say(Finding::Kind kind, const Place& place, std::string text, std::string remedy,
           std::vector<std::string> values) {
    findings_.push_back({kind, place, std::move(text), std::move(remedy), std::move(values)});
  }

  ConditionSolver& solver_;
  const Soc& soc_;
  int target_;
  int index_;
  const Rule& rule_;
  Spines spines_;
  std::vector<LayerSpace> spaces_;
  std::vector<Answer> answers_;  // whether all conditions can hold, one for each space
  int accepted_ = -1;        // the spine of a layer that the rule accepts
  bool impossible_ = false;  // it accepts none, proven
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> prove_conditions(const Soc& soc, int target) {
  std::vector<Finding> findings;
  ConditionSolver solver;
  const Target& own = target_at(soc, target);
  for (size_t rule = 0; rule < own.rules.size(); ++rule) {
    for (Finding& finding : RuleProof(solver, soc, target, static_cast<int>(rule)).run())
      findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace heddle
