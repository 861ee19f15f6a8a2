// Operators of two tensors: ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM and their like.
#include <fmt/format.h>

#include <algorithm>

#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

struct Pair {
  ValueId x, w;
  bool planes = false;  // both are channels first
};

// An operand whose shape is `rank` dimensions long, ones in front, channels first.
ValueId planes_of_rank(Translation& t, const RawOperator& op, size_t i, size_t rank) {
  const RawTensor& tensor = *input_tensor(t, op, i);
  const std::optional<ValueId> plain =
      held_as_planes(t, op, i) ? planes_input(t, op, i) : plain_input(t, op, i);
  if (!plain) return {};
  if (shape_of(t, *plain).size() == rank) return planes_input(t, op, i).value_or(ValueId{});
  const std::optional<ValueId> lower = plain_input(t, op, i);
  if (!lower) return {};
  Shape shape = shape_of(t, *lower);
  shape.insert(shape.begin(), rank - shape.size(), 1);
  const ValueId padded = emit_reshape(t, tensor.name + "_ones", *lower, shape);
  return emit_transpose(t, tensor.name + "_nchw", padded, to_planes(rank));
}

// Both operands in one form, so that they broadcast; invalid after an error.
Pair operands(Translation& t, const RawOperator& op) {
  const std::optional<Shape> x = model_shape(t, op, 0);
  const std::optional<Shape> w = model_shape(t, op, 1);
  if (!x || !w) return {};
  const size_t rank = std::max(x->size(), w->size());
  if (rank < 3 || !(held_as_planes(t, op, 0) || held_as_planes(t, op, 1))) {
    const std::optional<ValueId> a = plain_input(t, op, 0);
    const std::optional<ValueId> b = plain_input(t, op, 1);
    return {.x = a.value_or(ValueId{}), .w = b.value_or(ValueId{})};
  }
  return {.x = planes_of_rank(t, op, 0, rank), .w = planes_of_rank(t, op, 1, rank), .planes = true};
}

void set(Translation& t, const RawOperator& op, ValueId y, bool planes) {
  if (planes) return set_planes(t, op, y);
  set_plain(t, op, y);
}

// The canonical operators want the operand that varies first.
Pair variable_first(const Translation& t, Pair pair) {
  if (pair.x.valid() && heddle::is_constant(t.builder, pair.x)) std::swap(pair.x, pair.w);
  return pair;
}

void real_pair(Translation& t, const RawOperator& op, const char* canonical, const char* function) {
  Pair pair = operands(t, op);
  if (!pair.x.valid() || !pair.w.valid()) return;
  Attributes attributes;
  if (function != nullptr) {
    attributes["function"] = std::string(function);
  } else {
    pair = variable_first(t, pair);
  }
  const ValueId y = emit(t, op, canonical, {pair.x, pair.w}, std::move(attributes));
  set(t, op, emit_real_activation(t, op, y), pair.planes);
}

struct Scales {
  Scale x, w;
  Target y;
};

std::optional<Scales> scales_of(Translation& t, const RawOperator& op) {
  const std::optional<Scale> x = input_scale(t, op, 0);
  const std::optional<Scale> w = input_scale(t, op, 1);
  const std::optional<Target> y = output_target(t, op);
  if (!x || !w || !y) return std::nullopt;
  const RawType type = output_tensor(t, op).type;
  if (input_tensor(t, op, 0)->type != type || input_tensor(t, op, 1)->type != type) {
    fail(t, op,
         fmt::format("its operands are {} and {}, its result {}: one type is needed",
                     name_of(input_tensor(t, op, 0)->type), name_of(input_tensor(t, op, 1)->type),
                     name_of(type)));
    return std::nullopt;
  }
  t.types.insert(type);
  return Scales{*x, *w, *y};
}

// Sums in a common scale, twice the greater of both, with `left` bits below it.
void add_or_subtract(Translation& t, const RawOperator& op, bool subtract) {
  const std::optional<Scales> scales = scales_of(t, op);
  const Pair pair = operands(t, op);
  if (!scales || !pair.x.valid() || !pair.w.valid()) return;
  const bool wide = output_tensor(t, op).type == RawType::int16;
  if (wide && op.options.power_of_two)
    return fail(t, op, "its int16 scales are powers of two, an old form that is not supported",
                "convert the model again");
  const int left = wide ? 15 : 20;
  const double common =
      2 * std::max(static_cast<double>(scales->x.scale), static_cast<double>(scales->w.scale));
  const Multiplier x = quantise_multiplier(static_cast<double>(scales->x.scale) / common);
  const Multiplier w = quantise_multiplier(static_cast<double>(scales->w.scale) / common);
  const Multiplier y = quantise_multiplier(
      common / ((int64_t{1} << left) * static_cast<double>(scales->y.scale.scale)));
  if (y.exponent > 0)
    return fail(t, op, "the scale of its result is too small for those of its operands");
  const ValueId result = emit(t, op, "tflite_add", {pair.x, pair.w},
                              {{"left_shift", int64_t{left}},
                               {"x_zero_point", scales->x.zero_point},
                               {"x_mul", x.mul},
                               {"x_shift", int64_t{-x.exponent}},
                               {"residual_zero_point", scales->w.zero_point},
                               {"residual_mul", w.mul},
                               {"residual_shift", int64_t{-w.exponent}},
                               {"subtract", int64_t{subtract}},
                               {"mul", y.mul},
                               {"shift", int64_t{-y.exponent}},
                               {"zero_point", scales->y.scale.zero_point},
                               {"lo", scales->y.bounds.lo},
                               {"hi", scales->y.bounds.hi}});
  set(t, op, result, pair.planes);
}

