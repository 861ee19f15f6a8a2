// Operators that move elements: Transpose, Slice, Split, Concat, Gather. Constants are moved here and
// now, whatever they hold (also fractions that a reader may refuse, and shapes beyond int32); values
// become nodes. Both modes of the translation share the handlers.
#include "import/onnx/moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ops/op.h"

namespace heddle {
namespace {

constexpr size_t kMaxRank = 8;

// Non-negative; an error and nothing where it is outside.
std::optional<size_t> axis_of(Translation& t, const RawNode& node, size_t rank, int64_t otherwise) {
  const int64_t given = int_of(t, node, "axis", otherwise);
  const int64_t axis = given < 0 ? given + static_cast<int64_t>(rank) : given;
  if (axis >= 0 && axis < static_cast<int64_t>(rank)) return static_cast<size_t>(axis);
  fail(t, node, fmt::format("`axis` is {}, its input has {} dimensions", given, rank));
  return std::nullopt;
}

// What the operator does to a constant: its reference moves the positions of the elements.
std::optional<RawTensor> moved(Translation& t, const RawNode& node, const std::string& op,
                               const Attributes& attributes, const RawTensor& x,
                               const Tensor* indices) {
  const int64_t count = x.values.elements();
  Tensor positions(DType::int32, x.values.shape());
  if (count > kMaxMoved) {
    fail(t, node, fmt::format("its constant of {} elements is too large", count));
    return std::nullopt;
  }
  for (int64_t i = 0; i < count; ++i) positions.set(i, i);
  Builder scratch;
  scratch.file = t.builder.file;
  NewNode moving{.op = op, .name = node.name, .value_name = {}, .inputs = {}, .attributes = attributes};
  moving.inputs.push_back(add_constant(scratch, "x", std::move(positions)));
  if (indices != nullptr) moving.inputs.push_back(add_constant(scratch, "indices", *indices));
  const ValueId y = add_operator(scratch, std::move(moving));
  t.builder.errors.insert(t.builder.errors.end(), scratch.errors.begin(), scratch.errors.end());
  if (!y.valid()) return std::nullopt;
  const Tensor& sources = *scratch.graph.value(y).constant;
  const bool real = x.values.dtype() == DType::float32;
  Tensor values(real ? DType::float32 : DType::int64, sources.shape());
  for (int64_t i = 0; i < sources.elements(); ++i) {
    if (real) {
      values.set_float(i, x.values.float_at(sources.at(i)));
    } else {
      values.set(i, x.values.at(sources.at(i)));
    }
  }
  return raw_constant(values, x.type);
}

}  // namespace

const Known* any_operand(Translation& t, const RawNode& node, size_t i) {
  if (!has_operand(node, i)) return operand(t, node, i);
  const auto found = t.tensors.find(node.inputs[i]);
  return found == t.tensors.end() || found->second.broken ? nullptr : &found->second;
}

Shape shape_of(const Translation& t, const Known& known) {
  return known.constant ? known.constant->values.shape()
                        : type_of(t.builder, known.chain.base).shape;
}

void apply_move(Translation& t, const RawNode& node, const std::string& op, const Attributes& attributes,
          const Tensor* indices) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  if (x->constant) {
    if (std::optional<RawTensor> result = moved(t, node, op, attributes, *x->constant, indices))
      set_constant(t, node, std::move(*result));
    return;
  }
  const std::optional<ValueId> value = value_operand(t, node, 0);
  if (!value) return;
  std::vector<ValueId> inputs{*value};
  if (indices != nullptr)
    inputs.push_back(add_narrow_constant(t.builder, node.name + "_indices", *indices));
  set_value(t, node, emit(t, node, op, std::move(inputs), attributes));
}

void reshape_result(Translation& t, const RawNode& node, const Shape& shape) {
  if (node.outputs.empty()) return;
  const auto found = t.tensors.find(node.outputs[0]);
  if (found == t.tensors.end() || found->second.broken) return;
  if (found->second.constant) {
    found->second.constant->values = found->second.constant->values.reshaped(shape);
  } else if (shape_of(t, found->second) != shape) {
    RawNode reader = node;
    reader.inputs = {node.outputs[0]};  // may be an alias whose chain is not finished
    const std::optional<ValueId> value = value_operand(t, reader, 0);
    if (!value) return;
    set_value(t, node, emit_named(t, node.name + "_shape", node.outputs[0], "reshape", {*value},
                                  {{"shape", shape}}));
  }
}

