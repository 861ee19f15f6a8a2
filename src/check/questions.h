// Questions about the layers of one spine, put to Z3 from small sizes to all, and made real.
#pragma once

#include <vector>

#include "check/example.h"
#include "check/layer_space.h"

namespace heddle {

using Exprs = std::vector<const Expr*>;
Exprs exprs_of(const std::vector<const Condition*>& conditions);

// The smallest sizes come first, so that an example is small.
Answer ask(ConditionSolver& solver, const LayerSpace& space, const std::vector<Wanted>& wanted);

// A subset of `exprs` that cannot hold together, none of which can be left out; those that stand first are
// kept.
Exprs minimal_conflict(ConditionSolver& solver, const LayerSpace& space, Exprs exprs,
                       const std::vector<Wanted>& besides = {});

// The layer of an answer; nullopt where it cannot be built or one of the rules refuses it.
std::optional<Example> accepted_example(const Soc& soc, int target, const std::vector<int>& rules,
                                        const LayerSpace& space, const Answer& answer);

}  // namespace heddle
