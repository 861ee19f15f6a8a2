// Add, Sub, Mul, Div, Floor, Clip, Relu, RequantShift. Scalings stay chains (chain.h)
// until something else reads them.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/checked.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

constexpr int64_t kMaxShift = 62;

using Stage = Chain::Stage;

bool is_power_of_two(int64_t value) {
  return value > 0 && std::has_single_bit(static_cast<uint64_t>(value));
}
int64_t log2_of(int64_t power) { return std::countr_zero(static_cast<uint64_t>(power)); }

const Shape& shape_of(const Translation& t, const Chain& chain) {
  return type_of(t.builder, chain.base).shape;
}

// Makes a node of the chain so far and starts a new one behind it.
bool restart(Translation& t, const RawNode& node, Chain* chain, bool shared) {
  ValueId value = finish_chain(t.builder, *chain, fmt::format("{} ({})", node.name, node.op));
  if (!value.valid()) return false;
  *chain = start_chain(value, shared);
  return true;
}

// The constant as it varies over the chain's value: along one dimension at most, without enlarging
// it. Before opset 7, `broadcast` and `axis` said
// where its dimensions go.
std::optional<PerChannel> channel_constant(Translation& t, const RawNode& node, const Chain& chain,
                                           const RawTensor& constant) {
  const Shape& shape = shape_of(t, chain);
  Shape constant_shape = constant.values.shape();
  if (int_of(t, node, "broadcast", 0) != 0 && node.attributes.contains("axis")) {
    int64_t axis = int_of(t, node, "axis", 0);
    while (axis >= 0 &&
           axis + static_cast<int64_t>(constant_shape.size()) < static_cast<int64_t>(shape.size()))
      constant_shape.push_back(1);
  }
  return per_channel(shape, constant_shape, constant.values.to_ints());
}

// Applies `step` to the chain of a value; where that is not possible, to a new chain behind a node.
template <class Step>
void extend(Translation& t, const RawNode& node, const Known& known, bool fresh, Step step) {
  Chain chain = known.chain;
  bool ended = chain.stage == Stage::requantised || fresh;
  if (ended && !restart(t, node, &chain, known.shared)) return;
  if (!step(chain)) {
    if (!restart(t, node, &chain, known.shared)) return;
    if (!step(chain)) return fail(t, node, "its constants do not fit 64 bits");
  }
  set_chain(t, node, std::move(chain));
}

// Through the reshape behind a product of more than two dimensions.
bool above_mac(const Translation& t, const Chain& chain) {
  const Graph& graph = t.builder.graph;
  ValueId value = chain.base;
  if (producer_op(graph, value) == "reshape")
    value = graph.node(graph.value(value).producer).inputs[0];
  return is_mac(producer_op(graph, value));
}

// Operands that no chain can hold: a node of its own, which broadcasts like NumPy. A constant comes
// second.
void combine(Translation& t, const RawNode& node, const char* op) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  std::optional<ValueId> y = value_operand(t, node, 1);
  if (x && y && is_constant(t.builder, *x)) std::swap(x, y);
  if (x && y) set_value(t, node, emit(t, node, op, {*x, *y}, {}));
}

// The bias of a layer stays a bias; only a division directly behind takes it as its addend.
bool is_layer_bias(const Translation& t, const Chain& chain) {
  return is_pure_add(chain) && above_mac(t, chain);
}

// Mul and Add may stand between a Div and its Floor, but not behind a Clip there.
bool may_extend_fraction(Translation& t, const RawNode& node, const Chain& chain) {
  if (!chain.lo && !chain.hi) return true;
  fail(t, node, "scales a clipped fraction: no Floor follows the Div",
       "put a Floor behind the Div");
  return false;
}

// x + constant or x - constant as a node.
void combine_with(Translation& t, const RawNode& node, const RawTensor& constant, int64_t sign) {
  if (sign > 0) return combine(t, node, "add");
  Tensor negative(DType::int64, constant.values.shape());
  for (int64_t i = 0; i < negative.elements(); ++i) negative.set(i, -constant.values.at(i));
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return;
  const ValueId y = add_narrow_constant(t.builder, constant.name, negative);
  set_value(t, node, emit(t, node, "add", {*x, y}, {}));
}

