#include "schedule/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/text.h"
#include "schedule/cover.h"
#include "schedule/model.h"
#include "schedule/residents.h"
#include "schedule/splice.h"
#include "schedule/why_here.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

std::vector<int> indices_of(const std::vector<NodeId>& nodes) {
  std::vector<int> indices;
  for (const NodeId id : nodes) indices.push_back(id.index);
  return indices;
}

// HTVM's way: accelerators in the order of the policy or of the SoC take what they match, longest
// first; the CPU fuses what is left.
std::vector<int> first_match(const Graph& graph, const Soc& soc, const Policy& policy,
                             const Candidates& candidates) {
  std::vector<int> order(candidates.usable.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](int index) {
    const Candidate& candidate = candidates.usable[at(index)];
    const int64_t operators = static_cast<int64_t>(candidate.covers.size());
    const int64_t rank = rank_of(soc, policy, candidate);
    const int64_t target = (rank - candidate.match.rule) / operators;
    const int64_t turn = !policy.target_order.empty() ? target : candidate.match.target < 0;
    const bool other_form = candidate.legalised != nullptr;
    return std::make_tuple(turn, candidate.covers.front(), -operators, target, other_form, rank);
  };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  std::vector<int> chosen;
  std::vector<bool> taken(graph.nodes.size(), false);
  for (const int index : order) {
    const std::vector<NodeId>& nodes = candidates.usable[at(index)].covers;
    if (std::any_of(nodes.begin(), nodes.end(), [&](NodeId n) { return taken[at(n.index)]; }))
      continue;
    for (const NodeId n : nodes) taken[at(n.index)] = true;
    chosen.push_back(index);
  }
  return chosen;
}

int64_t cycles_on_cpu(const Candidates& candidates, const std::vector<NodeId>& nodes) {
  std::vector<CoverItem> cpu;
  for (const Candidate& candidate : candidates.usable) {
    if (candidate.match.target < 0)
      cpu.push_back({indices_of(candidate.covers), candidate.cycles, candidate.match.rule});
  }
  return cover_nodes(indices_of(nodes), cpu).cost;
}

Diagnostic nothing_covers(const Graph& graph, const Soc& soc, int uncovered) {
  const Node& node = graph.nodes[at(uncovered)];
  return error_at(at_node(node.name, node.op),
                  "no rule of SoC `" + soc.name + "` covers operator `" + node.op + "`",
                  "add a last rule `any` to CPU flavour `" + soc.cpu.name + "`");
}

// The best assignment whose residents have places. Ends: each time one run of choices less is
// allowed, and after many of them no residents at all.
struct Chosen {
  std::unique_ptr<ScheduleModel> model;
  Assignment assignment;
};
Chosen choose(const Graph& graph, const Soc& soc, const Policy& policy,
              const Candidates& candidates, TileMemo& memo) {
  constexpr size_t kMaxMisfits = 32;
  const bool greedy = policy.objective == Objective::first_match;
  std::vector<int> usable(candidates.usable.size());
  std::iota(usable.begin(), usable.end(), 0);
  if (greedy) usable = first_match(graph, soc, policy, candidates);
  const auto model = [&](bool residents) {
    return std::make_unique<ScheduleModel>(graph, soc, policy, candidates, usable, residents, memo);
  };
  Chosen chosen{model(!greedy && policy.residents), {}};
  for (;;) {
    chosen.assignment = solve_assignment(chosen.model->problem);
    if (chosen.assignment.uncovered) return chosen;
    const std::optional<Misfit> bad = misfit(*chosen.model, soc, chosen.assignment);
    if (!bad) return chosen;
    if (chosen.model->problem.forbidden.size() == kMaxMisfits) {
      chosen.model = model(false);
      continue;
    }
    std::vector<AssignChoice> run;
    for (size_t s = bad->first; s <= bad->last; ++s)
      run.push_back(chosen.assignment.steps[s].choice);
    chosen.model->problem.forbidden.push_back(std::move(run));
  }
}

