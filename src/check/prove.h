// What can be said of a target's rules without running anything (docs/check.md): conditions that
// exclude each other, that say nothing, or that can never be evaluated.
//
// Everything that is said to be impossible is proven by Z3 for every layer of at most 2^40 elements, on
// every SoC. Every layer that is given as an example was built and matched.
#pragma once

#include <vector>

#include "check/finding.h"
#include "rules/rules.h"

namespace heddle {

// `target`: as in Match. Each rule by itself.
std::vector<Finding> prove_conditions(const Soc& soc, int target);

}  // namespace heddle
