#include "schedule/views.h"

#include <algorithm>

#include "ops/op.h"
#include "schedule/in_place.h"

namespace heddle {
namespace {

bool reshapes(const Node& view) { return view.op == "reshape" || view.op == "flatten"; }

}  // namespace

Storage strided(const TensorType& type, std::vector<int64_t> strides) {
  int64_t last = 0;
  for (size_t d = 0; d < strides.size(); ++d) last += (type.shape[d] - 1) * strides[d];
  return {std::move(strides), (last + 1) * bytes_of(type.dtype)};
}

bool same_places(const Shape& shape, const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] != 1 && a[d] != b[d]) return false;
  }
  return true;
}

std::optional<Seen> seen_through(const Graph& graph, const Node& view, const Storage& x) {
  const TensorType& from = graph.value(view.inputs[0]).type;
  const TensorType& to = graph.value(view.output).type;
  if (reshapes(view)) {
    const auto strides = reshaped_strides(from.shape, x.strides, to.shape);
    if (!strides) return std::nullopt;
    Storage seen = strided(to, *strides);
    // A dense operand's padding at the end belongs to the view too.
    if (same_places(from.shape, x.strides, dense_storage(from).strides))
      seen.bytes = std::max(seen.bytes, x.bytes);
    return Seen{std::move(seen), 0};
  }
  const LoopNest nest = op_of(view).loops({graph, view});
  std::vector<int64_t> strides(to.shape.size(), 0);
  int64_t offset = 0;
  for (size_t d = 0; d < nest.inputs[0].size(); ++d) {
    offset += nest.inputs[0][d].offset * x.strides[d];
    for (const AffineTerm& term : nest.inputs[0][d].terms) {
      const size_t axis = static_cast<size_t>(term.axis);
      if (term.coefficient < 0 && to.shape[axis] > 1) return std::nullopt;
      strides[axis] = std::max<int64_t>(term.coefficient, 1) * x.strides[d];
    }
  }
  return Seen{strided(to, std::move(strides)), offset * bytes_of(to.dtype)};
}

std::optional<Storage> wanted_behind(const Graph& graph, const Node& view, const Storage& y) {
  const TensorType& x = graph.value(view.inputs[0]).type;
  if (view.op == "slice") return std::nullopt;
  if (reshapes(view)) {
    const auto strides = reshaped_strides(graph.value(view.output).type.shape, y.strides, x.shape);
    if (!strides) return std::nullopt;
    return strided(x, *strides);
  }
  const LoopNest nest = op_of(view).loops({graph, view});
  std::vector<int64_t> strides;
  for (const DimAccess& dim : nest.inputs[0])
    strides.push_back(y.strides[static_cast<size_t>(dim.terms.front().axis)]);
  return strided(x, std::move(strides));
}

std::optional<std::vector<int64_t>> reshaped_strides(const Shape& from,
                                                     const std::vector<int64_t>& strides,
                                                     const Shape& to) {
  // Runs of dimensions of both sides that hold equally many elements are matched; within a run the
  // old dimensions must lie one in the other.
  std::vector<int64_t> result(to.size(), 1);
  size_t f = 0, t = 0;
  while (f < from.size() || t < to.size()) {
    size_t f_end = f, t_end = t;
    int64_t f_count = 1, t_count = 1;
    do {
      if (f_count <= t_count && f_end < from.size()) {
        f_count *= from[f_end++];
      } else if (t_end < to.size()) {
        t_count *= to[t_end++];
      } else {
        break;
      }
    } while (f_count != t_count);
    if (f_count != t_count) return std::nullopt;  // shapes of different sizes
    int64_t inner = 0, run = 1;                   // of the innermost old dimension above 1
    for (size_t d = f_end; d-- > f;) {
      if (from[d] == 1) continue;
      if (inner == 0) inner = strides[d];
      if (strides[d] != inner * run) return std::nullopt;
      run *= from[d];
    }
    int64_t stride = inner == 0 ? 1 : inner;
    for (size_t d = t_end; d-- > t;) {
      result[d] = stride;
      stride *= to[d];
    }
    f = f_end;
    t = t_end;
  }
  return result;
}

}  // namespace heddle
