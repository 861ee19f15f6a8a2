// Expand, Tile, DepthToSpace and SpaceToDepth, in terms of reshape, gather and transpose.
#include <fmt/format.h>

#include <algorithm>

#include "import/onnx/moves.h"

namespace heddle {
namespace {

constexpr size_t kMaxRank = 8;

// Repeats dimensions as a whole: element i of the result is element i % extent.
void repeat(Translation& t, const RawNode& node, const Shape& shape, const List& times) {
  RawNode step = reshaped(t, node, shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (times[d] == 1) continue;
    const int64_t count = checked_elements({shape[d], times[d]});
    if (count <= 0 || count > kMaxMoved)
      return fail(t, node, fmt::format("dimension {} of {} is repeated {} times", d,
                                       to_string(shape), times[d]));
    List indices;
    for (int64_t i = 0; i < count; ++i) indices.push_back(i % shape[d]);
    const Tensor table = Tensor::of(DType::int64, {count}, indices);
    apply_move(t, step, "gather", {{"axis", static_cast<int64_t>(d)}}, &table);
  }
}

void expand(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  const std::optional<List> wanted = ints_operand(t, node, 1, "shape");
  if (x == nullptr || !wanted) return;
  Shape shape = shape_of(t, *x);
  List target = *wanted;
  const size_t rank = std::max(shape.size(), target.size());
  if (rank > kMaxRank) return fail(t, node, fmt::format("expands to {} dimensions", rank));
  shape.insert(shape.begin(), rank - shape.size(), 1);
  target.insert(target.begin(), rank - target.size(), 1);
  List times(rank, 1);
  for (size_t d = 0; d < rank; ++d) {
    if (target[d] == 1 || target[d] == shape[d]) continue;
    if (shape[d] != 1 || target[d] < 1)
      return fail(t, node, fmt::format("cannot expand {} to {}", to_string(shape), to_string(target)));
    times[d] = target[d];
  }
  repeat(t, node, shape, times);
}

void tile(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  const std::optional<List> times = ints_operand(t, node, 1, "repeats");
  if (x == nullptr || !times) return;
  const Shape shape = shape_of(t, *x);
  if (times->size() != shape.size() ||
      std::any_of(times->begin(), times->end(), [](int64_t n) { return n < 1; }))
    return fail(t, node, fmt::format("cannot repeat {} by {}", to_string(shape), to_string(*times)));
  repeat(t, node, shape, *times);
}

// [N, C, H, W]: blocks of channels become squares of pixels, or the other way round.
void depth_space(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  const Shape shape = shape_of(t, *x);
  const int64_t b = int_of(t, node, "blocksize", 0);
  const bool to_space = node.op == "DepthToSpace";
  const bool whole = shape.size() == 4 && b > 0 && b < (int64_t{1} << 20) &&
                     (to_space ? shape[1] % (b * b) == 0 : shape[2] % b == 0 && shape[3] % b == 0);
  if (!whole)
    return fail(t, node, fmt::format("blocks of {} do not divide {}", b, to_string(shape)));
  const int64_t n = shape[0], c = shape[1], h = shape[2], w = shape[3];
  Shape apart, result;
  List perm;
  if (to_space && text_of(node, "mode", "DCR") == "CRD") {
    apart = {n, c / (b * b), b, b, h, w};
    perm = {0, 1, 4, 2, 5, 3};
  } else if (to_space) {
    apart = {n, b, b, c / (b * b), h, w};
    perm = {0, 3, 4, 1, 5, 2};
  } else {
    apart = {n, c, h / b, b, w / b, b};
    perm = {0, 3, 5, 1, 2, 4};
  }
  result = to_space ? Shape{n, c / (b * b), h * b, w * b} : Shape{n, c * b * b, h / b, w / b};
  apply_move(t, reshaped(t, node, apart), "transpose", {{"perm", perm}});
  reshape_result(t, node, result);
}

}  // namespace

std::vector<OperatorEntry> repeat_operators() {
  return {{"DepthToSpace", depth_space},
          {"Expand", expand},
          {"SpaceToDepth", depth_space},
          {"Tile", tile}};
}

}  // namespace heddle