void add_constant_to(Translation& t, const RawNode& node, const Known& known,
                     const RawTensor& constant, int64_t sign) {
  std::optional<PerChannel> values = channel_constant(t, node, known.chain, constant);
  if (!values) return combine_with(t, node, constant, sign);
  // (x * m + a) / d + v = (x * m + a + v * d) / d.
  const bool fraction = known.chain.stage == Stage::divided;
  if (fraction && !may_extend_fraction(t, node, known.chain)) return;
  for (int64_t& value : values->values) {
    if (value < INT32_MIN || value > INT32_MAX)
      return fail(t, node, fmt::format("constant {} does not fit 32 bits", value));
    value *= sign;
    if (!fraction) continue;
    const std::optional<int64_t> scaled = checked_mul(value, divisor_of(known.chain));
    if (!scaled) return fail(t, node, "its constants do not fit 64 bits");
    value = *scaled;
  }
  extend(t, node, known, false, [&](Chain& chain) { return offset_chain(chain, *values); });
}

void add(Translation& t, const RawNode& node) {
  Known* a = operand(t, node, 0);
  Known* b = operand(t, node, 1);
  if (a == nullptr || b == nullptr) return;
  if (b->constant) return add_constant_to(t, node, *a, *b->constant, 1);
  if (a->constant) return add_constant_to(t, node, *b, *a->constant, 1);
  combine(t, node, "add");
}

void sub(Translation& t, const RawNode& node) {
  const RawTensor* constant = constant_operand(t, node, 1, "subtrahends");
  Known* x = operand(t, node, 0);
  if (constant == nullptr || x == nullptr) return;
  if (x->constant) return fail(t, node, "subtracts from a constant, which is not supported");
  add_constant_to(t, node, *x, *constant, -1);
}

void mul(Translation& t, const RawNode& node) {
  Known* a = operand(t, node, 0);
  Known* b = operand(t, node, 1);
  if (a == nullptr || b == nullptr) return;
  if (!a->constant && !b->constant) return combine(t, node, "mul");
  const Known& x = a->constant ? *b : *a;
  const RawTensor& constant = a->constant ? *a->constant : *b->constant;
  std::optional<PerChannel> values = channel_constant(t, node, x.chain, constant);
  if (!values) return combine(t, node, "mul");
  if (x.chain.stage == Stage::divided && !may_extend_fraction(t, node, x.chain)) return;
  extend(t, node, x, is_layer_bias(t, x.chain),
         [&](Chain& chain) { return scale_chain(chain, *values); });
}

void div(Translation& t, const RawNode& node) {
  const RawTensor* constant = integer_operand(t, node, 1, "divisors");
  Known* x = operand(t, node, 0);
  if (constant == nullptr || x == nullptr) return;
  if (x->constant) return fail(t, node, "divides a constant by a constant that does not divide it");
  std::vector<int64_t> divisors = constant->values.to_ints();
  int64_t divisor = divisors.empty() ? 0 : divisors[0];
  bool uniform =
      std::all_of(divisors.begin(), divisors.end(), [&](int64_t d) { return d == divisor; });
  bool floors = !is_float_type(constant->type);
  bool divides = floors ? is_power_of_two(divisor) : divisor > 0;
  if (!uniform || !divides || !channel_constant(t, node, x->chain, *constant)) {
    return fail(t, node,
                fmt::format("divides by {}{}: only one {} for all channels is supported", divisor,
                            uniform ? "" : " and others",
                            floors ? "power of two" : "positive divisor"),
                "fold the rest of the scale into the multiplier before the Div");
  }
  const int64_t power = std::countr_zero(static_cast<uint64_t>(divisor));
  extend(t, node, *x, false, [&](Chain& chain) {
    const std::optional<int64_t> odd = checked_mul(chain.odd_divisor, divisor >> power);
    if (!odd || chain.shift + power > kMaxShift) return false;
    if (*odd > (int64_t{1} << kMaxShift) >> (chain.shift + power)) return false;
    chain.shift += power;
    chain.odd_divisor = *odd;
    bool fraction = divisor_of(chain) > 1;
    chain.stage = floors ? Stage::requantised : fraction ? Stage::divided : chain.stage;
    if (!t.rounding.empty()) chain.rounding = t.rounding;
    chain.integer_division = floors;
    chain.divided_by_one = divisor == 1;
    return true;
  });
  if (floors) ++t.integer_divisions;
}

