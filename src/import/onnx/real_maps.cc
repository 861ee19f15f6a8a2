// Elementwise operators of real numbers with two operands or more, Clip, Cast, Where.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "import/onnx/real.h"

namespace heddle {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Before opset 7 attributes `broadcast` and `axis` say where the second operand's dimensions go.
std::optional<ValueId> second_operand(Translation& t, const RawNode& node, ValueId first) {
  std::optional<ValueId> b = real_operand(t, node, 1);
  if (!b || int_of(t, node, "broadcast", 0) == 0 || !node.attributes.contains("axis")) return b;
  Shape shape = shape_of(t, *b);
  const int64_t rank = static_cast<int64_t>(shape_of(t, first).size());
  std::optional<int64_t> axis = normal_axis(t, node, int_of(t, node, "axis", 0), rank, rank);
  if (!axis) return std::nullopt;
  while (*axis + static_cast<int64_t>(shape.size()) < rank) shape.push_back(1);
  ValueId aligned = reshaped(t, node, "_aligned", *b, shape);
  return aligned.valid() ? std::optional(aligned) : std::nullopt;
}

struct Pair {
  ValueId a, b;
};
std::optional<Pair> two_operands(Translation& t, const RawNode& node) {
  std::optional<ValueId> a = real_operand(t, node, 0);
  if (!a) return std::nullopt;
  std::optional<ValueId> b = second_operand(t, node, *a);
  if (!b) return std::nullopt;
  return Pair{*a, *b};
}

// The dimension of `shape` along which a constant of more than one element varies, if it is the
// only one and the constant does not enlarge the shape.
std::optional<int64_t> channel_axis(const Shape& shape, const Shape& constant) {
  if (constant.size() > shape.size()) return std::nullopt;
  std::optional<int64_t> axis;
  const size_t missing = shape.size() - constant.size();
  for (size_t d = 0; d < constant.size(); ++d) {
    if (constant[d] == 1) continue;
    if (axis || constant[d] != shape[missing + d]) return std::nullopt;
    axis = static_cast<int64_t>(missing + d);
  }
  return axis;
}

// x + c as a bias_add where the constant is one number per channel.
void add_operands(Translation& t, const RawNode& node, ValueId x, ValueId c) {
  if (is_parameter(t, x) && !is_parameter(t, c)) std::swap(x, c);
  if (is_parameter(t, c) && !is_parameter(t, x)) {
    if (std::optional<int64_t> axis = channel_axis(shape_of(t, x), shape_of(t, c))) {
      ValueId bias = reshaped(t, node, "_channels", c, {elements_of(shape_of(t, c))});
      return set_value(t, node, add_real_bias(t, node, x, bias, *axis));
    }
  }
  finish(t, node, "add", {x, c});
}

void add(Translation& t, const RawNode& node) {
  if (std::optional<Pair> p = two_operands(t, node)) add_operands(t, node, p->a, p->b);
}

// x - c is x + (-c) exactly, and c - x is (-x) + c.
void sub(Translation& t, const RawNode& node) {
  std::optional<Pair> p = two_operands(t, node);
  if (!p) return;
  if (!is_parameter(t, p->a) && !is_parameter(t, p->b))
    return finish(t, node, "binary", {p->a, p->b}, {{"function", std::string("sub")}});
  ValueId minus = step(t, node, "_minus", "unary", {p->b}, {{"function", std::string("neg")}});
  if (minus.valid()) add_operands(t, node, p->a, minus);
}

void mul(Translation& t, const RawNode& node) {
  std::optional<Pair> p = two_operands(t, node);
  if (!p) return;
  if (is_parameter(t, p->a)) std::swap(p->a, p->b);
  finish(t, node, "mul", {p->a, p->b});
}

void div(Translation& t, const RawNode& node) {
  if (std::optional<Pair> p = two_operands(t, node))
    finish(t, node, "binary", {p->a, p->b}, {{"function", std::string("div")}});
}

// Exponents of 1, 2 and 1/2 are exact without a logarithm.
void pow(Translation& t, const RawNode& node) {
  std::optional<Pair> p = two_operands(t, node);
  if (!p) return;
  const std::optional<Tensor>& exponent = t.builder.graph.value(p->b).constant;
  const float e = exponent && exponent->elements() == 1 &&
                          exponent->shape().size() <= shape_of(t, p->a).size()
                      ? exponent->float_at(0)
                      : 0;
  if (e == 1) return set_alias(t, node, *operand(t, node, 0));
  if (e == 2) return finish(t, node, "mul", {p->a, p->a});
  if (e == 0.5f)
    return finish(t, node, "unary", {p->a}, {{"function", std::string("sqrt")}});
  finish(t, node, "binary", {p->a, p->b}, {{"function", std::string("pow")}});
}

// Min, Max, Sum, Mean of any number of operands, from the left.
void variadic(Translation& t, const RawNode& node, const std::string& op, Attributes attributes,
              bool mean) {
  std::optional<ValueId> result = real_operand(t, node, 0);
  for (size_t i = 1; i < node.inputs.size() && result && result->valid(); ++i) {
    std::optional<ValueId> next = real_operand(t, node, i);
    if (!next) return;
    if (i + 1 == node.inputs.size() && !mean) return finish(t, node, op, {*result, *next}, attributes);
    result = step(t, node, fmt::format("_{}", i).c_str(), op, {*result, *next}, attributes);
  }
  if (!result || !result->valid()) return;
  if (node.inputs.size() == 1) return set_alias(t, node, *operand(t, node, 0));
  ValueId count = add_reals(t, node, "_count", {1}, {static_cast<float>(node.inputs.size())});
  finish(t, node, "binary", {*result, count}, {{"function", std::string("div")}});
}

void min(Translation& t, const RawNode& node) {
  variadic(t, node, "binary", {{"function", std::string("min")}}, false);
}
void max(Translation& t, const RawNode& node) {
  variadic(t, node, "binary", {{"function", std::string("max")}}, false);
}
void sum(Translation& t, const RawNode& node) { variadic(t, node, "add", {}, false); }
void mean(Translation& t, const RawNode& node) { variadic(t, node, "add", {}, true); }

// Bounds: attributes before opset 11, operands since, which may be computed.
void clip(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  if (!x) return;
  double bounds[2] = {real_of(t, node, "min", -kInfinity), real_of(t, node, "max", kInfinity)};
  std::optional<ValueId> computed[2];
  for (size_t i = 0; i < 2; ++i) {
    if (!has_operand(node, i + 1)) continue;
    std::optional<ValueId> bound = real_operand(t, node, i + 1);
    if (!bound) return;
    if (!is_constant(t.builder, *bound)) {
      computed[i] = bound;
    } else if (std::optional<double> value = real_scalar(t, node, i + 1, "bounds")) {
      bounds[i] = *value;
    } else {
      return;
    }
  }
  if (!computed[0] && !computed[1]) {
    if (bounds[0] > bounds[1]) bounds[0] = bounds[1];  // as ONNX: the upper bound wins
    return finish(t, node, "clip", {*x}, {{"lo", bounds[0]}, {"hi", bounds[1]}});
  }
  ValueId y = *x;
  for (size_t i = 0; i < 2; ++i) {
    ValueId bound = computed[i] ? *computed[i]
                                : add_reals(t, node, i == 0 ? "_min" : "_max", {1},
                                            {static_cast<float>(bounds[i])});
    const std::string function = i == 0 ? "max" : "min";
    y = i == 0 ? step(t, node, "_above", "binary", {y, bound}, {{"function", function}}) : y;
    if (i == 1 && y.valid()) finish(t, node, "binary", {y, bound}, {{"function", function}});
  }
}

// With a constant condition and a constant on one side, as attention masks are: where the constant
// holds both bounds are it, elsewhere there are none.
void where(Translation& t, const RawNode& node) {
  const RawTensor* mask = constant_operand(t, node, 0, "condition");
  if (mask == nullptr) return;
  std::optional<ValueId> a = real_operand(t, node, 1);
  std::optional<ValueId> b = real_operand(t, node, 2);
  if (!a || !b) return;
  if (!is_constant(t.builder, *a) && !is_constant(t.builder, *b)) {
    return fail(t, node, "selects between two computed tensors",
                "only a constant may replace elements");
  }
  const bool first = is_constant(t.builder, *a);  // the constant is taken where the mask holds
  const ValueId constant = first ? *a : *b;
  const ValueId x = first ? *b : *a;
  const Tensor& values = *t.builder.graph.value(constant).constant;
  // Mask and constant in one shape: the mask's, with a single value everywhere.
  if (values.elements() != 1) {
    return fail(t, node,
                fmt::format("the constant has shape {}: a single value is needed",
                            to_string(values.shape())));
  }
  std::vector<float> lo, hi;
  for (int64_t i = 0; i < mask->values.elements(); ++i) {
    const bool holds = (mask->values.at(i) != 0) == first;
    lo.push_back(holds ? values.float_at(0) : -std::numeric_limits<float>::infinity());
    hi.push_back(holds ? values.float_at(0) : std::numeric_limits<float>::infinity());
  }
  const Shape shape = mask->values.shape();
  ValueId below = step(t, node, "_below", "binary", {x, add_reals(t, node, "_hi", shape, hi)},
                       {{"function", std::string("min")}});
  if (below.valid())
    finish(t, node, "binary", {below, add_reals(t, node, "_lo", shape, lo)},
           {{"function", std::string("max")}});
}

Tensor truncated(const Tensor& reals) {
  Tensor integers(DType::int64, reals.shape());
  for (int64_t i = 0; i < reals.elements(); ++i) {
    const double value = std::clamp<double>(reals.float_at(i), -9e18, 9e18);
    integers.set(i, static_cast<int64_t>(value));
  }
  return integers;
}

// Between float types nothing changes; integers become reals.
void cast(Translation& t, const RawNode& node) {
  Known* x = operand(t, node, 0);
  if (x == nullptr) return;
  const int32_t to = static_cast<int32_t>(int_of(t, node, "to", 0));
  if (x->constant) {
    RawTensor constant = *x->constant;
    if (constant.fraction && !is_float_type(to))
      constant = raw_constant(truncated(constant.values), to);
    constant.type = to;
    return set_constant(t, node, std::move(constant));
  }
  std::optional<ValueId> value = value_operand(t, node, 0);
  if (!value) return;
  const bool real = type_of(t.builder, *value).dtype == DType::float32;
  if (real == is_float_type(to)) return set_alias(t, node, *x);
  if (real) {
    return fail(t, node, fmt::format("casts computed real numbers to {}", onnx_type_name(to)),
                "use QuantizeLinear");
  }
  ValueId one = add_reals(t, node, "_one", {1}, {1.0f});
  finish(t, node, "dequantize", {*value, one}, {{"axis", int64_t{0}}, {"zero_point", int64_t{0}}});
}

// The value is a tensor of one element, float32 zero where absent.
void constant_of_shape(Translation& t, const RawNode& node) {
  std::optional<std::vector<int64_t>> shape = ints_operand(t, node, 0, "shape");
  if (!shape) return;
  RawTensor value = raw_constant(Tensor(DType::float32, {1}), kOnnxFloat);
  if (auto found = node.attributes.find("value"); found != node.attributes.end()) {
    const RawTensor* given = std::get_if<RawTensor>(&found->second);
    if (given == nullptr || given->values.elements() != 1)
      return fail(t, node, "`value` is not a tensor of one element");
    value = *given;
  }
  const int64_t count = shape->size() > 32 ? -1 : checked_elements(*shape);
  if (count < 0 || count > (int64_t{1} << 24))
    return fail(t, node, "the constant it makes is too large or has an impossible shape");
  Tensor values(value.values.dtype(), *shape);
  for (int64_t i = 0; i < count; ++i) {
    if (value.fraction) {
      values.set_float(i, value.values.float_at(0));
    } else {
      values.set(i, value.values.at(0));
    }
  }
  value.values = std::move(values);
  set_constant(t, node, std::move(value));
}

}  // namespace

std::vector<OperatorEntry> real_map_operators() {
  return {{"Add", add},
          {"Sub", sub},
          {"Mul", mul},
          {"Div", div},
          {"Pow", pow},
          {"Min", min},
          {"Max", max},
          {"Sum", sum},
          {"Mean", mean},
          {"Clip", clip},
          {"Where", where},
          {"Cast", cast},
          {"ConstantOfShape", constant_of_shape}};
}

}  // namespace heddle
