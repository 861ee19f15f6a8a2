// What is given up where the schedule with the fewest cycles needs more main memory than there is.
#pragma once

#include "schedule/schedule.h"

namespace heddle {

// The schedule counts cycles only. Takes from the candidates the chosen job that gains least for the
// bytes that it takes beyond its layer's own, with all that do the same on its unit, and returns
// them: constants of a form (block-diagonal weights), and padding (rows filled up, blocks of
// channels) of what it reads and makes where the arena is fullest. Empty: there is none.
std::vector<Candidate> drop_largest(Candidates& candidates, const Schedule& schedule);

}  // namespace heddle
