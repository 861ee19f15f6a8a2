// A layer on an accelerator in C: its enumeration constants, and the functions that move tiles and
// start jobs.
#pragma once

#include <string>
#include <vector>

#include "emit/names.h"

namespace heddle {

struct AcceleratorLayer {
  std::string text;  // enum and functions, without the layer's comment
  // Of the layer's function: "arena", "constants", as far as it uses them.
  std::vector<std::string> arguments;
};

// Error: a field of the rule's job that cannot be computed.
Result<AcceleratorLayer> emit_accelerator_layer(const Network& network, size_t step);

}  // namespace heddle