// The candidates as chosen, with their tilings, in execution order.
std::vector<Candidate> chosen_candidates(const Candidates& candidates, const Chosen& chosen) {
  std::vector<Candidate> result;
  for (const AssignStep& step : chosen.assignment.steps) {
    Candidate candidate = candidates.usable[at(chosen.model->candidates[at(step.choice.item)])];
    if (const Tiling* tiling = chosen.model->tiling(step.choice, step.taken)) {
      candidate.tiling = *tiling;
      candidate.cycles = tiling->cost.total;
      for (const Extra& extra : candidate.extras) candidate.cycles += extra.cycles;
    }
    result.push_back(std::move(candidate));
  }
  return result;
}

std::vector<Conversion> chosen_conversions(const Chosen& chosen) {
  const ScheduleModel& model = *chosen.model;
  const std::vector<AssignStep>& steps = chosen.assignment.steps;
  std::vector<Conversion> conversions;
  for (const AssignStep& made : steps) {
    for (const AssignConversion& conversion : made.conversions) {
      const std::vector<Storage>& forms = model.forms[at(conversion.value)];
      const int from = chosen.assignment.forms[at(conversion.value)];
      conversions.push_back(
          {model.values[at(conversion.value)], forms[at(from)], forms[at(conversion.to)], {}});
      for (size_t s = 0; s < steps.size(); ++s) {
        const std::vector<AssignOperand>& reads =
            model.problem.items[at(steps[s].choice.item)].reads;
        for (size_t r = 0; r < reads.size(); ++r) {
          if (reads[r].value == conversion.value && steps[s].choice.reads[r] == conversion.to)
            conversions.back().readers.push_back(s);
        }
      }
    }
  }
  return conversions;
}

StorageOf chosen_storage(const Chosen& chosen, const Spliced& spliced, const Soc& soc,
                         const std::vector<Conversion>& conversions) {
  const ScheduleModel& model = *chosen.model;
  StorageOf storage;
  for (size_t v = 0; v < model.values.size(); ++v) {
    const ValueId value = spliced.values[at(model.values[v].index)];
    const int form = chosen.assignment.forms[v];
    if (value.valid() && form >= 0) storage.emplace(value, model.forms[v][at(form)]);
    // Nobody cares: dense, the first of all forms.
    if (value.valid() && form < 0) storage.emplace(value, model.forms[v].front());
  }
  for (size_t c = 0; c < conversions.size(); ++c)
    storage.emplace(spliced.copies[c], conversions[c].to);
  std::vector<const Match*> matches;
  for (const Step& step : spliced.steps) matches.push_back(&step.candidate.match);
  storage.merge(choose_storage(spliced.graph, soc, matches));  // inside of legalised candidates
  return storage;
}

// A step that has no tile beside its neighbours, and why. `step`: into the assignment's.
struct Unsettled {
  size_t step = 0;
  Diagnostics errors;
};

// Views may have moved what was chosen; the tiles of jobs are those of where values lie in the end.
std::optional<Unsettled> settle(const Soc& soc, const Chosen& chosen, TileMemo& memo,
                                Schedule& schedule, const std::vector<size_t>& origin) {
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    Candidate& candidate = schedule.steps[s].candidate;
    const bool no_code = needs_no_code(schedule.graph, schedule.aliases, candidate.match);
    if (no_code) candidate.cycles = 0;
    // A view inside of a legalised layer that was thought to be read in place.
    if (!no_code && candidate.legalised && !candidate.tiling) {
      const Result<int64_t> cycles =
          modelled_cycles(schedule.graph, soc, candidate, schedule.storage);
      if (cycles.ok()) candidate.cycles = *cycles;
    }
    if (!candidate.tiling) continue;
    const Taken taken = chosen.model->taken_in(chosen.assignment.steps[origin[s]].taken);
    const Tiling* const tiling =
        memo.find(schedule.graph, soc, candidate.match, schedule.storage, taken);
    if (tiling == nullptr) {
      const Result<Tiling> failed =
          solve_tiling(schedule.graph, soc, candidate.match, schedule.storage, taken);
      return Unsettled{origin[s], failed.ok() ? Diagnostics{} : failed.errors()};
    }
    candidate.tiling = *tiling;
    candidate.cycles = tiling->cost.total;
  }
  return std::nullopt;
}

