// Operators that change shapes only: RESHAPE, SQUEEZE, EXPAND_DIMS, TRANSPOSE, SHAPE.
#include <fmt/format.h>

#include <algorithm>

#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

// Where batch and channels stay, the spatial dimensions may change shape while channels are first:
// [N, H, W, C] and [N, H * W, C], or [N, 1, 1, C] and [N, C].
bool keeps_channels(const Shape& from, const Shape& to) {
  return to.size() >= 2 && from.size() >= 3 && from.front() == to.front() &&
         from.back() == to.back();
}

void reshape_to(Translation& t, const RawOperator& op, const Shape& from, const Shape& to) {
  const std::string name = output_tensor(t, op).name;
  if (checked_elements(to) < 0 || elements_of(to) != elements_of(from)) {
    return fail(t, op,
                fmt::format("it gives {} the shape {}, which has another number of elements",
                            to_string(from), to_string(to)));
  }
  if (held_as_planes(t, op, 0) && keeps_channels(from, to)) {
    const std::optional<ValueId> x = planes_input(t, op, 0);
    if (x) set_planes(t, op, emit_reshape(t, name, *x, permuted(to, to_planes(to.size()))));
    return;
  }
  if (const std::optional<ValueId> x = plain_input(t, op, 0))
    set_plain(t, op, emit_reshape(t, name, *x, to));
}

// At most one -1, which stands for what is left.
std::optional<Shape> resolved(Translation& t, const RawOperator& op, const Shape& from,
                              Shape wanted) {
  int64_t known = 1;
  int64_t open = 0;
  for (int64_t dim : wanted) {
    if (dim == -1) {
      ++open;
    } else if (dim < 0 || (dim > 0 && known > (int64_t{1} << 40) / dim)) {
      open = 2;
    } else {
      known *= dim;
    }
  }
  if (open <= 1 && (open == 0 || (known > 0 && elements_of(from) % known == 0))) {
    std::replace(wanted.begin(), wanted.end(), int64_t{-1},
                 open == 0 ? int64_t{0} : elements_of(from) / known);
    return wanted;
  }
  fail(t, op,
       fmt::format("it gives {} the shape {}, which does not fit", to_string(from),
                   to_string(wanted)));
  return std::nullopt;
}

void reshape(Translation& t, const RawOperator& op) {
  std::optional<std::vector<int64_t>> wanted = op.options.dims;
  if (has_input(op, 1)) wanted = ints_input(t, op, 1, "new dimensions");
  const std::optional<Shape> from = model_shape(t, op, 0);
  if (!wanted || !from) return;
  const std::optional<Shape> to = resolved(t, op, *from, *wanted);
  if (to) reshape_to(t, op, *from, *to);
}

// An axis counted from 0; `rank` is allowed where `end` is.
std::optional<int64_t> axis_of(Translation& t, const RawOperator& op, int64_t axis, size_t rank) {
  const auto dims = static_cast<int64_t>(rank);
  if (axis >= -dims && axis < dims) return axis + (axis < 0 ? dims : 0);
  fail(t, op, fmt::format("its axis {} is none of {} dimensions", axis, dims));
  return std::nullopt;
}

void squeeze(Translation& t, const RawOperator& op) {
  const std::optional<Shape> from = model_shape(t, op, 0);
  if (!from) return;
  std::vector<bool> gone(from->size(), false);
  for (size_t d = 0; d < from->size(); ++d) gone[d] = op.options.dims.empty() && (*from)[d] == 1;
  for (int64_t wanted : op.options.dims) {
    const std::optional<int64_t> axis = axis_of(t, op, wanted, from->size());
    if (!axis) return;
    if ((*from)[static_cast<size_t>(*axis)] != 1) {
      return fail(
          t, op,
          fmt::format("it removes dimension {} of {}, which is not 1", *axis, to_string(*from)));
    }
    gone[static_cast<size_t>(*axis)] = true;
  }
  Shape to;
  for (size_t d = 0; d < from->size(); ++d) {
    if (!gone[d]) to.push_back((*from)[d]);
  }
  reshape_to(t, op, *from, to);
}

void expand_dims(Translation& t, const RawOperator& op) {
  const std::optional<std::vector<int64_t>> axes = ints_input(t, op, 1, "axes");
  const std::optional<Shape> from = model_shape(t, op, 0);
  if (!axes || !from) return;
  if (axes->size() != 1) return fail(t, op, fmt::format("it has {} axes, not one", axes->size()));
  const std::optional<int64_t> axis = axis_of(t, op, axes->front(), from->size() + 1);
  if (!axis) return;
  Shape to = *from;
  to.insert(to.begin() + *axis, 1);
  reshape_to(t, op, *from, to);
}

void transpose(Translation& t, const RawOperator& op) {
  const std::optional<std::vector<int64_t>> perm = ints_input(t, op, 1, "permutation");
  const std::optional<ValueId> x = plain_input(t, op, 0);
  if (!perm || !x) return;
  const size_t rank = shape_of(t, *x).size();
  std::vector<int64_t> sorted;
  for (int64_t d : *perm) sorted.push_back(d < 0 ? d + static_cast<int64_t>(rank) : d);
  const std::vector<int64_t> resolved_perm = sorted;
  std::sort(sorted.begin(), sorted.end());
  bool sound = sorted.size() == rank;
  for (size_t d = 0; sound && d < rank; ++d) sound = sorted[d] == static_cast<int64_t>(d);
  if (!sound) {
    return fail(t, op,
                fmt::format("its permutation {} does not name each of {} dimensions once",
                            to_string(*perm), rank));
  }
  set_plain(t, op, emit_transpose(t, output_tensor(t, op).name, *x, resolved_perm));
}

// Shapes are known: a constant.
void shape(Translation& t, const RawOperator& op) {
  const std::optional<Shape> dims = model_shape(t, op, 0);
  if (!dims) return;
  set_plain(t, op,
            add_int32_constant(t.builder, output_tensor(t, op).name,
                               {static_cast<int64_t>(dims->size())}, *dims));
}

}  // namespace

std::vector<OperatorEntry> shape_operators() {
  return {{"EXPAND_DIMS", expand_dims},
          {"RESHAPE", reshape},
          {"SHAPE", shape},
          {"SQUEEZE", squeeze},
          {"TRANSPOSE", transpose}};
}

}  // namespace heddle::tflite
