// Operators that take tensors apart and put them together: CONCATENATION, PACK, SPLIT, SLICE,
// GATHER.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/tflite/tables.h"
#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

// An operand in the form that it has.
struct Part {
  ValueId id;
  bool planes = false;
  size_t rank = 0;
  // A dimension of the model's in the value.
  size_t dimension(int64_t axis) const {
    const auto d = static_cast<size_t>(axis);
    if (!planes || rank < 3 || d == 0) return d;
    return d == rank - 1 ? 1 : d + 1;
  }
};

std::optional<Part> part_input(Translation& t, const RawOperator& op, size_t i) {
  const bool planes = held_as_planes(t, op, i);
  const std::optional<ValueId> x = planes ? planes_input(t, op, i) : plain_input(t, op, i);
  if (!x) return std::nullopt;
  return Part{.id = *x, .planes = planes, .rank = shape_of(t, *x).size()};
}

void set(Translation& t, const RawOperator& op, ValueId y, bool planes, size_t output = 0) {
  if (planes) return set_planes(t, op, y, output);
  set_plain(t, op, y, output);
}

std::optional<int64_t> axis_of(Translation& t, const RawOperator& op, int64_t axis, size_t rank) {
  const auto dims = static_cast<int64_t>(rank);
  if (axis >= -dims && axis < dims) return axis + (axis < 0 ? dims : 0);
  fail(t, op, fmt::format("its axis {} is none of {} dimensions", axis, dims));
  return std::nullopt;
}

std::optional<int64_t> axis_input(Translation& t, const RawOperator& op, size_t i, size_t rank) {
  const std::optional<std::vector<int64_t>> axes = ints_input(t, op, i, "axes");
  if (!axes) return std::nullopt;
  if (axes->size() == 1) return axis_of(t, op, axes->front(), rank);
  fail(t, op, fmt::format("it has {} axes, not one", axes->size()));
  return std::nullopt;
}

// 8-bit integers on the scale of the result, as TFLite's concatenation converts them.
ValueId on_scale(Translation& t, const RawOperator& op, size_t i, ValueId x, const Scale& y) {
  const RawTensor& tensor = *input_tensor(t, op, i);
  const std::optional<Scale> from = scale_of(t, op, tensor);
  if (!from) return {};
  if (from->scale == y.scale && from->zero_point == y.zero_point) return x;
  if (tensor.type != RawType::int8 && tensor.type != RawType::uint8) {
    fail(t, op, fmt::format("its {} operands have different scales", name_of(tensor.type)));
    return {};
  }
  const DType type = tensor.type == RawType::int8 ? DType::int8 : DType::uint8;
  const float scale = from->scale * (1.0f / y.scale);
  const float bias = static_cast<float>(-from->zero_point) * scale;
  if (!std::isfinite(scale) || !std::isfinite(bias)) {
    fail(t, op,
         fmt::format("its operand {} has scale {}, its result {}: their quotient leaves float32",
                     ticked(tensor.name), from->scale, y.scale));
    return {};
  }
  Tensor table = integer_table(type, type, range_of(type), [&](int64_t q) {
    const float moved = std::round(static_cast<float>(q) * scale + bias);
    return static_cast<int64_t>(std::clamp(moved, -1e6f, 1e6f)) + y.zero_point;
  });
  const std::string suffix = fmt::format("_{}", i);
  const ValueId constant =
      add_constant(t.builder, output_tensor(t, op).name + "_table" + suffix, std::move(table));
  return emit(t, op, "lookup", {x, constant}, {{"first", range_of(type).lo}}, "_operand" + suffix);
}

