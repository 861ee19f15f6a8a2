#include "report/nearest_fix.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "schedule/cover.h"
#include "schedule/why_here.h"

namespace heddle {
namespace {

// All kinds of forms, in the widths that the rule's tiles have, or that it asks for itself.
Legalise every_kind(const Rule& rule) {
  Legalise all = rule.legalise;
  all.pads = all.dense = true;
  int64_t width = 0;
  for (const TileDomain& domain : rule.domains) width = std::max(width, domain.multiple_of);
  if (all.depthwise_width == 0 && width > 1) all.depthwise_width = width;
  if (all.channel_multiple == 0 && width > 1) all.channel_multiple = width;
  return all;
}

int64_t extra_cycles(const Candidate& candidate) {
  int64_t cycles = 0;
  for (const Extra& extra : candidate.extras) cycles += extra.cycles;
  return cycles;
}

NearestFix fix_of(const WhyInput& in, const Candidate& candidate, std::string kind) {
  NearestFix fix;
  fix.kind = std::move(kind);
  fix.rule = rule_name(in.soc, candidate.match);
  fix.what = candidate.legalised ? candidate.legalised->what : "as it is";
  fix.extra_cycles = extra_cycles(candidate);
  fix.cycles = candidate.cycles;
  fix.gain = cycles_on_cpu(in.candidates, candidate.covers).value_or(0) - candidate.cycles;
  return fix;
}

std::string form_text(const NearestFix& fix) {
  const std::string cost =
      fix.extra_cycles > 0
          ? fmt::format("{} costs {} cycles on the CPU", fix.what, thousands(fix.extra_cycles))
          : fmt::format("{} costs nothing", fix.what);
  return fix.gain > 0 ? fmt::format("{} and gains {} with {}", cost, thousands(fix.gain), fix.rule)
                      : fmt::format("{}, but it does not pay: {} takes {} cycles then, {} more than the CPU",
                                    cost, fix.rule, thousands(fix.cycles), thousands(-fix.gain));
}

// A candidate that the schedule had and did not take.
std::optional<NearestFix> allowed(const WhyInput& in, NodeId start) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : in.candidates.usable) {
    if (candidate.match.target < 0 || candidate.covers.front() != start) continue;
    if (best == nullptr || candidate.cycles < best->cycles) best = &candidate;
  }
  if (best == nullptr) return std::nullopt;
  NearestFix fix = fix_of(in, *best, "allowed");
  const std::string form = best->legalised ? fmt::format("with {} ", fix.what) : "";
  fix.text = fix.gain > 0 ? fmt::format("{} takes it {}in {} cycles; the policy or its neighbours decided "
                                        "otherwise",
                                        fix.rule, form, thousands(fix.cycles))
                          : fmt::format("allowed, but it does not pay: {} takes it {}in {} cycles, {} more "
                                        "than the CPU",
                                        fix.rule, form, thousands(fix.cycles), thousands(-fix.gain));
  return fix;
}

Result<std::optional<NearestFix>> by_another_form(const WhyInput& in, NodeId start) {
  std::optional<NearestFix> best;
  for (size_t a = 0; a < in.soc.accelerators.size(); ++a) {
    const std::vector<Rule>& rules = in.soc.accelerators[a].target.rules;
    for (size_t r = 0; r < rules.size(); ++r) {
      if (rules[r].domains.empty() && !rules[r].job) continue;
      Result<Offered> offered =
          offer_forms(in.graph, in.soc, in.policy, in.matches, static_cast<int>(a),
                      static_cast<int>(r), start, every_kind(rules[r]), in.refuse);
      if (!offered.ok()) return offered.errors();
      for (const Candidate& candidate : offered->usable) {
        NearestFix fix = fix_of(in, candidate, "legalisation");
        if (!best || fix.gain > best->gain) best = std::move(fix);
      }
    }
  }
  if (best) {
    best->text = form_text(*best);
    if (best->gain > 0) best->text += "; its `legalise` does not allow it";
  }
  return best;
}

