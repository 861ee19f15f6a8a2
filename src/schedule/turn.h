// Layout conversions that transpose bytes: an image goes from rows that lie in one piece to pixels that do, or
// back. The schedule says so in the copy's attribute `turn`, for the rules of the CPU to see.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "tiler/tiling.h"

namespace heddle {

// Of each pass through `loops` (outermost first), y[c * to_stride + r] = x[r * from_stride + c]. Strides
// are in elements, which are bytes.
struct Turn {
  struct Loop {
    int64_t extent = 0, from = 0, to = 0;
  };
  std::vector<Loop> loops;
  int64_t rows = 0, from_stride = 0;
  int64_t columns = 0, to_stride = 0;
  bool words = false;  // all strides are multiples of 4
};

// Nothing where the conversion is none of an image of bytes between the two orders.
std::optional<Turn> turn_between(const TensorType& type, const Storage& from, const Storage& to);

}  // namespace heddle
