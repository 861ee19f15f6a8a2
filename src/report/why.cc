#include "report/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <set>

#include "base/text.h"
#include "report/nearest_fix.h"
#include "schedule/why_here.h"

namespace heddle {
namespace {

std::string operators_of(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId id : nodes) text += (text.empty() ? "" : " ") + graph.node(id).op;
  return text;
}

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// Of a job that was given up: a condition for each memory that is too small with it.
std::vector<FailedCondition> failed_with(const Unfit& with) {
  std::vector<FailedCondition> failed;
  const auto more = [](int64_t bytes) {
    return fmt::format("{} B {}", thousands(bytes < 0 ? -bytes : bytes), bytes < 0 ? "less" : "more");
  };
  for (const Excess& excess : with.excesses) {
    failed.push_back({fmt::format("`{}` holds the network", excess.memory),
                      fmt::format("memory `{}` is too small for it beside all others", excess.memory),
                      fmt::format("with it {} B are needed, {} are there, {} too many; arena {}, constants {}",
                                  thousands(excess.required_bytes), thousands(excess.available_bytes),
                                  thousands(excess.required_bytes - excess.available_bytes),
                                  more(with.arena_bytes), more(with.constant_bytes))});
  }
  return failed;
}

// The steps of one layer: a legalised one has several.
struct Layer {
  std::vector<size_t> steps;
  size_t main = 0;  // the job, or the only step
  const std::vector<NodeId>* covers = nullptr;
};

std::vector<Layer> layers_of(const Schedule& schedule) {
  std::vector<Layer> layers;
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Candidate& candidate = schedule.steps[s].candidate;
    const bool more = !layers.empty() && !candidate.covers.empty() &&
                      *layers.back().covers == candidate.covers;
    if (!more) layers.push_back({{}, s, &candidate.covers});
    layers.back().steps.push_back(s);
    if (candidate.match.target >= 0) layers.back().main = s;
  }
  return layers;
}

class Explainer {
 public:
  Explainer(const WhyInput& in, const Schedule& schedule, const Report& report)
      : in_(in), schedule_(schedule), report_(report) {}

  Result<LayerWhy> explain(const Layer& layer) {
    const Step& step = schedule_.steps[layer.main];
    LayerWhy why;
    why.layer = report_.layers[layer.main];
    why.margin = step.margin;
    why.unit = schedule_.proof.unit;
    for (const size_t s : layer.steps) why.cycles += schedule_.steps[s].candidate.cycles;
    refusals_.clear();
    more_.clear();
    if (layer.covers->empty()) return why;  // a conversion between layouts
    add_accepted(*layer.covers, step.candidate, why);
    add_refused(*layer.covers, why);
    add_given_up(*layer.covers, step.candidate.match.target, why);
    add_pinned(*layer.covers, step.candidate, why);
    add_others(why);
    if (step.candidate.match.target >= 0 || why.cycles == 0) return why;
    const bool given_up = why.fix.has_value();
    for (const NodeId node : *layer.covers) {
      std::vector<Refusal> here;
      std::copy_if(refusals_.begin(), refusals_.end(), std::back_inserter(here),
                   [&](const Refusal& refusal) { return refusal.match->nodes.front() == node; });
      Result<std::optional<NearestFix>> fix = nearest_fix(in_, node, here);
      if (!fix.ok()) return fix.errors();
      const bool better = *fix && (!why.fix || (*fix)->gain > why.fix->gain);
      if (better && !given_up) why.fix = std::move(*fix);
      for (const Refusal& refusal : here) {
        if (refusal.cycles) why.cycles_lost = std::max(why.cycles_lost, gain_of(refusal));
      }
    }
    if (why.fix) why.cycles_lost = std::max(why.cycles_lost, why.fix->gain);
    return why;
  }

