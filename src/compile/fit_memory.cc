#include "compile/fit_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/text.h"
#include "cpu_codegen/generators.h"
#include "legalise/legalise.h"
#include "schedule/policy.h"
#include "schedule/why_here.h"

namespace heddle {
namespace {

int64_t constant_bytes(const Graph& graph) {
  int64_t bytes = 0;
  for (const Value& value : graph.values)
    bytes += value.constant ? static_cast<int64_t>(value.constant->bytes().size()) : 0;
  return bytes;
}

// Of a value in main memory; 0 elsewhere.
int64_t stored_bytes(const Schedule& schedule, ValueId value) {
  const auto stored = schedule.storage.find(value);
  return stored == schedule.storage.end() || !stored->second.memory.empty() ? 0
                                                                            : stored->second.bytes;
}

// Values that a step reads and the one that it makes.
std::set<ValueId> touched(const Schedule& schedule, const Step& step) {
  std::set<ValueId> values;
  for (const NodeId node : step.candidate.match.nodes) {
    for (const ValueId input : schedule.graph.node(node).inputs)
      if (input.valid()) values.insert(input);
  }
  values.insert(step.candidate.match.output(schedule.graph));
  return values;
}

// The values that are alive where most bytes of main memory are; views count as if they were copies.
std::set<ValueId> fullest(const Schedule& schedule) {
  struct Life {
    size_t first = 0, last = 0;
  };
  std::map<ValueId, Life> lives;
  for (const ValueId input : schedule.graph.inputs) lives[input] = {};
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    for (const ValueId value : touched(schedule, schedule.steps[s]))
      lives.try_emplace(value, Life{s, s}).first->second.last = s;
  }
  for (const ValueId output : schedule.graph.outputs) {
    const auto life = lives.find(output);
    if (life != lives.end()) life->second.last = schedule.steps.size();
  }
  std::set<ValueId> most;
  int64_t most_bytes = -1;
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    std::set<ValueId> alive;
    int64_t bytes = 0;
    for (const ValueId value : schedule.materialised) {
      const auto life = lives.find(value);
      if (life == lives.end() || life->second.first > s || life->second.last < s) continue;
      alive.insert(value);
      bytes += stored_bytes(schedule, value);
    }
    if (bytes <= most_bytes) continue;
    most_bytes = bytes;
    most = std::move(alive);
  }
  return most;
}

int64_t spare_bytes(const Schedule& schedule, const Step& step, const std::set<ValueId>& alive) {
  const Candidate& candidate = step.candidate;
  int64_t bytes = candidate.legalised ? constant_bytes(candidate.legalised->graph) : 0;
  for (const ValueId value : touched(schedule, step)) {
    if (!alive.contains(value)) continue;
    const int64_t stored = stored_bytes(schedule, value);
    if (stored > 0) bytes += stored - dense_storage(schedule.graph.value(value).type).bytes;
  }
  return bytes;
}

// Does it go with the other one?
bool goes_with(const Candidate& candidate, const Candidate& gone) {
  return gone.legalised ? candidate.legalised == gone.legalised
                        : !candidate.legalised && candidate.covers == gone.covers &&
                              candidate.match.target == gone.match.target;
}

Unfit compared(const Soc& soc, const Fitted& unfit, const Fitted& fits) {
  return {excesses(soc, unfit.plan), unfit.plan.arena_bytes - fits.plan.arena_bytes,
          unfit.plan.constant_bytes - fits.plan.constant_bytes,
          fits.schedule.cycles - unfit.schedule.cycles};
}

class Fitting {
 public:
  Fitting(const Graph& graph, const Soc& soc, const Policy& policy, const Matches& matches,
          Candidates possible, TileMemo& memo)
      : graph_(graph), soc_(soc), policy_(policy), matches_(matches), possible_(std::move(possible)),
        memo_(memo) {}

  Result<Fitted> fit(Fitted first) {
    first.plan = plan_of(first.schedule);
    Fitted now = first;
    if (!give_up(now)) return refusal(now);
    take_back(now);
    if (given_up_.empty()) return now;
    say_why(first, now);
    return now;
  }

 private:
  struct Gone {
    Dropped dropped;
    Unfit with;
  };

  MemoryPlan plan_of(const Schedule& schedule) const {
    return lay_out_memory(schedule.graph, soc_, schedule, kernel_needs(schedule.graph, soc_, schedule));
  }

  // With what is possible now; nullopt: a pin insists on what is gone.
  std::optional<Fitted> again() const {
    Result<Candidates> candidates = apply_policy(graph_, soc_, policy_, matches_, possible_);
    if (!candidates.ok()) return std::nullopt;
    Result<Schedule> schedule = make_schedule(graph_, soc_, policy_, matches_, *candidates, memo_);
    if (!schedule.ok()) return std::nullopt;
    MemoryPlan plan = plan_of(*schedule);
    return Fitted{std::move(*candidates), std::move(*schedule), std::move(plan)};
  }

  void put_back(const Dropped& dropped) {
    possible_.usable.insert(possible_.usable.end(), dropped.all.begin(), dropped.all.end());
  }

