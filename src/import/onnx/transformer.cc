// The operators of PULP's integer transformers: softmaxes, norms, activations, TrueIntegerDiv.
#include <fmt/format.h>

#include <bit>

#include "base/checked.h"
#include "import/onnx/translate.h"

namespace heddle {
namespace {

struct Named {
  const char* theirs;
  const char* ours;
};

// Mandatory integer attributes under our names; nothing and an error where one is missing.
std::optional<Attributes> integers_of(Translation& t, const RawNode& node,
                                      std::initializer_list<Named> names) {
  Attributes attributes;
  for (const Named& name : names) {
    std::optional<int64_t> value = maybe_int(t, node, name.theirs);
    if (!value) {
      if (!node.attributes.contains(name.theirs))
        fail(t, node, fmt::format("attribute `{}` is missing", name.theirs));
      return std::nullopt;
    }
    attributes[name.ours] = *value;
  }
  return attributes;
}

void unary(Translation& t, const RawNode& node, const char* op,
           std::initializer_list<Named> names) {
  std::optional<Attributes> attributes = integers_of(t, node, names);
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (attributes && x) set_value(t, node, emit(t, node, op, {*x}, std::move(*attributes)));
}

void softmax(Translation& t, const RawNode& node) {
  unary(t, node, "i_softmax",
        {{"coeffA", "coeff_a"},
         {"coeffB", "coeff_b"},
         {"coeffC", "coeff_c"},
         {"log2", "log2"},
         {"n_levels", "levels"}});
}

void ita_max(Translation& t, const RawNode& node) {
  unary(t, node, "ita_max", {{"n_levels", "levels"}});
}

void ita_partial_max(Translation& t, const RawNode& node) {
  unary(t, node, "ita_partial_max", {{"n_levels", "levels"}, {"group_width", "group"}});
}

void gelu(Translation& t, const RawNode& node) {
  unary(t, node, "i_gelu", {{"b", "b"}, {"one", "one"}});
}

void hardswish(Translation& t, const RawNode& node) {
  unary(t, node, "i_hardswish",
        {{"three", "three"}, {"six", "six"}, {"one_over_six", "one_over_six"}});
}

// A divisor `D` and `n_levels` of a signed result as shift, lo, hi.
std::optional<Attributes> shift_and_bounds(Translation& t, const RawNode& node) {
  std::optional<Attributes> given = integers_of(t, node, {{"D", "D"}, {"n_levels", "levels"}});
  if (!given) return std::nullopt;
  const int64_t divisor = std::get<int64_t>((*given)["D"]);
  const int64_t levels = std::get<int64_t>((*given)["levels"]);
  if (divisor < 1 || !std::has_single_bit(static_cast<uint64_t>(divisor))) {
    fail(t, node, fmt::format("`D` is {}, not a power of two", divisor));
    return std::nullopt;
  }
  if (levels < 2 || levels > (int64_t{1} << 31)) {
    fail(t, node, fmt::format("`n_levels` is {}, not a number of levels", levels));
    return std::nullopt;
  }
  return Attributes{{"shift", int64_t{std::countr_zero(static_cast<uint64_t>(divisor))}},
                    {"lo", -(levels / 2)},
                    {"hi", levels - levels / 2 - 1}};
}

// A constant with one number for each element of a row; a single number stands for all.
std::optional<ValueId> row_constant(Translation& t, const RawNode& node, size_t i, int64_t length) {
  const RawTensor* tensor = integer_operand(t, node, i, "parameters");
  if (tensor == nullptr) return std::nullopt;
  std::vector<int64_t> values = tensor->values.to_ints();
  if (values.size() == 1) values.assign(static_cast<size_t>(length), values[0]);
  if (std::ssize(values) != length) {
    fail(t, node,
         fmt::format("constant {} has {} elements, the rows of its input {}", ticked(tensor->name),
                     values.size(), length));
    return std::nullopt;
  }
  return add_narrow_constant(t.builder, tensor->name, Tensor::of(DType::int64, {length}, values));
}

void norm(Translation& t, const RawNode& node, const char* op, size_t constants) {
  std::optional<Attributes> attributes = shift_and_bounds(t, node);
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!attributes || !x) return;
  const Shape shape = type_of(t.builder, *x).shape;
  if (shape.empty()) return fail(t, node, "its input is a scalar");
  std::vector<ValueId> inputs{*x};
  for (size_t i = 1; i <= constants; ++i) {
    std::optional<ValueId> constant = row_constant(t, node, i, shape.back());
    if (!constant) return;
    inputs.push_back(*constant);
  }
  set_value(t, node, emit(t, node, op, std::move(inputs), std::move(*attributes)));
}

void rms_norm(Translation& t, const RawNode& node) { norm(t, node, "i_rms_norm", 1); }
void layer_norm(Translation& t, const RawNode& node) { norm(t, node, "i_layer_norm", 2); }

// ((x * w + b) * mul) >> log2 D, clipped: a requantisation that floors.
void no_norm(Translation& t, const RawNode& node) {
  std::optional<Attributes> attributes = shift_and_bounds(t, node);
  std::optional<Attributes> factor = integers_of(t, node, {{"mul", "mul"}});
  const RawTensor* weights = integer_operand(t, node, 1, "weights");
  const RawTensor* bias = integer_operand(t, node, 2, "biases");
  Known* known = operand(t, node, 0);
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!attributes || !factor || weights == nullptr || bias == nullptr || !x) return;
  const Shape& shape = type_of(t.builder, *x).shape;
  std::optional<PerChannel> w =
      per_channel(shape, weights->values.shape(), weights->values.to_ints());
  std::optional<PerChannel> b = per_channel(shape, bias->values.shape(), bias->values.to_ints());
  Chain chain = start_chain(*x, known->shared);
  const PerChannel scale{{std::get<int64_t>((*factor)["mul"])}, 0};
  if (!w || !b || !scale_chain(chain, *w) || !offset_chain(chain, *b) ||
      !scale_chain(chain, scale)) {
    return fail(t, node,
                fmt::format("weights of shape {} and biases of shape {} against {}: they may vary "
                            "along one dimension only",
                            to_string(weights->values.shape()), to_string(bias->values.shape()),
                            to_string(shape)));
  }
  chain.stage = Chain::Stage::requantised;
  chain.rounding = "floor";
  chain.shift = std::get<int64_t>((*attributes)["shift"]);
  chain.lo = std::get<int64_t>((*attributes)["lo"]);
  chain.hi = std::get<int64_t>((*attributes)["hi"]);
  set_chain(t, node, std::move(chain));
}

