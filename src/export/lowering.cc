#include "export/lowering.h"

namespace heddle {

using namespace onnx_file;

std::string Lowering::operand(size_t i) {
  std::string name = "x" + std::to_string(i);
  for (const auto& [known, value] : body.operands) {
    if (known == name) return name;
  }
  body.operands.emplace_back(name, op.node.inputs[i]);
  return name;
}

std::string Lowering::add(std::string op_type, std::vector<std::string> inputs,
                          std::vector<onnx_file::Attribute> attributes) {
  std::string name = "t" + std::to_string(body.nodes.size());
  body.nodes.push_back({std::move(op_type), std::move(inputs), {name}, std::move(attributes)});
  return name;
}

std::string Lowering::constant(Constant constant) {
  return add("Constant", {}, {{"value", std::move(constant)}});
}

std::string Lowering::list(const std::vector<int64_t>& values) {
  return constant(integers("", {static_cast<int64_t>(values.size())}, values));
}

std::string Lowering::channels(const std::vector<int64_t>& values, int64_t axis) {
  if (values.size() == 1) return number(values[0]);
  Shape shape(static_cast<size_t>(rank()), 1);
  shape[static_cast<size_t>(axis)] = static_cast<int64_t>(values.size());
  return constant(integers("", std::move(shape), values));
}

std::string Lowering::channels(size_t i, int64_t axis) {
  const Tensor& tensor = *op.constant(i);
  Shape shape;
  if (tensor.elements() != 1) {
    shape.assign(static_cast<size_t>(rank()), 1);
    shape[static_cast<size_t>(axis)] = tensor.elements();
  }
  return constant(constant_of("", tensor.reshaped(std::move(shape))));
}

std::string Lowering::cast(const std::string& x, Type type) {
  return add("Cast", {x}, {{"to", static_cast<int64_t>(type)}});
}

std::string Lowering::minus(const std::string& x, int64_t subtrahend) {
  return subtrahend == 0 ? x : add("Sub", {x, number(subtrahend)});
}

std::string Lowering::clamp(const std::string& x, int64_t lo, int64_t hi) {
  return add("Clip", {x, number(lo), number(hi)});
}

std::string Lowering::floor_div(const std::string& x, const std::string& divisor) {
  // ONNX's Mod has the sign of the divisor, its Div truncates: the difference is a multiple.
  return add("Div", {add("Sub", {x, add("Mod", {x, divisor})}), divisor});
}

std::string Lowering::high_product(const std::string& product) {
  // (x + (x >= 0 ? 2^30 : 1 - 2^30)) / 2^31, truncated.
  const int64_t half = int64_t{1} << 30;
  const std::string negative = add("Less", {product, number(int64_t{0})});
  const std::string nudge = add("Where", {negative, number(1 - half), number(half)});
  return add("Div", {add("Add", {product, nudge}), number(2 * half)});
}

std::string Lowering::divide_away(const std::string& x, const std::string& divisor,
                                  const std::string& half) {
  const std::string magnitude = add("Div", {add("Add", {add("Abs", {x}), half}), divisor});
  return add("Mul", {magnitude, add("Sign", {x})});
}

int64_t Lowering::attribute_or(const std::string& name, int64_t otherwise) const {
  const auto found = op.node.attributes.find(name);
  const int64_t* number =
      found == op.node.attributes.end() ? nullptr : std::get_if<int64_t>(&found->second);
  return number == nullptr ? otherwise : *number;
}

}  // namespace heddle
