// `heddle why`: for each layer what every rule of every accelerator says to it, what staying on the CPU
// costs, and the nearest way off it; for the network which conditions cost most. Read from the structs
// that the schedule was made from; only what was never a candidate is tiled here, and says so.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"
#include "schedule/legalised.h"

namespace heddle {

// One line of a layer's truth table.
struct RuleVerdict {
  std::string rule;       // "diana_digital/conv2d"
  std::string verdict;    // "chosen", "accepted", "no tile fits", "refused", "given up", "pinned away", "does not apply"
  std::string operators;  // what it would take or was tried on
  std::string form;       // "explicit pad [0, 0, 1, 1]": of the layer in another form; empty: as it is
  // Of what is accepted; of what is refused, as if its failed conditions did not exist.
  std::optional<int64_t> cycles{};
  std::vector<FailedCondition> failed{};
  std::optional<Unfit> with{};  // of what is given up
  bool hypothetical() const { return cycles.has_value() && !failed.empty() && !with; }
};

// What would take the layer off the CPU with the least change.
struct NearestFix {
  // "memory": a job that was given up, which the layer may be on an accelerator without;
  // "allowed": a candidate that the schedule did not take; "legalisation": another form, which the rule
  // does not allow; "condition", "conditions": those that would have to go, and the layer is taken.
  std::string kind;
  std::string rule;
  std::string what;         // the form, or the reason of the condition
  int64_t extra_cycles = 0;  // of the form's operators on the CPU
  int64_t cycles = 0;       // in all
  int64_t gain = 0;         // against the same operators on the CPU; negative: it does not pay
  std::string text;         // all of it in a sentence
};

struct LayerWhy {
  LayerReport layer;  // of the step with the layer's first operator; cycles of all its steps
  int64_t cycles = 0;
  std::vector<RuleVerdict> verdicts;
  // Against the best accelerator, hypothetical ones included; 0 off the CPU and where none is faster.
  int64_t cycles_lost = 0;
  std::optional<NearestFix> fix{};
  std::optional<Margin> margin{};
  std::string unit;  // of the margin: "cycles", "pJ"
};

// A condition of an accelerator, and the layers on the CPU that fail it at the rule that is nearest to
// taking them.
struct ConditionCost {
  std::string target;
  std::string why;  // rules of one target that give the same reason are one condition
  bool bound = false;  // no rule has a cost for these layers: the cycles are all that the CPU takes
  struct Sum {
    int64_t layers = 0, macs = 0, cycles = 0;  // cycles that the accelerator would gain
  };
  Sum alone;   // the only failed condition
  Sum others;  // one of several
};

// The conditions that go together: layers that need all of them to go, and nothing else.
struct ConditionSet {
  std::string target;
  std::vector<std::string> whys;
  ConditionCost::Sum sum;
};

struct NetworkWhy {
  std::string heading;
  std::vector<LayerWhy> layers;
  std::vector<ConditionCost> conditions;  // costliest first, alone and among others
  std::vector<ConditionSet> sets;         // costliest first
};

// Error: a cost of the CPU that cannot be computed.
Result<NetworkWhy> explain(const Graph& graph, const Soc& soc, const Policy& policy,
                           const Matches& matches, const Candidates& candidates,
                           const Schedule& schedule, const Report& report,
                           const RefuseKernels& refuse);

std::string network_text(const NetworkWhy& why);              // a summary that fits a terminal
std::string layers_text(const std::vector<LayerWhy>& layers);  // every rule
std::string why_json(const NetworkWhy& why);

}  // namespace heddle