RawNode reshaped(Translation& t, const RawNode& node, const Shape& shape) {
  RawNode next = node;
  if (const Known* x = any_operand(t, node, 0); x != nullptr && !node.outputs.empty()) {
    set_alias(t, node, *x);
    if (!x->constant && shape_of(t, *x) != shape) {
      if (const std::optional<ValueId> value = value_operand(t, node, 0)) {
        set_value(t, node, emit_named(t, node.name + "_shape", node.inputs[0] + "_shape", "reshape",
                                      {*value}, {{"shape", shape}}));
      }
    } else {
      reshape_result(t, node, shape);
    }
    next.inputs[0] = node.outputs[0];
  }
  return next;
}

namespace {

void transpose(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  List perm(shape_of(t, *x).size());
  std::iota(perm.rbegin(), perm.rend(), 0);
  if (const std::optional<List> given = maybe_ints(t, node, "perm")) perm = *given;
  apply_move(t, node, "transpose", {{"perm", perm}});
}

// A cut along one or more axes; the node's result is its operand where nothing is left out.
void cut(Translation& t, const RawNode& node, const List& starts, const List& ends,
         const List& steps) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  const Shape shape = shape_of(t, *x);
  if (std::all_of(starts.begin(), starts.end(), [](int64_t s) { return s == 0; }) &&
      ends == shape && std::all_of(steps.begin(), steps.end(), [](int64_t s) { return s == 1; }))
    return set_alias(t, node, *x);
  apply_move(t, node, "slice", {{"starts", starts}, {"ends", ends}, {"steps", steps}});
}

// Starts, ends, axes: attributes before opset 10; operands since, with steps.
void slice(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  const bool operands = has_operand(node, 1);
  const auto list = [&](size_t i, const char* name) -> std::optional<List> {
    if (operands) return has_operand(node, i) ? ints_operand(t, node, i, name) : std::nullopt;
    return maybe_ints(t, node, name);
  };
  const size_t before = t.builder.errors.size();
  const std::optional<List> starts = list(1, "starts"), ends = list(2, "ends"),
                            axes = list(3, "axes"), steps = list(4, "steps");
  if (t.builder.errors.size() > before) return;
  if (!starts || !ends) {
    const bool quiet = operands && has_operand(node, 1) && has_operand(node, 2);
    return quiet ? void() : fail(t, node, "`starts` and `ends` are missing");
  }
  const Shape shape = shape_of(t, *x);
  const int64_t rank = static_cast<int64_t>(shape.size());
  if (ends->size() != starts->size() || (axes && axes->size() != starts->size()) ||
      (steps && steps->size() != starts->size()) || starts->size() > shape.size()) {
    return fail(t, node, fmt::format("starts {}, ends {}, axes {} and steps {} do not fit each other and {}",
                                     to_string(*starts), to_string(*ends),
                                     axes ? to_string(*axes) : "none",
                                     steps ? to_string(*steps) : "none", to_string(shape)));
  }
  List from(shape.size(), 0), to = shape, by(shape.size(), 1);
  for (size_t i = 0; i < starts->size(); ++i) {
    int64_t axis = axes ? (*axes)[i] : static_cast<int64_t>(i);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank)
      return fail(t, node, fmt::format("axis {} is none of {}", (*axes)[i], to_string(shape)));
    const size_t d = static_cast<size_t>(axis);
    const int64_t dim = shape[d];
    const int64_t step = steps ? (*steps)[i] : 1;
    if (step == 0) return fail(t, node, "a step of 0");
    const int64_t least = step > 0 ? 0 : -1;
    const int64_t most = step > 0 ? dim : dim - 1;
    const auto bounded = [&](int64_t index) {
      return std::clamp(index < 0 ? index + dim : index, least, most);
    };
    from[d] = std::max<int64_t>(bounded((*starts)[i]), 0);
    to[d] = bounded((*ends)[i]);
    by[d] = std::clamp<int64_t>(step, -dim, dim);
    if (step > 0 ? from[d] >= to[d] : from[d] <= to[d]) {
      return fail(t, node, fmt::format("takes nothing of dimension {} of {}: from {} to {} by {}", d,
                                       to_string(shape), (*starts)[i], (*ends)[i], step));
    }
  }
  cut(t, node, from, to, by);
}