// All operands in one form, on the scale of the result.
std::optional<std::vector<Part>> same_form(Translation& t, const RawOperator& op) {
  bool planes = false;
  for (size_t i = 0; i < op.inputs.size(); ++i) planes = planes || held_as_planes(t, op, i);
  std::optional<Scale> scale;
  if (quantised(output_tensor(t, op))) {
    scale = output_scale(t, op);
    if (!scale) return std::nullopt;
  }
  std::vector<Part> parts;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const std::optional<ValueId> x = planes ? planes_input(t, op, i) : plain_input(t, op, i);
    if (!x) return std::nullopt;
    const ValueId y = scale ? on_scale(t, op, i, *x, *scale) : *x;
    if (!y.valid()) return std::nullopt;
    parts.push_back({.id = y, .planes = planes, .rank = shape_of(t, y).size()});
  }
  if (!parts.empty()) return parts;
  fail(t, op, "it has no operands");
  return std::nullopt;
}

void concatenation(Translation& t, const RawOperator& op) {
  const std::optional<std::vector<Part>> parts = same_form(t, op);
  if (!parts) return;
  const std::optional<int64_t> axis = axis_of(t, op, op.options.axis, parts->front().rank);
  if (!axis) return;
  std::vector<ValueId> ids;
  for (const Part& part : *parts) ids.push_back(part.id);
  const auto dimension = static_cast<int64_t>(parts->front().dimension(*axis));
  ValueId y = ids.size() == 1 ? ids[0] : emit(t, op, "concat", ids, {{"axis", dimension}});
  if (real_input(t, op)) {
    y = emit_real_activation(t, op, y);
  } else if (op.options.activation != Activation::none) {
    const std::optional<Target> target = output_target(t, op);
    if (!target) return;
    y = emit_bounds(t, op, y, target->bounds);
  }
  set(t, op, y, parts->front().planes);
}

void pack(Translation& t, const RawOperator& op) {
  std::vector<ValueId> ids;
  std::optional<int64_t> axis;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const std::optional<ValueId> x = plain_input(t, op, i);
    if (!x) return;
    Shape shape = shape_of(t, *x);
    axis = axis_of(t, op, op.options.axis, shape.size() + 1);
    if (!axis) return;
    shape.insert(shape.begin() + *axis, 1);
    ids.push_back(emit_reshape(t, fmt::format("{}_{}", output_tensor(t, op).name, i), *x, shape));
    if (!ids.back().valid()) return;
  }
  if (ids.empty()) return fail(t, op, "it has no operands");
  set_plain(t, op, ids.size() == 1 ? ids[0] : emit(t, op, "concat", ids, {{"axis", *axis}}));
}

// Bounds of a slice in every dimension of a value.
struct Cut {
  std::vector<int64_t> starts, ends, steps;
};

Cut whole(const Shape& shape) {
  return {.starts = std::vector<int64_t>(shape.size(), 0),
          .ends = shape,
          .steps = std::vector<int64_t>(shape.size(), 1)};
}

ValueId emit_cut(Translation& t, const RawOperator& op, ValueId x, const Cut& cut,
                 size_t output = 0) {
  return emit(t, op, "slice", {x},
              {{"starts", cut.starts}, {"ends", cut.ends}, {"steps", cut.steps}}, "", output);
}

// One output after the other along an axis.
void split_into(Translation& t, const RawOperator& op, const Part& x, int64_t axis,
                const std::vector<int64_t>& sizes) {
  const size_t d = x.dimension(axis);
  const Shape shape = shape_of(t, x.id);
  int64_t at = 0;
  for (size_t i = 0; i < std::min(sizes.size(), op.outputs.size()); ++i) {
    if (sizes[i] <= 0 || sizes[i] > shape[d] - at) break;
    Cut cut = whole(shape);
    cut.starts[d] = at;
    cut.ends[d] = at += sizes[i];
    set(t, op, emit_cut(t, op, x.id, cut, i), x.planes, i);
  }
  if (at != shape[d] || sizes.size() != op.outputs.size()) {
    fail(t, op,
         fmt::format("it splits {} elements into {} outputs of sizes {}", shape[d],
                     op.outputs.size(), to_string(sizes)));
  }
}

