// QONNX: Quant (IntQuant), BipolarQuant and Trunc, which map real numbers to the real numbers of a
// grid. On constants the grid's elements are computed here; on activations each becomes `quantize`
// and `dequantize`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "import/integerise.h"
#include "import/onnx/real.h"

namespace heddle {
namespace {

constexpr int64_t kMostBits = 32;

// ---- operands

// One scale, or one for each index of dimension `axis`.
struct Scales {
  std::vector<float> values;
  int64_t axis = 0;
};

// A parameter of one element, or of the rank of x with one dimension that is not 1.
std::optional<Scales> read_scales(Translation& t, const RawNode& node, size_t i,
                                  std::string_view what, const Shape& x) {
  const std::optional<Tensor> tensor = real_constant(t, node, i, what);
  if (!tensor) return std::nullopt;
  Scales scales{.values = floats_of(*tensor)};
  const Shape& shape = tensor->shape();
  const int64_t missing = std::ssize(x) - std::ssize(shape);
  bool fits = tensor->elements() == 1;
  for (size_t d = 0; !fits && missing >= 0 && d < shape.size(); ++d) {
    const size_t dimension = static_cast<size_t>(missing) + d;
    if (shape[d] == 1) continue;
    fits = shape[d] == tensor->elements() && shape[d] == x[dimension];
    scales.axis = static_cast<int64_t>(dimension);
    break;
  }
  if (!fits) {
    fail(t, node,
         fmt::format("the {} {} has shape {}, which does not vary along one dimension of {}", what,
                     ticked(node.inputs[i]), to_string(shape), to_string(x)),
         "give one element, or one for each channel");
    return std::nullopt;
  }
  for (size_t k = 0; k < scales.values.size(); ++k) {
    if (std::isfinite(scales.values[k]) && scales.values[k] > 0) continue;
    fail(t, node,
         fmt::format("element {} of the {} {} is {}, not a positive number", k, what,
                     ticked(node.inputs[i]), scales.values[k]));
    return std::nullopt;
  }
  return scales;
}

std::optional<int64_t> read_bits(Translation& t, const RawNode& node, size_t i) {
  const std::optional<double> bits = real_scalar(t, node, i, "bit width");
  if (!bits) return std::nullopt;
  if (*bits == std::floor(*bits) && 1 <= *bits && *bits <= kMostBits)
    return static_cast<int64_t>(*bits);
  fail(t, node,
       fmt::format("the bit width {} is {}: whole numbers from 1 to {} are supported",
                   ticked(node.inputs[i]), *bits, kMostBits));
  return std::nullopt;
}

std::optional<int64_t> read_zero_point(Translation& t, const RawNode& node, size_t i) {
  const std::optional<Tensor> tensor = real_constant(t, node, i, "zero point");
  if (!tensor) return std::nullopt;
  const std::vector<float> values = floats_of(*tensor);
  const float first = values.empty() ? 0.5f : values[0];
  const bool same = std::all_of(values.begin(), values.end(), [&](float z) { return z == first; });
  if (same && first == std::floor(first) && std::fabs(first) <= 65536)
    return static_cast<int64_t>(first);
  fail(t, node,
       fmt::format("the zero point {} is not one whole number between -65536 and 65536",
                   ticked(node.inputs[i])),
       "quantise with zero point 0, or with one zero point for the tensor");
  return std::nullopt;
}

// The names of QONNX and what `quantize` calls them; "" where it has no such rounding.
struct RoundingEntry {
  std::string_view name;
  const char* rounding;
  double (*apply)(double);
};
double half_even(double x) { return std::nearbyint(x); }
double half_away(double x) { return std::round(x); }
double half_to_zero(double x) { return std::copysign(std::ceil(std::fabs(x) - 0.5), x); }
double away(double x) { return std::copysign(std::ceil(std::fabs(x)), x); }
constexpr RoundingEntry kRoundings[] = {
    {"ROUND", "half_even", half_even},
    {"HALF_EVEN", "half_even", half_even},
    {"FLOOR", "floor", std::floor},
    {"CEIL", "ceil", std::ceil},
    {"DOWN", "truncate", std::trunc},
    {"ROUND_TO_ZERO", "truncate", std::trunc},
    {"HALF_UP", "half_away", half_away},
    {"HALF_DOWN", "", half_to_zero},
    {"UP", "", away},
};

const RoundingEntry* read_rounding(Translation& t, const RawNode& node, const char* otherwise) {
  std::string name = text_of(node, "rounding_mode", otherwise);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 32) : c; });
  for (const RoundingEntry& entry : kRoundings) {
    if (entry.name == name) return &entry;
  }
  fail(t, node,
       fmt::format(
           "`rounding_mode` is {}, not one of ROUND, FLOOR, CEIL, DOWN, UP, HALF_UP, HALF_DOWN",
           ticked(name)));
  return nullptr;
}

