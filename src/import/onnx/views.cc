// Reshape and its relatives, Pad, Cast, Constant, and nodes that do nothing.
#include <fmt/format.h>

#include <algorithm>

#include "import/onnx/translate.h"

namespace heddle {
namespace {

Shape shape_of_value(const Translation& t, ValueId id) { return type_of(t.builder, id).shape; }

void identity(Translation& t, const RawNode& node) {
  if (Known* x = operand(t, node, 0)) set_alias(t, node, *x);
}

void emit_reshape(Translation& t, const RawNode& node, ValueId x, const Shape& shape) {
  set_value(t, node, emit(t, node, "reshape", {x}, {{"shape", shape}}));
}

// From opset 5 on the shape is an operand.
void reshape(Translation& t, const RawNode& node) {
  std::optional<std::vector<int64_t>> wanted =
      has_operand(node, 1) ? ints_operand(t, node, 1, "shape") : maybe_ints(t, node, "shape");
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!wanted || !x) return;
  bool zero_copies = int_of(t, node, "allowzero", 0) == 0;
  std::optional<Shape> shape =
      resolve_reshape(t, node, shape_of_value(t, *x), *wanted, zero_copies);
  if (shape) emit_reshape(t, node, *x, *shape);
}

void flatten(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return;
  int64_t rank = static_cast<int64_t>(shape_of_value(t, *x).size());
  int64_t axis = int_of(t, node, "axis", 1);
  if (axis < 0) axis += rank;
  set_value(t, node, emit(t, node, "flatten", {*x}, {{"axis", axis}}));
}

// `axes`: an attribute before opset 13, an operand since. Nothing where absent.
std::optional<std::vector<int64_t>> axes_of(Translation& t, const RawNode& node) {
  return has_operand(node, 1) ? ints_operand(t, node, 1, "axes") : maybe_ints(t, node, "axes");
}

// Non-negative and sorted; false and an error where one is outside or repeated.
bool normal_axes(Translation& t, const RawNode& node, int64_t rank, std::vector<int64_t>* axes) {
  for (int64_t& axis : *axes) axis += axis < 0 ? rank : 0;
  std::sort(axes->begin(), axes->end());
  bool fine = std::adjacent_find(axes->begin(), axes->end()) == axes->end();
  for (int64_t axis : *axes) fine = fine && axis >= 0 && axis < rank;
  if (!fine)
    fail(t, node, fmt::format("`axes` {} do not fit {} dimensions", to_string(*axes), rank));
  return fine;
}

void squeeze(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  std::optional<std::vector<int64_t>> axes = axes_of(t, node);
  if (!x || (has_operand(node, 1) && !axes)) return;
  const Shape from = shape_of_value(t, *x);
  if (axes && !normal_axes(t, node, static_cast<int64_t>(from.size()), &*axes)) return;
  Shape shape;
  for (size_t d = 0; d < from.size(); ++d) {
    bool listed = axes && std::binary_search(axes->begin(), axes->end(), static_cast<int64_t>(d));
    if (listed && from[d] != 1)
      return fail(t, node, fmt::format("dimension {} of {} is not 1", d, to_string(from)));
    if (axes ? !listed : from[d] != 1) shape.push_back(from[d]);
  }
  emit_reshape(t, node, *x, shape);
}

void unsqueeze(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  std::optional<std::vector<int64_t>> axes = axes_of(t, node);
  if (!x) return;
  if (!axes) return fail(t, node, "`axes` is missing");
  const Shape from = shape_of_value(t, *x);
  size_t rank = from.size() + axes->size();
  if (rank > 32 || !normal_axes(t, node, static_cast<int64_t>(rank), &*axes)) return;
  Shape shape;
  size_t next = 0;
  for (size_t d = 0; d < rank; ++d) {
    bool added = std::binary_search(axes->begin(), axes->end(), static_cast<int64_t>(d));
    shape.push_back(added ? 1 : from[next++]);
  }
  emit_reshape(t, node, *x, shape);
}

// What padding holds: operand 2 since opset 11, an attribute before.
std::optional<Attribute> pad_value(Translation& t, const RawNode& node) {
  if (!has_operand(node, 2)) {
    if (t.real) return Attribute{real_of(t, node, "value", 0)};
    return Attribute{int_of(t, node, "value", 0)};
  }
  const RawTensor* tensor = constant_operand(t, node, 2, "value");
  if (tensor == nullptr) return std::nullopt;
  if (tensor->values.elements() != 1) {
    fail(t, node,
         fmt::format("the value has shape {}, not one element", to_string(tensor->values.shape())));
    return std::nullopt;
  }
  if (t.real && is_float_type(tensor->type))
    return Attribute{static_cast<double>(as_float(tensor->values).float_at(0))};
  return Attribute{tensor->values.at(0)};
}

// Kernels pad the last two of four dimensions. At most two others are padded between transposes.
void pad_axes(Translation& t, const RawNode& node, ValueId x, const int64_t (&pads)[2][4],
              const Attribute& value) {
  std::vector<int64_t> order, padded;
  for (int64_t axis = 0; axis < 4; ++axis)
    (pads[0][axis] != 0 || pads[1][axis] != 0 ? padded : order).push_back(axis);
  if (padded.size() > 2)
    return fail(t, node,
                fmt::format("it pads the axes {}: at most two are supported", to_string(padded)),
                "pad in two nodes");
  order.insert(order.end(), padded.begin(), padded.end());
  const bool in_place = pads[0][0] == 0 && pads[1][0] == 0 && pads[0][1] == 0 && pads[1][1] == 0;
  if (in_place) order = {0, 1, 2, 3};
  const Attributes sides = {{"pad_top", pads[0][order[2]]},
                            {"pad_left", pads[0][order[3]]},
                            {"pad_bottom", pads[1][order[2]]},
                            {"pad_right", pads[1][order[3]]},
                            {"value", value}};
  if (in_place) return set_value(t, node, emit(t, node, "pad", {x}, sides));
  std::vector<int64_t> back(4);
  for (size_t i = 0; i < 4; ++i) back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const auto named = [&](const char* suffix, const char* op, ValueId input, Attributes attributes) {
    const std::string name = node.name + suffix;
    return emit_named(t, name, name, op, {input}, std::move(attributes));
  };
  const ValueId turned = named("_turned", "transpose", x, {{"perm", order}});
  const ValueId y = named("_sides", "pad", turned, sides);
  set_value(t, node, emit(t, node, "transpose", {y}, {{"perm", back}}));
}

// Forms: `paddings` (opset 1), `pads` and `value` as attributes (2..10), as operands (11..), with
// `axes` (18..).
void pad(Translation& t, const RawNode& node) {
  std::string mode = text_of(node, "mode", "constant");
  if (mode != "constant")
    return fail(t, node,
                fmt::format("`mode` is {}: only constant padding is supported", ticked(mode)));
  std::optional<std::vector<int64_t>> pads =
      has_operand(node, 1)
          ? ints_operand(t, node, 1, "pads")
          : maybe_ints(t, node, node.attributes.contains("pads") ? "pads" : "paddings");
  std::optional<Attribute> value = pad_value(t, node);
  std::optional<std::vector<int64_t>> axes =
      has_operand(node, 3) ? ints_operand(t, node, 3, "axes") : std::vector<int64_t>{0, 1, 2, 3};
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!pads || !value || !axes || !x) {
    if (!pads && !has_operand(node, 1)) fail(t, node, "`pads` is missing");
    return;
  }
  const Shape shape = shape_of_value(t, *x);
  if (shape.size() != 4)
    return fail(t, node,
                fmt::format("its input has shape {}: only images [N, C, H, W] are padded",
                            to_string(shape)));
  if (!normal_axes(t, node, 4, &*axes)) return;
  if (pads->size() != 2 * axes->size())
    return fail(t, node, fmt::format("{} pads for {} axes", pads->size(), axes->size()));
  int64_t all[2][4] = {};
  for (size_t i = 0; i < axes->size(); ++i) {
    all[0][(*axes)[i]] = (*pads)[i];
    all[1][(*axes)[i]] = (*pads)[i + axes->size()];
  }
  for (const auto& side : all) {
    if (std::any_of(std::begin(side), std::end(side), [](int64_t pad) { return pad < 0; }))
      return fail(t, node, fmt::format("pads {}: none may be negative", to_string(*pads)),
                  "crop with a Slice");
  }
  const bool none = std::all_of(pads->begin(), pads->end(), [](int64_t pad) { return pad == 0; });
  if (none) return identity(t, node);
  pad_axes(t, node, *x, all, *value);
}

