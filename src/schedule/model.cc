#include "schedule/model.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/checked.h"
#include "schedule/boundary.h"
#include "schedule/splice.h"
#include "schedule/turn.h"
#include "schedule/views.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

int64_t energy_of(const Soc& soc, const std::string& unit) {
  for (const auto& [name, picojoules] : soc.energy->units) {
    if (name == unit) return picojoules;
  }
  return 0;
}

int64_t clamped_mul(int64_t a, int64_t b) {
  constexpr int64_t kMost = int64_t{1} << 50;  // sums of thousands of them do not overflow
  return std::min(checked_mul(a, b).value_or(kMost), kMost);
}

// A memory of the SoC in which values can be resident: units share it, and it is not main memory.
bool holds_residents(const Soc& soc, const Match& match, const std::string& memory) {
  const std::vector<Memory>& own = target_of(soc, match).memories;
  return memory != soc.main_memory && soc.find_memory(memory) != nullptr &&
         std::none_of(own.begin(), own.end(), [&](const Memory& m) { return m.name == memory; });
}

// Where the job has the value: the one memory that its rule places all operands in which are this
// value; empty: in several, or in none.
std::string memory_of(const Soc& soc, const Candidate& candidate, ValueId value) {
  std::set<std::string> memories;
  for (const auto& [operand, bound] : candidate.match.bound) {
    if (bound != value) continue;
    std::string memory;
    for (const OperandPlacement& placement : rule_of(soc, candidate.match).operands) {
      if (placement.operand == operand) memory = placement.memory;
    }
    memories.insert(memory);
  }
  return memories.size() == 1 ? *memories.begin() : "";
}

// The view that is all of a CPU candidate: strides may spare it. Null: another one.
const Node* lone_view(const Graph& graph, const Candidate& candidate) {
  if (candidate.match.target >= 0 || candidate.covers.size() != 1) return nullptr;
  const Node& node = graph.node(candidate.covers.front());
  const bool view = in_class(op_of(node), "view") && !graph.value(node.inputs[0]).constant;
  return view ? &node : nullptr;
}

bool operator_reads_rows(const Graph& graph, const Match& match) {
  const Node& anchor = graph.node(match.nodes.front());
  return !op_of(anchor).c_body({graph, anchor}).block.empty();
}

}  // namespace

Spent spent_by(const Tiling& tiling) {
  return {tiling.cost.total, tiling.cost.compute, tiling.cost.dma};
}

int64_t objective_cost(const Soc& soc, const Policy& policy, const Match& match,
                       const Spent& spent) {
  if (policy.objective != Objective::energy && policy.objective != Objective::weighted)
    return spent.cycles;
  // As the virtual SoC counts: the CPU is on all the time, the units while they are busy.
  int64_t picojoules = clamped_mul(spent.cycles, soc.energy->cpu_pj_per_cycle);
  if (match.target >= 0)
    picojoules += clamped_mul(spent.unit_cycles, energy_of(soc, target_of(soc, match).name));
  if (soc.dma) picojoules += clamped_mul(spent.dma_cycles, energy_of(soc, soc.dma->target.name));
  if (policy.objective == Objective::energy) return picojoules;
  return clamped_mul(spent.cycles, policy.latency_weight) +
         clamped_mul(picojoules, policy.energy_weight) / 1000;
}

const char* objective_unit(const Policy& policy) {
  if (policy.objective == Objective::energy) return "pJ";
  return policy.objective == Objective::weighted ? "points" : "cycles";
}

Status check_objective(const Soc& soc, const Policy& policy) {
  const bool needs_energy = policy.objective == Objective::energy ||
                            (policy.objective == Objective::weighted && policy.energy_weight != 0);
  if (!needs_energy || soc.energy) return Unit{};
  return error_at(in_file(soc.file.filename().string()),
                  "soc `" + soc.name + "` does not say what energy a cycle takes, which policy `" +
                      policy.name + "` is about",
                  "add [energy] to the SoC, or take a policy about latency");
}

int64_t rank_of(const Soc& soc, const Policy& policy, const Candidate& candidate) {
  const int target = candidate.match.target;
  const std::string& name = target_of(soc, candidate.match).name;
  const auto listed = [&](const std::string& n) { return n == name || (target < 0 && n == "cpu"); };
  const std::vector<std::string>& order = policy.target_order;
  const auto place = std::find_if(order.begin(), order.end(), listed);
  const int64_t first = place - order.begin();
  const int64_t behind = static_cast<int64_t>(order.size());
  int64_t rank = target < 0 ? 1'000'000 : (behind + target) * 1'000;
  if (place != order.end()) rank = first * 1'000;
  return rank * static_cast<int64_t>(candidate.covers.size()) + candidate.match.rule;
}

