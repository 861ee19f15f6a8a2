#include "residents.h"

#include <gtest/gtest.h>

#include <set>

#include "base/checked.h"
#include "cpu_codegen/generators.h"
#include "emit/bundle.h"
#include "ops/op.h"

namespace heddle {
namespace {

struct Life {
  int first = 0, last = 0;
};

std::map<ValueId, Life> lives(const Schedule& schedule) {
  const Graph& graph = schedule.graph;
  const int steps = static_cast<int>(schedule.steps.size());
  std::map<ValueId, Life> lives;
  for (int s = 0; s < steps; ++s) {
    const Match& match = schedule.steps[static_cast<size_t>(s)].candidate.match;
    for (const NodeId id : match.nodes) {
      for (const ValueId input : graph.node(id).inputs) lives[input].last = s;
    }
    lives[match.output(graph)] = {s, s};
  }
  for (const ValueId output : graph.outputs) lives[output].last = steps - 1;
  return lives;
}

// Where a step's rule works on the value; empty: it does not say (the CPU).
std::optional<std::string> works_in(const Soc& soc, const Match& match, ValueId value) {
  if (match.target < 0) return std::nullopt;
  for (const OperandPlacement& placement : rule_of(soc, match).operands) {
    if (match.find(placement.operand) == value) return placement.memory;
  }
  return std::nullopt;
}

// New tiles under the schedule's homes.
bool retile(Compilation& c) {
  Schedule& schedule = c.schedule;
  const std::map<ValueId, Life> alive = lives(schedule);
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    Candidate& candidate = schedule.steps[s].candidate;
    if (!candidate.tiling) continue;
    std::set<ValueId> own;
    for (const OperandPlacement& placement : rule_of(c.soc, candidate.match).operands)
      own.insert(candidate.match.find(placement.operand));
    Taken taken;
    for (const ValueId id : schedule.materialised) {
      const Storage& storage = schedule.storage.at(id);
      const Life& life = alive.at(id);
      const int now = static_cast<int>(s);
      if (!storage.memory.empty() && !own.contains(id) && life.first <= now && now <= life.last)
        taken[storage.memory] += round_up(storage.bytes, tile_alignment(c.soc));
    }
    Result<Tiling> tiling =
        solve_tiling(schedule.graph, c.soc, candidate.match, schedule.storage, taken);
    if (!tiling.ok()) return false;
    candidate.tiling = std::move(*tiling);
    candidate.cycles = candidate.tiling->cost.total;
  }
  return true;
}

}  // namespace

int settle_residents(Compilation& c, std::mt19937& random, int percent) {
  Schedule& schedule = c.schedule;
  const Graph& graph = schedule.graph;
  std::set<ValueId> bound;  // to others or to states
  for (const auto& [value, alias] : schedule.aliases) bound.insert({value, alias.host});
  for (const State& state : graph.states) bound.insert({state.input, state.output});
  for (auto& [id, storage] : schedule.storage) storage.memory.clear();
  int residents = 0;
  for (const ValueId id : schedule.materialised) {
    if (bound.contains(id) || static_cast<int>(random() % 100) >= percent) continue;
    std::set<std::string> memories;
    bool used_otherwise = false;
    for (const Step& step : schedule.steps) {
      const Match& match = step.candidate.match;
      bool uses = match.output(graph) == id;
      for (const NodeId node : match.nodes) {
        const std::vector<ValueId>& inputs = graph.node(node).inputs;
        uses = uses || std::find(inputs.begin(), inputs.end(), id) != inputs.end();
      }
      if (!uses || match.target < 0) continue;
      const std::optional<std::string> memory = works_in(c.soc, match, id);
      used_otherwise = used_otherwise || !memory;
      if (memory) memories.insert(*memory);
    }
    const std::string memory = memories.empty() ? "l1" : *memories.begin();
    if (used_otherwise || memories.size() > 1 || memory == c.soc.main_memory ||
        c.soc.find_memory(memory) == nullptr)
      continue;
    const Schedule before = schedule;
    schedule.storage.at(id).memory = memory;
    const std::vector<KernelNeeds> needs = kernel_needs(graph, c.soc, schedule);
    if (retile(c) && plan_memory(graph, c.soc, schedule, needs).ok()) {
      ++residents;
    } else {
      schedule = before;
    }
  }
  HEDDLE_CHECK(residents > 0 || retile(c), "the schedule as it was");
  Result<MemoryPlan> plan =
      plan_memory(graph, c.soc, schedule, kernel_needs(graph, c.soc, schedule));
  HEDDLE_CHECK(plan.ok(), format_diagnostics(plan.errors()));
  c.plan = std::move(*plan);
  std::vector<GoldenVector> golden;
  for (uint64_t seed = 0; seed < 2; ++seed) {
    GoldenVector vector{random_inputs(c.graph, seed), {}};
    const std::vector<std::vector<Tensor>> inputs{vector.inputs};
    const Result<std::vector<std::vector<Tensor>>> run = interpret_all(c.graph, inputs);
    HEDDLE_CHECK(run.ok(), "the reference");
    for (const ValueId output : c.graph.returned_outputs())
      vector.outputs.push_back((*run)[0][static_cast<size_t>(output.index)]);
    golden.push_back(std::move(vector));
  }
  Result<FileSet> bundle = emit_bundle(c.name, graph, c.soc, schedule, c.plan, golden);
  HEDDLE_CHECK(bundle.ok(), format_diagnostics(bundle.errors()));
  c.bundle = std::move(*bundle);
  c.bundle[kManifestName] = make_manifest(c.name, c.soc, c.bundle);
  return residents;
}

}  // namespace heddle
