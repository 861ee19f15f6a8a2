// The end of a real value: its `quantize`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle::integerising {
namespace {

constexpr int64_t kMostTable = 256;

bool clamps(const Real& real) { return real.lo > -kInfinity || real.hi < kInfinity; }

// The quantiser with the value's clamps in its bounds: rounding is monotonic. Nothing where the
// bounds differ from channel to channel.
std::optional<Quantiser> with_clamps(const Real& real, Quantiser to) {
  if (!clamps(real)) return to;
  if (to.scale.size() > 1) {
    if (real.lo != 0 || real.hi != kInfinity) return std::nullopt;
    to.lo = std::clamp(to.zero_point, to.lo, to.hi);
    return to;
  }
  const Quantiser old = to;
  if (real.lo > -kInfinity) to.lo = quantised(real.lo, old);
  if (real.hi < kInfinity) to.hi = quantised(real.hi, old);
  return to;
}

float at(const std::vector<float>& values, size_t k) { return values[values.size() == 1 ? 0 : k]; }

std::vector<float> shortest(std::vector<float> values) {
  if (std::all_of(values.begin(), values.end(), [&](float x) { return x == values[0]; }))
    values.resize(1);
  return values;
}

struct Requant {
  ValueId x;
  std::vector<float> mul{};
  std::vector<float> add{};  // may be empty
  int64_t axis = 0;
  int64_t x_zero_point = 0;
  int64_t zero_point = 0;
  int64_t lo = 0;
  int64_t hi = 0;
};

ValueId emit_float(Pass& pass, const Requant& wanted, NewNode node) {
  Builder& to = pass.rebuild.to;
  const auto constant = [&](const char* suffix, const std::vector<float>& values) {
    return add_constant(to, node.name + suffix, Tensor::of_floats({std::ssize(values)}, values));
  };
  node.op = "requant";
  node.inputs = {wanted.x, constant("_mul", wanted.mul)};
  const bool zero =
      std::all_of(wanted.add.begin(), wanted.add.end(), [](float x) { return x == 0; });
  if (!zero) node.inputs.push_back(constant("_add", wanted.add));
  node.attributes = {{"rounding", std::string("float")},
                     {"shift", int64_t{0}},
                     {"axis", wanted.axis},
                     {"x_zero_point", wanted.x_zero_point},
                     {"zero_point", wanted.zero_point},
                     {"lo", wanted.lo},
                     {"hi", wanted.hi}};
  return try_operator(pass, std::move(node));
}

// The same with 31-bit multipliers and a shift for each channel; invalid where a factor has none.
ValueId emit_integer(Pass& pass, const Requant& wanted, NewNode node) {
  const size_t channels = std::max(wanted.mul.size(), wanted.add.size());
  std::vector<int64_t> mul, add, shifts;
  for (size_t k = 0; k < channels; ++k) {
    int exponent = 0;
    const double fraction = std::frexp(static_cast<double>(at(wanted.mul, k)), &exponent);
    int64_t factor = std::llround(std::ldexp(fraction, 31));
    if (factor == (int64_t{1} << 31)) {
      factor /= 2;
      ++exponent;
    }
    const int64_t shift = 31 - exponent;
    if (!std::isfinite(fraction) || factor <= 0 || shift < 1 || shift > 62) return {};
    const double real = wanted.add.empty() ? 0 : at(wanted.add, k);
    const double addend = std::ldexp(real, static_cast<int>(shift));
    if (!(std::fabs(addend) < 4611686018427387904.0)) return {};
    const std::optional<int64_t> centre = [&]() -> std::optional<int64_t> {
      int64_t product, sum;
      if (__builtin_mul_overflow(-wanted.x_zero_point, factor, &product)) return std::nullopt;
      if (__builtin_add_overflow(product, std::llround(addend), &sum)) return std::nullopt;
      return sum;
    }();
    if (!centre) return {};
    mul.push_back(factor);
    add.push_back(*centre);
    shifts.push_back(shift);
  }
  Builder& to = pass.rebuild.to;
  const int64_t count = static_cast<int64_t>(channels);
  const bool adds = std::any_of(add.begin(), add.end(), [](int64_t x) { return x != 0; });
  node.op = "requant";
  node.inputs = {wanted.x,
                 add_constant(to, node.name + "_mul", Tensor::of(DType::int32, {count}, mul)),
                 adds ? add_constant(to, node.name + "_add", Tensor::of(DType::int64, {count}, add))
                      : ValueId{},
                 add_constant(to, node.name + "_shifts", Tensor::of(DType::int8, {count}, shifts))};
  node.attributes = {{"rounding", pass.rounding}, {"shift", int64_t{0}},
                     {"axis", wanted.axis},       {"zero_point", wanted.zero_point},
                     {"lo", wanted.lo},           {"hi", wanted.hi}};
  const ValueId y = try_operator(pass, std::move(node));
  if (y.valid()) ++pass.replaced;
  return y;
}

ValueId emit_requant(Pass& pass, const Requant& wanted, const NewNode& node) {
  if (pass.rounding != "" && pass.rounding != "float") {
    const ValueId y = emit_integer(pass, wanted, node);
    if (y.valid()) return y;
  }
  return emit_float(pass, wanted, node);
}

ValueId emit_lookup(Pass& pass, ValueId x, const std::vector<int64_t>& results, NewNode node) {
  const auto [least, greatest] = std::minmax_element(results.begin(), results.end());
  const Tensor table =
      Tensor::of(narrowest_type({*least, *greatest}), {std::ssize(results)}, results);
  node.op = "lookup";
  node.inputs = {x, add_constant(pass.rebuild.to, node.name + "_table", table)};
  node.attributes = {{"first", type_of(pass.rebuild.to, x).range.lo}};
  return try_operator(pass, std::move(node));
}

// What ONNX Runtime computes for each of the integers, where they are few enough for a table.
std::optional<std::vector<int64_t>> results_of(const Pass& pass, const Real& real,
                                               const Quantiser& to) {
  if (to.scale.size() > 1) return std::nullopt;
  const std::optional<std::vector<float>> values = table_of(pass, real);
  if (!values) return std::nullopt;
  std::vector<int64_t> results;
  for (float value : *values) results.push_back(quantised(value, to));
  return results;
}

int64_t requantised(const Requant& requant, int64_t x, const Quantiser& to) {
  Quantiser unit = to;
  unit.scale = {1.0f};
  float real = static_cast<float>(x - requant.x_zero_point) * requant.mul[0];
  if (!requant.add.empty()) real += requant.add[0];
  return quantised(real, unit);
}

bool same_parameters(const Real& real, const Quantiser& to) {
  if (!real.addend.empty() || real.zero_point != to.zero_point || real.scale != to.scale)
    return false;
  return real.scale.size() == 1 || real.axis == to.axis;
}

ValueId quantise_linear(Pass& pass, const Real& real, const Quantiser& to, NewNode node,
                        bool is_output) {
  const TensorType& x = type_of(pass.rebuild.to, real.integers);
  if (same_parameters(real, to)) {
    if (!is_output && to.lo <= x.range.lo && x.range.hi <= to.hi) return real.integers;
    node.op = "clip";
    node.inputs = {real.integers};
    node.attributes = {{"lo", to.lo}, {"hi", to.hi}};
    return try_operator(pass, std::move(node));
  }
  const size_t own = std::max(real.scale.size(), real.addend.size());
  if (own > 1 && to.scale.size() > 1 && real.axis != to.axis) return {};
  Requant requant{.x = real.integers,
                  .axis = own > 1 ? real.axis : to.axis,
                  .x_zero_point = real.zero_point,
                  .zero_point = to.zero_point,
                  .lo = to.lo,
                  .hi = to.hi};
  const size_t channels = std::max(own, to.scale.size());
  for (size_t k = 0; k < channels; ++k) {
    requant.mul.push_back(at(real.scale, k) / at(to.scale, k));
    if (!real.addend.empty()) requant.add.push_back(at(real.addend, k) / at(to.scale, k));
  }
  requant.mul = shortest(std::move(requant.mul));
  if (!requant.add.empty()) requant.add = shortest(std::move(requant.add));
  // A table where the product with the quotient of the scales rounds another way than ONNX Runtime,
  // which multiplies by one scale and divides by the other.
  if (const std::optional<std::vector<int64_t>> results = results_of(pass, real, to)) {
    for (size_t i = 0; i < results->size(); ++i) {
      if (requantised(requant, x.range.lo + static_cast<int64_t>(i), to) != (*results)[i])
        return emit_lookup(pass, real.integers, *results, std::move(node));
    }
  }
  return emit_requant(pass, requant, node);
}

ValueId quantise_sum(Pass& pass, const Real& real, const Quantiser& to, NewNode node) {
  const Real *x = real.parts[0].get(), *residual = real.parts[1].get();
  if (to.scale.size() > 1) return {};
  float x_scale = x->scale[0];
  float residual_scale = real.difference ? -residual->scale[0] : residual->scale[0];
  // What was computed last is the operand that a spine passes through.
  const Graph& graph = pass.rebuild.to.graph;
  if (graph.value(x->integers).producer < graph.value(residual->integers).producer) {
    std::swap(x, residual);
    std::swap(x_scale, residual_scale);
  }
  // Only the first may have the result's shape for the operator to be fused.
  if (type_of(pass.rebuild.to, x->integers).shape.size() <
      type_of(pass.rebuild.to, residual->integers).shape.size()) {
    std::swap(x, residual);
    std::swap(x_scale, residual_scale);
  }
  node.op = "qadd";
  node.inputs = {x->integers, residual->integers};
  node.attributes = {{"x_scale", static_cast<double>(x_scale)},
                     {"residual_scale", static_cast<double>(residual_scale)},
                     {"scale", static_cast<double>(to.scale[0])},
                     {"x_zero_point", x->zero_point},
                     {"residual_zero_point", residual->zero_point},
                     {"zero_point", to.zero_point},
                     {"lo", to.lo},
                     {"hi", to.hi}};
  return try_operator(pass, std::move(node));
}

ValueId quantise_real(Pass& pass, const Real& real, const Quantiser& wanted, NewNode node,
                      bool is_output);

// Moves commute with a rounding that is the same for every element.
ValueId quantise_moved(Pass& pass, const Real& real, const Quantiser& to, NewNode node) {
  if (to.scale.size() > 1) return {};
  std::vector<ValueId> operands;
  size_t next = 0;
  for (ValueId id : real.node->inputs) {
    if (old_type(pass, id).dtype != DType::float32) {
      operands.push_back(copy_value(pass.rebuild, pass.from, id));
      continue;
    }
    NewNode inner = node;
    inner.name += fmt::format("_part{}", next);
    inner.value_name += fmt::format("_part{}", next);
    operands.push_back(quantise_real(pass, *real.parts[next++], to, std::move(inner), false));
    if (!operands.back().valid()) return {};
  }
  node.op = real.node->op;
  node.inputs = operands;
  node.attributes = real.node->attributes;
  if (const auto value = node.attributes.find("value"); value != node.attributes.end())
    value->second = quantised(static_cast<float>(real_attribute(*real.node, "value")), to);
  return try_operator(pass, std::move(node));
}

ValueId quantise_real(Pass& pass, const Real& real, const Quantiser& wanted, NewNode node,
                      bool is_output) {
  const std::optional<Quantiser> to = with_clamps(real, wanted);
  if (!to) return {};
  switch (real.kind) {
    case Real::Kind::linear:
      return quantise_linear(pass, real, *to, std::move(node), is_output);
    case Real::Kind::sum:
      return quantise_sum(pass, real, *to, std::move(node));
    case Real::Kind::moved:
      return quantise_moved(pass, real, *to, std::move(node));
    case Real::Kind::table:
      break;
  }
  const std::optional<std::vector<int64_t>> results = results_of(pass, real, *to);
  if (!results) return {};
  return emit_lookup(pass, real.integers, *results, std::move(node));
}

}  // namespace

