// What a policy says of layers and targets, as passes before the schedule: its names against the SoC,
// the order of execution, preferences and pins. The objective itself is the schedule's.
//
// A layer is a node that a rule's pattern begins at: one at which a pattern of an accelerator or library
// begins, accepted or not, or which no accepted match takes in after another node. Its name is the node's.
#pragma once

#include <string>
#include <vector>

#include "schedule/schedule.h"

namespace heddle {

// `--place 'REGEX=TARGET'`: one more pin, on names of layers. Error: it is not of that form.
Result<Pin> pin_of(const std::string& option);

// Errors: a pin, an `accepted_by` or the target order names a target that the SoC does not have; the
// objective needs energies, and the SoC says none.
Status check_policy(const Soc& soc, const Policy& policy);

// The graph with its nodes in the policy's order of execution: each layer that the list selects, with
// the maps that follow it alone, stands before the next one's, where the dataflow allows it; otherwise
// the order stays. Ids of values stay. Errors: no regular expression; one that selects no node.
Result<Graph> order_execution(const Graph& graph, const Policy& policy);

// The nodes that are layers, ascending.
std::vector<NodeId> layers_of(const Graph& graph, const Matches& matches);

// Candidates that no pin forbids, with their share of the cost (Candidate::cost_percent) and the pin
// that they obey (Candidate::pinned). `notes` says what had no effect. Errors: a regular expression that
// is none; of pins that are not optional: one that selects no layer, one that no rule of its target
// accepts (with all reasons), two that contradict each other.
Result<Candidates> apply_policy(const Graph& graph, const Soc& soc, const Policy& policy,
                                const Matches& matches, Candidates candidates);

}  // namespace heddle