ScheduleModel::ScheduleModel(const Graph& graph, const Soc& soc, const Policy& policy,
                             const Candidates& all, const std::vector<int>& usable, bool residents,
                             TileMemo& memo)
    : graph_(graph), soc_(soc), policy_(policy), candidates_(all), memo_(memo) {
  problem.nodes = static_cast<int>(graph.nodes.size());
  problem.count_switches = policy.objective == Objective::fewest_switches;
  for (const Memory& memory : soc.memories) {
    if (memory.name == soc.main_memory || !residents) continue;
    memories.push_back(memory.name);
    problem.memory_bytes.push_back(memory.bytes);
  }
  value_of.assign(graph.values.size(), -1);
  wanted_in_place_.resize(graph.values.size());
  by_unit_.resize(graph.values.size());
  const auto add_value = [&](ValueId id) {
    if (value_of[at(id.index)] >= 0) return;
    value_of[at(id.index)] = static_cast<int>(values.size());
    values.push_back(id);
    AssignValue value;
    value.given = !graph.value(id).producer.valid();
    for (const NodeId reader : graph.value(id).consumers) value.consumers.push_back(reader.index);
    problem.values.push_back(std::move(value));
    forms.emplace_back();
    add_storage(id, dense_storage(graph.value(id).type));
  };
  for (const int index : usable) {
    const Candidate& candidate = all.usable[at(index)];
    for (const ValueId value : values_read(graph, candidate)) add_value(value);
    add_value(value_made(graph, candidate));
  }
  for (const int index : usable) add_forms(all.usable[at(index)]);
  for (const int index : usable) add_seen_forms(all.usable[at(index)]);
  for (const int index : usable) add_item(index);
  problem.cost = [this](const AssignChoice& choice, const std::vector<int64_t>& taken) {
    return cost(choice, taken);
  };
  std::map<std::array<int, 2>, std::optional<int64_t>> known;
  problem.convert = [this, known](int value, int from, int to) mutable {
    const std::vector<Storage>& stored = forms[at(value)];
    const TensorType& type = graph_.value(values[at(value)]).type;
    const Storage &x = stored[at(from)], &y = stored[at(to)];
    const std::optional<Turn> turn = turn_between(type, x, y);
    // All other conversions of a value cost the same.
    const auto [entry, is_new] = known.try_emplace({value, turn ? 1 + turn->words : 0});
    if (is_new) entry->second = conversion_cost(type, x, y);
    return entry->second;
  };
  problem.give = [this](int value, int form) {
    return boundary_cost(values[at(value)], form);
  };
}

void ScheduleModel::add_storage(ValueId id, Storage storage) {
  constexpr size_t kMaxForms = 8;
  const size_t value = at(value_of[at(id.index)]);
  const bool known =
      std::find(forms[value].begin(), forms[value].end(), storage) != forms[value].end();
  if (known || forms[value].size() == kMaxForms) return;
  ValueForm form;
  for (size_t m = 0; m < memories.size(); ++m) {
    if (memories[m] == storage.memory) form = {static_cast<int>(m), resident_bytes(soc_, storage)};
  }
  problem.values[value].forms.push_back(form);
  forms[value].push_back(std::move(storage));
}

// The storages in which the job would have the value: its rule's layout in main memory, and, if it
// makes the value, resident.
std::vector<Storage> ScheduleModel::wanted(ValueId value, const Candidate& candidate,
                                           bool result) const {
  if (candidate.match.target < 0) return {};
  const ValueId own = value_of_job(candidate, value);
  if (!own.valid()) return {};
  const TensorType& type = graph_.value(value).type;
  const std::optional<BufferLayout>& layout = rule_of(soc_, candidate.match).layout;
  std::vector<Storage> storages{layout ? padded_storage(type, *layout) : dense_storage(type)};
  const std::string memory = memory_of(soc_, candidate, own);
  const bool kept = std::find(memories.begin(), memories.end(), memory) != memories.end() &&
                    holds_residents(soc_, candidate.match, memory) && !graph_.is_output(value);
  if (result && kept) {
    storages.push_back(storages.front());
    storages.back().memory = memory;
  }
  return storages;
}

void ScheduleModel::add_forms(const Candidate& candidate) {
  const auto add = [&](ValueId value, bool result) {
    for (Storage& storage : wanted(value, candidate, result)) {
      const ValueId own = value_of_job(candidate, value);
      by_unit_[at(value.index)] = true;
      if (memory_of(soc_, candidate, own) == soc_.main_memory && storage.memory.empty())
        wanted_in_place_[at(value.index)].push_back(storage);
      add_storage(value, std::move(storage));
    }
  };
  for (const ValueId value : values_read(graph_, candidate)) add(value, false);
  add(value_made(graph_, candidate), true);
}

