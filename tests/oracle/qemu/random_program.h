// Random RV32IMC instructions as assembly: sequences that end for sure, touch scratch memory only,
// and are the same on every machine.
#pragma once

#include <cstdint>
#include <string>

namespace heddle::sim {

// A file for the assembler with `sequences`, a table of that many (runtime.c runs them).
std::string random_program(uint64_t seed, int sequences);

}  // namespace heddle::sim