// Of each step of the spliced graph, the chosen candidate that it belongs to; a conversion belongs
// to the one behind it.
std::vector<size_t> origins(const std::vector<Candidate>& chosen, const std::vector<Step>& steps) {
  std::vector<size_t> origin;
  size_t candidate = 0, seen = 0;
  for (const Step& step : steps) {
    if (candidate < chosen.size() && seen == chosen[candidate].extras.size() + 1) {
      ++candidate;
      seen = 0;
    }
    origin.push_back(candidate);
    if (!step.candidate.covers.empty()) ++seen;
  }
  return origin;
}

// One candidate less each time, so that this comes to an end.
Candidates without(const Candidates& candidates, int index, const Diagnostics& errors) {
  Candidates rest = candidates;
  const Candidate& gone = candidates.usable[at(index)];
  if (gone.legalised) {
    rest.refused_forms.push_back({gone.legalised, untiled(gone.match, errors)});
  } else {
    rest.untileable.push_back(untiled(gone.match, errors));
  }
  rest.usable.erase(rest.usable.begin() + index);
  return rest;
}

std::vector<ValueId> materialised_values(const Graph& graph, const std::vector<Step>& steps) {
  std::set<ValueId> values(graph.inputs.begin(), graph.inputs.end());
  for (const Step& step : steps) values.insert(step.candidate.match.output(graph));
  return {values.begin(), values.end()};
}

Proof proof_of(const Policy& policy, const Assignment& assignment) {
  return {
      objective_unit(policy),   assignment.cost.cost,
      assignment.cost.switches, assignment.optimal && policy.objective != Objective::first_match,
      assignment.lower_bound,   assignment.states};
}

std::optional<Margin> margin_of(const Soc& soc, const Policy& policy, const Candidates& candidates,
                                const Chosen& chosen, const AssignStep& step) {
  if (!step.margin || policy.objective == Objective::first_match) return std::nullopt;
  const Candidate& other = candidates.usable[at(chosen.model->candidates[at(step.margin->item)])];
  return Margin{step.margin->more.cost, step.margin->more.switches, name_of(soc, other)};
}

}  // namespace

Result<Schedule> make_schedule(const Graph& graph, const Soc& soc, const Policy& policy,
                               const Matches& matches, const Candidates& candidates) {
  TileMemo memo;
  return make_schedule(graph, soc, policy, matches, candidates, memo);
}

