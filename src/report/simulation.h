// What the user sees of a run on the virtual SoC.
#pragma once

#include <string>

#include "sim/result.h"

namespace heddle {

// Per-layer table of the first sample, totals, set-up, memory, energy, speed; fits 100 columns.
// Without hazards and console: those are for stderr.
std::string simulation_text(const sim::SimulationResult& result);

}  // namespace heddle
