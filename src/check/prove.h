// What can be said of a target's rules without running anything (docs/check.md): conditions that
// exclude each other, that say nothing, or that can never be evaluated; rules that accept the same
// layers, or none that earlier ones leave; layers that are accepted although no tile fits.
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
// The rules against each other. Costs are compared with the constants of this SoC.
std::vector<Finding> prove_rules(const Soc& soc, int target);
// Accepted layers that the tiler has no tile for, with this SoC's memories; a search, smallest first. A
// layer that only a memory is too small for stays on the CPU: that is no fault of the rule.
std::vector<Finding> prove_tiles(const Soc& soc, int target);

// All of these.
std::vector<Finding> prove(const Soc& soc, int target);

}  // namespace heddle