  // Adds what the layer fails to the sums of the network.
  void count(const Layer& layer, const LayerWhy& why, NetworkWhy& network) const {
    const bool on_cpu = schedule_.steps[layer.main].candidate.match.target < 0;
    if (!on_cpu || layer.covers->empty() || why.cycles == 0) return;
    for (size_t a = 0; a < in_.soc.accelerators.size(); ++a) {
      const Refusal* nearest = nullptr;
      const auto key = [](const Refusal& refusal) {
        return std::make_tuple(pattern_fails(*refusal.match), stated(*refusal.match).size());
      };
      const bool could = std::any_of(
          in_.candidates.usable.begin(), in_.candidates.usable.end(), [&](const Candidate& candidate) {
            return candidate.match.target == static_cast<int>(a) &&
                   contains(*layer.covers, candidate.covers.front());
          });
      if (could) continue;  // it may, and does not pay
      for (const Refusal& refusal : refusals_) {
        if (refusal.match->target != static_cast<int>(a)) continue;
        if (nearest == nullptr || key(refusal) < key(*nearest)) nearest = &refusal;
      }
      const std::string& target = in_.soc.accelerators[a].target.name;
      if (nearest == nullptr) {
        const Node& first = in_.graph.node(layer.covers->front());
        add(network, target, {fmt::format("no rule begins with `{}`", first.op)}, why, why.cycles, true);
        continue;
      }
      if (nearest->cycles && gain_of(*nearest) <= 0) continue;  // it would not pay either
      std::set<std::string> whys;
      for (const FailedCondition& failed : stated(*nearest->match)) whys.insert(failed.why);
      add(network, target, {whys.begin(), whys.end()}, why,
          nearest->cycles ? gain_of(*nearest) : why.cycles, !nearest->cycles);
    }
  }

 private:
  int64_t gain_of(const Refusal& refusal) const {
    return cycles_on_cpu(in_.candidates, refusal.match->nodes).value_or(0) - *refusal.cycles;
  }

  void add_accepted(const std::vector<NodeId>& covers, const Candidate& chosen, LayerWhy& why) const {
    for (const Candidate& candidate : in_.candidates.usable) {
      const bool is_chosen = candidate.match.target == chosen.match.target &&
                             candidate.match.rule == chosen.match.rule &&
                             candidate.covers == chosen.covers &&
                             candidate.legalised == chosen.legalised;
      if (!contains(covers, candidate.covers.front()) || (candidate.match.target < 0 && !is_chosen))
        continue;
      RuleVerdict verdict{rule_name(in_.soc, candidate.match), is_chosen ? "chosen" : "accepted",
                          operators_of(in_.graph, candidate.covers),
                          candidate.legalised ? candidate.legalised->what : ""};
      verdict.cycles = candidate.cycles;
      why.verdicts.push_back(std::move(verdict));
    }
  }

  void add_refused(const std::vector<NodeId>& covers, LayerWhy& why) {
    for (const std::vector<Match>* list : {&in_.candidates.untileable, &in_.matches.refused}) {
      for (const Match& match : *list) {
        if (!contains(covers, match.nodes.front()) || match.target < 0) continue;
        RuleVerdict verdict{rule_name(in_.soc, match),
                            list == &in_.matches.refused ? "refused" : "no tile fits",
                            operators_of(in_.graph, match.nodes), ""};
        verdict.failed = stated(match);
        if (list == &in_.matches.refused) verdict.cycles = cycles_if_accepted(in_, match);
        refusals_.push_back({&match, verdict.cycles});
        why.verdicts.push_back(std::move(verdict));
      }
    }
    for (const RefusedForm& form : in_.candidates.refused_forms) {
      if (!contains(covers, form.legalised->covers.front())) continue;
      RuleVerdict verdict{rule_name(in_.soc, form.match), "refused",
                          operators_of(in_.graph, form.legalised->covers), form.legalised->what};
      verdict.failed = stated(form.match);
      why.verdicts.push_back(std::move(verdict));
    }
  }

  // What went because a memory is too small.
  void add_given_up(const std::vector<NodeId>& covers, int target, LayerWhy& why) {
    if (!in_.candidates.short_memory) return;
    for (const GivenUp& gone : in_.candidates.short_memory->jobs) {
      const Candidate& candidate = gone.candidate;
      if (!contains(covers, candidate.covers.front())) continue;
      RuleVerdict verdict{rule_name(in_.soc, candidate.match), "given up",
                          operators_of(in_.graph, candidate.covers),
                          candidate.legalised ? candidate.legalised->what : ""};
      verdict.cycles = candidate.cycles;
      verdict.failed = failed_with(gone.with);
      verdict.with = gone.with;
      more_.push_back(candidate.match);
      more_.back().nodes = candidate.covers;
      more_.back().failed = verdict.failed;
      refusals_.push_back({&more_.back(), candidate.cycles});
      why.verdicts.push_back(std::move(verdict));
      NearestFix fix = with_more_memory(in_, gone, target);
      if (!why.fix || fix.gain > why.fix->gain) why.fix = std::move(fix);
    }
  }

