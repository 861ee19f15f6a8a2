// Cancels and sinks transposes. Front ends whose tensors are NHWC surround what is NCHW by
// transposes; what is left after this pass is at the network's edge, or was the model's intent.
#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// One pass over the nodes. A transpose waits until an operator needs its result in that order:
// elementwise operators, concatenations, slices, reductions and operators on rows that stay rows work
// on the order before it, their axes and constants permuted; pairs cancel; a flatten in front of a
// dense goes into the weights; what moves only dimensions of size 1 is a reshape. Integers stay
// exactly equal; a float32 sum may run in another order. `file` is for messages.
Result<Graph> sink_transposes(const Graph& graph, const std::string& file);

}  // namespace heddle
