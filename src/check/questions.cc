#include "check/questions.h"

#include <algorithm>

#include "ops/op.h"

namespace heddle {
namespace {

// Questions about shipped rules take 6,000 in the median, 40,000 at most.
constexpr unsigned kResources = 150'000;
constexpr unsigned kResourcesOfExample = 40'000;

// Sizes and attributes between -most and most.
std::vector<Variable> up_to(const LayerSpace& space, int64_t most) {
  std::vector<Variable> variables = space.variables;
  for (Variable& variable : variables) {
    if (!space.small.contains(variable.name)) continue;
    variable.range.lo = std::max(variable.range.lo, std::min(-most, variable.range.hi));
    variable.range.hi = std::min(variable.range.hi, std::max(most, variable.range.lo));
  }
  return variables;
}

// Usual types and ranges, where nothing speaks against them at once: an example to recognise.
std::vector<Variable> usual(const LayerSpace& space, std::vector<Variable> variables) {
  const bool any_rank = in_class(*find_op(space.spine.front()), "map");
  for (Variable& variable : variables) {
    const std::string& name = variable.name;
    const auto set = [&](int64_t value) {
      if (variable.range.lo <= value && value <= variable.range.hi) variable.range = {value, value};
    };
    const bool has_int8 =
        std::find(variable.texts.begin(), variable.texts.end(), "int8") != variable.texts.end();
    const bool result = name.starts_with("y.");
    if (name.ends_with(".dtype") && has_int8 && !result) variable.texts = {"int8"};
    if (any_rank && (name == "x.rank" || name == "y.rank")) set(4);
    if (name == "requant.lo" || (name.ends_with(".lo") && !result)) set(-128);
    if (name == "requant.hi" || (name.ends_with(".hi") && !result)) set(127);
  }
  return variables;
}

}  // namespace

Exprs exprs_of(const std::vector<const Condition*>& conditions) {
  Exprs exprs;
  for (const Condition* condition : conditions) exprs.push_back(&condition->expr);
  return exprs;
}

Answer ask(ConditionSolver& solver, const LayerSpace& space, const std::vector<Wanted>& wanted) {
  std::vector<Wanted> all = wanted;
  Exprs facts;
  for (const Expr& fact : space.facts) facts.push_back(&fact);
  all.push_back({facts, Wanted::How::hold});
  struct Step {
    int64_t most;
    bool usual;
  };
  // Products of sizes up to 7 are linear for Z3 (expr_z3.cc); what a condition asks for may be larger.
  for (const Step& step : {Step{7, true}, {3, false}, {64, true}, {64, false}, {4096, false}}) {
    const std::vector<Variable> variables = up_to(space, step.most);
    Answer answer =
        solver.solve(step.usual ? usual(space, variables) : variables, all, kResourcesOfExample);
    if (answer.kind == Answer::Kind::possible) return answer;
  }
  return solver.solve(space.variables, all, kResources);
}

Exprs minimal_conflict(ConditionSolver& solver, const LayerSpace& space, Exprs exprs,
                       const std::vector<Wanted>& besides) {
  for (size_t i = exprs.size(); i-- > 0;) {
    Exprs fewer = exprs;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<Wanted> wanted = besides;
    wanted.push_back({fewer, Wanted::How::hold});
    if (ask(solver, space, wanted).kind == Answer::Kind::impossible) exprs = std::move(fewer);
  }
  return exprs;
}

std::optional<Example> accepted_example(const Soc& soc, int target, const std::vector<int>& rules,
                                        const LayerSpace& space, const Answer& answer) {
  std::optional<Example> example = example_of(soc, target, space.spine, answer.values);
  if (!example) return std::nullopt;
  for (const int rule : rules) {
    const std::optional<Match> match = match_of(*example, target, rule);
    if (!match || !match->accepted()) return std::nullopt;
  }
  return example;
}

}  // namespace heddle
