// The constants of heddle_rv32_dot_2x*: weights of two output channels in the order of their taps,
// cut into runs that are proven to fit 16 bits (runtime/heddle_rv32_dot.h).
#pragma once

#include <cstdint>
#include <vector>

#include "graph/tensor.h"

namespace heddle::rv32 {

inline constexpr int64_t kLongestRun = 16;  // taps that the unrolled loop holds

struct DotProgram {
  std::vector<int64_t>
      program;  // bytes, channels 0 and 1 first; a last odd channel has a partner of zeros
  std::vector<int64_t> start;  // int32, two for each channel of `program`
  int64_t runs = 0;            // over all pairs of channels
};

// weights[channel][tap], each channel with at least one tap and one bias; all activations lie in
// `x`. Precondition: fits_half(w, x) for each of the weights. Runs are as long as they can be, one
// after the other.
DotProgram make_dot_program(const std::vector<std::vector<int64_t>>& weights,
                            const std::vector<int64_t>& bias, const Range& x);

// Whether the product with any activation fits a half of a word, and the weight a byte.
bool fits_half(int64_t weight, const Range& x);

}  // namespace heddle::rv32
