// Functions of one tensor: activations, QUANTIZE, DEQUANTIZE, CAST.
#include <fmt/format.h>

#include <cmath>

#include "import/tflite/tables.h"
#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

// Elementwise operators take their operand in the form that it has.
struct Operand {
  ValueId id;
  bool planes = false;
};

Operand any_input(Translation& t, const RawOperator& op) {
  const bool planes = held_as_planes(t, op, 0);
  const std::optional<ValueId> x = planes ? planes_input(t, op, 0) : plain_input(t, op, 0);
  return {.id = x.value_or(ValueId{}), .planes = planes};
}

void set(Translation& t, const RawOperator& op, ValueId y, bool planes) {
  if (planes) return set_planes(t, op, y);
  set_plain(t, op, y);
}

std::optional<DType> eight_bits(RawType type) {
  if (type == RawType::int8) return DType::int8;
  if (type == RawType::uint8) return DType::uint8;
  return std::nullopt;
}

struct Scales {
  Scale x, y;
  DType x_type, y_type;
};

// Of an operator from 8 bits to 8 bits; other types are errors.
std::optional<Scales> eight_bit_scales(Translation& t, const RawOperator& op) {
  const RawTensor* x = input_tensor(t, op, 0);
  if (x == nullptr) return std::nullopt;
  const RawTensor& y = output_tensor(t, op);
  const std::optional<DType> x_type = eight_bits(x->type), y_type = eight_bits(y.type);
  if (!x_type || !y_type) {
    fail(t, op,
         fmt::format("it turns {} into {}: float32 and 8-bit integers are supported",
                     name_of(x->type), name_of(y.type)));
    return std::nullopt;
  }
  const std::optional<Scale> x_scale = input_scale(t, op, 0);
  const std::optional<Scale> y_scale = output_scale(t, op);
  if (!x_scale || !y_scale) return std::nullopt;
  t.types.insert(y.type);
  return Scales{*x_scale, *y_scale, *x_type, *y_type};
}

void set_lookup(Translation& t, const RawOperator& op, const Scales& scales, Tensor table) {
  const Operand x = any_input(t, op);
  if (!x.id.valid()) return;
  const ValueId constant =
      add_constant(t.builder, output_tensor(t, op).name + "_table", std::move(table));
  set(t, op, emit(t, op, "lookup", {x.id, constant}, {{"first", range_of(scales.x_type).lo}}),
      x.planes);
}

void set_unary(Translation& t, const RawOperator& op, Attributes attributes) {
  const Operand x = any_input(t, op);
  if (x.id.valid()) set(t, op, emit(t, op, "unary", {x.id}, std::move(attributes)), x.planes);
}

// float32 by the canonical function, 8 bits by the table that TFLite fills.
void function(Translation& t, const RawOperator& op, Attributes real,
              const std::function<float(float)>& of_float) {
  if (real_input(t, op)) return set_unary(t, op, std::move(real));
  const std::optional<Scales> scales = eight_bit_scales(t, op);
  if (!scales) return;
  set_lookup(t, op, *scales,
             function_table(scales->x_type, scales->y_type, scales->x, scales->y, of_float));
}

Attributes named(const char* name) { return {{"function", std::string(name)}}; }

void logistic(Translation& t, const RawOperator& op) {
  function(t, op, named("sigmoid"), sigmoid_of);
}
void tanh(Translation& t, const RawOperator& op) { function(t, op, named("tanh"), tanh_of); }
void exp(Translation& t, const RawOperator& op) { function(t, op, named("exp"), exp_of); }
void elu(Translation& t, const RawOperator& op) {
  Attributes attributes = named("elu");
  attributes["alpha"] = 1.0;
  function(t, op, std::move(attributes), elu_of);
}
void gelu(Translation& t, const RawOperator& op) {
  const bool approximate = op.options.approximate;
  function(t, op, named(approximate ? "gelu_tanh" : "gelu"), approximate ? gelu_tanh_of : gelu_of);
}

void hard_swish_op(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return set_unary(t, op, named("hard_swish"));
  const std::optional<Scales> scales = eight_bit_scales(t, op);
  if (!scales) return;
  set_lookup(t, op, *scales,
             integer_table(scales->x_type, scales->y_type, range_of(scales->y_type),
                           [&](int64_t q) { return hard_swish(q, scales->x, scales->y); }));
}

