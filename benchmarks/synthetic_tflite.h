// A TFLite network of any size; apart, as the two formats' test models share names.
#pragma once

#include <cstdint>
#include <string>

namespace heddle {

// Blocks of convolution, reshapes, ReLU of another scale and ADD with a skip from the block
// before; every convolution has its zero points and channels last.
std::string synthetic_tflite(int64_t nodes);

}  // namespace heddle
