// States: pairs of a graph input and output that are memory from one run to the next (Graph::states).
#pragma once

#include <functional>
#include <string>

#include "import/import.h"

namespace heddle {

// Imports with `import` and makes states of the pairs that the options name, or of all that are
// recognised: an output that is a concatenation of the input, or of a slice of it, with what is new
// (a KV cache, a ring buffer). Where none are asked for, a note lists those. A state's input has the
// type of its output: the model may have to be imported again to narrow it. Errors name what does
// not fit. `file` is for messages.
Result<Graph> import_with_states(const ImportOptions& options, const std::string& file,
                                 const std::function<Result<Graph>(const ImportOptions&)>& import);

}  // namespace heddle
