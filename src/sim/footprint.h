// How much memory firmware takes, by the sections that the bundle's linker script makes.
#pragma once

#include <string_view>

#include "sim/result.h"

namespace heddle::sim {

// Fills in all but the measured stack. `elf` has passed load_elf(); without section headers (a
// stripped file) nothing is known and nothing is changed.
void add_sections(std::string_view elf, Footprint& footprint);

}  // namespace heddle::sim