void split(Translation& t, const RawOperator& op) {
  const std::optional<Part> x = part_input(t, op, 1);
  if (!x) return;
  const std::optional<int64_t> axis = axis_input(t, op, 0, x->rank);
  if (!axis) return;
  const auto count = static_cast<int64_t>(op.outputs.size());
  const int64_t extent = shape_of(t, x->id)[x->dimension(*axis)];
  split_into(t, op, *x, *axis, std::vector<int64_t>(op.outputs.size(), extent / count));
}

void split_v(Translation& t, const RawOperator& op) {
  const std::optional<Part> x = part_input(t, op, 0);
  std::optional<std::vector<int64_t>> sizes = ints_input(t, op, 1, "sizes");
  if (!x || !sizes) return;
  const std::optional<int64_t> axis = axis_input(t, op, 2, x->rank);
  if (!axis) return;
  int64_t rest = shape_of(t, x->id)[x->dimension(*axis)];
  for (int64_t size : *sizes) rest -= std::clamp<int64_t>(size, 0, rest);
  for (int64_t& size : *sizes) size = size == -1 ? rest : size;
  split_into(t, op, *x, *axis, *sizes);
}

void unpack(Translation& t, const RawOperator& op) {
  const std::optional<ValueId> x = plain_input(t, op, 0);
  if (!x) return;
  const Shape shape = shape_of(t, *x);
  const std::optional<int64_t> axis = axis_of(t, op, op.options.axis, shape.size());
  if (!axis) return;
  const auto d = static_cast<size_t>(*axis);
  if (shape[d] != static_cast<int64_t>(op.outputs.size()))
    return fail(
        t, op, fmt::format("it has {} outputs for a dimension of {}", op.outputs.size(), shape[d]));
  Shape rest = shape;
  rest.erase(rest.begin() + *axis);
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    Cut cut = whole(shape);
    cut.starts[d] = static_cast<int64_t>(i);
    cut.ends[d] = static_cast<int64_t>(i) + 1;
    const ValueId row = emit_cut(t, op, *x, cut, i);
    set_plain(t, op, emit_reshape(t, output_tensor(t, op, i).name + "_row", row, rest), i);
  }
}

void slice(Translation& t, const RawOperator& op) {
  const std::optional<Part> x = part_input(t, op, 0);
  const std::optional<std::vector<int64_t>> begin = ints_input(t, op, 1, "starts");
  const std::optional<std::vector<int64_t>> size = ints_input(t, op, 2, "sizes");
  if (!x || !begin || !size) return;
  const Shape shape = shape_of(t, x->id);
  if (begin->size() != x->rank || size->size() != x->rank) {
    return fail(t, op,
                fmt::format("it has {} starts and {} sizes for {} dimensions", begin->size(),
                            size->size(), x->rank));
  }
  Cut cut = whole(shape);
  for (size_t axis = 0; axis < x->rank; ++axis) {
    const size_t d = x->dimension(static_cast<int64_t>(axis));
    const int64_t start = (*begin)[axis];
    const bool inside = start >= 0 && start <= shape[d];
    const int64_t extent = inside && (*size)[axis] == -1 ? shape[d] - start : (*size)[axis];
    if (!inside || extent < 0 || extent > shape[d] - start) {
      return fail(t, op,
                  fmt::format("it takes {} elements from {} on of dimension {}, which has {}",
                              extent, start, axis, shape[d]));
    }
    cut.starts[d] = start;
    cut.ends[d] = start + extent;
  }
  set(t, op, emit_cut(t, op, x->id, cut), x->planes);
}