// One slice an output. Lengths: `split`, an attribute before opset 13, an operand since; else equal
// parts.
void split(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  if (x == nullptr) return;
  const Shape shape = shape_of(t, *x);
  const std::optional<size_t> axis = axis_of(t, node, shape.size(), 0);
  std::optional<List> lengths =
      has_operand(node, 1) ? ints_operand(t, node, 1, "lengths") : maybe_ints(t, node, "split");
  if (!axis || (has_operand(node, 1) && !lengths)) return;
  const int64_t parts = static_cast<int64_t>(node.outputs.size());
  if (!lengths && parts > 0) {
    const int64_t each = (shape[*axis] + parts - 1) / parts;  // the last one may be shorter
    lengths = List(node.outputs.size(), each);
    lengths->back() = shape[*axis] - each * (parts - 1);
  }
  int64_t sum = 0;
  bool fine = lengths && lengths->size() == node.outputs.size();
  for (size_t i = 0; fine && i < lengths->size(); ++i) {
    fine = (*lengths)[i] > 0 && (*lengths)[i] <= shape[*axis];
    sum += fine ? (*lengths)[i] : 0;
  }
  if (!fine || sum != shape[*axis]) {
    return fail(t, node, fmt::format("dimension {} of {} is split into {} parts of lengths {}", *axis,
                                     to_string(shape), parts, lengths ? to_string(*lengths) : "?"));
  }
  List from(shape.size(), 0), to = shape;
  const List by(shape.size(), 1);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    to[*axis] = from[*axis] + (*lengths)[i];
    RawNode part = node;
    part.outputs = {node.outputs[i]};
    if (parts > 1) part.name += fmt::format("_{}", i);
    cut(t, part, from, to, by);
    from[*axis] = to[*axis];
  }
}

// Operands without elements add nothing: a cache is empty before the first token.
void concat(Translation& t, const RawNode& node) {
  std::vector<size_t> parts;
  std::vector<const Known*> known;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Known* part = any_operand(t, node, i);
    if (part == nullptr) return;
    if (elements_of(shape_of(t, *part)) == 0 && node.inputs.size() > 1) continue;
    parts.push_back(i);
    known.push_back(part);
  }
  if (node.inputs.empty()) return fail(t, node, "has no operands");
  if (parts.empty()) return set_alias(t, node, *any_operand(t, node, 0));
  const Shape first = shape_of(t, *known[0]);
  const std::optional<size_t> axis = axis_of(t, node, first.size(), 1);
  if (!axis) return;
  if (parts.size() == 1) return set_alias(t, node, *known[0]);
  const bool constant =
      std::all_of(known.begin(), known.end(), [](const Known* k) { return k->constant.has_value(); });
  if (!constant) {
    std::vector<ValueId> inputs;
    for (const size_t i : parts) {
      const std::optional<ValueId> value = value_operand(t, node, i);
      if (!value) return;
      inputs.push_back(*value);
    }
    set_value(t, node, emit(t, node, "concat", std::move(inputs),
                            {{"axis", static_cast<int64_t>(*axis)}}));
    return;
  }
  Shape shape = first;
  shape[*axis] = 0;
  bool real = false;
  for (const Known* part : known) {
    Shape own = shape_of(t, *part);
    const int64_t extent = own.size() == shape.size() ? own[*axis] : 0;
    if (own.size() == shape.size()) own[*axis] = first[*axis];
    if (own != first)
      return fail(t, node, fmt::format("shapes {} and {} differ in more than dimension {}",
                                       to_string(first), to_string(own), *axis));
    shape[*axis] += extent;
    real = real || part->constant->values.dtype() == DType::float32;
  }
  const int64_t count = checked_elements(shape);
  if (count < 0 || count > kMaxMoved)
    return fail(t, node, fmt::format("its constant result {} is too large", to_string(shape)));
  Tensor values(real ? DType::float32 : DType::int64, shape);
  const int64_t outer = elements_of(Shape(shape.begin(), shape.begin() + static_cast<long>(*axis)));
  int64_t start = 0;
  for (const Known* part : known) {
    const Tensor& x = part->constant->values;
    const int64_t row = x.elements() / outer;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const int64_t target = i / row * (count / outer) + start + i % row;
      if (!real) {
        values.set(target, x.at(i));
      } else {
        values.set_float(target, x.dtype() == DType::float32 ? x.float_at(i)
                                                             : static_cast<float>(x.at(i)));
      }
    }
    start += row;
  }
  set_constant(t, node, raw_constant(values, known[0]->constant->type));
}

