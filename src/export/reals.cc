// Operators of real numbers: ONNX's own.
#include <algorithm>

#include "export/lowering.h"

namespace heddle {
namespace {

using namespace onnx_file;

struct UnaryForm {
  std::string_view function;
  const char* op;
  const char* alpha = nullptr;  // ONNX's name of the attribute
  const char* beta = nullptr;
};

constexpr UnaryForm kUnary[] = {
    {"abs", "Abs"},
    {"ceil", "Ceil"},
    {"celu", "Celu", "alpha"},
    {"cos", "Cos"},
    {"elu", "Elu", "alpha"},
    {"erf", "Erf"},
    {"exp", "Exp"},
    {"floor", "Floor"},
    {"hard_sigmoid", "HardSigmoid", "alpha", "beta"},
    {"hard_swish", "HardSwish"},
    {"leaky_relu", "LeakyRelu", "alpha"},
    {"log", "Log"},
    {"neg", "Neg"},
    {"reciprocal", "Reciprocal"},
    {"round", "Round"},
    {"selu", "Selu", "alpha", "gamma"},
    {"sigmoid", "Sigmoid"},
    {"sign", "Sign"},
    {"sin", "Sin"},
    {"softplus", "Softplus"},
    {"softsign", "Softsign"},
    {"sqrt", "Sqrt"},
    {"tanh", "Tanh"},
    {"thresholded_relu", "ThresholdedRelu", "alpha"},
};

// x / 2 * (1 + inner).
std::string half_of(Lowering& l, const std::string& inner) {
  const std::string half = l.add("Mul", {l.operand(0), l.number(0.5f)});
  return l.add("Mul", {half, l.add("Add", {inner, l.number(1.0f)})});
}

std::string gelu(Lowering& l) {
  return half_of(l, l.add("Erf", {l.add("Mul", {l.operand(0), l.number(0.70710678f)})}));
}

std::string gelu_tanh(Lowering& l) {
  const std::string x = l.operand(0);
  const std::string cube = l.add("Mul", {l.add("Mul", {x, x}), x});
  const std::string sum = l.add("Add", {x, l.add("Mul", {cube, l.number(0.044715f)})});
  return half_of(l, l.add("Tanh", {l.add("Mul", {sum, l.number(0.7978846f)})}));
}

std::string unary(Lowering& l) {
  const std::string& function = l.op.text("function");
  if (function == "gelu") return gelu(l);
  if (function == "gelu_tanh") return gelu_tanh(l);
  if (function == "mish")
    return l.add("Mul", {l.operand(0), l.add("Tanh", {l.add("Softplus", {l.operand(0)})})});
  const auto form = std::find_if(std::begin(kUnary), std::end(kUnary),
                                 [&](const UnaryForm& f) { return f.function == function; });
  if (form == std::end(kUnary)) {
    l.fail("its function `" + function + "` has no ONNX form");
    return "";
  }
  std::vector<onnx_file::Attribute> attributes;
  if (form->alpha != nullptr)
    attributes.push_back({form->alpha, static_cast<float>(l.op.real("alpha"))});
  if (form->beta != nullptr)
    attributes.push_back({form->beta, static_cast<float>(l.op.real("beta"))});
  return l.add(form->op, {l.operand(0)}, attributes);
}

std::string binary(Lowering& l) {
  const std::string& function = l.op.text("function");
  const std::pair<std::string_view, const char*> forms[] = {
      {"div", "Div"}, {"max", "Max"}, {"min", "Min"}, {"pow", "Pow"}, {"sub", "Sub"}};
  for (const auto& [name, op] : forms) {
    if (name == function) return l.add(op, {l.operand(0), l.operand(1)});
  }
  l.fail("its function `" + function + "` has no ONNX form");
  return "";
}

std::string softmax(Lowering& l) {
  if (!l.real()) {
    l.fail("it is of integers");
    return "";
  }
  return l.add("Softmax", {l.operand(0)}, {{"axis", int64_t{-1}}});
}

std::string layer_norm(Lowering& l) {
  std::vector<std::string> inputs;
  for (size_t i = 0; i < l.op.node.inputs.size(); ++i)
    inputs.push_back(l.op.has(i) ? l.operand(i) : "");
  return l.add("LayerNormalization", inputs,
               {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(l.op.real("epsilon"))}});
}

std::string reduce(Lowering& l) {
  const std::string& function = l.op.text("function");
  const std::vector<int64_t>& axes = std::get<std::vector<int64_t>>(l.op.any_attribute("axes"));
  if (function == "sum")
    return l.add("ReduceSum", {l.operand(0), l.list(axes)}, {{"keepdims", int64_t{1}}});
  const std::pair<std::string_view, const char*> forms[] = {
      {"max", "ReduceMax"}, {"mean", "ReduceMean"}, {"min", "ReduceMin"}, {"prod", "ReduceProd"}};
  for (const auto& [name, op] : forms) {
    if (name == function)
      return l.add(op, {l.operand(0)}, {{"axes", axes}, {"keepdims", int64_t{1}}});
  }
  l.fail("its function `" + function + "` has no ONNX form");
  return "";
}

}  // namespace

std::vector<LoweringEntry> real_lowerings() {
  return {{"binary", binary},
          {"layer_norm", layer_norm},
          {"reduce", reduce},
          {"softmax", softmax},
          {"unary", unary}};
}

}  // namespace heddle
