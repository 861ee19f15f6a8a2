// What a layer on the CPU would cost elsewhere, if something about its rule were different.
#pragma once

#include <optional>
#include <vector>

#include "report/why.h"

namespace heddle {

// What the steps of `explain` share.
struct WhyInput {
  const Graph& graph;  // the imported one
  const Soc& soc;
  const Policy& policy;
  const Matches& matches;
  const Candidates& candidates;
  const RefuseKernels& refuse;
};

std::string rule_name(const Soc& soc, const Match& match);  // "diana_digital/conv2d"

// The fewest cycles of these nodes on the CPU alone; nullopt: it does not cover exactly them.
std::optional<int64_t> cycles_on_cpu(const Candidates& candidates, const std::vector<NodeId>& nodes);

// The cycles of a match whose pattern fits, as if its conditions held; nullopt: no tile fits either, or
// the costs speak of what the layer does not have.
std::optional<int64_t> cycles_if_accepted(const WhyInput& in, const Match& match);

// Did the rule's pattern not fit?
bool pattern_fails(const Match& match);

// The nearest way off the CPU for the layer whose first operator is `start`; nullopt: there is none.
// `refused` are its refusals at this layer with their hypothetical cycles.
struct Refusal {
  const Match* match = nullptr;
  std::optional<int64_t> cycles;
};
Result<std::optional<NearestFix>> nearest_fix(const WhyInput& in, NodeId start,
                                              const std::vector<Refusal>& refused);

// What a job that was given up would need, for a layer that is on `target` without it. Its gain is that of
// the whole schedule.
NearestFix with_more_memory(const WhyInput& in, const GivenUp& gone, int target);

}  // namespace heddle
