// Schedules whose values are at home in shared memories by a draw, whatever the compiler would choose.
#pragma once

#include <random>

#include "compile/compile.h"

namespace heddle {

// Gives values of a scheduled network homes in the memories where its accelerators' rules work, as many
// of `percent` of them as fit, with new tiles; values that nobody but the CPU touches too. Then memory
// plan and bundle with golden vectors. The number of residents.
int settle_residents(Compilation& c, std::mt19937& random, int percent);

}  // namespace heddle
