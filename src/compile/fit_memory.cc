#include "compile/fit_memory.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "legalise/legalise.h"

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

}  // namespace

std::vector<Candidate> drop_largest(Candidates& candidates, const Schedule& schedule) {
  const std::set<ValueId> alive = fullest(schedule);
  const Step* least = nullptr;
  double least_gain = 0;
  for (const Step& step : schedule.steps) {
    const int64_t bytes = step.candidate.tiling ? spare_bytes(schedule, step, alive) : 0;
    if (bytes <= 0) continue;
    const double gain =
        static_cast<double>(step.margin ? step.margin->more : 0) / static_cast<double>(bytes);
    if (least != nullptr && gain >= least_gain) continue;
    least = &step;
    least_gain = gain;
  }
  if (least == nullptr) return {};
  const Candidate gone = least->candidate;
  const auto kept = std::stable_partition(
      candidates.usable.begin(), candidates.usable.end(), [&](const Candidate& candidate) {
        return gone.legalised ? candidate.legalised != gone.legalised
                              : candidate.legalised || candidate.covers != gone.covers ||
                                    candidate.match.target != gone.match.target;
      });
  std::vector<Candidate> dropped(std::make_move_iterator(kept),
                                 std::make_move_iterator(candidates.usable.end()));
  candidates.usable.erase(kept, candidates.usable.end());
  return dropped;
}

}  // namespace heddle
