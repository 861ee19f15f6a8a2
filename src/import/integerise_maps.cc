// Elementwise operators: clamps become bounds, sums pairs, products integer products, functions of
// one 8-bit tensor tables.
#include <algorithm>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle::integerising {
namespace {

bool clamp(Pass& pass, const Node& node, float lo, float hi) {
  const RealPtr x = real_of(pass, node.inputs[0]);
  if (x == nullptr || !(lo <= hi)) return false;
  Real real = *x;
  real.lo = std::clamp(x->lo, lo, hi);
  real.hi = std::clamp(x->hi, lo, hi);
  set_real(pass, node, std::move(real));
  return true;
}

bool relu(Pass& pass, const Node& node) { return clamp(pass, node, 0, kInfinity); }

bool clip(Pass& pass, const Node& node) {
  const OpView op{pass.from, node};
  return clamp(pass, node, static_cast<float>(op.real("lo")), static_cast<float>(op.real("hi")));
}

// A function of one 8-bit tensor and of constants of one element.
bool function(Pass& pass, const Node& node) {
  RealPtr source;
  int64_t table_size = 0;
  std::vector<Tensor> operands;
  for (ValueId id : node.inputs) {
    if (!id.valid()) return false;
    if (const Tensor* constant = float_constant(pass, id)) {
      if (constant->elements() != 1) return false;
      operands.push_back(constant->reshaped({1}));
      continue;
    }
    const RealPtr x = real_of(pass, id);
    if (x == nullptr || (source != nullptr && x->integers != source->integers)) return false;
    const std::optional<std::vector<float>> table = table_of(pass, *x);
    if (!table || old_type(pass, id).shape != old_type(pass, node.output).shape) return false;
    source = x;
    table_size = std::ssize(*table);
    operands.push_back(Tensor::of_floats({std::ssize(*table)}, *table));
  }
  if (source == nullptr) return false;
  const std::optional<Tensor> results = evaluate(node, operands);
  if (!results || results->elements() != table_size) return false;
  set_real(
      pass, node,
      {.kind = Real::Kind::table, .integers = source->integers, .table = results->to_floats()});
  return true;
}

// x * c for a constant: another scale.
bool scaled(Pass& pass, const Node& node, size_t operand, const Tensor& constant, bool divides) {
  const RealPtr x = real_of(pass, node.inputs[operand]);
  const Shape& shape = old_type(pass, node.output).shape;
  if (x == nullptr || !is_plain(*x) || old_type(pass, node.inputs[operand]).shape != shape)
    return false;
  std::optional<ChannelConstant> factor = channel_constant(constant, shape);
  if (!factor) return false;
  const size_t own = x->scale.size();
  if (factor->values.size() > 1 && own > 1 && factor->axis != x->axis) return false;
  Real real = *x;
  if (factor->values.size() > 1) real.axis = factor->axis;
  real.scale.clear();
  for (size_t k = 0; k < std::max(own, factor->values.size()); ++k) {
    const float scale = x->scale[own == 1 ? 0 : k];
    const float by = factor->values[factor->values.size() == 1 ? 0 : k];
    real.scale.push_back(divides ? scale / by : scale * by);
    if (!(real.scale.back() > 0) || !std::isfinite(real.scale.back())) return false;
  }
  set_real(pass, node, std::move(real));
  return true;
}

bool summed(Pass& pass, const Node& node, bool difference) {
  const RealPtr a = plain_operand(pass, node.inputs[0]);
  const RealPtr b = plain_operand(pass, node.inputs[1]);
  if (a == nullptr || b == nullptr) return false;
  Real real{.kind = Real::Kind::sum, .integers = a->integers, .scale = {1.0f}};
  real.parts = {a, b};
  real.difference = difference;
  set_real(pass, node, std::move(real));
  return true;
}

bool add(Pass& pass, const Node& node) {
  for (size_t i : {0, 1}) {
    const Tensor* constant = float_constant(pass, node.inputs[1 - i]);
    if (constant != nullptr) return add_constant_to(pass, node, i, *constant, 1.0f);
  }
  return function(pass, node) || summed(pass, node, false);
}

bool mul(Pass& pass, const Node& node) {
  for (size_t i : {0, 1}) {
    const Tensor* constant = float_constant(pass, node.inputs[1 - i]);
    if (constant != nullptr) return scaled(pass, node, i, *constant, false) || function(pass, node);
  }
  if (function(pass, node)) return true;
  const RealPtr a = plain_operand(pass, node.inputs[0]);
  const RealPtr b = plain_operand(pass, node.inputs[1]);
  if (a == nullptr || b == nullptr) return false;
  NewNode product = named_after(pass, node, "mul");
  product.inputs = {a->integers, b->integers};
  product.attributes = node.attributes;
  product.attributes["x_zero_point"] = a->zero_point;
  product.attributes["w_zero_point"] = b->zero_point;
  const ValueId y = try_operator(pass, std::move(product));
  if (!y.valid()) return false;
  set_real(pass, node, {.integers = y, .scale = {a->scale[0] * b->scale[0]}});
  return true;
}

bool binary(Pass& pass, const Node& node) {
  const std::string& name = string_attribute(node, "function");
  const Tensor* constant = float_constant(pass, node.inputs[1]);
  if (name == "sub" && constant != nullptr && add_constant_to(pass, node, 0, *constant, -1.0f))
    return true;
  if (name == "div" && constant != nullptr && scaled(pass, node, 0, *constant, true)) return true;
  return function(pass, node) || (name == "sub" && summed(pass, node, true));
}

}  // namespace

std::vector<RuleEntry> elementwise_rules() {
  return {{"add", add}, {"binary", binary}, {"clip", clip},
          {"mul", mul}, {"relu", relu},     {"unary", function}};
}

}  // namespace heddle::integerising