// One dimension of a STRIDED_SLICE: NumPy's rules, negative positions from the end.
struct Strided {
  int64_t start = 0, end = 0, step = 1;
};
Strided strided(const RawOptions& options, size_t i, int64_t begin, int64_t end, int64_t step,
                int64_t extent) {
  constexpr int64_t kFar = int64_t{1} << 40;  // beyond every dimension; sums do not overflow
  begin = std::clamp(begin, -kFar, kFar);
  end = std::clamp(end, -kFar, kFar);
  const auto bit = [&](int64_t mask) { return (mask >> i & 1) != 0; };
  const auto position = [&](int64_t at) {
    if (at < 0) at += extent;
    return step > 0 ? std::clamp<int64_t>(at, 0, extent) : std::clamp<int64_t>(at, -1, extent - 1);
  };
  Strided result{.start = position(begin), .end = 0, .step = step};
  if (bit(options.begin_mask)) result.start = step > 0 ? 0 : extent - 1;
  if (bit(options.shrink_axis_mask)) return {.start = result.start, .end = result.start + 1};
  result.end = position(options.offset ? begin + end : end);
  if (bit(options.end_mask)) result.end = step > 0 ? extent : -1;
  return result;
}

void strided_slice(Translation& t, const RawOperator& op) {
  const std::optional<ValueId> x = plain_input(t, op, 0);
  std::vector<std::vector<int64_t>> bounds;
  for (size_t i = 1; i <= 3; ++i) {
    const std::optional<std::vector<int64_t>> values = ints_input(t, op, i, "bounds");
    if (!values) return;
    bounds.push_back(*values);
  }
  if (!x) return;
  const RawOptions& options = op.options;
  if (options.ellipsis_mask != 0 || options.new_axis_mask != 0)
    return fail(t, op, "ellipses and new axes in slices are not supported");
  const Shape shape = shape_of(t, *x);
  const size_t given = bounds[0].size();
  if (given > shape.size() || bounds[1].size() != given || bounds[2].size() != given) {
    return fail(t, op,
                fmt::format("it has {}, {} and {} bounds for {} dimensions", given,
                            bounds[1].size(), bounds[2].size(), shape.size()));
  }
  Cut cut = whole(shape);
  Shape rest;
  for (size_t d = 0; d < shape.size(); ++d) {
    const bool shrinks = d < given && (options.shrink_axis_mask >> d & 1) != 0;
    if (d < given) {
      if (bounds[2][d] == 0) return fail(t, op, "a step of its slice is 0");
      const Strided s = strided(options, d, bounds[0][d], bounds[1][d], bounds[2][d], shape[d]);
      cut.starts[d] = s.start;
      cut.ends[d] = s.end;
      cut.steps[d] = s.step;
    }
    if (!shrinks) rest.push_back(0);
  }
  const ValueId part = emit_cut(t, op, *x, cut);
  if (!part.valid()) return;
  for (size_t d = 0, kept = 0; d < shape.size(); ++d) {
    if (d >= given || (options.shrink_axis_mask >> d & 1) == 0) rest[kept++] = shape_of(t, part)[d];
  }
  set_plain(t, op, emit_reshape(t, output_tensor(t, op).name + "_shrunk", part, rest));
}

void gather(Translation& t, const RawOperator& op) {
  const std::optional<ValueId> x = plain_input(t, op, 0);
  const std::optional<ValueId> indices = plain_input(t, op, 1);
  if (!x || !indices) return;
  if (op.options.batch_dims != 0) return fail(t, op, "`batch_dims` other than 0 are not supported");
  const std::optional<int64_t> axis = axis_of(t, op, op.options.axis, shape_of(t, *x).size());
  if (axis) set_plain(t, op, emit(t, op, "gather", {*x, *indices}, {{"axis", *axis}}));
}

}  // namespace

std::vector<OperatorEntry> part_operators() {
  return {{"CONCATENATION", concatenation},
          {"GATHER", gather},
          {"PACK", pack},
          {"SLICE", slice},
          {"SPLIT", split},
          {"SPLIT_V", split_v},
          {"STRIDED_SLICE", strided_slice},
          {"UNPACK", unpack}};
}

}  // namespace heddle::tflite
