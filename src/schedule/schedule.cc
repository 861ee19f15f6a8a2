#include "schedule/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/text.h"
#include "schedule/cover.h"

namespace heddle {
namespace {

std::vector<int> indices_of(const std::vector<NodeId>& nodes) {
  std::vector<int> indices;
  for (const NodeId id : nodes) indices.push_back(id.index);
  return indices;
}

std::vector<CoverItem> cover_items(const Candidates& candidates) {
  std::vector<CoverItem> items;
  for (const Candidate& candidate : candidates.usable) {
    // On a tie accelerators go before the CPU and take as many operators as they can, then the
    // order of the SoC and of the rules.
    const int64_t target_rank =
        candidate.match.target < 0 ? 1'000'000 : candidate.match.target * 1'000;
    const int64_t operators = static_cast<int64_t>(candidate.match.nodes.size());
    items.push_back({indices_of(candidate.match.nodes), candidate.cycles,
                     target_rank * operators + candidate.match.rule});
  }
  return items;
}

// HTVM's way: accelerators in the SoC's order take what they match, longest first; the CPU fuses
// what is left.
Cover first_match(const Graph& graph, const Candidates& candidates,
                  const std::vector<CoverItem>& items) {
  std::vector<int> order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    const CoverItem& x = items[static_cast<size_t>(a)];
    const CoverItem& y = items[static_cast<size_t>(b)];
    const bool x_cpu = candidates.usable[static_cast<size_t>(a)].match.target < 0;
    const bool y_cpu = candidates.usable[static_cast<size_t>(b)].match.target < 0;
    const auto key = [](bool cpu, const CoverItem& item) {
      return std::make_tuple(cpu, item.nodes.front(), -static_cast<int64_t>(item.nodes.size()),
                             item.rank);
    };
    return key(x_cpu, x) < key(y_cpu, y);
  });
  Cover cover;
  std::vector<bool> taken(graph.nodes.size(), false);
  for (const int index : order) {
    const std::vector<int>& nodes = items[static_cast<size_t>(index)].nodes;
    if (std::any_of(nodes.begin(), nodes.end(),
                    [&](int n) { return taken[static_cast<size_t>(n)]; }))
      continue;
    for (const int n : nodes) taken[static_cast<size_t>(n)] = true;
    cover.items.push_back(index);
    cover.cost += items[static_cast<size_t>(index)].cost;
  }
  const auto open = std::find(taken.begin(), taken.end(), false);
  if (open != taken.end()) cover.uncovered = static_cast<int>(open - taken.begin());
  return cover;
}

int64_t cycles_on_cpu(const Candidates& candidates, const std::vector<CoverItem>& items,
                      const Match& match) {
  std::vector<CoverItem> cpu;
  for (size_t i = 0; i < items.size(); ++i) {
    if (candidates.usable[i].match.target < 0) cpu.push_back(items[i]);
  }
  return cover_nodes(indices_of(match.nodes), cpu).cost;
}

// For a step on the CPU: the reason that stands nearest to an accelerator, that is, the refusal
// with the fewest failed conditions; a refused pattern counts as the farthest.
std::string why_not_accelerated(const Soc& soc, const Matches& matches,
                                const Candidates& candidates, const Match& match, int64_t cycles) {
  const auto inside = [&](const Match& other) {
    return other.target >= 0 &&
           std::find(match.nodes.begin(), match.nodes.end(), other.anchor) != match.nodes.end();
  };
  for (const Candidate& candidate : candidates.usable) {
    if (!inside(candidate.match)) continue;
    return fmt::format("{} is no gain: {} cycles against {}", target_of(soc, candidate.match).name,
                       thousands(candidate.cycles), thousands(cycles));
  }
  for (const Match& other : candidates.untileable) {
    if (inside(other)) return target_of(soc, other).name + ": " + other.failed.front().why;
  }
  const Match* nearest = nullptr;
  for (const Match& other : matches.refused) {
    if (!inside(other)) continue;
    const auto distance = [](const Match& m) {
      return m.failed.size() + (m.failed.front().condition.starts_with("pattern") ? 100 : 0);
    };
    if (nearest == nullptr || distance(other) < distance(*nearest)) nearest = &other;
  }
  if (nearest == nullptr)
    return soc.accelerators.empty() ? "the SoC has no accelerator"
                                    : "no accelerator has a rule for it";
  const FailedCondition& failed = nearest->failed.front();
  const std::string more =
      nearest->failed.size() > 1 ? fmt::format(" (and {} more)", nearest->failed.size() - 1) : "";
  return fmt::format("{}: {}: {}{}", target_of(soc, *nearest).name, failed.why, failed.values,
                     more);
}

std::string why_here(const Soc& soc, const Policy& policy, const Matches& matches,
                     const Candidates& candidates, const Step& step) {
  const Match& match = step.candidate.match;
  if (!step.candidate.pinned.empty()) return "pinned by " + step.candidate.pinned;
  if (match.target < 0)
    return why_not_accelerated(soc, matches, candidates, match, step.candidate.cycles);
  if (policy.objective == Objective::first_match) return "first accelerator that accepts it";
  if (step.candidate.cycles == 0)
    return fmt::format("no cycles; the CPU needs {}", thousands(step.cycles_on_cpu));
  const int64_t tenths = step.cycles_on_cpu * 10 / std::max<int64_t>(step.candidate.cycles, 1);
  return fmt::format("{}.{}x fewer cycles than the CPU", thousands(tenths / 10), tenths % 10);
}

// A step that has no tile beside its neighbours, and why.
struct Unsettled {
  Match match;
  Diagnostics errors;
};

