// dense with 8 outputs in registers: see runtime/heddle_rv32_dense.h.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

extern const KernelGenerator dense;

}  // namespace heddle::rv32
