// The one line of a step that says why it is where it is.
#pragma once

#include <string>

#include "schedule/schedule.h"

namespace heddle {

// `step` of a finished schedule but for its own `why`. `candidates` and `matches` are those that
// the schedule was made from and speak of the imported graph, `covers` too.
std::string why_here(const Soc& soc, const Policy& policy, const Matches& matches,
                     const Candidates& candidates, const Schedule& schedule, const Step& step);

// "diana_digital/conv2d with explicit pad [0, 0, 1, 1]".
std::string job_name(const Soc& soc, const Candidate& candidate);

// "`l2` lacks 5,712 B, `l1` 16 B".
std::string lack_of(const Unfit& unfit);

}  // namespace heddle