// Of the integers, zero point included.
Range bounds_of(int64_t bits, bool is_signed, bool narrow) {
  const int64_t half = int64_t{1} << (bits - 1);
  if (is_signed) return {narrow ? 1 - half : -half, half - 1};
  return {0, 2 * half - (narrow ? 2 : 1)};
}

// ---- Quant

struct Quantiser {
  Scales scale{};
  int64_t zero_point = 0;
  Range bounds{};
  bool sign = false;  // one signed bit: -1 or 1
  const RoundingEntry* rounding = &kRoundings[0];
};

size_t channel_of_element(const Scales& scale, const Shape& shape, int64_t element) {
  if (scale.values.size() == 1) return 0;
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(scale.axis) + 1; d < shape.size(); ++d) inner *= shape[d];
  return static_cast<size_t>(element / inner % shape[static_cast<size_t>(scale.axis)]);
}

// Float32 in the order of the specification: divide, add, clamp, round, subtract, multiply.
float on_grid(float x, const Quantiser& to, size_t channel) {
  const float zero_point = static_cast<float>(to.zero_point);
  const float scale = to.scale.values[channel];
  const float shifted = x / scale + zero_point;
  double integer = shifted >= 0 ? 1 : -1;
  if (!to.sign) {
    const double lo = static_cast<double>(to.bounds.lo), hi = static_cast<double>(to.bounds.hi);
    integer = to.rounding->apply(std::min(std::max(static_cast<double>(shifted), lo), hi));
  }
  return (static_cast<float>(integer) - zero_point) * scale;
}

void quantise_constant(Translation& t, const RawNode& node, const Tensor& x, const Quantiser& to) {
  Tensor reals(DType::float32, x.shape());
  for (int64_t i = 0; i < x.elements(); ++i)
    reals.set_float(i, on_grid(x.float_at(i), to, channel_of_element(to.scale, x.shape(), i)));
  t.quantised_constants.emplace(content_key(reals), to.scale.values);
  set_constant(t, node, raw_constant(reals, kOnnxFloat));
}

ValueId scale_constant(Translation& t, const RawNode& node, const char* suffix,
                       const Scales& scale) {
  return add_reals(t, node, suffix, {std::ssize(scale.values)}, scale.values);
}

// round(v + z) = round(v) + z. Roundings that treat the signs differently need z = 0, halves to
// even an even z.
bool moves_with_zero_point(const RoundingEntry& rounding, int64_t zero_point) {
  const std::string_view name = rounding.rounding;
  return zero_point == 0 || name == "floor" || name == "ceil" ||
         (name == "half_even" && zero_point % 2 == 0);
}

// x + z * scale: the zero point in real numbers, before rounding.
ValueId with_zero_point(Translation& t, const RawNode& node, ValueId x, const Quantiser& to) {
  const Shape& shape = shape_of(t, x);
  const int64_t channels = shape.empty() ? 1 : shape[static_cast<size_t>(to.scale.axis)];
  std::vector<float> offsets;
  for (int64_t k = 0; k < channels; ++k) {
    const float scale = to.scale.values[to.scale.values.size() == 1 ? 0 : static_cast<size_t>(k)];
    offsets.push_back(static_cast<float>(to.zero_point) * scale);
  }
  ValueId constant = add_reals(t, node, "_offset", {channels}, offsets);
  return step(t, node, "_shifted", "bias_add", {x, constant}, {{"axis", to.scale.axis}});
}

// -1 and 1: the sign as -1 and 0, times 2, plus 1.
ValueId signs(Translation& t, const RawNode& node, ValueId x, const Quantiser& to) {
  ValueId sign =
      step(t, node, "_sign", "quantize", {x, scale_constant(t, node, "_scale", to.scale)},
           {{"axis", to.scale.axis},
            {"zero_point", to.zero_point},
            {"lo", int64_t{-1}},
            {"hi", int64_t{0}},
            {"rounding", std::string("floor")}});
  if (!sign.valid()) return {};
  ValueId mul = add_int32_constant(t.builder, node.name + "_mul", {1}, {2});
  ValueId add = add_int32_constant(t.builder, node.name + "_add", {1}, {1});
  return step(t, node, "_integers", "requant", {sign, mul, add},
              {{"axis", int64_t{0}},
               {"shift", int64_t{0}},
               {"lo", int64_t{-1}},
               {"hi", int64_t{1}},
               {"rounding", std::string("floor")}});
}