// A view costs nothing where its operand and its result may lie in one memory (in_place.h).
void ScheduleModel::add_seen_forms(const Candidate& candidate) {
  const Node* const view = lone_view(graph_, candidate);
  if (view == nullptr) return;
  const auto add = [&](ValueId value, const std::optional<Storage>& storage) {
    const std::vector<Storage>& stored = forms[at(value_of[at(value.index)])];
    const bool known = storage && std::any_of(stored.begin(), stored.end(), [&](const Storage& s) {
                         return s.memory.empty() && same_places(graph_.value(value).type.shape,
                                                                s.strides, storage->strides);
                       });
    if (storage && !known) add_storage(value, *storage);
  };
  const auto main_forms = [&](ValueId value) {
    std::vector<Storage> stored = forms[at(value_of[at(value.index)])];
    std::erase_if(stored, [](const Storage& s) { return !s.memory.empty(); });
    return stored;
  };
  for (const Storage& x : main_forms(view->inputs[0])) {
    const std::optional<Seen> seen = seen_through(graph_, *view, x);
    if (seen) add(view->output, seen->storage);
  }
  for (const Storage& y : main_forms(view->output))
    add(view->inputs[0], wanted_behind(graph_, *view, y));
}

bool ScheduleModel::reads_in_place(const Node& view, const Storage& x, const Storage& y) const {
  for (const State& state : graph_.states) {
    if (state.output == view.output) return false;  // what a state keeps is memory of its own
  }
  const auto same = [&](ValueId value, const Storage& lies, const Storage& chosen) {
    return same_places(graph_.value(value).type.shape, lies.strides, chosen.strides) &&
           (!by_unit_[at(value.index)] || lies.bytes == chosen.bytes);
  };
  const std::optional<Seen> seen = seen_through(graph_, view, x);
  if (seen && same(view.output, seen->storage, y) &&
      (seen->offset_bytes == 0 || !by_unit_[at(view.output.index)]))
    return true;
  const std::optional<Storage> wanted = wanted_behind(graph_, view, y);
  return wanted && same(view.inputs[0], *wanted, x);
}

AssignOperand ScheduleModel::operand(ValueId id, const Candidate& candidate, bool result) const {
  const int value = value_of[at(id.index)];
  AssignOperand operand{value, {}, false};
  const std::vector<Storage>& stored = forms[at(value)];
  const ValueId own = value_of_job(candidate, id);
  const bool by_cpu = candidate.match.target < 0 || !own.valid();
  if (by_cpu) {
    // Kernels walk any strides, but those that take whole rows want them in one piece.
    const bool rows = candidate.match.target < 0 && operator_reads_rows(graph_, candidate.match);
    const Shape& shape = graph_.value(id).type.shape;
    bool all = true;
    for (size_t f = 0; f < stored.size(); ++f) {
      if (!stored[f].memory.empty()) continue;
      const bool fits =
          !rows || shape.empty() || shape.back() == 1 || stored[f].strides.back() == 1;
      if (fits) operand.forms.push_back(static_cast<int>(f));
      all = all && fits;
    }
    // What a network returns is copied out of the form that it is made in.
    operand.any = all && lone_view(graph_, candidate) == nullptr &&
                  !(result && graph_.is_output(id));
    return operand;
  }
  const std::vector<Storage> own_forms = wanted(id, candidate, true);
  const std::string memory = memory_of(soc_, candidate, own);
  const auto wanted_in_place = [&](const Storage& storage) {
    const std::vector<Storage>& all = wanted_in_place_[at(id.index)];
    return std::find(all.begin(), all.end(), storage) != all.end();
  };
  for (size_t f = 0; f < stored.size(); ++f) {
    const bool resident = !stored[f].memory.empty();
    const bool is_own = std::find(own_forms.begin(), own_forms.end(), stored[f]) != own_forms.end();
    // A unit that works in place reads what others make, and they can make it as it wants: the DMA
    // writes any rows.
    const bool fits = result ? is_own || (!resident && wanted_in_place(stored[f]))
                             : !resident || stored[f].memory == memory;
    if (fits) operand.forms.push_back(static_cast<int>(f));
  }
  return operand;
}

