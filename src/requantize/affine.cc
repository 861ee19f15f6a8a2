#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/op.h"
#include "requantize/meaning.h"

namespace heddle::requantizing {
namespace {

double power_of_two(int64_t exponent) { return std::ldexp(1.0, static_cast<int>(exponent)); }

std::vector<double> operand(const OpView& op, size_t i, double otherwise) {
  return op.has(i) ? numbers_of(*op.constant(i)) : std::vector<double>{otherwise};
}

double at(const std::vector<double>& values, size_t k) {
  return values[values.size() == 1 ? 0 : k];
}

// Integer dialects: (x * mul + add + h) >> shift. Rounding down takes half a step on average, less
// what the shift cannot show.
Affine integer_requant(const OpView& op) {
  const std::vector<double> mul = operand(op, 1, 1), add = operand(op, 2, 0);
  const std::vector<double> shifts = operand(op, 3, 0);
  const std::string& rounding = op.text("rounding");
  Affine affine;
  const size_t count = std::max({mul.size(), add.size(), shifts.size()});
  for (size_t k = 0; k < count; ++k) {
    const int64_t shift = op.attribute("shift") + static_cast<int64_t>(at(shifts, k));
    const double step = power_of_two(-shift);
    const bool down = rounding == "shift" || rounding == "floor";
    affine.gain.push_back(at(mul, k) * step);
    affine.offset.push_back(at(add, k) * step - (down ? (1 - step) / 2 : 0));
  }
  return affine;
}

}  // namespace

std::vector<double> numbers_of(const Tensor& tensor) {
  std::vector<double> numbers(static_cast<size_t>(tensor.elements()));
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    numbers[static_cast<size_t>(i)] = tensor.dtype() == DType::float32
                                          ? static_cast<double>(tensor.float_at(i))
                                          : static_cast<double>(tensor.at(i));
  }
  return numbers;
}

Affine affine_of(const Graph& graph, const Node& node) {
  const OpView op{graph, node};
  Affine affine;
  if (node.op == "requant" && op.text("rounding") == "float") {
    const std::vector<double> mul = operand(op, 1, 1), add = operand(op, 2, 0);
    const double zero_point = static_cast<double>(op.attribute("x_zero_point"));
    for (size_t k = 0; k < std::max(mul.size(), add.size()); ++k) {
      affine.gain.push_back(at(mul, k));
      affine.offset.push_back(at(add, k) - zero_point * at(mul, k));
    }
  } else if (node.op == "requant") {
    affine = integer_requant(op);
  } else {
    const double zero_point = static_cast<double>(op.attribute("zero_point"));
    for (double scale : operand(op, 1, 1)) {
      const bool down = node.op == "dequantize";
      affine.gain.push_back(down ? scale : 1 / scale);
      affine.offset.push_back(down ? -zero_point * scale : 0);
    }
    if (node.op == "dequantize") {
      affine.axis = op.attribute("axis");
      return affine;
    }
  }
  affine.axis = op.attribute("axis");
  affine.zero = static_cast<double>(op.attribute("zero_point"));
  affine.lo = static_cast<double>(op.attribute("lo")) - affine.zero;
  affine.hi = static_cast<double>(op.attribute("hi")) - affine.zero;
  return affine;
}

std::pair<double, double> bounds_of(const Graph& graph, const Node& node) {
  const OpView op{graph, node};
  if (node.op == "relu") return {0, kInfinity};
  const auto bound = [&](const char* name) {
    const Attribute& value = op.any_attribute(name);
    const double* real = std::get_if<double>(&value);
    return real != nullptr ? *real : static_cast<double>(std::get<int64_t>(value));
  };
  return {bound("lo"), bound("hi")};
}

namespace {

struct Walk {
  const Graph& graph;
  size_t channels;
  Epilogue e;
  bool clamped = false;  // a target is chosen
  bool rounded = false;  // a requantisation is done: only bounds may follow