// Tilings were solved for the storage that each candidate alone would choose; where a neighbour
// decided otherwise, solve again.
std::optional<Unsettled> settle_storage(const Graph& graph, const Soc& soc, Schedule& schedule) {
  std::vector<const Match*> chosen;
  for (const Step& step : schedule.steps) chosen.push_back(&step.candidate.match);
  schedule.storage = choose_storage(graph, soc, chosen);
  schedule.aliases = place_in_others(graph, chosen, schedule.storage);
  for (Step& step : schedule.steps) {
    const Match& match = step.candidate.match;
    if (needs_no_code(graph, schedule.aliases, match)) step.candidate.cycles = 0;
    if (!step.candidate.tiling) continue;
    const StorageOf alone = choose_storage(graph, soc, {&match});
    const bool same = std::all_of(match.bound.begin(), match.bound.end(), [&](const auto& operand) {
      return graph.value(operand.second).constant ||
             schedule.storage.at(operand.second) == alone.at(operand.second);
    });
    if (same) continue;
    Result<Tiling> tiling = solve_tiling(graph, soc, match, schedule.storage);
    if (!tiling.ok()) return Unsettled{match, tiling.errors()};
    step.candidate.cycles = tiling->cost.total;
    step.candidate.tiling = std::move(*tiling);
  }
  return std::nullopt;
}

// One candidate less each time, so that this comes to an end.
Candidates without(const Candidates& candidates, const Unsettled& unsettled) {
  Candidates rest = candidates;
  const size_t gone = std::erase_if(rest.usable, [&](const Candidate& candidate) {
    return candidate.match.target == unsettled.match.target &&
           candidate.match.rule == unsettled.match.rule &&
           candidate.match.nodes == unsettled.match.nodes;
  });
  HEDDLE_CHECK(gone > 0, "a step that was no candidate");
  rest.untileable.push_back(untiled(unsettled.match, unsettled.errors));
  return rest;
}

std::vector<ValueId> materialised_values(const Graph& graph, const std::vector<Step>& steps) {
  std::set<ValueId> values(graph.inputs.begin(), graph.inputs.end());
  for (const Step& step : steps) values.insert(step.candidate.match.output(graph));
  return {values.begin(), values.end()};
}

}  // namespace

Result<Schedule> make_schedule(const Graph& graph, const Soc& soc, const Policy& policy,
                               const Matches& matches, const Candidates& candidates) {
  const std::vector<CoverItem> items = cover_items(candidates);
  std::vector<int> all(graph.nodes.size());
  std::iota(all.begin(), all.end(), 0);
  const Cover cover = policy.objective == Objective::first_match
                          ? first_match(graph, candidates, items)
                          : cover_nodes(all, items);
  if (cover.uncovered) {
    const Node& node = graph.nodes[static_cast<size_t>(*cover.uncovered)];
    return error_at(at_node(node.name, node.op),
                    "no rule of SoC `" + soc.name + "` covers operator `" + node.op + "`",
                    "add a last rule `any` to CPU flavour `" + soc.cpu.name + "`");
  }

  Schedule schedule;
  schedule.graph = graph;
  for (const int item : cover.items) {
    const Candidate& candidate = candidates.usable[static_cast<size_t>(item)];
    schedule.steps.push_back({candidate, graph.node(candidate.match.anchor).name, 0, ""});
  }
  // A region is ready when its last node is: interior values have no other consumer.
  std::sort(schedule.steps.begin(), schedule.steps.end(), [](const Step& a, const Step& b) {
    return a.candidate.match.nodes.back() < b.candidate.match.nodes.back();
  });
  if (const std::optional<Unsettled> unsettled = settle_storage(graph, soc, schedule)) {
    return make_schedule(graph, soc, policy, matches, without(candidates, *unsettled));
  }
  for (Step& step : schedule.steps) {
    const bool in_place = needs_no_code(graph, schedule.aliases, step.candidate.match);
    step.cycles_on_cpu = in_place ? 0 : cycles_on_cpu(candidates, items, step.candidate.match);
    step.why = in_place ? "read in place" : why_here(soc, policy, matches, candidates, step);
    schedule.cycles += step.candidate.cycles;
  }
  schedule.copy_cycles = copy_cycles(graph, soc);
  schedule.cycles += schedule.copy_cycles;
  schedule.materialised = materialised_values(graph, schedule.steps);
  return schedule;
}

std::string dump(const Graph& graph, const Soc& soc, const Schedule& schedule) {
  std::string text = fmt::format("{} steps, {} cycles\n", schedule.steps.size(), schedule.cycles);
  for (const Step& step : schedule.steps) {
    const Match& match = step.candidate.match;
    text += fmt::format("{} on {}/{}: {} cycles (CPU {}); {}\n ", terminal_text(step.name),
                        target_of(soc, match).name, rule_of(soc, match).name, step.candidate.cycles,
                        step.cycles_on_cpu, step.why);
    for (const NodeId id : match.nodes) text += fmt::format(" n{}:{}", id.index, graph.node(id).op);
    text += '\n';
    if (step.candidate.tiling) text += dump(*step.candidate.tiling);
  }
  for (const ValueId id : schedule.materialised) {
    const Storage& storage = schedule.storage.at(id);
    text +=
        fmt::format("v{} {} strides {} bytes {}\n", id.index, to_string(graph.value(id).type.shape),
                    to_string(storage.strides), storage.bytes);
  }
  for (const State& state : graph.states) {
    text += fmt::format("state v{} = v{}: {} bytes moved\n", state.input.index, state.output.index,
                        kept_place(graph, schedule.aliases, schedule.storage, state).bytes_moved);
  }
  return text;
}

}  // namespace heddle