void finish_dequantized(Translation& t, const RawNode& node, ValueId integers, const Scales& scale,
                        int64_t zero_point) {
  if (!integers.valid()) return;
  finish(t, node, "dequantize", {integers, scale_constant(t, node, "_scale", scale)},
         {{"axis", scale.axis}, {"zero_point", zero_point}});
}

void quantise_value(Translation& t, const RawNode& node, ValueId x, const Quantiser& to) {
  if (to.sign) return finish_dequantized(t, node, signs(t, node, x, to), to.scale, to.zero_point);
  if (std::string_view(to.rounding->rounding).empty()) {
    return fail(t, node, fmt::format("activations are not rounded by {}", to.rounding->name),
                "ROUND, FLOOR, CEIL, DOWN and HALF_UP are supported");
  }
  const bool moves = moves_with_zero_point(*to.rounding, to.zero_point);
  if (!moves) x = with_zero_point(t, node, x, to);
  ValueId integers =
      step(t, node, "_integers", "quantize", {x, scale_constant(t, node, "_scale", to.scale)},
           {{"axis", to.scale.axis},
            {"zero_point", moves ? to.zero_point : 0},
            {"lo", to.bounds.lo},
            {"hi", to.bounds.hi},
            {"rounding", std::string(to.rounding->rounding)}});
  finish_dequantized(t, node, integers, to.scale, to.zero_point);
}

void quantise_operand(Translation& t, const RawNode& node, ValueId x, const Quantiser& to) {
  if (const std::optional<Tensor> constant = t.builder.graph.value(x).constant)
    return quantise_constant(t, node, *constant, to);
  quantise_value(t, node, x, to);
}

void quant(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  std::optional<Scales> scale = read_scales(t, node, 1, "scale", shape_of(t, *x));
  std::optional<int64_t> zero_point = read_zero_point(t, node, 2);
  std::optional<int64_t> bits = read_bits(t, node, 3);
  const RoundingEntry* rounding = read_rounding(t, node, "ROUND");
  if (!scale || !zero_point || !bits || rounding == nullptr) return;
  const bool is_signed = int_of(t, node, "signed", 1) != 0;
  const bool narrow = int_of(t, node, "narrow", 1) != 0;
  if (*bits == 1 && !is_signed && narrow) {
    return fail(t, node, "one unsigned bit with a narrow range holds nothing but 0",
                "give it 2 bits, or `narrow` = 0");
  }
  quantise_operand(t, node, *x,
                   {.scale = *scale,
                    .zero_point = *zero_point,
                    .bounds = bounds_of(*bits, is_signed, narrow),
                    .sign = *bits == 1 && is_signed,
                    .rounding = rounding});
}

// x >= 0 ? scale : -scale, whatever the scale is.
void bipolar_quant(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  const Shape shape = shape_of(t, *x);
  std::optional<Scales> scale = read_scales(t, node, 1, "scale", shape);
  if (!scale) return;
  const Quantiser unit{.scale = {.values = {1.0f}}, .sign = true};
  const std::optional<Tensor> constant = t.builder.graph.value(*x).constant;
  if (!constant) return finish_dequantized(t, node, signs(t, node, *x, unit), *scale, 0);
  Tensor reals(DType::float32, shape);
  for (int64_t i = 0; i < reals.elements(); ++i) {
    const float one = on_grid(constant->float_at(i), unit, 0);
    reals.set_float(i, one * scale->values[channel_of_element(*scale, shape, i)]);
  }
  t.quantised_constants.emplace(content_key(reals), scale->values);
  set_constant(t, node, raw_constant(reals, kOnnxFloat));
}

// ---- Trunc

// The integers of x, shifted right by whole bits. Version 1 (five operands) keeps the scale,
// version 2 (six) has one of its own and clamps.
struct Truncation {
  Quantiser in;
  int64_t shift = 0;
  Quantiser out;
};

