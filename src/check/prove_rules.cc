// Under first_match the longest match wins, of equal ones the rule that stands first. So a rule is
// unreachable behind earlier ones if these accept every layer that it accepts, as the same spine. Under
// the other policies it may still be the cheaper one.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "check/prove.h"
#include "check/questions.h"
#include "match/spine.h"
#include "ops/op.h"
#include "rules/names.h"

namespace heddle {
namespace {

Expr binary(ExprOp op, Expr left, Expr right) {
  Expr expr;
  expr.op = op;
  expr.children = {std::move(left), std::move(right)};
  return expr;
}

Expr cost_of(const Rule& rule) { return binary(ExprOp::add, rule.launch, rule.compute); }

// Whether two rules cut and move a layer alike, so that the costs of their jobs compare.
bool same_tiles(const Rule& a, const Rule& b) {
  const auto text = [](const Rule& rule) {
    std::string all;
    for (const OperandPlacement& each : rule.operands) all += each.operand + '@' + each.memory + ' ';
    for (const TileDomain& each : rule.domains)
      all += fmt::format("{} {} {} {} ", each.axis, each.full, each.one, each.multiple_of);
    for (const Condition& each : rule.require) all += print_text(each.expr) + ';';
    for (const Packing& packing : rule.packings) {
      all += fmt::format("{} {} {} {}: ", packing.name, packing.block_axis, packing.block_size,
                         packing.block_pad);
      for (const PackPart& part : packing.parts)
        all += fmt::format("{} {} {} {} {}, ", part.operand, part.bits(), part.absent, part.fill_bytes,
                           fmt::join(part.order, " "));
    }
    return all;
  };
  return a.layout == b.layout && text(a) == text(b);
}

// Operands that the rule's job is given or that it speaks of. The matcher refuses a layer with a constant
// that is none of them.
std::set<std::string> operands_of(const Rule& rule) {
  std::set<std::string> operands;
  const std::set<std::string> known = names_of(rule.pattern).operands;
  const auto speak = [&](const Expr& expr) {
    for (const std::string& name : names_in(expr)) {
      const std::string head = name.substr(0, name.find('.'));
      if (head != name && known.contains(head)) operands.insert(head);
    }
  };
  for (const OperandPlacement& each : rule.operands) operands.insert(each.operand);
  for (const Packing& packing : rule.packings) {
    operands.insert(packing.name);
    for (const PackPart& part : packing.parts) operands.insert(part.operand);
  }
  for (const Condition& condition : rule.when) speak(condition.expr);
  if (rule.job) {
    for (const JobField& field : rule.job->fields) speak(field.expr);
  }
  return operands;
}

// Whether `first` may refuse a layer for a constant that `second` is given.
bool may_lack_operands(const Rule& first, const Rule& second) {
  if (!first.job) return false;
  const std::set<std::string> some = operands_of(first), all = operands_of(second);
  return !second.job || !std::includes(some.begin(), some.end(), all.begin(), all.end());
}

std::string names_of_rules(const Target& target, const std::set<int>& rules) {
  std::vector<std::string> names;
  for (const int rule : rules)
    names.push_back(fmt::format("`{}`", target.rules[static_cast<size_t>(rule)].name));
  return fmt::format("{}", fmt::join(names, ", "));
}

class Rivals {
 public:
  Rivals(const Soc& soc, int target)
      : soc_(soc),
        index_(target),
        target_(target < 0 ? soc.cpu : soc.accelerators[static_cast<size_t>(target)].target) {
    std::set<std::string> named;
    for (const Rule& rule : target_.rules) {
      const std::set<std::string> mentioned = mentioned_operators(rule);
      named.insert(mentioned.begin(), mentioned.end());
      for (const PatternItem& item : rule.pattern.items) {
        for (const std::string& op : item.alternatives)
          if (find_op(op) != nullptr) named.insert(op);
      }
    }
    for (const Rule& rule : target_.rules) {
      patterns_.emplace_back(rule.pattern);
      spines_.push_back(spines_of(rule.pattern, named));
    }
  }