void leaky_relu(Translation& t, const RawOperator& op) {
  const float alpha = op.options.alpha;
  if (!std::isfinite(alpha)) return fail(t, op, fmt::format("`alpha` is {}", alpha));
  if (real_input(t, op)) {
    Attributes attributes = named("leaky_relu");
    attributes["alpha"] = static_cast<double>(alpha);
    return set_unary(t, op, std::move(attributes));
  }
  const std::optional<Scales> scales = eight_bit_scales(t, op);
  if (!scales) return;
  const Scale x = scales->x, y = scales->y;
  const Multiplier above = quantise_multiplier(static_cast<double>(x.scale / y.scale));
  Multiplier below = quantise_multiplier(static_cast<double>(std::fabs(x.scale * alpha / y.scale)));
  if (alpha < 0) below.mul = -below.mul;
  set_lookup(
      t, op, *scales,
      integer_table(scales->x_type, scales->y_type, range_of(scales->y_type), [&](int64_t q) {
        const int64_t centred = q - x.zero_point;
        return scaled(centred, centred >= 0 ? above : below, true) + y.zero_point;
      }));
}

// The integers of x on the scale of the result, limited; no table where only a limit is left.
void rescale(Translation& t, const RawOperator& op, const Scales& scales, double factor,
             const Range& bounds) {
  const Operand x = any_input(t, op);
  if (!x.id.valid()) return;
  if (scales.x.scale == scales.y.scale) {
    const int64_t offset = scales.y.zero_point - scales.x.zero_point;
    const ValueId moved = offset == 0 ? x.id
                                      : emit(t, op, "requant", {x.id},
                                             {{"shift", int64_t{0}},
                                              {"lo", bounds.lo},
                                              {"hi", bounds.hi},
                                              {"axis", int64_t{0}},
                                              {"zero_point", offset},
                                              {"rounding", std::string("floor")}});
    return set(t, op, emit_bounds(t, op, moved, bounds), x.planes);
  }
  const Multiplier multiplier = quantise_multiplier(factor);
  set_lookup(t, op, scales, integer_table(scales.x_type, scales.y_type, bounds, [&](int64_t q) {
               return scaled(q - scales.x.zero_point, multiplier, true) + scales.y.zero_point;
             }));
}

void limit(Translation& t, const RawOperator& op, Activation activation, double lo, double hi) {
  if (real_input(t, op)) {
    const Operand x = any_input(t, op);
    if (!x.id.valid()) return;
    const ValueId y = std::isinf(hi) ? emit(t, op, "relu", {x.id}, {})
                                     : emit(t, op, "clip", {x.id}, {{"lo", lo}, {"hi", hi}});
    return set(t, op, y, x.planes);
  }
  const std::optional<Scales> scales = eight_bit_scales(t, op);
  if (!scales) return;
  const std::optional<Range> bounds =
      output_bounds(t, op, output_tensor(t, op), scales->y, activation);
  if (bounds)
    rescale(t, op, *scales, static_cast<double>(scales->x.scale / scales->y.scale), *bounds);
}
void relu(Translation& t, const RawOperator& op) { limit(t, op, Activation::relu, 0, INFINITY); }
void relu6(Translation& t, const RawOperator& op) { limit(t, op, Activation::relu6, 0, 6); }
void relu_n1_to_1(Translation& t, const RawOperator& op) {
  limit(t, op, Activation::relu_n1_to_1, -1, 1);
}

ValueId scale_constant(Translation& t, const RawOperator& op, float scale) {
  Tensor values(DType::float32, {1});
  values.set_float(0, scale);
  return add_constant(t.builder, output_tensor(t, op).name + "_scale", std::move(values));
}

// int16 to int16 and from or to 8 bits: zero points of int16 are 0 or join the requantisation.
void requantise_wide(Translation& t, const RawOperator& op) {
  const std::optional<Scale> x_scale = input_scale(t, op, 0);
  const std::optional<Target> y = output_target(t, op);
  const Operand x = any_input(t, op);
  if (!x_scale || !y || !x.id.valid()) return;
  if (x_scale->zero_point != 0) {
    return fail(t, op,
                fmt::format("its {} input has zero point {}, 0 is supported",
                            name_of(input_tensor(t, op, 0)->type), x_scale->zero_point));
  }
  set(t, op,
      emit_requant(t, op, x.id,
                   {.multipliers = {quantise_multiplier(static_cast<double>(x_scale->scale) /
                                                        static_cast<double>(y->scale.scale))},
                    .zero_point = y->scale.zero_point,
                    .bounds = y->bounds,
                    .doubled = true}),
      x.planes);
}