// Integers keep their value in every float type, and in an integer type that holds their proven
// range.
void cast(Translation& t, const RawNode& node) {
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  int64_t to = int_of(t, node, "to", 0);
  if (is_float_type(static_cast<int32_t>(to))) return set_alias(t, node, *x);
  std::optional<Range> target;
  switch (to) {
    case kOnnxInt8:
      target = range_of(DType::int8);
      break;
    case kOnnxUint8:
      target = range_of(DType::uint8);
      break;
    case kOnnxInt16:
      target = range_of(DType::int16);
      break;
    case kOnnxUint16:
      target = range_of(DType::uint16);
      break;
    case kOnnxInt32:
      target = range_of(DType::int32);
      break;
    case kOnnxInt64:
    case kOnnxUint64:
    case kOnnxUint32:
      target = range_of(DType::int64);
      break;
    case kOnnxBool:
      target = Range{0, 1};
      break;
    default:
      return fail(t, node,
                  fmt::format("casts to {}, which is not supported",
                              onnx_type_name(static_cast<int32_t>(to))));
  }
  if (to == kOnnxUint64 || to == kOnnxUint32) target->lo = 0;
  if (!x->constant && x->chain.stage == Chain::Stage::divided)
    return fail(t, node, "casts a fraction: no Floor follows the Div",
                "put a Floor behind the Div");
  // Bounds of the chain so far; a Clip before the Cast is part of it.
  Range range =
      x->constant ? x->constant->values.min_max() : chain_range(t.builder.graph, x->chain);
  if (!x->constant) {
    if (x->chain.lo) range = {std::max(range.lo, *x->chain.lo), std::max(range.hi, *x->chain.lo)};
    if (x->chain.hi) range = {std::min(range.lo, *x->chain.hi), std::min(range.hi, *x->chain.hi)};
  }
  if (!target->contains(range)) {
    return fail(t, node,
                fmt::format("casts values of [{}, {}] to {}, which does not hold them", range.lo,
                            range.hi, onnx_type_name(static_cast<int32_t>(to))),
                "put a Clip before the Cast, or narrow the input with --input-type NAME=uint8");
  }
  set_alias(t, node, *x);
}