  std::vector<Finding> run() {
    for (int rule = 1; rule < std::ssize(target_.rules); ++rule) {
      overlaps(rule);
      reach(rule);
    }
    return std::move(findings_);
  }

 private:
  const Rule& rule(int index) const { return target_.rules[static_cast<size_t>(index)]; }

  bool accepts(int rule, const Spine& spine) const {
    const std::vector<size_t> lengths =
        patterns_[static_cast<size_t>(rule)].matching_lengths(spine);
    return !lengths.empty() && lengths.front() == spine.size();
  }

  Wanted all_of(int index, const Spine& spine, Wanted::How how) const {
    return {exprs_of(conditions_on(rule(index), spine)), how};
  }

  void say(Finding::Kind kind, int index, std::string text, std::string remedy,
           std::vector<std::string> values) {
    findings_.push_back(
        {kind, rule(index).place, std::move(text), std::move(remedy), std::move(values)});
  }

  // Earlier rules that accept a layer which this one accepts too, with the layer.
  void overlaps(int later) {
    std::vector<std::string> values;
    std::set<int> sharing, unsure;
    for (int earlier = 0; earlier < later; ++earlier) {
      bool undecided = false;
      const std::optional<std::string> layer = shared_layer(earlier, later, undecided);
      if (layer) {
        sharing.insert(earlier);
        values.push_back(fmt::format("`{}`: {}", rule(earlier).name, *layer));
      } else if (undecided) {
        unsure.insert(earlier);
      }
    }
    if (!sharing.empty())
      say(Finding::Kind::proven, later,
          fmt::format("rule `{}` accepts layers that {} {} too; a schedule takes the cheaper one",
                      rule(later).name, names_of_rules(target_, sharing),
                      sharing.size() == 1 ? "accepts" : "accept"),
          "", std::move(values));
    if (!unsure.empty())
      say(Finding::Kind::undecided, later,
          fmt::format("whether rule `{}` accepts layers that {} {} too", rule(later).name,
                      names_of_rules(target_, unsure), unsure.size() == 1 ? "accepts" : "accept"),
          "", {});
  }

  std::optional<std::string> shared_layer(int earlier, int later, bool& undecided) {
    for (const Spine& spine : spines_[static_cast<size_t>(later)].list) {
      if (!accepts(earlier, spine)) continue;
      if (conditions_on(rule(earlier), spine).empty() && conditions_on(rule(later), spine).empty())
        return fmt::format("every `{}`", fmt::join(spine, " "));
      const LayerSpace space = layer_space(spine, {&rule(earlier), &rule(later)});
      const Answer answer = ask(solver_, space,
                                {all_of(earlier, spine, Wanted::How::hold),
                                 all_of(later, spine, Wanted::How::hold)});
      if (answer.kind == Answer::Kind::impossible) continue;
      if (answer.kind == Answer::Kind::possible &&
          accepted_example(soc_, index_, {earlier, later}, space, answer)) {
        undecided = false;
        return describe(spine, answer.values);
      }
      undecided = true;
    }
    return std::nullopt;
  }

  struct Reach {
    enum class Kind : uint8_t { reached, behind, nothing, undecided } kind = Kind::undecided;
    std::set<int> behind{};
  };

