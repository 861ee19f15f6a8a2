// Pools of integers for RV32: windows unrolled, every element of a row of windows read once.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

// The elements of a window are folded column by column, and a column that several windows of a row
// share is folded once. Windows that leave the image are written out one by one, with the part that
// lies inside; all others need no check. One window a channel (a global pool) is a running pointer.
extern const KernelGenerator pool;

}  // namespace heddle::rv32
