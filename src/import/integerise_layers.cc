// Products of quantised operands become accumulators; biases join them.
#include <algorithm>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle::integerising {
namespace {

// How far from an integer a bias in units of the accumulator may be to count as one.
constexpr double kBiasTolerance = 0.01;

std::vector<float> products(float a, const std::vector<float>& b) {
  std::vector<float> result;
  for (float value : b) result.push_back(a * value);
  return result;
}

// The accumulator of a product with constant weights whose channels run along `weight_axis`, as
// those of the result along `axis`.
bool weighted(Pass& pass, const Node& node, int64_t weight_axis, int64_t axis) {
  const Tensor* reals = float_constant(pass, node.inputs[1]);
  if (reals == nullptr) return false;
  const RealPtr x = plain_operand(pass, node.inputs[0]);
  if (x == nullptr) return false;
  std::optional<GridConstant> weights = on_grid(pass, *reals, weight_axis);
  if (!weights) return false;
  NewNode product = named_after(pass, node, node.op);
  product.inputs = {x->integers, add_constant(pass.rebuild.to, pass.from.value(node.inputs[1]).name,
                                              std::move(weights->integers))};
  product.attributes = node.attributes;
  product.attributes["x_zero_point"] = x->zero_point;
  const ValueId accumulator = try_operator(pass, std::move(product));
  if (!accumulator.valid()) return false;
  Real real{.integers = accumulator, .scale = products(x->scale[0], weights->scale)};
  real.axis = axis;
  set_real(pass, node, std::move(real));
  return true;
}

bool layer(Pass& pass, const Node& node) { return weighted(pass, node, 0, 1); }

bool matmul(Pass& pass, const Node& node) {
  const int64_t last = std::ssize(old_type(pass, node.output).shape) - 1;
  const int64_t weight_last = std::ssize(old_type(pass, node.inputs[1]).shape) - 1;
  if (weighted(pass, node, std::max<int64_t>(weight_last, 0), last)) return true;
  const RealPtr x = plain_operand(pass, node.inputs[0]);
  const RealPtr w = plain_operand(pass, node.inputs[1]);
  if (x == nullptr || w == nullptr) return false;
  NewNode product = named_after(pass, node, node.op);
  product.inputs = {x->integers, w->integers};
  product.attributes = node.attributes;
  product.attributes["x_zero_point"] = x->zero_point;
  product.attributes["w_zero_point"] = w->zero_point;
  const ValueId accumulator = try_operator(pass, std::move(product));
  if (!accumulator.valid()) return false;
  set_real(pass, node, {.integers = accumulator, .scale = products(x->scale[0], w->scale)});
  return true;
}

float at(const std::vector<float>& values, size_t k) { return values[values.size() == 1 ? 0 : k]; }

// The bias in units of the accumulator; nothing where it is not integer in them.
std::optional<std::vector<int64_t>> integer_bias(const Pass& pass, const Real& x,
                                                 const std::vector<float>& bias) {
  const bool always = pass.rounding != "" && pass.rounding != "float";
  std::vector<int64_t> integers;
  for (size_t k = 0; k < bias.size(); ++k) {
    const double units = static_cast<double>(bias[k]) / at(x.scale, k);
    const double error = std::fabs(units - std::nearbyint(units));
    // The quotient of two float32 numbers is as wrong as they are.
    const double tolerance = kBiasTolerance + std::fabs(units) * 0x1p-22;
    if (!(std::fabs(units) < 2147483648.0) || (error > tolerance && !always)) return std::nullopt;
    integers.push_back(static_cast<int64_t>(std::nearbyint(units)));
  }
  return integers;
}

// x + b for a constant: as integers behind an accumulator, else as an addend of the requantisation.
bool biased(Pass& pass, const Node& node, const RealPtr& x, ChannelConstant bias) {
  if (x == nullptr || x->kind != Real::Kind::linear || x->lo != -kInfinity || x->hi != kInfinity)
    return false;
  const size_t own = std::max(x->scale.size(), x->addend.size());
  if (bias.values.size() > 1 && own > 1 && bias.axis != x->axis) return false;
  Real real = *x;
  if (bias.values.size() > 1) real.axis = bias.axis;
  const Shape& shape = type_of(pass.rebuild.to, x->integers).shape;
  const bool accumulator = x->zero_point == 0 && x->addend.empty() &&
                           type_of(pass.rebuild.to, x->integers).dtype == DType::int32;
  const int64_t channels = shape.empty() ? 1 : shape[static_cast<size_t>(real.axis)];
  std::vector<float> values = bias.values;
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  if (const auto integers = accumulator && !shape.empty() ? integer_bias(pass, real, values)
                                                          : std::optional<std::vector<int64_t>>()) {
    NewNode add = named_after(pass, node, "bias_add");
    add.inputs = {x->integers,
                  add_int32_constant(pass.rebuild.to, node.name + "_bias", {channels}, *integers)};
    add.attributes = {{"axis", real.axis}};
    const ValueId sum = try_operator(pass, std::move(add));
    if (sum.valid()) {
      real.integers = sum;
      set_real(pass, node, std::move(real));
      return true;
    }
  }
  if (real.addend.empty()) {
    real.addend = bias.values;
  } else {
    const size_t count = std::max(real.addend.size(), bias.values.size());
    std::vector<float> sums;
    for (size_t k = 0; k < count; ++k) sums.push_back(at(real.addend, k) + at(bias.values, k));
    real.addend = std::move(sums);
  }
  set_real(pass, node, std::move(real));
  return true;
}

bool bias_add(Pass& pass, const Node& node) {
  const Tensor* bias = float_constant(pass, node.inputs[1]);
  if (bias == nullptr) return false;
  return biased(pass, node, real_of(pass, node.inputs[0]),
                {.axis = int_attribute(node, "axis"), .values = bias->to_floats()});
}

}  // namespace

bool add_constant_to(Pass& pass, const Node& node, size_t operand, const Tensor& constant,
                     float sign) {
  const RealPtr x = real_of(pass, node.inputs[operand]);
  const Shape& shape = old_type(pass, node.output).shape;
  if (old_type(pass, node.inputs[operand]).shape != shape) return false;
  std::optional<ChannelConstant> bias = channel_constant(constant, shape);
  if (!bias) return false;
  for (float& value : bias->values) value *= sign;
  return biased(pass, node, x, std::move(*bias));
}

std::vector<RuleEntry> layer_rules() {
  return {{"bias_add", bias_add},
          {"conv2d", layer},
          {"dense", layer},
          {"depthwise_conv2d", layer},
          {"matmul", matmul}};
}

}  // namespace heddle::integerising
