// Layout conversions of bytes for RV32: blocks of 4 x 4, by words.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

// What the schedule calls a turn (schedule/turn.h): one call of the runtime for every matrix. Storages that
// are none are copied by the generic loops.
extern const KernelGenerator turn;

}  // namespace heddle::rv32