  // Multiplies everything so far, bounds and target too; `affine` has one number a channel or one.
  void apply(const Affine& affine) {
    for (size_t k = 0; k < channels; ++k) {
      e.gain[k] *= at(affine.gain, k);
      e.offset[k] = e.offset[k] * at(affine.gain, k) + at(affine.offset, k);
    }
    if (!clamped) return;
    const double gain = affine.gain[0], offset = affine.offset[0];
    for (double& g : e.target.gain) g *= gain;
    for (double& o : e.target.offset) o = o * gain + offset;
    e.lo = e.lo * gain + offset;
    e.hi = e.hi * gain + offset;
  }
  // From here on bounds count: `before` is the value that `affine` reads.
  void clamp(ValueId before, const Affine* affine, double lo, double hi) {
    if (!clamped) {
      e.target = {before, {1}, {0}};
      if (affine != nullptr) e.target = {before, affine->gain, affine->offset};
      const size_t count = std::max(e.target.gain.size(), e.target.offset.size());
      if (e.target.gain.size() < count) e.target.gain.assign(count, e.target.gain[0]);
      if (e.target.offset.size() < count) e.target.offset.assign(count, e.target.offset[0]);
    }
    clamped = true;
    e.lo = std::clamp(e.lo, lo, hi);
    e.hi = std::clamp(e.hi, lo, hi);
  }

  bool fits(const Affine& affine) {
    const size_t count = std::max(affine.gain.size(), affine.offset.size());
    if (count == 1) return true;
    if (count == channels && affine.axis == 1 && !clamped) return true;
    e.failure = clamped ? "it is scaled by channel behind a Relu or Clip"
                        : "it is scaled along another dimension than its channels";
    return false;
  }

  // Whether the node became part of the layer.
  bool take(const Node& node) {
    const OpView op{graph, node};
    if (node.op == "bias_add") {
      const std::vector<double> bias = numbers_of(*op.constant(1));
      if (rounded || clamped || bias.size() != channels || op.attribute("axis") != 1) return false;
      for (size_t k = 0; k < channels; ++k) e.offset[k] += bias[k];
      return true;
    }
    if (node.op == "relu" || node.op == "clip") {
      const auto [lo, hi] = bounds_of(graph, node);
      clamp(node.inputs[0], nullptr, lo - e.zero, hi - e.zero);
      return true;
    }
    if (rounded) return false;
    const bool scales = node.op == "requant" || node.op == "dequantize" || node.op == "quantize";
    if (!scales) return false;
    const Affine affine = affine_of(graph, node);
    if (!fits(affine)) return false;
    const bool was_clamped = clamped;
    apply(affine);
    if (node.op == "dequantize") return true;
    clamp(node.inputs[0], was_clamped ? nullptr : &affine, affine.lo, affine.hi);
    e.zero = affine.zero;
    rounded = true;
    return true;
  }
};

}  // namespace

Epilogue epilogue_of(const Graph& graph, ValueId from, int64_t channels, std::vector<double> offset,
                     double zero) {
  Walk walk{graph, static_cast<size_t>(channels), {}};
  walk.e.gain.assign(walk.channels, 1);
  walk.e.offset = std::move(offset);
  walk.e.offset.resize(walk.channels, walk.e.offset.empty() ? 0 : walk.e.offset[0]);
  ValueId at_value = from;
  while (graph.value(at_value).consumers.size() == 1 && !graph.is_output(at_value)) {
    const NodeId next = graph.value(at_value).consumers[0];
    if (graph.node(next).inputs[0] != at_value || !walk.take(graph.node(next))) break;
    walk.e.nodes.push_back(next);
    at_value = graph.node(next).output;
  }
  if (!walk.clamped) walk.e.target = {at_value, {1}, {-walk.e.zero}};
  if (!walk.rounded && zero != 0) {  // the result's elements still have it
    for (double& o : walk.e.offset) o -= zero;
    for (double& o : walk.e.target.offset) o -= zero;
    walk.e.lo -= zero;
    walk.e.hi -= zero;
    walk.e.zero = zero;
  }
  walk.e.output = at_value;
  return std::move(walk.e);
}

}  // namespace heddle::requantizing
