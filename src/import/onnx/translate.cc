#include "import/onnx/translate.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace heddle {
namespace {

// What a fractional constant means for a network that should be of integers.
constexpr const char* kFloatRemedy =
    "this looks like a float network: quantise it first, to integer values with RequantShift or "
    "Div, Floor, Clip after each layer";

std::string label(const RawNode& node) { return fmt::format("{} ({})", node.name, node.op); }

bool report_fraction(Translation& t, const RawNode& node, const RawTensor& tensor) {
  if (!tensor.fraction || t.real) return false;
  if (t.fractions.emplace(tensor.name.empty() ? node.name : tensor.name, node.name).second) {
    fail(t, node,
         fmt::format("constant {} {} is not integer: element {} is {}", ticked(tensor.name),
                     to_string(tensor.values.shape()), tensor.fraction->element,
                     tensor.fraction->value),
         kFloatRemedy);
  }
  return true;
}

std::string output_name(const RawNode& node) {
  return node.outputs.empty() ? node.name : node.outputs[0];
}

bool output_shared(const Translation& t, const std::string& name) {
  auto uses = t.uses.find(name);
  return uses != t.uses.end() && uses->second > 1;
}

void set(Translation& t, const RawNode& node, Known known) {
  if (node.outputs.empty() || node.outputs[0].empty()) return;
  if (known.constant) {
    const Tensor& values = known.constant->values;
    t.builder.constant_bytes += values.elements() * bytes_of(values.dtype());
  }
  t.tensors[node.outputs[0]] = std::move(known);
}

// A whole number; nothing otherwise.
std::optional<int64_t> whole(double value) {
  if (!(std::fabs(value) <= 9007199254740992.0) || value != std::floor(value)) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace

void fail(Translation& t, const RawNode& node, std::string message, std::string remedy) {
  report(t.builder, label(node), std::move(message), std::move(remedy));
}

bool has_operand(const RawNode& node, size_t i) {
  return i < node.inputs.size() && !node.inputs[i].empty();
}

Known* operand(Translation& t, const RawNode& node, size_t i) {
  if (!has_operand(node, i)) {
    fail(t, node, fmt::format("operand {} is missing", i));
    return nullptr;
  }
  auto found = t.tensors.find(node.inputs[i]);
  if (found == t.tensors.end() || found->second.broken) return nullptr;
  if (found->second.constant && report_fraction(t, node, *found->second.constant)) return nullptr;
  return &found->second;
}

std::optional<ValueId> value_operand(Translation& t, const RawNode& node, size_t i) {
  Known* known = operand(t, node, i);
  if (known == nullptr) return std::nullopt;
  if (known->constant) {
    const RawTensor& constant = *known->constant;
    if (t.real && is_float_type(constant.type))
      return add_constant(t.builder, constant.name, as_float(constant.values));
    return add_narrow_constant(t.builder, constant.name, constant.values);
  }
  ValueId value = finish_chain(t.builder, known->chain, label(node));
  if (!value.valid()) {
    known->broken = true;
    return std::nullopt;
  }
  if (value != known->chain.base) known->chain = start_chain(value, known->shared);
  return value;
}

const RawTensor* constant_operand(Translation& t, const RawNode& node, size_t i,
                                  std::string_view what) {
  Known* known = operand(t, node, i);
  if (known == nullptr) return nullptr;
  if (!known->constant) {
    fail(t, node,
         fmt::format("the {} {} must be constant, but they are computed", what,
                     ticked(node.inputs[i])),
         "only layers with constant parameters are supported");
    return nullptr;
  }
  return &*known->constant;
}

const RawTensor* integer_operand(Translation& t, const RawNode& node, size_t i,
                                 std::string_view what) {
  const RawTensor* tensor = constant_operand(t, node, i, what);
  if (tensor == nullptr || !tensor->fraction) return tensor;
  fail(t, node,
       fmt::format("the {} {} must be integers, but element {} is {}", what, ticked(node.inputs[i]),
                   tensor->fraction->element, tensor->fraction->value));
  return nullptr;
}

std::optional<std::vector<int64_t>> ints_operand(Translation& t, const RawNode& node, size_t i,
                                                 std::string_view what) {
  const RawTensor* tensor = integer_operand(t, node, i, what);
  if (tensor == nullptr) return std::nullopt;
  return tensor->values.to_ints();
}

std::optional<int64_t> maybe_int(Translation& t, const RawNode& node, const std::string& name) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return std::nullopt;
  const RawAttribute& value = found->second;
  std::optional<int64_t> result;
  if (const int64_t* number = std::get_if<int64_t>(&value)) result = *number;
  if (const double* number = std::get_if<double>(&value)) result = whole(*number);
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value);
      numbers != nullptr && numbers->size() == 1)
    result = numbers->front();
  if (const auto* numbers = std::get_if<std::vector<double>>(&value);
      numbers != nullptr && numbers->size() == 1)
    result = whole(numbers->front());
  if (const RawTensor* tensor = std::get_if<RawTensor>(&value);
      tensor != nullptr && tensor->values.elements() == 1 && !tensor->fraction) {
    result = tensor->values.at(0);
  }
  if (!result) fail(t, node, fmt::format("attribute {} is not one integer", ticked(name)));
  return result;
}

