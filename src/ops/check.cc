#include "ops/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace heddle {
namespace {

constexpr Range kInt32{INT32_MIN, INT32_MAX};

const char* kind_of(const AttributeDef& def) {
  return def.text     ? "a text"
         : def.vector ? "a list"
         : def.real   ? "a number"
         : def.number ? "an integer, or a real number for float32 operands"
                      : "an integer";
}

// `real` tells whether the node's first operand is float32.
bool has_kind(const Attribute& attribute, const AttributeDef& def, bool real) {
  if (def.real || (def.number && real)) return std::holds_alternative<double>(attribute);
  if (def.text) return std::holds_alternative<std::string>(attribute);
  if (def.vector) return std::holds_alternative<std::vector<int64_t>>(attribute);
  return std::holds_alternative<int64_t>(attribute);
}

bool exists(const OpView& op, size_t operand) {
  return op.has(operand) &&
         static_cast<size_t>(op.node.inputs[operand].index) < op.graph.values.size();
}

Diagnostics attribute_errors(const OpView& op, const OpDef& def) {
  Diagnostics errors;
  const bool real = exists(op, 0) && op.is_real();
  std::vector<std::string> known;
  for (const AttributeDef& attribute : def.attributes) {
    known.emplace_back(attribute.name);
    const auto found = op.node.attributes.find(known.back());
    if (found == op.node.attributes.end()) {
      if (attribute.otherwise) continue;
      errors.push_back(
          node_error(op, fmt::format("the attribute `{}` is missing", attribute.name)));
    } else if (!has_kind(found->second, attribute, real)) {
      errors.push_back(node_error(
          op, fmt::format("the attribute `{}` must be {}", attribute.name, kind_of(attribute))));
    }
  }
  for (const auto& [name, value] : op.node.attributes) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    errors.push_back(node_error(op, fmt::format("{} has no attribute `{}`{}", def.name,
                                                terminal_text(name), did_you_mean(name, known))));
  }
  return errors;
}

Diagnostics operand_errors(const OpView& op, const OperandDef& def, size_t index) {
  if (!op.has(index)) {
    if (def.optional) return {};
    return {node_error(op, fmt::format("the operand `{}` is missing", def.name))};
  }
  const ValueId id = op.node.inputs[index];
  if (static_cast<size_t>(id.index) >= op.graph.values.size()) {
    return {node_error(op, fmt::format("the operand `{}` is value {} of {}", def.name, id.index,
                                       op.graph.values.size()))};
  }
  const TensorType& type = op.input(index);
  const bool real = type.dtype == DType::float32;
  if (real && def.numbers == Numbers::integers) {
    return {node_error(op, fmt::format("`{}` is of type float32, an integer type is needed", def.name),
                       "quantise the network")};
  }
  if (!real && def.numbers == Numbers::reals) {
    return {node_error(op, fmt::format("`{}` is of type {}, float32 is needed", def.name,
                                       name_of(type.dtype)))};
  }
  if (def.numbers == Numbers::either && exists(op, 0) && real != op.is_real()) {
    return {node_error(op, fmt::format("`{}` is of type {}, but `{}` is of type {}", def.name,
                                       name_of(type.dtype), op_of(op.node).operands[0].name,
                                       name_of(op.input(0).dtype)),
                       "all must be float32, or none")};
  }
  const int64_t elements = checked_elements(type.shape);
  if (elements < 0)
    return {node_error(
        op, fmt::format("`{}` has the impossible shape {}", def.name, to_string(type.shape)))};
  if (elements == 0)
    return {node_error(
        op, fmt::format("`{}` has no elements, shape {}", def.name, to_string(type.shape)))};
  if (!real && !def.wide && !kInt32.contains(type.range)) {
    return {node_error(op, fmt::format("`{}` can lie in [{}, {}], beyond int32", def.name,
                                       type.range.lo, type.range.hi))};
  }
  const std::optional<Tensor>& constant = op.constant(index);
  if (def.constant && !constant) {
    return {node_error(op, fmt::format("`{}` must be a constant", def.name),
                       "fold it into an initialiser of the model")};
  }
  if (constant && (constant->dtype() != type.dtype || constant->shape() != type.shape)) {
    return {node_error(op, fmt::format("`{}` is {}{}, its constant {}{}", def.name,
                                       name_of(type.dtype), to_string(type.shape),
                                       name_of(constant->dtype()), to_string(constant->shape())))};
  }
  return {};
}

