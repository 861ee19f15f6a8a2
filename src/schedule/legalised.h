// Candidates in another form (legalise/legalise.h): rules that do not take a layer as it is are
// offered its forms, whose graphs are matched, tiled and costed like the imported one.
#pragma once

#include <functional>

#include "legalise/legalise.h"
#include "schedule/schedule.h"

namespace heddle {

// Moves what the CPU has no kernel for from the accepted to the refused matches: refuse_kernels() of
// cpu_codegen, which lies above this layer.
using RefuseKernels = std::function<Matches(const Graph&, const Soc&, Matches)>;

// What a rule of a unit says to the forms of one layer.
struct Offered {
  std::vector<Candidate> usable;  // with `covers`, `legalised` and `extras`
  std::vector<RefusedForm> refused;
};

// Offers the rule every form of the `allowed` kinds of every layer from `start` on that its pattern
// fits. `allowed` may be more than Rule::legalise says: what would it gain? Forms that only spare the
// rule a refusal (pads, channels) are left out where `matches` say that it takes the layer as it is,
// and forms that change more than another one that it takes. Error: a cost of the CPU that cannot be
// computed.
Result<Offered> offer_forms(const Graph& graph, const Soc& soc, const Policy& policy,
                            const Matches& matches, int target, int rule, NodeId start,
                            const Legalise& allowed, const RefuseKernels& refuse);

// The candidates and those in other forms, wherever a rule, and the policy, allows them.
Result<Candidates> with_legalised(const Graph& graph, const Soc& soc, const Policy& policy,
                                  const Matches& matches, Candidates candidates,
                                  const RefuseKernels& refuse);

}  // namespace heddle
