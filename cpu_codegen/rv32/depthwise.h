// Depthwise convolution for RV32: the filter of a channel stays in registers, and every element of
// a row is read once.
#pragma once

#include "cpu_codegen/generators.h"

namespace heddle::rv32 {

// A walk along the columns under one row of outputs. A column adds to the outputs whose windows it
// lies in, at most two or three, whose sums are all that is kept; with the last column of its
// window an output is done. Rows above and below the image are a row of zero points in the scratch
// memory, columns left and right of it a constant of the channel.
extern const KernelGenerator depthwise_conv2d;

}  // namespace heddle::rv32
