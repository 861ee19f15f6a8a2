// One exact problem: which items cover a sequence of nodes, in which form every value is held, and
// which conversions between forms are needed. Knows nothing of graphs and tiles; schedule.cc says
// what the numbers mean.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace heddle {

// Sums, compared in this order. `cost` is in the objective's unit; `items` and `rank` break ties.
struct AssignCost {
  int64_t switches = 0;  // between targets of consecutive steps; 0 unless they are counted
  int64_t cost = 0;
  int64_t items = 0;  // conversions too
  int64_t rank = 0;
  auto operator<=>(const AssignCost&) const = default;
};
AssignCost operator+(const AssignCost& a, const AssignCost& b);
AssignCost operator-(const AssignCost& a, const AssignCost& b);

// How a value may be held: in main memory (-1), or resident in a memory that the units share.
struct ValueForm {
  int memory = -1;    // into AssignProblem::memory_bytes
  int64_t bytes = 0;  // of it; 0 in main memory, whose bytes are not counted
};
struct AssignValue {
  std::vector<ValueForm> forms;  // at most 30
  std::vector<int> consumers;    // nodes that read it, ascending
  bool given = false;            // exists from the start, in the main-memory form that is best
};

struct AssignOperand {
  int value = -1;
  std::vector<int> forms;  // those that the item can read or write, into AssignValue::forms
  // Every main-memory form will do, and the cost is the same: whoever cares decides. `forms` is not
  // looked at.
  bool any = false;
};
struct AssignItem {
  std::vector<int> nodes;            // ascending; it runs when the last one's turn comes
  std::vector<AssignOperand> reads;  // distinct values, made by no node of this item
  AssignOperand result;
  int anchor = -1;  // one of `nodes`: the one that margins speak of
  int group = -1;   // items of one group are the same choice to a margin
  int target = -1;  // for switches
  int64_t rank = 0;
};

// What an item was told: forms of `reads`, in their order, and of the result; -1: any.
struct AssignChoice {
  int item = -1;
  std::vector<int> reads;
  int result = -1;
  auto operator<=>(const AssignChoice&) const = default;
};

struct AssignProblem {
  int nodes = 0;  // 0 .. nodes - 1, each covered once
  std::vector<AssignValue> values;
  std::vector<AssignItem> items;
  std::vector<int64_t> memory_bytes;
  bool count_switches = false;
  // Runs of consecutive steps that no schedule may have.
  std::vector<std::vector<AssignChoice>> forbidden;
  // Of an item, never negative; `taken`: bytes of each memory that residents hold which are neither
  // its operands nor its result. nullopt: it cannot run so. Asked at most once for each
  // combination. It must not fall when more is taken, or lower bounds are none.
  std::function<std::optional<int64_t>(const AssignChoice&, const std::vector<int64_t>& taken)>
      cost;
  // From one main-memory form to another, never negative; the first one stays.
  std::function<std::optional<int64_t>(int value, int from, int to)> convert;
  // Of a given value: what it takes to have it in this form at the start, -1: where nobody cares, which
  // is never more than any other. None: nothing.
  std::function<int64_t(int value, int form)> give{};
  size_t max_states = 4096;  // of one node; beyond that the most promising ones are kept
};

struct AssignConversion {
  int value = -1, from = -1, to = -1;
  bool operator==(const AssignConversion&) const = default;
};
// The least that another schedule costs more which computes the anchor by an item of another group.
struct AssignMargin {
  int item = -1;
  AssignCost more;
};
struct AssignStep {
  AssignChoice choice;
  std::vector<AssignConversion> conversions;  // before it
  std::vector<int64_t> taken;                 // as AssignProblem::cost got it
  int64_t cost = 0;                           // of the item, conversions apart
  int64_t conversion_cost = 0;
  int64_t given_cost = 0;  // of given values whose form it decides, beyond that of -1
  std::optional<AssignMargin> margin;  // none: nothing else can compute it
};

struct Assignment {
  std::vector<AssignStep> steps;  // in the order of the items' last nodes
  // The form that each value is made or given in; -1: it exists inside of items only, or nobody
  // cares (any in main memory).
  std::vector<int> forms;
  AssignCost cost;
  bool optimal = true;      // no state was dropped; margins are exact too
  int64_t lower_bound = 0;  // of cost.cost; under count_switches where optimal only, else 0
  int64_t states = 0;       // visited in all
  // Set if there is no schedule: a node that nothing can cover there.
  std::optional<int> uncovered;
};

// Walks the nodes in order. The state is which of the passed ones wait for an item's last node, and
// in which forms every value is held that somebody still reads (a conversion adds one): this
// decides all that is to come, so dynamic programming is exact, and its work is linear in the graph
// for a bounded number of live values. A pass backwards gives the margins. Deterministic.
Assignment solve_assignment(const AssignProblem& problem);

}  // namespace heddle
