// Narrower ranges of names, as far as simple conditions say so: `stride in [1, 2]`, `pad < fy`.
#pragma once

#include <optional>
#include <vector>

#include "check/expr_z3.h"

namespace heddle {

// The same variables, in the same order; every assignment that is as wanted is kept. nullopt: there is
// none.
std::optional<std::vector<Variable>> tightened(std::vector<Variable> variables,
                                               const std::vector<Wanted>& wanted);

}  // namespace heddle