  // False: it does not fit, and nothing is left to give up.
  bool give_up(Fitted& now) {
    std::vector<Candidate> kept;
    while (!excesses(soc_, now.plan).empty()) {
      std::optional<Dropped> dropped = drop_largest(possible_, now.schedule, kept);
      if (!dropped) return false;
      std::optional<Fitted> next = again();
      if (!next) {
        put_back(*dropped);
        kept.push_back(std::move(dropped->chosen));
        continue;
      }
      Unfit with = compared(soc_, now, *next);
      given_up_.push_back({std::move(*dropped), std::move(with)});
      now = std::move(*next);
    }
    return true;
  }

  bool not_worse(const Schedule& with, const Schedule& than) const {
    return policy_.objective == Objective::first_match ||
           std::make_pair(with.proof.switches, with.proof.cost) <=
               std::make_pair(than.proof.switches, than.proof.cost);
  }

  // What was given up on the way may fit beside what was given up later. Each that is left was tried
  // last beside the schedule that is left.
  void take_back(Fitted& now) {
    for (size_t tried = 0; tried < given_up_.size();) {
      Gone gone = std::move(given_up_.front());
      given_up_.erase(given_up_.begin());
      const std::vector<Candidate> without = possible_.usable;
      put_back(gone.dropped);
      std::optional<Fitted> with = again();
      if (with && excesses(soc_, with->plan).empty()) {
        // A search that was cut short may find a worse one with it: then it was possible, not best.
        if (!not_worse(with->schedule, now.schedule)) with->schedule = std::move(now.schedule);
        with->plan = plan_of(with->schedule);
        now = std::move(*with);
        tried = 0;
        continue;
      }
      if (with) gone.with = compared(soc_, *with, now);
      possible_.usable = without;
      given_up_.push_back(std::move(gone));
      ++tried;
    }
  }

  void say_why(const Fitted& first, Fitted& now) {
    ShortMemory memory;
    for (Gone& gone : given_up_) memory.jobs.push_back({std::move(gone.dropped.chosen), std::move(gone.with)});
    std::stable_sort(memory.jobs.begin(), memory.jobs.end(), [](const GivenUp& a, const GivenUp& b) {
      return a.candidate.covers < b.candidate.covers;
    });
    memory.with_all = compared(soc_, first, now);
    now.candidates.short_memory = std::move(memory);
    for (Step& step : now.schedule.steps)
      step.why = why_here(soc_, policy_, matches_, now.candidates, now.schedule, step);
  }

  // The errors of the plan, and what they are in spite of.
  Diagnostics refusal(const Fitted& now) const {
    Diagnostics errors = plan_memory(now.schedule.graph, soc_, now.schedule,
                                     kernel_needs(now.schedule.graph, soc_, now.schedule))
                             .errors();
    std::string layers;
    for (const Gone& gone : given_up_) {
      const Candidate& candidate = gone.dropped.chosen;
      layers += fmt::format("{}`{}` ({}/{})", layers.empty() ? "" : ", ",
                            terminal_text(graph_.node(candidate.covers.front()).name),
                            target_of(soc_, candidate.match).name, rule_of(soc_, candidate.match).name);
    }
    if (!layers.empty()) {
      errors.push_back({Severity::note, errors.front().place,
                        "jobs of units that take more bytes than the layer itself were given up for it: " +
                            layers,
                        ""});
    }
    return errors;
  }

  const Graph& graph_;
  const Soc& soc_;
  const Policy& policy_;
  const Matches& matches_;
  Candidates possible_;
  TileMemo& memo_;
  std::vector<Gone> given_up_;
};

}  // namespace

std::optional<Dropped> drop_largest(Candidates& candidates, const Schedule& schedule,
                                    const std::vector<Candidate>& kept) {
  const std::set<ValueId> alive = fullest(schedule);
  const Step* least = nullptr;
  double least_gain = 0;
  for (const Step& step : schedule.steps) {
    const int64_t bytes = step.candidate.tiling ? spare_bytes(schedule, step, alive) : 0;
    const bool stays = std::any_of(kept.begin(), kept.end(), [&](const Candidate& candidate) {
      return goes_with(step.candidate, candidate);
    });
    if (bytes <= 0 || stays) continue;
    const double gain =
        static_cast<double>(step.margin ? step.margin->more : 0) / static_cast<double>(bytes);
    if (least != nullptr && gain >= least_gain) continue;
    least = &step;
    least_gain = gain;
  }
  if (least == nullptr) return std::nullopt;
  const Candidate gone = least->candidate;
  const auto gone_now = std::stable_partition(
      candidates.usable.begin(), candidates.usable.end(),
      [&](const Candidate& candidate) { return !goes_with(candidate, gone); });
  Dropped dropped;
  dropped.all.assign(std::make_move_iterator(gone_now),
                     std::make_move_iterator(candidates.usable.end()));
  candidates.usable.erase(gone_now, candidates.usable.end());
  const auto chosen =
      std::find_if(dropped.all.begin(), dropped.all.end(),
                   [&](const Candidate& candidate) { return candidate.match.rule == gone.match.rule; });
  HEDDLE_CHECK(chosen != dropped.all.end(), "a chosen job is no candidate");
  dropped.chosen = *chosen;
  return dropped;
}

Result<Fitted> fit_memory(const Graph& graph, const Soc& soc, const Policy& policy,
                          const Matches& matches, Candidates possible, Fitted first, TileMemo& memo) {
  return Fitting(graph, soc, policy, matches, std::move(possible), memo).fit(std::move(first));
}

}  // namespace heddle
