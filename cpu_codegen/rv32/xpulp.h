// conv2d in one group and dense for cores with XpulpV2, four products of bytes an instruction: see
// runtime/heddle_xpulp.h.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

extern const KernelGenerator xpulp_conv2d;
extern const KernelGenerator xpulp_dense;

}  // namespace heddle::rv32
