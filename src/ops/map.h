// Elementwise operators: names of axes by rank, broadcasting, the loop nest that they all share.
#pragma once

#include "base/result.h"
#include "ops/op.h"

namespace heddle {

inline constexpr size_t kMaxMapRank = 8;

// 4: n k oy ox; 3: n k ox; 2: n k; 1: k; others d0 d1 ...
std::vector<std::string> map_axis_names(size_t rank);
// All of them, for OpDef::axes.
std::vector<std::string_view> all_map_axes();

Status check_map_rank(const OpView& op, size_t operand = 0);

// NumPy's rule; an error names the dimensions that clash.
Result<Shape> broadcast_shape(const OpView& op, const Shape& a, const Shape& b);
// How an operand of shape `operand` is read at an index of `output`, to which it broadcasts.
Access broadcast_access(const Shape& operand, const Shape& output);
// For every element of `output`, in row-major order, where its element of the operand is; for
// references.
std::vector<int64_t> broadcast_places(const Shape& operand, const Shape& output);
// All elements of `tensor`, repeated to fill `output`; for references.
std::vector<int64_t> broadcast_values(const Tensor& tensor, const Shape& output);

// One parallel axis per dimension of the output; operand 0 and the output are read and written at
// the same index. Further operands: appended by the caller.
LoopNest map_loops(const OpView& op);
// `operand` has one element, or one per index of dimension `axis` of operand 0.
Access per_channel_access(const Shape& operand, int64_t axis);
// For references: the channel (index along `axis`) of every element of the shape, in row-major
// order.
int64_t channel_of(const Shape& shape, int64_t axis, int64_t flat);

}  // namespace heddle
