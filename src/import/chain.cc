#include "import/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "import/division.h"
#include "ops/op.h"

namespace heddle {
namespace {

__extension__ using Wide = __int128;

constexpr int64_t kInt32Min = std::numeric_limits<int32_t>::min();
constexpr int64_t kInt32Max = std::numeric_limits<int32_t>::max();

bool fits_int32(int64_t value) { return kInt32Min <= value && value <= kInt32Max; }

bool all_are(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

int64_t at_channel(const std::vector<int64_t>& values, size_t k) {
  return values[values.size() == 1 ? 0 : k];
}

// Elementwise, with the longer one's length; nothing where the lengths clash or 64 bits overflow.
template <class Operation>
std::optional<std::vector<int64_t>> zip(const std::vector<int64_t>& a,
                                        const std::vector<int64_t>& b, Operation operation) {
  if (a.size() != 1 && b.size() != 1 && a.size() != b.size()) return std::nullopt;
  std::vector<int64_t> result(std::max(a.size(), b.size()));
  for (size_t k = 0; k < result.size(); ++k) {
    std::optional<int64_t> value = operation(at_channel(a, k), at_channel(b, k));
    if (!value) return std::nullopt;
    result[k] = *value;
  }
  return result;
}

bool axis_free(const Chain& chain, const PerChannel& other) {
  bool varies = chain.mul.size() > 1 || chain.add.size() > 1;
  return !varies || other.values.size() == 1 || other.axis == chain.axis;
}

Wide floor_quotient(Wide a, Wide b) { return a / b - (a % b < 0 ? 1 : 0); }  // b > 0

int64_t saturate(Wide value) {
  return static_cast<int64_t>(std::clamp<Wide>(value, std::numeric_limits<int64_t>::min(),
                                               std::numeric_limits<int64_t>::max()));
}

// Whether the operator multiplies by constants, whose first dimension is the output channel.
bool has_weights(const std::string& op) {
  return is_mac(op) && find_op(op)->operands[1].constant;
}

// The MAC node below a value, through a bias_add: what a batch norm folds into. Invalid where there
// is none.
struct MacBelow {
  NodeId mac;
  NodeId bias;  // may be invalid
};
MacBelow mac_below(const Graph& graph, ValueId id) {
  MacBelow found;
  NodeId producer = graph.value(id).producer;
  if (producer.valid() && graph.node(producer).op == "bias_add") {
    found.bias = producer;
    producer = graph.value(graph.node(producer).inputs[0]).producer;
  }
  if (producer.valid() && has_weights(graph.node(producer).op)) found.mac = producer;
  return found;
}

// (conv(x, w) + b) * m + a = conv(x, w * m) + (b * m + a), exact in integers. Done where the
// weights stay in 8 bits; the old nodes are dead then.
ValueId fold_into_weights(Builder& builder, const Chain& chain) {
  Graph& graph = builder.graph;
  MacBelow below = mac_below(graph, chain.base);
  if (chain.base_shared || !below.mac.valid() || !graph.value(chain.base).consumers.empty())
    return {};
  if (below.bias.valid() && graph.value(graph.node(below.bias).inputs[0]).consumers.size() > 1)
    return {};
  if (chain.mul.size() > 1 && chain.axis != 1) return {};
  const Node mac = graph.node(below.mac);
  const Tensor weights = *graph.value(mac.inputs[1]).constant;
  size_t channels = static_cast<size_t>(weights.shape()[0]);
  if ((chain.mul.size() > 1 && chain.mul.size() != channels) ||
      (chain.add.size() > 1 && chain.add.size() != channels))
    return {};

  Tensor scaled(DType::int64, weights.shape());
  int64_t per_channel_count = weights.elements() / static_cast<int64_t>(channels);
  for (int64_t i = 0; i < weights.elements(); ++i) {
    std::optional<int64_t> value = checked_mul(
        weights.at(i), at_channel(chain.mul, static_cast<size_t>(i / per_channel_count)));
    if (!value || *value < -128 || *value > 127) return {};
    scaled.set(i, *value);
  }
  std::vector<int64_t> bias(channels, 0);
  for (size_t k = 0; k < channels; ++k) {
    int64_t old =
        below.bias.valid()
            ? graph.value(graph.node(below.bias).inputs[1]).constant->at(static_cast<int64_t>(k))
            : 0;
    std::optional<int64_t> product = checked_mul(old, at_channel(chain.mul, k));
    std::optional<int64_t> sum =
        product ? checked_add(*product, at_channel(chain.add, k)) : std::nullopt;
    if (!sum || !fits_int32(*sum)) return {};
    bias[k] = *sum;
  }
  std::string weights_name = graph.value(mac.inputs[1]).name;
  ValueId y = add_operator(
      builder, {.op = mac.op,
                .name = mac.name,
                .value_name = all_are(bias, 0) ? chain.value_name : chain.value_name + "_acc",
                .inputs = {mac.inputs[0], add_narrow_constant(builder, weights_name, scaled)},
                .attributes = mac.attributes});
  if (!y.valid() || all_are(bias, 0)) return y;
  ValueId constant =
      add_int32_constant(builder, chain.name + "_bias", {static_cast<int64_t>(channels)}, bias);
  return add_operator(builder, {.op = "bias_add",
                                .name = chain.name,
                                .value_name = chain.value_name,
                                .inputs = {y, constant},
                                .attributes = {{"axis", int64_t{1}}}});
}

// x + add: a bias along the channel axis.
ValueId add_bias(Builder& builder, const Chain& chain, const std::string& node) {
  const Shape shape = type_of(builder, chain.base).shape;
  int64_t rank = static_cast<int64_t>(shape.size());
  int64_t axis = chain.add.size() > 1 ? chain.axis : std::min<int64_t>(1, rank - 1);
  if (rank == 0 || !std::all_of(chain.add.begin(), chain.add.end(), fits_int32)) {
    report(builder, node,
           fmt::format("adds {} to {}: biases are 32 bits, of tensors with dimensions",
                       chain.add[0], to_string(shape)));
    return {};
  }
  int64_t channels = shape[static_cast<size_t>(axis)];
  std::vector<int64_t> bias = chain.add;
  if (bias.size() == 1) bias.assign(static_cast<size_t>(channels), chain.add[0]);
  ValueId constant = add_int32_constant(builder, chain.name + "_bias", {channels}, bias);
  return add_operator(builder, {.op = "bias_add",
                                .name = chain.name,
                                .value_name = chain.value_name,
                                .inputs = {chain.base, constant},
                                .attributes = {{"axis", axis}}});
}

// Multipliers in place of a division by no power of two: exact for all that the chain reads.
bool multiply_for_divisor(Builder& builder, const Chain& chain, const std::string& node,
                          RequantForm* form) {
  Division division{.mul = chain.mul, .add = chain.add, .divisor = divisor_of(chain)};
  const Range x = builder.graph.value(chain.base).type.range;
  bool fits = true;
  if (chain.rounding == "half_up") {  // floor(n / d + 1/2) = floor((n + floor(d / 2)) / d)
    for (int64_t& a : division.add) {
      const std::optional<int64_t> sum = checked_add(a, division.divisor / 2);
      fits = fits && sum;
      a = sum.value_or(0);
    }
  }
  std::optional<MultiplyShift> exact = fits ? multiply_for(division, x) : std::nullopt;
  if (!exact) {
    report(builder, node,
           fmt::format("divides by {}, which is no power of two: no multiplier of 32 bits is exact "
                       "for all of [{}, {}]",
                       division.divisor, x.lo, x.hi),
           "put a Clip before the Div, or fold the rest of the scale into the multiplier");
    return false;
  }
  form->mul = std::move(exact->mul);
  form->add = std::move(exact->add);
  form->shift = exact->shift;
  form->rounding = "floor";
  form->wide_add = true;
  return true;
}

}  // namespace

bool is_mac(const std::string& op) {
  const OpDef* def = find_op(op);
  return def != nullptr && in_class(*def, "mac");
}

Chain start_chain(ValueId base, bool shared) {
  Chain chain;
  chain.base = base;
  chain.base_shared = shared;
  return chain;
}

std::optional<PerChannel> per_channel(const Shape& shape, const Shape& constant_shape,
                                      const std::vector<int64_t>& values) {
  if (values.empty() || constant_shape.size() > shape.size()) return std::nullopt;
  if (values.size() == 1) return PerChannel{values, 0};
  std::optional<PerChannel> result;
  size_t offset = shape.size() - constant_shape.size();
  for (size_t d = 0; d < constant_shape.size(); ++d) {
    if (constant_shape[d] == 1) continue;
    if (result || constant_shape[d] != shape[d + offset]) return std::nullopt;
    result = PerChannel{values, static_cast<int64_t>(d + offset)};
  }
  return result;
}

std::optional<PerChannel> requant_channel(const Shape& shape, const Shape& constant_shape,
                                          const std::vector<int64_t>& values) {
  if (values.size() == 1) return PerChannel{values, 0};
  bool leading =
      constant_shape.size() >= 2 && static_cast<size_t>(constant_shape[0]) == values.size();
  if (leading && shape.size() >= 2 && constant_shape.size() < shape.size() + 1 &&
      constant_shape.size() + 1 >= shape.size()) {
    // [C, 1, 1] of [N, C, H, W], and of [N, C, W] too.
    if (constant_shape[0] != shape[1]) return std::nullopt;
    return PerChannel{values, 1};
  }
  return per_channel(shape, constant_shape, values);
}

int64_t divisor_of(const Chain& chain) { return chain.odd_divisor << chain.shift; }

bool is_pure_add(const Chain& chain) {
  return chain.stage == Chain::Stage::scaled && all_are(chain.mul, 1);
}

bool scale_chain(Chain& chain, const PerChannel& mul) {
  if (!axis_free(chain, mul)) return false;
  std::optional<std::vector<int64_t>> product = zip(chain.mul, mul.values, checked_mul);
  std::optional<std::vector<int64_t>> addend = zip(chain.add, mul.values, checked_mul);
  if (!product || !addend) return false;
  chain.mul = std::move(*product);
  chain.add = all_are(*addend, 0) ? std::vector<int64_t>{0} : std::move(*addend);
  if (mul.values.size() > 1) chain.axis = mul.axis;
  if (chain.stage == Chain::Stage::none) chain.stage = Chain::Stage::scaled;
  return true;
}

bool offset_chain(Chain& chain, const PerChannel& add) {
  if (!axis_free(chain, add)) return false;
  std::optional<std::vector<int64_t>> sum = zip(chain.add, add.values, checked_add);
  if (!sum) return false;
  chain.add = std::move(*sum);
  if (add.values.size() > 1) chain.axis = add.axis;
  if (chain.stage == Chain::Stage::none) chain.stage = Chain::Stage::scaled;
  return true;
}

// clip(clip(x, a, b), c, d) = clip(x, a', b') with a' = clip(a, c, d), b' = clip(b, c, d).
void clip_chain(Chain& chain, std::optional<int64_t> lo, std::optional<int64_t> hi) {
  auto clipped = [&](int64_t value) {
    if (lo && value < *lo) value = *lo;
    if (hi && value > *hi) value = *hi;
    return value;
  };
  chain.lo = chain.lo ? std::optional<int64_t>(clipped(*chain.lo)) : lo;
  chain.hi = chain.hi ? std::optional<int64_t>(clipped(*chain.hi)) : hi;
}

Range chain_range(const Graph& graph, const Chain& chain) {
  Range x = graph.value(chain.base).type.range;
  const Wide divisor = divisor_of(chain);
  const Wide half = chain.rounding == "half_up" ? divisor / 2 : 0;
  Wide lo = 0;
  Wide hi = 0;
  for (size_t k = 0; k < std::max(chain.mul.size(), chain.add.size()); ++k) {
    Wide m = at_channel(chain.mul, k);
    Wide a = Wide{at_channel(chain.add, k)} + half;
    Wide low = floor_quotient(m * (m >= 0 ? x.lo : x.hi) + a, divisor);
    Wide high = floor_quotient(m * (m >= 0 ? x.hi : x.lo) + a, divisor);
    lo = k == 0 ? low : std::min(lo, low);
    hi = k == 0 ? high : std::max(hi, high);
  }
  return {saturate(lo), saturate(hi)};
}

ValueId finish_chain(Builder& builder, const Chain& chain, const std::string& node) {
  if (chain.stage == Chain::Stage::none) return chain.base;
  if (chain.stage == Chain::Stage::divided) {
    report(
        builder, node,
        fmt::format("reads {}, which was divided by {} and has fractions: no Floor follows the Div",
                    ticked(chain.value_name),
                    chain.odd_divisor == 1 ? fmt::format("2^{}", chain.shift)
                                           : fmt::format("{}", divisor_of(chain))),
        "put a Floor behind the Div");
    return {};
  }
  bool plain = chain.stage == Chain::Stage::scaled;
  if (plain && all_are(chain.mul, 1))
    return all_are(chain.add, 0) ? chain.base : add_bias(builder, chain, node);
  if (plain) {
    size_t errors = builder.errors.size();
    ValueId folded = fold_into_weights(builder, chain);
    if (folded.valid() || builder.errors.size() > errors) return folded;
  }
  Range range = chain_range(builder.graph, chain);
  RequantForm form{.mul = chain.mul,
                   .add = chain.add,
                   .axis = chain.axis,
                   .shift = chain.shift,
                   .rounding = chain.rounding,
                   .lo = chain.lo.value_or(range.lo),
                   .hi = chain.hi.value_or(range.hi)};
  // A lone bound may lie beyond everything that can come: the value is constant then.
  if (!chain.lo) form.lo = std::min(form.lo, form.hi);
  if (!chain.hi) form.hi = std::max(form.lo, form.hi);
  if (!fits_int32(form.lo) || !fits_int32(form.hi)) {
    report(builder, node,
           fmt::format("{} can reach [{}, {}], beyond 32 bits", ticked(chain.value_name), form.lo,
                       form.hi),
           "put a Clip behind it");
    return {};
  }
  if (chain.odd_divisor != 1 && !multiply_for_divisor(builder, chain, node, &form)) return {};
  return add_requant(builder, chain.name, chain.value_name, chain.base, std::move(form));
}

bool is_plain_requant(const Graph& graph, const Node& node) {
  const OpView view{graph, node};
  const std::string& rounding = string_attribute(node, "rounding");
  return (rounding == "shift" || rounding == "floor" || rounding == "half_up") &&
         view.attribute("zero_point") == 0 && !view.has(3) &&
         (!view.has(2) || view.input(2).dtype != DType::int64);
}

RequantForm requant_form(const Graph& graph, const Node& node) {
  RequantForm form;
  auto constant = [&](size_t i, std::vector<int64_t>& values) {
    if (i < node.inputs.size() && node.inputs[i].valid())
      values = graph.value(node.inputs[i]).constant->to_ints();
  };
  constant(1, form.mul);
  constant(2, form.add);
  form.axis = int_attribute(node, "axis");
  form.shift = int_attribute(node, "shift");
  form.rounding = string_attribute(node, "rounding");
  form.lo = int_attribute(node, "lo");
  form.hi = int_attribute(node, "hi");
  return form;
}

ValueId add_requant(Builder& builder, const std::string& name, const std::string& value_name,
                    ValueId x, RequantForm form) {
  auto uniform = [](std::vector<int64_t>& values) {
    if (all_are(values, values[0])) values.resize(1);
  };
  uniform(form.mul);
  uniform(form.add);
  for (const std::vector<int64_t>* values : {&form.mul, &form.add}) {
    for (int64_t value : *values) {
      if (fits_int32(value) || (form.wide_add && values == &form.add)) continue;
      report(builder, name,
             fmt::format("the requantisation's {} {} does not fit 32 bits",
                         values == &form.mul ? "multiplier" : "addend", value));
      return {};
    }
  }
  auto operand = [&](const std::vector<int64_t>& values, int64_t neutral, const char* suffix) {
    if (all_are(values, neutral)) return ValueId{};
    Shape shape = values.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(values.size())};
    if (!std::all_of(values.begin(), values.end(), fits_int32))
      return add_constant(builder, name + suffix, Tensor::of(DType::int64, shape, values));
    return add_int32_constant(builder, name + suffix, shape, values);
  };
  ValueId mul = operand(form.mul, 1, "_mul");
  ValueId add = operand(form.add, 0, "_add");
  if (form.rounding == "floor" && !mul.valid() && !add.valid()) form.rounding = "shift";
  int64_t rank = static_cast<int64_t>(type_of(builder, x).shape.size());
  bool varies = form.mul.size() > 1 || form.add.size() > 1;
  int64_t axis = varies ? form.axis : std::clamp<int64_t>(rank - 1, 0, 1);
  return add_operator(builder, {.op = "requant",
                                .name = name,
                                .value_name = value_name,
                                .inputs = {x, mul, add},
                                .attributes = {{"axis", axis},
                                               {"shift", form.shift},
                                               {"rounding", form.rounding},
                                               {"lo", form.lo},
                                               {"hi", form.hi}}});
}

}  // namespace heddle
