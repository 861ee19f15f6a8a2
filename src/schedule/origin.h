// Candidates in terms of the imported graph: what they read and make there. A legalised candidate's
// match speaks of a graph of its own.
#pragma once

#include <vector>

#include "schedule/schedule.h"

namespace heddle {

// The graph that the candidate's match speaks of.
const Graph& graph_of(const Graph& imported, const Candidate& candidate);

// Activations of the imported graph that it reads, each once; and the one that it makes.
std::vector<ValueId> values_read(const Graph& imported, const Candidate& candidate);
ValueId value_made(const Graph& imported, const Candidate& candidate);

// The value of the match's graph that the job itself reads or writes in place of this imported one;
// invalid where kernels of the CPU stand between them.
ValueId value_of_job(const Candidate& candidate, ValueId value);

// "diana_digital/conv2d", "diana_digital/conv2d (explicit pad [0, 0, 1, 1])".
std::string name_of(const Soc& soc, const Candidate& candidate);

}  // namespace heddle