int64_t quantised(float value, const Quantiser& to) {
  const float lo = static_cast<float>(to.lo - to.zero_point);
  const float hi = static_cast<float>(to.hi - to.zero_point);
  const float ratio = value / to.scale[0];
  const float clamped = ratio > lo ? std::min(ratio, hi) : lo;  // NaN to the lower bound
  const int64_t rounded = static_cast<int64_t>(std::nearbyint(clamped)) + to.zero_point;
  return std::clamp(rounded, to.lo, to.hi);
}

std::optional<std::vector<float>> table_of(const Pass& pass, const Real& real) {
  if (real.kind != Real::Kind::linear && real.kind != Real::Kind::table) return std::nullopt;
  const Range range = type_of(pass.rebuild.to, real.integers).range;
  if (range.hi - range.lo >= kMostTable) return std::nullopt;
  std::vector<float> values = real.table;
  if (real.kind == Real::Kind::linear) {
    if (real.scale.size() > 1 || real.addend.size() > 1) return std::nullopt;
    for (int64_t x = range.lo; x <= range.hi; ++x) {
      float value = static_cast<float>(x - real.zero_point) * real.scale[0];
      if (!real.addend.empty()) value += real.addend[0];
      values.push_back(value);
    }
  }
  for (float& value : values) {
    if (value < real.lo) value = real.lo;
    if (value > real.hi) value = real.hi;
  }
  return values;
}

ValueId quantise(Pass& pass, const Real& real, const Quantiser& to, const Node& named) {
  return quantise_real(pass, real, to, named_after(pass, named, ""),
                       pass.from.is_output(named.output));
}

}  // namespace heddle::integerising