// Computed indices must lie within the dimension. Where nothing proves it, ONNX leaves the result
// open, and they are clamped.
void gather_computed(Translation& t, const RawNode& node, size_t axis) {
  const std::optional<ValueId> x = value_operand(t, node, 0);
  std::optional<ValueId> indices = value_operand(t, node, 1);
  if (!x || !indices) return;
  const int64_t dim = type_of(t.builder, *x).shape[axis];
  const TensorType type = type_of(t.builder, *indices);
  if (type.dtype != DType::float32 && (type.range.lo < -dim || type.range.hi >= dim)) {
    t.notes.push_back(fmt::format("{}: indices of [{}, {}] are clamped to [{}, {}], the dimension they "
                                  "choose from",
                                  ticked(node.name), type.range.lo, type.range.hi,
                                  std::max(type.range.lo, -dim), dim - 1));
    indices = emit_named(t, node.name + "_clamp", node.name + "_indices", "clip", {*indices},
                         {{"lo", std::max(type.range.lo, -dim)}, {"hi", dim - 1}});
    if (!indices->valid()) return;
  }
  set_value(t, node,
            emit(t, node, "gather", {*x, *indices}, {{"axis", static_cast<int64_t>(axis)}}));
}

void gather(Translation& t, const RawNode& node) {
  const Known* x = any_operand(t, node, 0);
  const Known* chosen = any_operand(t, node, 1);
  if (x == nullptr || chosen == nullptr) return;
  const Shape shape = shape_of(t, *x);
  const std::optional<size_t> axis = axis_of(t, node, shape.size(), 0);
  if (!axis) return;
  if (!chosen->constant) return gather_computed(t, node, *axis);
  const RawTensor* own_indices = integer_operand(t, node, 1, "indices");
  if (own_indices == nullptr) return;
  const int64_t dim = shape[*axis];
  List indices = own_indices->values.to_ints();
  for (int64_t& i : indices) {
    const int64_t given = i;
    i += i < 0 ? dim : 0;
    if (i < 0 || i >= dim)
      return fail(t, node, fmt::format("index {} is outside dimension {} of {}", given, *axis,
                                       to_string(shape)));
  }
  const Shape& own = own_indices->values.shape();
  if (indices.empty() || shape.size() + own.size() > kMaxRank + 1)
    return fail(t, node, fmt::format("indices of shape {} choose from {}: that is not supported",
                                     to_string(own), to_string(shape)));
  // Evenly spaced indices are a slice.
  const int64_t step = indices.size() > 1 ? indices[1] - indices[0] : 1;
  bool even = step != 0;
  for (size_t i = 1; i < indices.size(); ++i) even = even && indices[i] - indices[i - 1] == step;
  if (!even) {
    const Tensor table = Tensor::of(DType::int64, own, indices);
    return apply_move(t, node, "gather", {{"axis", static_cast<int64_t>(*axis)}}, &table);
  }
  List from(shape.size(), 0), to = shape, by(shape.size(), 1);
  from[*axis] = indices.front();
  to[*axis] = indices.back() + (step > 0 ? 1 : -1);
  by[*axis] = step;
  Shape result(shape.begin(), shape.begin() + static_cast<long>(*axis));
  result.insert(result.end(), own.begin(), own.end());
  result.insert(result.end(), shape.begin() + static_cast<long>(*axis) + 1, shape.end());
  cut(t, node, from, to, by);
  reshape_result(t, node, result);
}

}  // namespace

std::vector<OperatorEntry> move_operators() {
  std::vector<OperatorEntry> entries = repeat_operators();
  entries.insert(entries.end(), {{"Concat", concat},
                                 {"Gather", gather},
                                 {"Slice", slice},
                                 {"Split", split},
                                 {"Transpose", transpose}});
  return entries;
}

}  // namespace heddle