// x * floor(Delta * eta / (eta * y + eps)). A constant y, as an attribute or an operand of one
// element, makes it a multiplication.
void true_integer_div(Translation& t, const RawNode& node) {
  std::optional<Attributes> given =
      integers_of(t, node, {{"Delta", "delta"}, {"eps", "eps"}, {"eta", "eta"}});
  if (!given) return;
  std::optional<int64_t> y = maybe_int(t, node, "y");
  if (!y && !has_operand(node, 1)) return fail(t, node, "it has neither attribute nor operand `y`");
  if (!y) {
    Known* divisor = operand(t, node, 1);
    if (divisor == nullptr) return;
    if (divisor->constant && divisor->constant->values.elements() == 1)
      y = divisor->constant->values.at(0);
  }
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return;
  if (!y) {
    std::optional<ValueId> divisor = value_operand(t, node, 1);
    if (divisor) set_value(t, node, emit(t, node, "true_div", {*x, *divisor}, std::move(*given)));
    return;
  }
  const int64_t eta = std::get<int64_t>((*given)["eta"]);
  std::optional<int64_t> above = checked_mul(std::get<int64_t>((*given)["delta"]), eta);
  std::optional<int64_t> product = checked_mul(eta, *y);
  std::optional<int64_t> below =
      product ? checked_add(*product, std::get<int64_t>((*given)["eps"])) : std::nullopt;
  if (!above || !below || *below < 1) {
    return fail(t, node,
                fmt::format("`eta` * y + `eps` with eta {} and y {} is no positive 64-bit number",
                            eta, *y));
  }
  // A node of its own: the next requantisation does not swallow the factor.
  Chain chain = start_chain(*x, operand(t, node, 0)->shared);
  scale_chain(chain, PerChannel{{floor_div(*above, *below)}, 0});
  chain.stage = Chain::Stage::requantised;
  set_chain(t, node, std::move(chain));
}

}  // namespace

std::vector<OperatorEntry> transformer_operators() {
  return {{"iSoftmax", softmax, true},
          {"ITAMax", ita_max, true},
          {"ITAPartialMax", ita_partial_max, true},
          {"iGELU", gelu, true},
          {"iHardswish", hardswish, true},
          {"iRMSNorm", rms_norm, true},
          {"iLayerNorm", layer_norm, true},
          {"iNoNorm", no_norm, true},
          {"TrueIntegerDiv", true_integer_div, true}};
}

}  // namespace heddle