  // Whether earlier rules leave any layer of this spine.
  Reach reach_of(int later, const Spine& spine) {
    std::vector<int> earlier;
    std::vector<const Rule*> all{&rule(later)};
    for (int i = 0; i < later; ++i) {
      if (!accepts(i, spine) || may_lack_operands(rule(i), rule(later))) continue;
      if (conditions_on(rule(i), spine).empty()) return {Reach::Kind::behind, {i}};
      earlier.push_back(i);
      all.push_back(&rule(i));
    }
    if (earlier.empty()) return {Reach::Kind::reached};
    const LayerSpace space = layer_space(spine, all);
    // What may be absent may always refuse.
    std::erase_if(earlier, [&](int i) {
      const Exprs exprs = exprs_of(conditions_on(rule(i), spine));
      return std::any_of(exprs.begin(), exprs.end(), [&](const Expr* expr) {
        const std::vector<std::string> names = names_in(*expr);
        return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return space.optional.contains(name);
        });
      });
    });
    const auto left_by = [&](const std::vector<int>& some) {
      std::vector<Wanted> wanted{all_of(later, spine, Wanted::How::hold)};
      for (const int i : some) wanted.push_back(all_of(i, spine, Wanted::How::refuse));
      return ask(solver_, space, wanted).kind;
    };
    const Answer::Kind left = left_by(earlier);
    if (left == Answer::Kind::possible) return {Reach::Kind::reached};
    if (left == Answer::Kind::unknown) return {Reach::Kind::undecided};
    if (left_by({}) == Answer::Kind::impossible) return {Reach::Kind::nothing};
    for (size_t i = earlier.size(); i-- > 0;) {
      std::vector<int> fewer = earlier;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (left_by(fewer) == Answer::Kind::impossible) earlier = std::move(fewer);
    }
    return {Reach::Kind::behind, {earlier.begin(), earlier.end()}};
  }

  void reach(int later) {
    const Spines& spines = spines_[static_cast<size_t>(later)];
    std::set<int> behind;
    std::vector<const Spine*> covered;
    bool undecided = !spines.complete;
    for (const Spine& spine : spines.list) {
      const Reach found = reach_of(later, spine);
      if (found.kind == Reach::Kind::reached) return;
      if (found.kind == Reach::Kind::undecided) undecided = true;
      if (found.kind == Reach::Kind::behind) covered.push_back(&spine);
      behind.insert(found.behind.begin(), found.behind.end());
    }
    // A rule may be offered layers in other forms than its rivals.
    const auto offered_more = [&](int i) { return !(rule(i).legalise == rule(later).legalise); };
    if (behind.empty() || (!(rule(later).legalise == Legalise{}) &&
                           std::any_of(behind.begin(), behind.end(), offered_more)))
      return;
    const std::string where = fmt::format("rule `{}` is unreachable behind {}", rule(later).name,
                                          names_of_rules(target_, behind));
    if (undecided) {
      say(Finding::Kind::undecided, later, "whether " + where, "", {});
      return;
    }
    bool unsure = false;
    for (const Spine* spine : covered) {
      if (const auto layer = cheaper_layer(later, behind, *spine, unsure)) {
        say(Finding::Kind::proven, later,
            where + " under first_match; other policies take it where it is cheaper", "", {*layer});
        return;
      }
    }
    if (unsure) {
      say(Finding::Kind::undecided, later,
          where + " under first_match; whether it is ever cheaper", "", {});
      return;
    }
    say(Finding::Kind::warning, later, where + ": they accept all of its layers, and it is never cheaper",
        "drop it, put it first, or narrow the conditions of the other", {});
  }

  // A layer for which this rule costs less than every one of the others that accepts it.
  std::optional<std::string> cheaper_layer(int later, const std::set<int>& others, const Spine& spine,
                                           bool& unsure) {
    std::vector<const Rule*> rules{&rule(later)};
    std::vector<Expr> not_cheaper, costs{cost_of(rule(later))};
    std::vector<int> rivals;
    for (const int i : others) {
      if (!accepts(i, spine)) continue;
      if (index_ >= 0 && !same_tiles(rule(later), rule(i))) {
        unsure = true;  // their transfers differ
        return std::nullopt;
      }
      rivals.push_back(i);
      rules.push_back(&rule(i));
      costs.push_back(cost_of(rule(i)));
      not_cheaper.push_back(binary(ExprOp::ge, cost_of(rule(later)), cost_of(rule(i))));
    }
    Exprs used;
    for (const Expr& cost : costs) used.push_back(&cost);
    LayerSpace space = layer_space(spine, rules, used);
    fix_constants(space);
    std::vector<Wanted> wanted{all_of(later, spine, Wanted::How::hold), {used, Wanted::How::evaluate}};
    for (size_t i = 0; i < rivals.size(); ++i) {
      if (print_text(cost_of(rule(rivals[i]))) == print_text(costs[0]) &&
          conditions_on(rule(rivals[i]), spine).empty())
        return std::nullopt;  // the same cost for every layer
      Wanted wins = all_of(rivals[i], spine, Wanted::How::refuse);
      wins.exprs.push_back(&not_cheaper[i]);
      wanted.push_back(std::move(wins));
    }
    if (const auto layer = cheaper_sample(later, rivals, space)) return layer;
    const Answer answer = ask(solver_, space, wanted);
    if (answer.kind == Answer::Kind::impossible) return std::nullopt;
    if (answer.kind == Answer::Kind::possible) {
      if (const auto layer = cheaper_than(later, rivals, space, answer)) return layer;
    }
    unsure = true;
    return std::nullopt;
  }

