#include <fmt/format.h>

#include "base/text.h"
#include "ops/real.h"

namespace heddle {
namespace {

const UnaryFunction& function_of(const OpView& op) { return *find_unary(op.text("function")); }
float alpha_of(const OpView& op) { return static_cast<float>(op.real("alpha")); }
float beta_of(const OpView& op) { return static_cast<float>(op.real("beta")); }

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const UnaryFunction& function : unary_functions()) all.emplace_back(function.name);
  return all;
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  const std::string& name = op.text("function");
  if (find_unary(name) == nullptr) {
    return node_error(op, fmt::format("`function` is '{}', which is unknown{}",
                                      terminal_text(name), did_you_mean(name, names())));
  }
  return op.input(0);
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  std::vector<float> values = inputs[0]->to_floats();
  for (float& value : values) value = function_of(op).reference(value, alpha_of(op), beta_of(op));
  return Tensor::of_floats(op.output().shape, values);
}

// The table's text with its parameters as literals.
std::string with_parameters(std::string text, const OpView& op) {
  const std::pair<std::string_view, float> parameters[] = {{"$alpha", alpha_of(op)},
                                                           {"$beta", beta_of(op)}};
  for (const auto& [hole, number] : parameters) {
    const std::string literal = number < 0 ? "(" + c_literal(number) + ")" : c_literal(number);
    for (size_t at = text.find(hole); at != std::string::npos; at = text.find(hole, at))
      text.replace(at, hole.size(), literal);
  }
  return text;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.map = with_parameters(std::string(function_of(op).c), op);
  body.uses_math = body.map.find("heddle_") != std::string::npos;
  return body;
}

std::string functions_text() {
  std::string text;
  for (const UnaryFunction& function : unary_functions())
    text += fmt::format("{}'{}' ({})", text.empty() ? "" : ", ", function.name, function.formula);
  return text;
}

}  // namespace

const OpDef& unary_op() {
  static const std::string doc = functions_text();
  static const OpDef def = [] {
    OpDef d;
    d.name = "unary";
    d.summary = "A function of each element, in float32.";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals}};
    d.attributes = {
        {.name = "function", .doc = doc, .text = true},
        {.name = "alpha", .doc = "a parameter", .real = true, .otherwise = Attribute{0.0}},
        {.name = "beta", .doc = "a parameter", .real = true, .otherwise = Attribute{0.0}}};
    d.output_doc = "float32, shape of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = map_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