Tensor list_tensor(const std::vector<int64_t>& values) {
  return Tensor::of(DType::int64, {static_cast<int64_t>(values.size())}, values);
}

RawTensor float_constant(const std::vector<double>& values, Shape shape) {
  RawTensor tensor{.name = {}, .type = kOnnxFloat, .values = {}, .fraction = {}};
  std::vector<int64_t> whole;
  for (size_t i = 0; i < values.size(); ++i) {
    bool integral = values[i] >= -9e15 && values[i] <= 9e15 &&
                    values[i] == static_cast<double>(static_cast<int64_t>(values[i]));
    if (!integral && !tensor.fraction)
      tensor.fraction = Fraction{static_cast<int64_t>(i), values[i]};
    whole.push_back(integral ? static_cast<int64_t>(values[i]) : 0);
  }
  tensor.values = Tensor::of(DType::int64, shape, whole);
  if (!tensor.fraction) return tensor;
  tensor.values = Tensor(DType::float32, shape);
  for (size_t i = 0; i < values.size(); ++i)
    tensor.values.set_float(static_cast<int64_t>(i), static_cast<float>(values[i]));
  return tensor;
}

void constant(Translation& t, const RawNode& node) {
  for (const auto& [name, value] : node.attributes) {
    if (const RawTensor* tensor = std::get_if<RawTensor>(&value);
        tensor != nullptr && name == "value")
      return set_constant(t, node, *tensor);
    if (const int64_t* number = std::get_if<int64_t>(&value);
        number != nullptr && name == "value_int") {
      return set_constant(t, node,
                          {.name = {},
                           .type = kOnnxInt64,
                           .values = Tensor::of(DType::int64, {}, {*number}),
                           .fraction = {}});
    }
    if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value);
        numbers != nullptr && name == "value_ints") {
      return set_constant(
          t, node,
          {.name = {}, .type = kOnnxInt64, .values = list_tensor(*numbers), .fraction = {}});
    }
    if (const double* number = std::get_if<double>(&value);
        number != nullptr && name == "value_float") {
      return set_constant(t, node, float_constant({*number}, {}));
    }
    if (const auto* numbers = std::get_if<std::vector<double>>(&value);
        numbers != nullptr && name == "value_floats") {
      return set_constant(t, node,
                          float_constant(*numbers, {static_cast<int64_t>(numbers->size())}));
    }
  }
  fail(t, node, "has no dense numeric value");
}

}  // namespace

std::vector<OperatorEntry> view_operators() {
  std::vector<OperatorEntry> entries = move_operators();
  entries.insert(entries.end(), {{"Identity", identity},
                                 {"Dropout", identity},
                                 {"Reshape", reshape},
                                 {"Flatten", flatten},
                                 {"Squeeze", squeeze},
                                 {"Unsqueeze", unsqueeze},
                                 {"Pad", pad},
                                 {"Cast", cast},
                                 {"Constant", constant}});
  return entries;
}

}  // namespace heddle
