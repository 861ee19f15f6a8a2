// Where the network's C finds its values: in the arena, in a memory that units share, in tables.
#pragma once

#include <string>

#include "cpu_codegen/writer.h"
#include "emit/names.h"

namespace heddle {

// The enumerations of offsets, and that everything lies inside its memory.
void write_offsets(CWriter& out, const Network& network);
// The C text of a pointer to a value: a table, or its place.
std::string pointer_to(const Network& network, ValueId value, bool output);
// The same for a parameter of a step's kernel.
std::string argument_of(const Network& network, size_t step, const KernelArgument& argument);
// What tells tests of a layer's result, and the statement that does so behind a step.
void write_layer_done(CWriter& out, const Network& network);
std::string layer_done(const Network& network, size_t step);

}  // namespace heddle