void floor_op(Translation& t, const RawNode& node) {
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  if (x->constant || x->chain.stage != Stage::divided) {  // integers already
    if (x->chain.integer_division && x->chain.stage == Stage::requantised) --t.integer_divisions;
    // A layer's sum divided by a step of 1 is requantised like any other: a Clip is its bounds.
    if (!x->constant && x->chain.divided_by_one && x->chain.stage == Stage::none &&
        above_mac(t, x->chain)) {
      Chain chain = x->chain;
      chain.stage = Stage::requantised;
      return set_chain(t, node, std::move(chain));
    }
    set_alias(t, node, *x);
    return;
  }
  Chain chain = x->chain;
  chain.stage = Stage::requantised;
  set_chain(t, node, std::move(chain));
}

// A graph input that nothing else reads: what a Clip would change must never be given, so its type
// says so instead.
bool narrow_input(Translation& t, const RawNode& node, const Known& x, std::optional<int64_t> lo,
                  std::optional<int64_t> hi) {
  Graph& graph = t.builder.graph;
  Value& value = graph.value(x.chain.base);
  if (x.shared || x.chain.stage != Stage::none || value.producer.valid() || value.constant ||
      !value.consumers.empty())
    return false;
  Range range = value.type.range;
  if (t.assumed_inputs.contains(x.chain.base) && lo && hi) range = {*lo, *hi};
  range = {std::max(range.lo, lo.value_or(range.lo)), std::min(range.hi, hi.value_or(range.hi))};
  if (range.lo > range.hi) return false;
  t.assumed_inputs.erase(x.chain.base);
  value.type.range = range;
  value.type.dtype = narrowest_type(range);
  t.notes.push_back(fmt::format("input {}: {} bounds it, so it is {} of {} to {}",
                                ticked(value.name), ticked(node.name), name_of(value.type.dtype),
                                range.lo, range.hi));
  set_alias(t, node, x);
  return true;
}

void clip_to(Translation& t, const RawNode& node, std::optional<int64_t> lo,
             std::optional<int64_t> hi) {
  if (lo && hi && *lo > *hi)
    return fail(t, node, fmt::format("its bounds [{}, {}] are empty", *lo, *hi));
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  if (!lo && !hi) return set_alias(t, node, *x);
  bool rounds = x->chain.stage == Stage::requantised || x->chain.stage == Stage::divided;
  // Clipping to integers commutes with Floor.
  if (!x->constant && rounds && !x->shared) {
    Chain chain = x->chain;
    clip_chain(chain, lo, hi);
    return set_chain(t, node, std::move(chain));
  }
  if (!x->constant && narrow_input(t, node, *x, lo, hi)) return;
  std::optional<ValueId> value = value_operand(t, node, 0);
  if (!value) return;
  Range range = type_of(t.builder, *value).range;
  if (lo.value_or(range.lo) <= range.lo && hi.value_or(range.hi) >= range.hi)
    return set_alias(t, node, *operand(t, node, 0));
  if (lo == 0 && !hi) return set_value(t, node, emit(t, node, "relu", {*value}, {}));
  // An open side is as far away as the value goes.
  int64_t low = lo ? *lo : std::min(range.lo, *hi);
  int64_t high = hi ? *hi : std::max(range.hi, *lo);
  set_value(t, node, emit(t, node, "clip", {*value}, {{"lo", low}, {"hi", high}}));
}

void relu(Translation& t, const RawNode& node) { clip_to(t, node, 0, std::nullopt); }