std::optional<NearestFix> without_conditions(const WhyInput& in, const std::vector<Refusal>& refused) {
  const Refusal* nearest = nullptr;
  const auto key = [](const Refusal& refusal) {
    return std::make_pair(stated(*refusal.match).size(), *refusal.cycles);
  };
  for (const Refusal& refusal : refused) {
    if (!refusal.cycles) continue;
    if (nearest == nullptr || key(refusal) < key(*nearest)) nearest = &refusal;
  }
  if (nearest == nullptr) return std::nullopt;
  const std::vector<FailedCondition> failed = stated(*nearest->match);
  NearestFix fix;
  fix.kind = failed.size() == 1 ? "condition" : "conditions";
  fix.rule = rule_name(in.soc, *nearest->match);
  for (const FailedCondition& condition : failed)
    fix.what += (fix.what.empty() ? "" : "; ") + condition.why;
  fix.cycles = *nearest->cycles;
  fix.gain = cycles_on_cpu(in.candidates, nearest->match->nodes).value_or(0) - fix.cycles;
  const std::string lacks = failed.size() == 1
                                ? fmt::format("without this one condition of {}: {}", fix.rule, fix.what)
                                : fmt::format("without these {} conditions of {}: {}", failed.size(),
                                              fix.rule, fix.what);
  fix.text = fix.gain > 0
                 ? fmt::format("{}; it would take {} cycles and gain {}", lacks, thousands(fix.cycles),
                               thousands(fix.gain))
                 : fmt::format("{}; it would not pay: {} cycles, {} more than the CPU", lacks,
                               thousands(fix.cycles), thousands(-fix.gain));
  return fix;
}

}  // namespace

std::string rule_name(const Soc& soc, const Match& match) {
  return target_of(soc, match).name + "/" + rule_of(soc, match).name;
}

std::optional<int64_t> cycles_on_cpu(const Candidates& candidates,
                                     const std::vector<NodeId>& nodes) {
  const auto indices = [](const std::vector<NodeId>& ids) {
    std::vector<int> result;
    for (const NodeId id : ids) result.push_back(id.index);
    return result;
  };
  const std::vector<int> all = indices(nodes);
  std::vector<CoverItem> items;
  for (const Candidate& candidate : candidates.usable) {
    if (candidate.match.target >= 0) continue;
    CoverItem item{indices(candidate.match.nodes), candidate.cycles, candidate.match.rule};
    if (std::includes(all.begin(), all.end(), item.nodes.begin(), item.nodes.end()))
      items.push_back(std::move(item));
  }
  const Cover cover = cover_nodes(all, items);
  if (cover.uncovered) return std::nullopt;
  return cover.cost;
}

bool pattern_fails(const Match& match) {
  return !match.failed.empty() && match.failed.front().condition.starts_with("pattern `");
}

std::optional<int64_t> cycles_if_accepted(const WhyInput& in, const Match& match) {
  if (pattern_fails(match)) return std::nullopt;
  Match accepted = match;
  accepted.failed.clear();
  // The tiler may rely on what the conditions say, so what it cannot do here is no bug.
  try {
    const Result<Tiling> tiling = solve_tiling(in.graph, in.soc, accepted,
                                               choose_storage(in.graph, in.soc, {&accepted}));
    if (!tiling.ok()) return std::nullopt;
    return tiling->cost.total;
  } catch (const InternalError&) {
    return std::nullopt;
  }
}

NearestFix with_more_memory(const WhyInput& in, const GivenUp& gone, int target) {
  NearestFix fix = fix_of(in, gone.candidate, "memory");
  fix.gain = gone.with.cycles;
  const std::string layer = terminal_text(in.graph.node(gone.candidate.covers.front()).name, 40);
  const std::string grown = [&] {
    std::string text;
    for (const Excess& excess : gone.with.excesses) {
      text += fmt::format("{}{} B more of `{}`", text.empty() ? "" : " and ",
                          thousands(excess.required_bytes - excess.available_bytes), excess.memory);
    }
    return text;
  }();
  fix.text = fmt::format("with {}, {} takes it in {} cycles", grown, job_name(in.soc, gone.candidate),
                         thousands(fix.cycles));
  if (fix.gain > 0) fix.text += fmt::format(", and the network {} fewer", thousands(fix.gain));
  fix.text += target == gone.candidate.match.target
                  ? "; or others give way to it, put elsewhere by `--place`"
                  : fmt::format("; `--place '{}={}'` keeps it there and gives others up, if that is enough",
                                layer, target_of(in.soc, gone.candidate.match).name);
  return fix;
}

Result<std::optional<NearestFix>> nearest_fix(const WhyInput& in, NodeId start,
                                              const std::vector<Refusal>& refused) {
  if (std::optional<NearestFix> fix = allowed(in, start)) return fix;
  Result<std::optional<NearestFix>> form = by_another_form(in, start);
  if (!form.ok() || (*form && (*form)->gain > 0)) return form;
  std::optional<NearestFix> conditions = without_conditions(in, refused);
  if (!conditions || (*form && conditions->gain <= 0)) return form;
  return conditions;
}

}  // namespace heddle
