// Clamps of finished kernels as calls of heddle_rv32_clip.h, which are fewer cycles on RV32.
#pragma once

#include "cpu_codegen/kernel.h"
#include "rules/rules.h"

namespace heddle::rv32 {

// The statements that operators' records give, on lines of their own:
//   if (value < -128) value = -128;
//   if (value > 127) value = 127;
// become `value = heddle_rv32_clip(value, 127);`, one bound alone heddle_rv32_at_least() or
// heddle_rv32_at_most(). On cores with XpulpV2, so does the greatest of several elements.
// Precondition: `value` and names that begin with `integer` are int32_t where their bounds are
// integers.
Kernel with_clips(Kernel kernel, Isa isa);

}  // namespace heddle::rv32
