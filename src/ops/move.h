// Operators that only move elements: transpose, slice, concat, gather.
#pragma once

#include <vector>

#include "ops/op.h"

namespace heddle {

// Of a dense tensor: how far apart, in elements, neighbours along each dimension lie.
std::vector<int64_t> row_major_strides(const Shape& shape);

// The elements of `x` at these flat indices, of integer type or float32; for references.
Tensor picked(const Tensor& x, const TensorType& type, const std::vector<int64_t>& sources);

// Calls `visit` with every index of the shape, in row-major order.
template <class Visit>
void for_each_index(const Shape& shape, Visit visit) {
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t flat = 0; flat < elements_of(shape); ++flat) {
    visit(index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

// An attribute that is a list; its kind must have been checked.
const std::vector<int64_t>& list_attribute(const OpView& op, const std::string& name);

}  // namespace heddle