int64_t clamp_to_int64(Wide value) {
  return static_cast<int64_t>(
      std::clamp(value, static_cast<Wide>(INT64_MIN), static_cast<Wide>(INT64_MAX)));
}

}  // namespace

Diagnostic node_error(const OpView& op, std::string message, std::string remedy) {
  Place place;
  place.node = fmt::format("{} ({})", op.node.name, op.node.op);
  return error_at(std::move(place), std::move(message), std::move(remedy));
}

Status check_node(const OpView& op) {
  const OpDef& def = op_of(op.node);
  Diagnostics errors = attribute_errors(op, def);
  const bool variadic = !def.operands.empty() && def.operands.back().variadic;
  if (op.node.inputs.size() > def.operands.size() && !variadic) {
    errors.push_back(
        node_error(op, fmt::format("{} operands, but {} takes at most {}", op.node.inputs.size(),
                                   def.name, def.operands.size())));
  }
  const size_t count =
      variadic ? std::max(op.node.inputs.size(), def.operands.size()) : def.operands.size();
  for (size_t i = 0; i < count; ++i) {
    const OperandDef& operand = def.operands[std::min(i, def.operands.size() - 1)];
    for (Diagnostic& error : operand_errors(op, operand, i)) errors.push_back(std::move(error));
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

Status check_attribute(const OpView& op, const std::string& name, int64_t least, int64_t most) {
  const int64_t value = op.attribute(name);
  if (least <= value && value <= most) return Unit{};
  return node_error(op, fmt::format("`{}` is {}, outside [{}, {}]", name, value, least, most));
}

Status check_bounds(const OpView& op) {
  if (Status status = check_attribute(op, "lo", INT32_MIN, INT32_MAX); !status.ok()) return status;
  if (Status status = check_attribute(op, "hi", INT32_MIN, INT32_MAX); !status.ok()) return status;
  if (op.attribute("lo") <= op.attribute("hi")) return Unit{};
  return node_error(
      op, fmt::format("`lo` is {}, greater than `hi`, {}", op.attribute("lo"), op.attribute("hi")));
}

Status check_rank(const OpView& op, size_t operand, int64_t rank) {
  const Shape& shape = op.input(operand).shape;
  if (static_cast<int64_t>(shape.size()) == rank) return Unit{};
  return node_error(op, fmt::format("`{}` has shape {}, {} dimensions are needed",
                                    op_of(op.node).operands[operand].name, to_string(shape), rank));
}

Result<Range> prove_int32(const OpView& op, std::string_view what, Wide lo, Wide hi) {
  if (fits_int32(lo, hi)) return Range{static_cast<int64_t>(lo), static_cast<int64_t>(hi)};
  const Wide reached = hi > INT32_MAX ? hi : lo;
  return node_error(
      op,
      fmt::format("the {} can reach {}, beyond int32", what, thousands(clamp_to_int64(reached))),
      "narrow the input's range (`--input-type`, a clip) or the weights");
}

AttributeDef x_zero_point_attribute() {
  return {.name = "x_zero_point",
          .doc = "subtracted from every element of x; padding stands for it, so contributes nothing",
          .otherwise = Attribute{int64_t{0}}};
}

std::vector<int64_t> centred(const Tensor& x, const OpView& op) {
  std::vector<int64_t> values = x.to_ints();
  const int64_t zero_point = op.attribute("x_zero_point");
  for (int64_t& value : values) value -= zero_point;
  return values;
}

Result<TensorType> prove_products(const OpView& op, Shape shape, bool padded) {
  if (Status status = check_attribute(op, "x_zero_point", -65536, 65536); !status.ok())
    return status.errors();
  if (checked_elements(shape) < 0) {
    return node_error(
        op, fmt::format("the output would have the impossible shape {}", to_string(shape)));
  }
  if (op.is_real()) {
    if (op.attribute("x_zero_point") == 0) return TensorType{DType::float32, std::move(shape), {}};
    return node_error(op, fmt::format("`x_zero_point` is {}, but x is float32",
                                      op.attribute("x_zero_point")));
  }
  const std::vector<int64_t> weights = op.constant(1)->to_ints();
  const size_t channels = static_cast<size_t>(op.input(1).shape[0]);
  const size_t taps = weights.size() / channels;
  const int64_t zero_point = op.attribute("x_zero_point");
  const Range centred{op.input(0).range.lo - zero_point, op.input(0).range.hi - zero_point};
  const Range partial_x = with_zero(centred);
  const Range x = padded ? partial_x : centred;
  Wide lo = 0, hi = 0, partial_lo = 0, partial_hi = 0;
  for (size_t k = 0; k < channels; ++k) {
    // Each sum is least where x is least under positive weights and greatest under negative ones.
    int64_t positive = 0, negative = 0;
    for (size_t tap = k * taps; tap < (k + 1) * taps; ++tap) {
      positive += std::max<int64_t>(weights[tap], 0);
      negative += std::min<int64_t>(weights[tap], 0);
    }
    const Wide channel_lo = Wide{positive} * x.lo + Wide{negative} * x.hi;
    const Wide channel_hi = Wide{positive} * x.hi + Wide{negative} * x.lo;
    const Wide below = Wide{positive} * partial_x.lo + Wide{negative} * partial_x.hi;
    const Wide above = Wide{positive} * partial_x.hi + Wide{negative} * partial_x.lo;
    lo = k == 0 ? channel_lo : std::min(lo, channel_lo);
    hi = k == 0 ? channel_hi : std::max(hi, channel_hi);
    partial_lo = std::min(partial_lo, below);
    partial_hi = std::max(partial_hi, above);
  }
  const Result<Range> partial = prove_int32(op, "accumulator", partial_lo, partial_hi);
  if (!partial.ok()) return partial.errors();
  return TensorType{
      DType::int32, std::move(shape), {static_cast<int64_t>(lo), static_cast<int64_t>(hi)}};
}

CBody product_body(const OpView& op) {
  CBody body;
  const int64_t zero_point = op.attribute("x_zero_point");
  body.accumulator = op.is_real() ? "float" : "int32_t";
  body.init = op.is_real() ? "$acc = 0.0f;" : "$acc = 0;";
  body.update = op.is_real()      ? "$acc += $x * $weights;"
                : zero_point == 0 ? "$acc += (int32_t)$x * (int32_t)$weights;"
                : zero_point > 0
                    ? fmt::format("$acc += ((int32_t)$x - {}) * (int32_t)$weights;", zero_point)
                    : fmt::format("$acc += ((int32_t)$x + {}) * (int32_t)$weights;", -zero_point);
  body.result = "$acc";
  return body;
}

Range with_zero(const Range& range) { return united(range, Range{0, 0}); }

Range united(const Range& a, const Range& b) {
  return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
}

Range clamped(const Range& range, const Range& bounds) {
  return {std::clamp(range.lo, bounds.lo, bounds.hi), std::clamp(range.hi, bounds.lo, bounds.hi)};
}

bool fits_int32(Wide lo, Wide hi) { return lo >= INT32_MIN && hi <= INT32_MAX; }

std::string c_literal(int64_t value) {
  // The least value of a type is no literal in C: its minus sign is an operator on a number that is
  // too large.
  if (value == INT32_MIN) return "(-2147483647 - 1)";
  if (value == INT64_MIN) return "INT64_MIN";
  if (value >= INT32_MIN && value <= INT32_MAX) return fmt::format("{}", value);
  return value < 0 ? fmt::format("-INT64_C({})", -value) : fmt::format("INT64_C({})", value);
}

std::string c_literal(float value) {
  if (std::isnan(value)) return "(0.0f / 0.0f)";
  if (std::isinf(value)) return value > 0 ? "(1.0f / 0.0f)" : "(-1.0f / 0.0f)";
  std::string text = fmt::format("{}", value);  // the shortest that reads back as the same float
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}

std::string c_plus(int64_t addend) {
  if (addend == 0) return "";
  return addend < 0 && addend > INT32_MIN ? fmt::format(" - {}", c_literal(-addend))
                                          : fmt::format(" + {}", c_literal(addend));
}

std::string c_clamp(std::string_view name, const Range& known, const Range& bounds) {
  std::string text;
  if (known.lo < bounds.lo)
    text += fmt::format("if ({0} < {1}) {0} = {1};\n", name, c_literal(bounds.lo));
  if (known.hi > bounds.hi)
    text += fmt::format("if ({0} > {1}) {0} = {1};\n", name, c_literal(bounds.hi));
  if (!text.empty()) text.pop_back();
  return text;
}

std::string or_comment(std::string statements, const Range& bounds) {
  if (!statements.empty()) return statements;
  return fmt::format("/* already within [{}, {}] */", bounds.lo, bounds.hi);
}

}  // namespace heddle