std::optional<Truncation> read_truncation(Translation& t, const RawNode& node, const Shape& x) {
  const bool second = has_operand(node, 5);
  std::optional<Scales> scale = read_scales(t, node, 1, "scale", x);
  std::optional<int64_t> zero_point = read_zero_point(t, node, 2);
  std::optional<int64_t> in_bits = read_bits(t, node, 3);
  std::optional<int64_t> out_bits = read_bits(t, node, second ? 5 : 4);
  const RoundingEntry* rounding = read_rounding(t, node, "FLOOR");
  if (!scale || !zero_point || !in_bits || !out_bits || rounding == nullptr) return std::nullopt;
  Truncation result;
  result.in = {.scale = *scale, .zero_point = *zero_point};
  // The sign of x is not stated: both ranges of the bit width.
  result.in.bounds = {-(int64_t{1} << (*in_bits - 1)), (int64_t{1} << *in_bits) - 1};
  result.out = result.in;
  result.out.rounding = rounding;
  result.shift = *in_bits - *out_bits;
  if (second) {
    std::optional<Scales> out_scale = read_scales(t, node, 4, "output scale", x);
    if (!out_scale) return std::nullopt;
    if (scale->values.size() != 1 || out_scale->values.size() != 1) {
      fail(t, node, "its scales differ from channel to channel", "truncate per tensor");
      return std::nullopt;
    }
    result.shift = std::lround(std::log2(out_scale->values[0] / scale->values[0]));
    result.out.scale = *out_scale;
    result.out.bounds =
        bounds_of(*out_bits, int_of(t, node, "signed", 1) != 0, int_of(t, node, "narrow", 0) != 0);
  }
  if (result.shift < 0 || result.shift > 31) {
    fail(t, node,
         fmt::format("it would shift by {} bits: from 0 to 31 are supported", result.shift),
         "truncate to fewer bits than there are");
    return std::nullopt;
  }
  const int64_t divisor = int64_t{1} << result.shift;
  if (second) {
    if (*zero_point % divisor != 0) {
      fail(t, node,
           fmt::format("its zero point {} is no multiple of {}, by which it divides", *zero_point,
                       divisor));
      return std::nullopt;
    }
    result.out.zero_point = *zero_point / divisor;
  } else {
    result.out.bounds = {(result.in.bounds.lo + *zero_point) / divisor - 1,
                         (result.in.bounds.hi + *zero_point) / divisor + 1};
  }
  return result;
}

// FLOOR, CEIL and halves to even as requantisations; the others in float32, which holds these
// integers.
ValueId shifted_right(Translation& t, const RawNode& node, ValueId integers,
                      const Truncation& truncation) {
  const int64_t divisor = int64_t{1} << truncation.shift;
  const std::string_view rounding = truncation.out.rounding->rounding;
  Attributes bounds{{"lo", truncation.out.bounds.lo}, {"hi", truncation.out.bounds.hi}};
  if (rounding == "floor" || rounding == "ceil") {
    ValueId mul = add_int32_constant(t.builder, node.name + "_mul", {1}, {1});
    ValueId add = add_int32_constant(t.builder, node.name + "_add", {1},
                                     {rounding == "ceil" ? divisor - 1 : 0});
    bounds.insert(
        {{"axis", int64_t{0}}, {"shift", truncation.shift}, {"rounding", std::string("floor")}});
    return step(t, node, "_truncated", "requant", {integers, mul, add}, std::move(bounds));
  }
  ValueId reals = step(t, node, "_integers_real", "dequantize",
                       {integers, add_reals(t, node, "_one", {1}, {1.0f})});
  if (!reals.valid()) return {};
  bounds["rounding"] = std::string(rounding);
  ValueId divisors = add_reals(t, node, "_divisor", {1}, {static_cast<float>(divisor)});
  return step(t, node, "_truncated", "quantize", {reals, divisors}, std::move(bounds));
}

void trunc(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  if (is_constant(t.builder, *x)) return fail(t, node, "truncating constants is not supported");
  std::optional<Truncation> truncation = read_truncation(t, node, shape_of(t, *x));
  if (!truncation) return;
  if (std::string_view(truncation->out.rounding->rounding).empty()) {
    return fail(t, node, fmt::format("{} is not supported", truncation->out.rounding->name),
                "ROUND, FLOOR, CEIL, DOWN and HALF_UP are");
  }
  const Quantiser& in = truncation->in;
  ValueId integers =
      step(t, node, "_integers", "quantize", {*x, scale_constant(t, node, "_scale", in.scale)},
           {{"axis", in.scale.axis},
            {"zero_point", in.zero_point},
            {"lo", in.bounds.lo + in.zero_point},
            {"hi", in.bounds.hi + in.zero_point}});
  if (!integers.valid()) return;
  finish_dequantized(t, node, shifted_right(t, node, integers, *truncation), truncation->out.scale,
                     truncation->out.zero_point);
}

}  // namespace

std::vector<OperatorEntry> real_qonnx_operators() {
  return {{"Quant", quant, true},
          {"IntQuant", quant, true},
          {"BipolarQuant", bipolar_quant, true},
          {"Trunc", trunc, true}};
}

}  // namespace heddle