double real_of(Translation& t, const RawNode& node, const std::string& name, double otherwise) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return otherwise;
  if (const double* number = std::get_if<double>(&found->second)) return *number;
  if (const int64_t* number = std::get_if<int64_t>(&found->second))
    return static_cast<double>(*number);
  fail(t, node, fmt::format("attribute {} is not a number", ticked(name)));
  return otherwise;
}

int64_t int_of(Translation& t, const RawNode& node, const std::string& name, int64_t otherwise) {
  return maybe_int(t, node, name).value_or(otherwise);
}

std::optional<std::vector<int64_t>> maybe_ints(Translation& t, const RawNode& node,
                                               const std::string& name) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return std::nullopt;
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&found->second)) return *numbers;
  if (const int64_t* number = std::get_if<int64_t>(&found->second))
    return std::vector<int64_t>{*number};
  fail(t, node, fmt::format("attribute {} is not a list of integers", ticked(name)));
  return std::nullopt;
}

std::string text_of(const RawNode& node, const std::string& name, const std::string& otherwise) {
  auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return otherwise;
  const std::string* text = std::get_if<std::string>(&found->second);
  return text == nullptr ? otherwise : *text;
}

void set_chain(Translation& t, const RawNode& node, Chain chain, bool inherits_shared) {
  chain.name = node.name;
  chain.value_name = output_name(node);
  Known known;
  known.chain = std::move(chain);
  known.shared = inherits_shared || output_shared(t, output_name(node));
  set(t, node, std::move(known));
}

void set_value(Translation& t, const RawNode& node, ValueId value) {
  if (!value.valid()) return;
  if (is_constant(t.builder, value)) {
    const Tensor& values = *t.builder.graph.value(value).constant;
    const bool integers = t.real && values.dtype() != DType::float32;
    return set_constant(t, node, raw_constant(values, integers ? kOnnxInt64 : kOnnxFloat));
  }
  bool shared = output_shared(t, output_name(node));
  set_chain(t, node, start_chain(value, shared));
}

void set_constant(Translation& t, const RawNode& node, RawTensor constant) {
  constant.name = output_name(node);
  Known known;
  known.constant = std::move(constant);
  set(t, node, std::move(known));
}

void set_alias(Translation& t, const RawNode& node, const Known& source) {
  Known known = source;
  known.shared = source.shared || output_shared(t, output_name(node));
  known.chain.base_shared =
      known.chain.base_shared || (known.chain.stage == Chain::Stage::none && known.shared);
  if (known.chain.stage != Chain::Stage::none) {
    known.chain.name = node.name;
    known.chain.value_name = output_name(node);
  }
  set(t, node, std::move(known));
}

ValueId emit_named(Translation& t, std::string name, std::string value_name, std::string op,
                   std::vector<ValueId> inputs, Attributes attributes) {
  return add_operator(t.builder, {.op = std::move(op),
                                  .name = std::move(name),
                                  .value_name = std::move(value_name),
                                  .inputs = std::move(inputs),
                                  .attributes = std::move(attributes)});
}

ValueId emit(Translation& t, const RawNode& node, std::string op, std::vector<ValueId> inputs,
             Attributes attributes) {
  return emit_named(t, node.name, output_name(node), std::move(op), std::move(inputs),
                    std::move(attributes));
}

ValueId emit_bias(Translation& t, const RawNode& node, ValueId x, const std::vector<int64_t>& bias,
                  int64_t axis) {
  if (!x.valid()) return x;
  bool zero = true;
  for (int64_t value : bias) {
    zero = zero && value == 0;
    if (value < INT32_MIN || value > INT32_MAX) {
      fail(t, node, fmt::format("bias {} does not fit 32 bits", value));
      return {};
    }
  }
  if (zero) return x;
  ValueId constant =
      add_int32_constant(t.builder, node.name + "_bias", {static_cast<int64_t>(bias.size())}, bias);
  t.builder.graph.value(x).name = output_name(node) + "_acc";
  return emit_named(t, node.name + "_bias", output_name(node), "bias_add", {x, constant},
                    {{"axis", axis}});
}

std::optional<Shape> resolve_reshape(Translation& t, const RawNode& node, const Shape& from,
                                     const std::vector<int64_t>& wanted, bool zero_copies) {
  Shape shape;
  std::optional<size_t> open;
  for (size_t d = 0; d < wanted.size(); ++d) {
    int64_t dim = wanted[d];
    if (dim == 0 && zero_copies && d < from.size()) dim = from[d];
    if (dim == -1 && !open) {
      open = d;
      dim = 1;
    }
    shape.push_back(dim);
  }
  int64_t total = elements_of(from);
  int64_t known = shape.size() > 32 ? -1 : checked_elements(shape);
  if (open && known > 0 && total % known == 0) shape[*open] = total / known;
  if (known < 0 || checked_elements(shape) != total) {
    Shape shown(wanted.begin(),
                wanted.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(wanted.size(), 32)));
    fail(t, node,
         fmt::format("cannot reshape {} ({} elements) to {}", to_string(from), total,
                     to_string(shown)));
    return std::nullopt;
  }
  return shape;
}

}  // namespace heddle
