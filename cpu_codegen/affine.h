// Index expressions of a loop nest: how DimAccess (ops/op.h) is composed, bounded and printed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace heddle {

// Drops terms of axes of extent 1 (they are always 0) and merges equal axes.
DimAccess simplified(const DimAccess& access, std::span<const Axis> axes);

// `outer` speaks of indices whose values `inner` gives: outer.axis i becomes inner[i].
DimAccess composed(const DimAccess& outer, std::span<const DimAccess> inner);

// Smallest and largest value over all indices of the axes.
Range index_range(const DimAccess& access, std::span<const Axis> axes);

// "oy * 2 + fy - 1"; "0" if it is nothing.
std::string print_affine(const DimAccess& access, std::span<const Axis> axes);

// "k * 144 + (oy + fy - 1) * 28": the sum of the dimensions, each times its stride; "0" if it is
// nothing.
struct StridedIndex {
  DimAccess index;
  int64_t stride = 1;
};
std::string print_index(const std::vector<StridedIndex>& dims, std::span<const Axis> axes);

}  // namespace heddle
