#include "schedule/why_here.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "legalise/legalise.h"
#include "schedule/model.h"

namespace heddle {
namespace {

// "1,204 cycles more than by generic/conv".
std::string margin_text(const Policy& policy, const Margin& margin) {
  if (margin.switches != 0) {
    return fmt::format("{} more switch{} of targets by {}", margin.switches,
                       margin.switches == 1 ? "" : "es", margin.runner_up);
  }
  return fmt::format("{} {} more by {}", thousands(margin.more), objective_unit(policy),
                     margin.runner_up);
}

// For a step on the CPU: the reason that stands nearest to an accelerator, that is, the refusal
// with the fewest failed conditions; a refused pattern counts as the farthest.
std::string why_not_accelerated(const Soc& soc, const Policy& policy, const Matches& matches,
                                const Candidates& candidates, const Step& step) {
  const std::vector<NodeId>& covers = step.candidate.covers;
  const auto inside = [&](NodeId node) {
    return std::find(covers.begin(), covers.end(), node) != covers.end();
  };
  const int64_t cycles = step.candidate.cycles;
  const Candidate* best = nullptr;
  for (const Candidate& candidate : candidates.usable) {
    if (candidate.match.target < 0 || !inside(candidate.covers.front())) continue;
    if (best == nullptr || candidate.cycles < best->cycles) best = &candidate;
  }
  if (best != nullptr) {
    const std::string& target = target_of(soc, best->match).name;
    if (best->cycles >= cycles) {
      return fmt::format("{} is no gain: {} cycles against {}", target, thousands(best->cycles),
                         thousands(cycles));
    }
    if (step.margin && step.margin->runner_up.starts_with(target))
      return "not best in all: " + margin_text(policy, *step.margin);
    return fmt::format("{} alone would take {} cycles, but in all more", target,
                       thousands(best->cycles));
  }
  for (const Match& other : candidates.untileable) {
    if (inside(other.anchor)) return target_of(soc, other).name + ": " + other.failed.front().why;
  }
  const Match* nearest = nullptr;
  for (const Match& other : matches.refused) {
    if (other.target < 0 || !inside(other.anchor)) continue;
    const auto distance = [](const Match& m) {
      return stated(m).size() + (m.failed.front().condition.starts_with("pattern") ? 100 : 0);
    };
    if (nearest == nullptr || distance(other) < distance(*nearest)) nearest = &other;
  }
  if (nearest == nullptr)
    return soc.accelerators.empty() ? "the SoC has no accelerator"
                                    : "no accelerator has a rule for it";
  const std::vector<FailedCondition> reasons = stated(*nearest);
  const FailedCondition& failed = reasons.front();
  const std::string more =
      reasons.size() > 1 ? fmt::format(" (and {} more)", reasons.size() - 1) : "";
  return fmt::format("{}: {}: {}{}", target_of(soc, *nearest).name, failed.why, failed.values,
                     more);
}

std::string why_accelerated(const Policy& policy, const Step& step) {
  if (policy.objective == Objective::first_match) return "first accelerator that accepts it";
  const int64_t cycles = step.candidate.cycles;
  if (cycles == 0) return fmt::format("no cycles; the CPU needs {}", thousands(step.cycles_on_cpu));
  if (policy.objective == Objective::latency && step.cycles_on_cpu > cycles) {
    const int64_t tenths = step.cycles_on_cpu * 10 / cycles;
    return fmt::format("{}.{}x fewer cycles than the CPU", thousands(tenths / 10), tenths % 10);
  }
  if (!step.margin) return "nothing else can compute it";
  return "best in all: " + margin_text(policy, *step.margin);
}

// "; memory is short: `l2` lacks 5,712 B for diana_digital/conv2d, 43,210 cycles fewer" of a job that the
// step's layer does without; "" if there is none.
std::string given_up(const Soc& soc, const Candidates& candidates, const Step& step) {
  if (!candidates.short_memory) return "";
  const std::vector<NodeId>& covers = step.candidate.covers;
  std::string text;
  for (const GivenUp& gone : candidates.short_memory->jobs) {
    if (std::find(covers.begin(), covers.end(), gone.candidate.covers.front()) == covers.end()) continue;
    text += fmt::format("{}{} for {}", text.empty() ? "; memory is short: " : ", ", lack_of(gone.with),
                        job_name(soc, gone.candidate));
    if (gone.with.cycles > 0) text += fmt::format(" ({} cycles fewer)", thousands(gone.with.cycles));
  }
  return text;
}

// "; x, y stay in l1".
std::string residency(const Schedule& schedule, const Match& match) {
  std::string operands, memory;
  for (const auto& [operand, value] : match.bound) {
    const auto stored = schedule.storage.find(value);
    if (stored == schedule.storage.end() || stored->second.memory.empty()) continue;
    operands += (operands.empty() ? "" : ", ") + operand;
    memory = stored->second.memory;
  }
  return operands.empty() ? "" : fmt::format("; {} in {}", operands, memory);
}

}  // namespace

std::string why_here(const Soc& soc, const Policy& policy, const Matches& matches,
                     const Candidates& candidates, const Schedule& schedule, const Step& step) {
  const Match& match = step.candidate.match;
  if (needs_no_code(schedule.graph, schedule.aliases, match)) return "read in place";
  if (step.candidate.covers.empty()) return "another layout for the layer that reads it";
  const bool extra = step.candidate.legalised && match.target < 0;
  const std::string gone = extra ? "" : given_up(soc, candidates, step);
  std::string why;
  if (!gone.empty() && match.target < 0) return gone.substr(2) + residency(schedule, match);
  if (!step.candidate.pinned.empty()) {
    why = "pinned by " + step.candidate.pinned;
  } else if (extra) {
    why = fmt::format("{} for the job", step.candidate.legalised->what);
  } else if (match.target < 0) {
    why = why_not_accelerated(soc, policy, matches, candidates, step);
  } else {
    why = why_accelerated(policy, step);
    if (step.candidate.legalised) why += fmt::format("; {}", step.candidate.legalised->what);
  }
  return why + gone + residency(schedule, match);
}

std::string job_name(const Soc& soc, const Candidate& candidate) {
  std::string name = target_of(soc, candidate.match).name + "/" + rule_of(soc, candidate.match).name;
  if (candidate.legalised) name += " with " + candidate.legalised->what;
  return name;
}

std::string lack_of(const Unfit& unfit) {
  std::string text;
  for (const Excess& excess : unfit.excesses) {
    text += fmt::format("{}`{}` {}{} B", text.empty() ? "" : ", ", excess.memory, text.empty() ? "lacks " : "",
                        thousands(excess.required_bytes - excess.available_bytes));
  }
  return text;
}

}  // namespace heddle
