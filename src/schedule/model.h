// The schedule of a network as an abstract problem (assign.h): candidates are items, the storages
// that a value may have are its forms, the tiler says what an item costs.
#pragma once

#include <optional>
#include <vector>

#include "schedule/assign.h"
#include "schedule/origin.h"
#include "schedule/schedule.h"
#include "schedule/tile_memo.h"

namespace heddle {

// What the objective makes of a candidate, its policy's share included: cycles, picojoules, or
// their weighted sum. Error-free after check_objective().
struct Spent {
  int64_t cycles = 0;       // all of it
  int64_t unit_cycles = 0;  // of the target, busy
  int64_t dma_cycles = 0;
};
Spent spent_by(const Tiling& tiling);
int64_t objective_cost(const Soc& soc, const Policy& policy, const Match& match,
                       const Spent& spent);
// "cycles", "pJ", "points" (weighted).
const char* objective_unit(const Policy& policy);
Status check_objective(const Soc& soc, const Policy& policy);

// Decides between equal costs, lower first: the policy's order of targets, else that of the SoC,
// the CPU last; then the order of the rules. Units go before the CPU and take as many operators as
// they can.
int64_t rank_of(const Soc& soc, const Policy& policy, const Candidate& candidate);

// Refers to what it was made from, and to itself: not to be copied, and the rest must outlive it.
struct ScheduleModel {
  AssignProblem problem;
  std::vector<int> candidates;              // of each item: into Candidates::usable
  std::vector<ValueId> values;              // of each value of the problem
  std::vector<int> value_of;                // by ValueId; -1: none
  std::vector<std::vector<Storage>> forms;  // of each value of the problem
  std::vector<std::string> memories;        // of AssignProblem::memory_bytes

  ScheduleModel(const Graph& graph, const Soc& soc, const Policy& policy, const Candidates& all,
                const std::vector<int>& usable, bool residents, TileMemo& memo);
  ScheduleModel(const ScheduleModel&) = delete;
  ScheduleModel& operator=(const ScheduleModel&) = delete;

  // The best tiling for this choice; null where none fits, and for CPU candidates.
  const Tiling* tiling(const AssignChoice& choice, const std::vector<int64_t>& taken) const;
  Taken taken_in(const std::vector<int64_t>& bytes) const;

 private:
  void add_forms(const Candidate& candidate);
  void add_seen_forms(const Candidate& candidate);
  bool reads_in_place(const Node& view, const Storage& x, const Storage& y) const;
  void add_item(int index);
  void add_storage(ValueId value, Storage storage);
  AssignOperand operand(ValueId value, const Candidate& candidate, bool result) const;
  std::vector<Storage> wanted(ValueId value, const Candidate& candidate, bool result) const;
  std::optional<int64_t> cost(const AssignChoice& choice, const std::vector<int64_t>& taken) const;
  std::optional<int64_t> conversion_cost(const TensorType& type, const Storage& from,
                                         const Storage& to) const;
  int64_t boundary_cost(ValueId value, int form) const;

  const Graph& graph_;
  const Soc& soc_;
  const Policy& policy_;
  const Candidates& candidates_;
  TileMemo& memo_;
  mutable std::vector<std::string> signatures_;  // TileMemo::signature() of each item, once asked
  std::vector<bool> by_unit_;  // by ValueId: a candidate's job may read or write it
  std::vector<std::vector<Storage>> wanted_in_place_;  // by ValueId: by units, in main memory
};

}  // namespace heddle