Result<Schedule> make_schedule(const Graph& graph, const Soc& soc, const Policy& policy,
                               const Matches& matches, const Candidates& candidates,
                               TileMemo& memo) {
  if (Status sound = check_objective(soc, policy); !sound.ok()) return sound.errors();
  for (const Candidate& candidate : candidates.usable) {
    if (!candidate.tiling) continue;
    const Graph& own = graph_of(graph, candidate);
    memo.add(own, soc, candidate.match, choose_storage(own, soc, {&candidate.match}),
             *candidate.tiling);
  }
  const Chosen chosen = choose(graph, soc, policy, candidates, memo);
  if (chosen.assignment.uncovered) return nothing_covers(graph, soc, *chosen.assignment.uncovered);

  const std::vector<Candidate> cover = chosen_candidates(candidates, chosen);
  const std::vector<Conversion> conversions = chosen_conversions(chosen);
  std::vector<const Candidate*> pointers;
  for (const Candidate& candidate : cover) pointers.push_back(&candidate);
  Result<Spliced> spliced = splice(graph, soc, pointers, conversions);
  if (!spliced.ok()) return spliced.errors();

  Schedule schedule;
  schedule.proof = proof_of(policy, chosen.assignment);
  schedule.storage = chosen_storage(chosen, *spliced, soc, conversions);
  schedule.graph = std::move(spliced->graph);
  schedule.steps = std::move(spliced->steps);
  std::vector<const Match*> order;
  for (const Step& step : schedule.steps) order.push_back(&step.candidate.match);
  schedule.aliases = place_in_others(schedule.graph, order, schedule.storage);
  const std::vector<size_t> origin = origins(cover, schedule.steps);
  if (const auto unsettled = settle(soc, chosen, memo, schedule, origin)) {
    const AssignStep& step = chosen.assignment.steps[unsettled->step];
    return make_schedule(
        graph, soc, policy, matches,
        without(candidates, chosen.model->candidates[at(step.choice.item)], unsettled->errors),
        memo);
  }
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    Step& step = schedule.steps[s];
    const bool extra = step.candidate.legalised && !step.candidate.tiling;
    const bool in_place = needs_no_code(schedule.graph, schedule.aliases, step.candidate.match);
    if (!extra && !in_place) step.cycles_on_cpu = cycles_on_cpu(candidates, step.candidate.covers);
    if (!extra && !step.candidate.covers.empty())
      step.margin = margin_of(soc, policy, candidates, chosen, chosen.assignment.steps[origin[s]]);
    for (const NodeId id : extra ? std::vector<NodeId>{} : step.candidate.covers) {
      const Node& node = graph.node(id);
      step.macs += op_of(node).loops(OpView{graph, node}).macs;
    }
    step.why = why_here(soc, policy, matches, candidates, schedule, step);
    schedule.cycles += step.candidate.cycles;
  }
  schedule.copy_cycles = copy_cycles(schedule.graph, soc, schedule.storage);
  schedule.cycles += schedule.copy_cycles;
  schedule.materialised = materialised_values(schedule.graph, schedule.steps);
  return schedule;
}

std::string dump(const Graph& graph, const Soc& soc, const Schedule& schedule) {
  std::string text = fmt::format("{} steps, {} cycles\n", schedule.steps.size(), schedule.cycles);
  const Proof& proof = schedule.proof;
  if (proof.optimal) {
    text += fmt::format("{} {}, proven best of {} states\n", proof.cost, proof.unit, proof.states);
  } else {
    text += fmt::format("{} {}, at least {}, after {} states\n", proof.cost, proof.unit,
                        proof.lower_bound, proof.states);
  }
  for (const Step& step : schedule.steps) {
    const Match& match = step.candidate.match;
    text += fmt::format("{} on {}/{}: {} cycles (CPU {}); {}\n ", terminal_text(step.name),
                        target_of(soc, match).name, rule_of(soc, match).name, step.candidate.cycles,
                        step.cycles_on_cpu, step.why);
    for (const NodeId id : match.nodes) text += fmt::format(" n{}:{}", id.index, graph.node(id).op);
    text += '\n';
    if (step.margin) {
      text += fmt::format("  {} {} more", step.margin->more, proof.unit);
      if (step.margin->switches != 0)
        text += fmt::format(", {} switches more", step.margin->switches);
      text += fmt::format(": {}\n", step.margin->runner_up);
    }
    if (step.candidate.tiling) text += dump(*step.candidate.tiling);
  }
  for (const ValueId id : schedule.materialised) {
    const Storage& storage = schedule.storage.at(id);
    text += fmt::format("v{} {} strides {} bytes {}{}\n", id.index,
                        to_string(graph.value(id).type.shape), to_string(storage.strides),
                        storage.bytes, storage.memory.empty() ? "" : " in " + storage.memory);
  }
  for (const State& state : graph.states) {
    text += fmt::format("state v{} = v{}: {} bytes moved\n", state.input.index, state.output.index,
                        kept_place(graph, schedule.aliases, schedule.storage, state).bytes_moved);
  }
  return text;
}

}  // namespace heddle