  // What a pin took from the candidates.
  void add_pinned(const std::vector<NodeId>& covers, const Candidate& chosen, LayerWhy& why) {
    if (chosen.pinned.empty()) return;
    for (const Match& match : in_.matches.accepted) {
      if (match.target < 0 || match.target == chosen.match.target ||
          !contains(covers, match.nodes.front()))
        continue;
      const bool untileable = std::any_of(
          in_.candidates.untileable.begin(), in_.candidates.untileable.end(), [&](const Match& other) {
            return other.target == match.target && other.rule == match.rule && other.nodes == match.nodes;
          });
      if (untileable) continue;
      more_.push_back(match);
      more_.back().failed.push_back({chosen.pinned, "a pin wants the layer on another target",
                                     "the layer is on " + target_of(in_.soc, chosen.match).name});
      RuleVerdict verdict{rule_name(in_.soc, match), "pinned away", operators_of(in_.graph, match.nodes),
                          ""};
      verdict.cycles = cycles_if_accepted(in_, match);
      verdict.failed = more_.back().failed;
      refusals_.push_back({&more_.back(), verdict.cycles});
      why.verdicts.push_back(std::move(verdict));
    }
  }

  // A rule whose pattern begins with none of the layer's operators was never tried: say that too.
  void add_others(LayerWhy& why) const {
    for (const SocUnit& unit : in_.soc.accelerators) {
      for (const Rule& rule : unit.target.rules) {
        const std::string name = unit.target.name + "/" + rule.name;
        const bool listed =
            std::any_of(why.verdicts.begin(), why.verdicts.end(),
                        [&](const RuleVerdict& verdict) { return verdict.rule == name; });
        if (listed) continue;
        RuleVerdict verdict{name, "does not apply", why.layer.operators, ""};
        verdict.failed.push_back({"pattern `" + rule.pattern.text + "`",
                                  "no operator of the layer begins the rule's pattern",
                                  "found `" + why.layer.operators + "`"});
        why.verdicts.push_back(std::move(verdict));
      }
    }
  }

  static void add(NetworkWhy& network, const std::string& target,
                  const std::vector<std::string>& whys, const LayerWhy& why, int64_t cycles, bool bound) {
    const auto count_in = [&](ConditionCost::Sum& sum) {
      ++sum.layers;
      sum.macs += why.layer.macs;
      sum.cycles += cycles;
    };
    for (const std::string& text : whys) {
      auto found = std::find_if(network.conditions.begin(), network.conditions.end(),
                                [&](const ConditionCost& c) { return c.target == target && c.why == text; });
      if (found == network.conditions.end())
        found = network.conditions.insert(found, {target, text, bound, {}, {}});
      count_in(whys.size() == 1 ? found->alone : found->others);
    }
    auto set = std::find_if(network.sets.begin(), network.sets.end(), [&](const ConditionSet& s) {
      return s.target == target && s.whys == whys;
    });
    if (set == network.sets.end()) set = network.sets.insert(set, {target, whys, {}});
    count_in(set->sum);
  }

  const WhyInput& in_;
  const Schedule& schedule_;
  const Report& report_;
  std::vector<Refusal> refusals_;  // of the layer explained last
  std::deque<Match> more_;         // those of them that are no refused matches
};

}  // namespace

Result<NetworkWhy> explain(const Graph& graph, const Soc& soc, const Policy& policy,
                           const Matches& matches, const Candidates& candidates,
                           const Schedule& schedule, const Report& report,
                           const RefuseKernels& refuse) {
  const WhyInput in{graph, soc, policy, matches, candidates, refuse};
  Explainer explainer(in, schedule, report);
  NetworkWhy network;
  network.heading = fmt::format("{} on SoC {}, policy {}: {} modelled cycles, {} of {} MACs accelerated",
                                report.network, report.soc, report.policy, thousands(report.cycles),
                                thousands(report.accelerated_macs), thousands(report.macs));
  for (const Layer& layer : layers_of(schedule)) {
    Result<LayerWhy> why = explainer.explain(layer);
    if (!why.ok()) return why.errors();
    explainer.count(layer, *why, network);
    network.layers.push_back(std::move(*why));
  }
  std::stable_sort(network.conditions.begin(), network.conditions.end(),
                   [](const ConditionCost& a, const ConditionCost& b) {
                     return std::make_tuple(a.alone.cycles + a.others.cycles, a.alone.cycles) >
                            std::make_tuple(b.alone.cycles + b.others.cycles, b.alone.cycles);
                   });
  std::stable_sort(network.sets.begin(), network.sets.end(),
                   [](const ConditionSet& a, const ConditionSet& b) {
                     return a.sum.cycles > b.sum.cycles;
                   });
  return network;
}

}  // namespace heddle