// int32 tensors without scales: shapes and indices, computed as they are.
bool plain_integers(const Translation& t, const RawOperator& op) {
  const RawType type = output_tensor(t, op).type;
  return type == RawType::int32 || type == RawType::int64;
}

void integer_pair(Translation& t, const RawOperator& op, const char* canonical) {
  Pair pair = operands(t, op);
  if (!pair.x.valid() || !pair.w.valid()) return;
  pair = variable_first(t, pair);
  set(t, op, emit(t, op, canonical, {pair.x, pair.w}, {}), pair.planes);
}

ValueId negative(Translation& t, const RawOperator& op, ValueId x) {
  if (!x.valid()) return x;
  const Range range = type_of(t.builder, x).range;
  if (!range_of(DType::int32).contains(range)) {
    fail(t, op,
         fmt::format("its operand lies in {} to {}, which leaves int32", range.lo, range.hi));
    return {};
  }
  const ValueId minus =
      add_int32_constant(t.builder, output_tensor(t, op).name + "_minus", {1}, {-1});
  return emit(t, op, "requant", {x, minus},
              {{"shift", int64_t{0}},
               {"lo", -range.hi},
               {"hi", -range.lo},
               {"axis", int64_t{0}},
               {"rounding", std::string("floor")}},
              "_negative");
}

void add(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return real_pair(t, op, "add", nullptr);
  if (plain_integers(t, op)) return integer_pair(t, op, "add");
  add_or_subtract(t, op, false);
}

void sub(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return real_pair(t, op, "binary", "sub");
  if (!plain_integers(t, op)) return add_or_subtract(t, op, true);
  const Pair pair = operands(t, op);
  const ValueId w = negative(t, op, pair.w);
  if (pair.x.valid() && w.valid()) set(t, op, emit(t, op, "add", {pair.x, w}, {}), pair.planes);
}

void mul(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return real_pair(t, op, "mul", nullptr);
  if (plain_integers(t, op)) return integer_pair(t, op, "mul");
  const std::optional<Scales> scales = scales_of(t, op);
  Pair pair = operands(t, op);
  if (!scales || !pair.x.valid() || !pair.w.valid()) return;
  Scale x = scales->x, w = scales->w;
  if (heddle::is_constant(t.builder, pair.x)) {
    std::swap(x, w);
    std::swap(pair.x, pair.w);
  }
  const ValueId product =
      emit(t, op, "mul", {pair.x, pair.w},
           {{"x_zero_point", x.zero_point}, {"w_zero_point", w.zero_point}}, "_products");
  // TFLite computes this factor in float32.
  const float factor = scales->x.scale * scales->w.scale / scales->y.scale.scale;
  set(t, op,
      emit_requant(t, op, product,
                   {.multipliers = {quantise_multiplier(static_cast<double>(factor))},
                    .zero_point = scales->y.scale.zero_point,
                    .bounds = scales->y.bounds,
                    .doubled = t.double_rounding || doubles(output_tensor(t, op))}),
      pair.planes);
}

void real_only(Translation& t, const RawOperator& op, const char* function) {
  if (real_input(t, op)) return real_pair(t, op, "binary", function);
  const RawTensor* x = input_tensor(t, op, 0);
  if (x != nullptr)
    fail(t, op, fmt::format("its operands are {}: only float32 is supported", name_of(x->type)));
}
void div(Translation& t, const RawOperator& op) { real_only(t, op, "div"); }
void pow(Translation& t, const RawOperator& op) { real_only(t, op, "pow"); }

// max(x, w) = w + max(x - w, 0); min with min. Operands and result have one scale.
void extreme(Translation& t, const RawOperator& op, bool most) {
  if (real_input(t, op)) return real_pair(t, op, "binary", most ? "max" : "min");
  const std::optional<Scales> scales = scales_of(t, op);
  const Pair pair = variable_first(t, operands(t, op));
  if (!scales || !pair.x.valid() || !pair.w.valid()) return;
  for (const Scale& other : {scales->w, scales->y.scale}) {
    if (other.scale != scales->x.scale || other.zero_point != scales->x.zero_point)
      return fail(t, op, "its operands and its result have different scales");
  }
  const ValueId minus = negative(t, op, pair.w);
  if (!minus.valid()) return;
  const ValueId difference = emit(t, op, "add", {pair.x, minus}, {}, "_difference");
  if (!difference.valid()) return;
  const Range range = type_of(t.builder, difference).range;
  const ValueId excess = emit(t, op, "clip", {difference},
                              {{"lo", most ? int64_t{0} : std::min<int64_t>(range.lo, 0)},
                               {"hi", most ? std::max<int64_t>(range.hi, 0) : int64_t{0}}},
                              "_excess");
  if (!excess.valid()) return;
  const ValueId y = emit(t, op, "add", {excess, pair.w}, {}, "_extreme");
  set(t, op, emit_bounds(t, op, y, scales->y.bounds), pair.planes);
}
void maximum(Translation& t, const RawOperator& op) { extreme(t, op, true); }
void minimum(Translation& t, const RawOperator& op) { extreme(t, op, false); }

}  // namespace

std::vector<OperatorEntry> arithmetic_operators() {
  return {{"ADD", add}, {"DIV", div}, {"MAXIMUM", maximum}, {"MINIMUM", minimum},
          {"MUL", mul}, {"POW", pow}, {"SUB", sub}};
}

}  // namespace heddle::tflite
