// conv2d in one group, with two pixels in a word: see runtime/heddle_rv32_dot.h.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

extern const KernelGenerator conv2d;

}  // namespace heddle::rv32