  // The rule accepts the layer at less cost than those of the others that accept it.
  std::optional<std::string> cheaper_than(int later, const std::vector<int>& rivals,
                                          const LayerSpace& space, const Answer& answer) const {
    const auto example = accepted_example(soc_, index_, {later}, space, answer);
    if (!example) return std::nullopt;
    const auto cost = [&](int index) -> std::optional<int64_t> {
      const std::optional<Match> match = match_of(*example, index_, index);
      if (!match || !match->accepted()) return std::nullopt;
      const auto value = evaluate_int(
          cost_of(rule(index)), layer_environment(example->graph, example->soc, *match));
      const int64_t* const number = std::get_if<int64_t>(&value);
      return number == nullptr ? std::nullopt : std::optional<int64_t>(*number);
    };
    const std::optional<int64_t> own = cost(later);
    const bool cheaper = own && std::all_of(rivals.begin(), rivals.end(), [&](int i) {
      const std::optional<int64_t> theirs = cost(i);
      return !theirs || *own < *theirs;
    });
    if (!cheaper) return std::nullopt;
    return fmt::format("{}: {} cycles", describe(space.spine, answer.values), *own);
  }

  // A few layers: costs are products of many sizes, which Z3 takes long over.
  std::optional<std::string> cheaper_sample(int later, const std::vector<int>& rivals,
                                            const LayerSpace& space) {
    const Answer base = ask(solver_, space, {all_of(later, space.spine, Wanted::How::hold)});
    if (base.kind != Answer::Kind::possible) return std::nullopt;
    for (const int64_t channels : {1, 4, 32}) {
      for (const int64_t image : {1, 4, 16}) {
        for (const int64_t kernel : {1, 2, 3}) {
          Answer answer = base;
          for (const char* name : {"c", "k"}) answer.values[name] = channels;
          for (const char* name : {"oy", "ox"}) answer.values[name] = image;
          for (const char* name : {"iy", "ix"}) answer.values[name] = image + kernel - 1;
          for (const char* name : {"fy", "fx"}) answer.values[name] = kernel;
          for (auto& [name, value] : answer.values) {
            if (name.find(".kernel_") != std::string::npos) value = kernel;
            if (name.find(".pad_") != std::string::npos) value = int64_t{0};
            if (name.find(".stride_") != std::string::npos || name.find(".dilation_") != std::string::npos)
              value = int64_t{1};
          }
          if (const auto layer = cheaper_than(later, rivals, space, answer)) return layer;
        }
      }
    }
    return std::nullopt;
  }

  // Costs are compared as this SoC has them.
  void fix_constants(LayerSpace& space) const {
    for (Variable& variable : space.variables) {
      for (const auto& [prefix, constants] :
           {std::pair{std::string("cpu."), &soc_.cpu_constants}, {"unit.", &target_.constants}}) {
        for (const auto& [key, value] : *constants)
          if (variable.name == prefix + key) variable.range = {value, value};
      }
    }
  }

  const Soc& soc_;
  int index_;
  const Target& target_;
  ConditionSolver solver_;
  std::vector<SpinePattern> patterns_;
  std::vector<Spines> spines_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> prove_rules(const Soc& soc, int target) { return Rivals(soc, target).run(); }

}  // namespace heddle