// One bound of Clip: an operand from opset 11 on, an attribute before. Infinities and float32's
// ends are no bound.
bool clip_bound(Translation& t, const RawNode& node, size_t i, const std::string& name,
                std::optional<int64_t>* bound) {
  std::optional<double> value;
  if (has_operand(node, i)) {
    auto found = t.tensors.find(node.inputs[i]);
    if (found == t.tensors.end() || found->second.broken) return false;
    const std::optional<RawTensor>& constant = found->second.constant;
    if (!constant || constant->values.elements() != 1) {
      fail(t, node, fmt::format("its bound {} is not one constant", ticked(name)));
      return false;
    }
    value = constant->fraction ? constant->fraction->value
                               : static_cast<double>(constant->values.at(0));
  } else if (auto found = node.attributes.find(name); found != node.attributes.end()) {
    if (const double* number = std::get_if<double>(&found->second)) value = *number;
    if (const int64_t* number = std::get_if<int64_t>(&found->second))
      value = static_cast<double>(*number);
  }
  if (!value || std::fabs(*value) >= 2147483648.0)
    return true;  // beyond int32: no bound of a network of int32 sums
  if (*value != std::floor(*value)) {
    fail(t, node, fmt::format("its bound {} is {}, not an integer", ticked(name), *value),
         "integer networks clip to integers");
    return false;
  }
  *bound = static_cast<int64_t>(*value);
  return true;
}

void clip(Translation& t, const RawNode& node) {
  std::optional<int64_t> lo;
  std::optional<int64_t> hi;
  bool fine = clip_bound(t, node, 1, "min", &lo);
  fine = clip_bound(t, node, 2, "max", &hi) && fine;
  if (fine) clip_to(t, node, lo, hi);
}

// clip((x * mul + add + div/2) >> log2 div): PULP's operator, the `half_up` dialect.
void requant_shift(Translation& t, const RawNode& node) {
  const RawTensor* mul_tensor = integer_operand(t, node, 1, "multipliers");
  const RawTensor* add_tensor = integer_operand(t, node, 2, "addends");
  std::optional<int64_t> div = maybe_int(t, node, "div");
  std::optional<int64_t> levels = maybe_int(t, node, "n_levels_out");
  if (!levels) levels = maybe_int(t, node, "n_levels");
  bool is_signed = int_of(t, node, "signed", 1) != 0;
  if (!div || !is_power_of_two(*div))
    return fail(
        t, node,
        fmt::format("`div` is {}, not a power of two", div ? std::to_string(*div) : "absent"));
  if (!levels || *levels < 2 || *levels > (int64_t{1} << 31)) {
    return fail(t, node,
                fmt::format("`n_levels_out` is {}, not a number of levels",
                            levels ? std::to_string(*levels) : "absent"));
  }
  if (mul_tensor == nullptr || add_tensor == nullptr) return;
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  if (x->constant) return fail(t, node, "requantises a constant", "replace the node by its result");
  const Shape shape = shape_of(t, x->chain);
  std::optional<PerChannel> m =
      requant_channel(shape, mul_tensor->values.shape(), mul_tensor->values.to_ints());
  std::optional<PerChannel> a =
      requant_channel(shape, add_tensor->values.shape(), add_tensor->values.to_ints());
  if (!m || !a) {
    const RawTensor& bad = m ? *add_tensor : *mul_tensor;
    return fail(t, node,
                fmt::format("constant {} of shape {} does not fit an input of shape {}",
                            ticked(bad.name), to_string(bad.values.shape()), to_string(shape)));
  }
  bool fresh = x->chain.stage == Stage::divided || is_layer_bias(t, x->chain);
  extend(t, node, *x, fresh, [&](Chain& chain) {
    Chain next = chain;
    if (!scale_chain(next, *m) || !offset_chain(next, *a)) return false;
    bool fits = std::all_of(next.mul.begin(), next.mul.end(),
                            [](int64_t v) { return v == static_cast<int32_t>(v); }) &&
                std::all_of(next.add.begin(), next.add.end(),
                            [](int64_t v) { return v == static_cast<int32_t>(v); });
    if (!fits && chain.stage != Stage::none)
      return false;  // two scalings in one do not fit: one node each
    next.shift = log2_of(*div);
    next.stage = Stage::requantised;
    next.rounding = t.rounding.empty() ? "half_up" : t.rounding;
    next.lo = is_signed ? -(*levels / 2) : 0;
    next.hi = is_signed ? *levels - *levels / 2 - 1 : *levels - 1;
    chain = std::move(next);
    return true;
  });
}

}  // namespace

std::vector<OperatorEntry> map_operators() {
  return {
      {"Add", add},        {"Sub", sub},   {"Mul", mul},   {"Div", div},
      {"Floor", floor_op}, {"Clip", clip}, {"Relu", relu}, {"RequantShift", requant_shift, true}};
}

}  // namespace heddle