void ScheduleModel::add_item(int index) {
  const Candidate& candidate = candidates_.usable[at(index)];
  AssignItem item;
  for (const NodeId node : candidate.covers) item.nodes.push_back(node.index);
  for (const ValueId value : values_read(graph_, candidate))
    item.reads.push_back(operand(value, candidate, false));
  item.result = operand(value_made(graph_, candidate), candidate, true);
  item.anchor = item.nodes.front();
  item.target = candidate.match.target;
  item.rank = rank_of(soc_, policy_, candidate);
  // Forms of one layer for one rule are the same choice.
  item.group = static_cast<int>(problem.items.size());
  for (size_t i = 0; i < problem.items.size(); ++i) {
    const Match& other = candidates_.usable[at(candidates[i])].match;
    if (other.target == candidate.match.target && other.rule == candidate.match.rule &&
        problem.items[i].nodes == item.nodes)
      item.group = problem.items[i].group;
  }
  problem.items.push_back(std::move(item));
  candidates.push_back(index);
}

Taken ScheduleModel::taken_in(const std::vector<int64_t>& bytes) const {
  Taken taken;
  for (size_t m = 0; m < memories.size(); ++m) {
    if (bytes[m] > 0) taken[memories[m]] = bytes[m];
  }
  return taken;
}

const Tiling* ScheduleModel::tiling(const AssignChoice& choice,
                                    const std::vector<int64_t>& taken) const {
  const Candidate& candidate = candidates_.usable[at(candidates[at(choice.item)])];
  if (!candidate.tiling) return nullptr;
  const Graph& graph = graph_of(graph_, candidate);
  StorageOf storage;
  for (const auto& [operand, value] : candidate.match.bound) {
    const TensorType& type = graph.value(value).type;
    const std::optional<BufferLayout>& layout = rule_of(soc_, candidate.match).layout;
    if (!graph.value(value).constant)
      storage.emplace(value, layout ? padded_storage(type, *layout) : dense_storage(type));
  }
  const AssignItem& item = problem.items[at(choice.item)];
  const auto say = [&](const AssignOperand& operand, int form) {
    const ValueId own = value_of_job(candidate, values[at(operand.value)]);
    if (form >= 0 && own.valid()) storage[own] = forms[at(operand.value)][at(form)];
  };
  for (size_t r = 0; r < item.reads.size(); ++r) say(item.reads[r], choice.reads[r]);
  say(item.result, choice.result);
  signatures_.resize(problem.items.size());
  std::string& signature = signatures_[at(choice.item)];
  if (signature.empty()) signature = TileMemo::signature(graph, soc_, candidate.match);
  return memo_.find(signature, graph, soc_, candidate.match, storage, taken_in(taken));
}

std::optional<int64_t> ScheduleModel::cost(const AssignChoice& choice,
                                           const std::vector<int64_t>& taken) const {
  const Candidate& candidate = candidates_.usable[at(candidates[at(choice.item)])];
  Spent spent{candidate.cycles, 0, 0};
  const int64_t returned =
      boundary_cost(values[at(problem.items[at(choice.item)].result.value)], choice.result);
  if (const Node* const view = lone_view(graph_, candidate)) {
    const AssignItem& item = problem.items[at(choice.item)];
    const Storage& x = forms[at(item.reads[0].value)][at(choice.reads[0])];
    if (reads_in_place(*view, x, forms[at(item.result.value)][at(choice.result)]))
      return returned;
  }
  if (candidate.tiling) {
    const Tiling* const best = tiling(choice, taken);
    if (best == nullptr) return std::nullopt;
    spent = spent_by(*best);
    for (const Extra& extra : candidate.extras) spent.cycles += extra.cycles;
  }
  return clamped_mul(objective_cost(soc_, policy_, candidate.match, spent),
                     candidate.cost_percent) /
             100 +
         returned;
}

// Of the copies between the caller's tensors and this value; -1: dense.
int64_t ScheduleModel::boundary_cost(ValueId id, int form) const {
  const auto among = [id](const std::vector<ValueId>& list) {
    return std::count(list.begin(), list.end(), id);
  };
  const int64_t copies = among(graph_.given_inputs()) + among(graph_.returned_outputs());
  if (copies == 0) return 0;
  const TensorType& type = graph_.value(id).type;
  const Storage stored =
      form < 0 ? dense_storage(type) : forms[at(value_of[at(id.index)])][at(form)];
  const Match cpu{-1, 0, {}, {}, {}, {}};
  return objective_cost(soc_, policy_, cpu, {copies * copy_cycles(soc_, type, stored), 0, 0});
}

std::optional<int64_t> ScheduleModel::conversion_cost(const TensorType& type, const Storage& from,
                                                      const Storage& to) const {
  const Result<Extra> copy = copy_kernel(soc_, type, from, to);
  if (!copy.ok()) return std::nullopt;
  return objective_cost(soc_, policy_, copy->match, {copy->cycles, 0, 0});
}

}  // namespace heddle
