// What is given up where the schedule with the fewest cycles needs more memory than there is.
#pragma once

#include "memory/plan.h"
#include "schedule/schedule.h"
#include "schedule/tile_memo.h"

namespace heddle {

// What is taken from the candidates at once.
struct Dropped {
  Candidate chosen;  // of the schedule; speaks of the imported graph, or of the form's
  std::vector<Candidate> all;  // it, and those that do the same on its unit
};

// The schedule counts cycles only. Takes from the candidates the chosen job that gains least for the
// bytes that it takes beyond its layer's own: constants of a form (block-diagonal weights), and padding
// (rows filled up, blocks of channels) of what it reads and makes where the arena is fullest. None of
// `kept`, which are Dropped::chosen. Nullopt: there is none.
std::optional<Dropped> drop_largest(Candidates& candidates, const Schedule& schedule,
                                    const std::vector<Candidate>& kept = {});

struct Fitted {
  Candidates candidates;  // under the policy; `short_memory` says what was given up, and why
  Schedule schedule;
  MemoryPlan plan;
};

// The schedule, or the one that is left when jobs are given up one after the other until the plan fits.
// What was given up on the way comes back where it fits in the end. `possible` are the candidates that no
// policy was applied to, `first.candidates` those that `first.schedule` was made from; `first.plan` is
// not read. Errors: nothing is left to give up, and it does not fit.
Result<Fitted> fit_memory(const Graph& graph, const Soc& soc, const Policy& policy,
                          const Matches& matches, Candidates possible, Fitted first, TileMemo& memo);

}  // namespace heddle