void quantize(Translation& t, const RawOperator& op) {
  const RawTensor* input = input_tensor(t, op, 0);
  if (input == nullptr) return;
  if (!is_real(*input)) {
    if (!eight_bits(input->type) || !eight_bits(output_tensor(t, op).type))
      return requantise_wide(t, op);
    const std::optional<Scales> scales = eight_bit_scales(t, op);
    if (!scales) return;
    return rescale(t, op, *scales,
                   static_cast<double>(scales->x.scale) / static_cast<double>(scales->y.scale),
                   range_of(scales->y_type));
  }
  const std::optional<Target> y = output_target(t, op);
  const Operand x = any_input(t, op);
  if (!y || !x.id.valid()) return;
  set(t, op,
      emit(t, op, "quantize", {x.id, scale_constant(t, op, y->scale.scale)},
           {{"lo", y->bounds.lo},
            {"hi", y->bounds.hi},
            {"zero_point", y->scale.zero_point},
            {"rounding", std::string("half_away")}}),
      x.planes);
}

void dequantize(Translation& t, const RawOperator& op) {
  const RawTensor* input = input_tensor(t, op, 0);
  if (input == nullptr) return;
  const Operand x = any_input(t, op);
  if (!x.id.valid()) return;
  if (is_real(*input)) return set(t, op, x.id, x.planes);  // float16, widened already
  const std::optional<Scale> scale = input_scale(t, op, 0);
  if (!scale) return;
  set(t, op,
      emit(t, op, "dequantize", {x.id, scale_constant(t, op, scale->scale)},
           {{"zero_point", scale->zero_point}}),
      x.planes);
}

void cast(Translation& t, const RawOperator& op) {
  const RawTensor* input = input_tensor(t, op, 0);
  if (input == nullptr) return;
  const RawTensor& output = output_tensor(t, op);
  const Operand x = any_input(t, op);
  if (!x.id.valid()) return;
  if (is_real(*input) && is_real(output)) return set(t, op, x.id, x.planes);
  if (!is_real(*input) && is_real(output)) {
    const ValueId y = emit(t, op, "dequantize", {x.id, scale_constant(t, op, 1)}, {});
    return set(t, op, y, x.planes);
  }
  const std::optional<DType> narrow = eight_bits(output.type);
  if (!is_real(*input) && (!narrow || range_of(*narrow).contains(type_of(t.builder, x.id).range))) {
    return set(t, op, x.id, x.planes);  // integers are held in the type that their range needs
  }
  fail(t, op,
       fmt::format("it turns {} into {}, which is not supported", name_of(input->type),
                   name_of(output.type)));
}

// Functions of float32 that TFLite has no integer kernel for, or none worth having.
template <const char* const* kName>
void real_function(Translation& t, const RawOperator& op) {
  if (real_input(t, op)) return set_unary(t, op, named(*kName));
  const RawTensor* x = input_tensor(t, op, 0);
  if (x != nullptr)
    fail(t, op, fmt::format("its input is {}: only float32 is supported", name_of(x->type)));
}
constexpr const char* kAbs = "abs";
constexpr const char* kCeil = "ceil";
constexpr const char* kCos = "cos";
constexpr const char* kFloor = "floor";
constexpr const char* kLog = "log";
constexpr const char* kNeg = "neg";
constexpr const char* kRound = "round";
constexpr const char* kSign = "sign";
constexpr const char* kSin = "sin";
constexpr const char* kSqrt = "sqrt";

}  // namespace

std::vector<OperatorEntry> map_operators() {
  return {{"ABS", real_function<&kAbs>},
          {"CAST", cast},
          {"CEIL", real_function<&kCeil>},
          {"COS", real_function<&kCos>},
          {"DEQUANTIZE", dequantize},
          {"ELU", elu},
          {"EXP", exp},
          {"FLOOR", real_function<&kFloor>},
          {"GELU", gelu},
          {"HARD_SWISH", hard_swish_op},
          {"LEAKY_RELU", leaky_relu},
          {"LOG", real_function<&kLog>},
          {"LOGISTIC", logistic},
          {"NEG", real_function<&kNeg>},
          {"QUANTIZE", quantize},
          {"RELU", relu},
          {"RELU6", relu6},
          {"RELU_N1_TO_1", relu_n1_to_1},
          {"ROUND", real_function<&kRound>},
          {"SIGN", real_function<&kSign>},
          {"SIN", real_function<&kSin>},
          {"SQRT", real_function<&kSqrt>},
          {"TANH", tanh}};
}

}  // namespace heddle::tflite
