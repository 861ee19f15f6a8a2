// Divisions by what is no power of two, as a multiplication and a shift.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/tensor.h"

namespace heddle {

struct Division {               // floor((x * mul + add) / divisor)
  std::vector<int64_t> mul{1};  // one element or one per channel
  std::vector<int64_t> add{0};
  int64_t divisor = 1;  // positive
};

struct MultiplyShift {  // (x * mul + add) >> shift
  std::vector<int64_t> mul;
  std::vector<int64_t> add;
  int64_t shift = 0;
};

// The one of the least shift that is equal for every x of the range. Nothing where that needs
// multipliers beyond 32 bits or sums beyond 64.
std::optional<MultiplyShift> multiply_for(const Division& division, const Range& x);

}  // namespace heddle
