// Elementwise operators of real numbers with one operand: a table onto `unary`.
#include <fmt/format.h>

#include <algorithm>

#include "import/onnx/real.h"

namespace heddle {
namespace {

struct UnaryEntry {
  std::string_view op;
  const char* function;
  double alpha = 0;  // ONNX's defaults
  double beta = 0;
  const char* beta_name = "beta";
};

constexpr UnaryEntry kUnary[] = {
    {"Abs", "abs"},
    {"Celu", "celu", 1},
    {"Ceil", "ceil"},
    {"Cos", "cos"},
    {"Elu", "elu", 1},
    {"Erf", "erf"},
    {"Exp", "exp"},
    {"Floor", "floor"},
    {"HardSigmoid", "hard_sigmoid", 0.20000000298023224, 0.5},
    {"HardSwish", "hard_swish"},
    {"LeakyRelu", "leaky_relu", 0.009999999776482582},
    {"Log", "log"},
    {"Mish", "mish"},
    {"Neg", "neg"},
    {"Reciprocal", "reciprocal"},
    {"Round", "round"},
    {"Selu", "selu", 1.6732631921768188, 1.0507010221481323, "gamma"},
    {"Sigmoid", "sigmoid"},
    {"Sign", "sign"},
    {"Sin", "sin"},
    {"Softplus", "softplus"},
    {"Softsign", "softsign"},
    {"Sqrt", "sqrt"},
    {"Tanh", "tanh"},
    {"ThresholdedRelu", "thresholded_relu", 1},
};

void emit_unary(Translation& t, const RawNode& node, const std::string& function, double alpha = 0,
                double beta = 0) {
  if (std::optional<ValueId> x = real_operand(t, node, 0))
    finish(t, node, "unary", {*x}, {{"function", function}, {"alpha", alpha}, {"beta", beta}});
}

void unary(Translation& t, const RawNode& node) {
  const UnaryEntry& entry =
      *std::find_if(std::begin(kUnary), std::end(kUnary),
                    [&](const UnaryEntry& candidate) { return candidate.op == node.op; });
  emit_unary(t, node, entry.function, real_of(t, node, "alpha", entry.alpha),
             real_of(t, node, entry.beta_name, entry.beta));
}

void relu(Translation& t, const RawNode& node) {
  if (std::optional<ValueId> x = real_operand(t, node, 0)) finish(t, node, "relu", {*x});
}

void gelu(Translation& t, const RawNode& node) {
  const std::string approximate = text_of(node, "approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    return fail(t, node,
                fmt::format("`approximate` is {}, not none or tanh", ticked(approximate)));
  }
  emit_unary(t, node, approximate == "none" ? "gelu" : "gelu_tanh");
}

// One slope: leaky_relu. Several: max(x, 0) + slope * min(x, 0), in which one term is zero.
void prelu(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = real_operand(t, node, 0);
  std::optional<ValueId> slope = real_operand(t, node, 1);
  if (!x || !slope) return;
  const std::optional<Tensor>& constant = t.builder.graph.value(*slope).constant;
  if (constant && constant->elements() == 1)
    return emit_unary(t, node, "leaky_relu", constant->float_at(0));
  // Before opset 7 the slopes are one per channel.
  Shape shape = shape_of(t, *slope);
  const Shape& from = shape_of(t, *x);
  if (shape.size() == 1 && from.size() > 2 && t.opset < 7) shape.resize(from.size() - 1, 1);
  ValueId aligned = reshaped(t, node, "_slope", *slope, shape);
  ValueId above = step(t, node, "_above", "relu", {*x});
  ValueId minus = step(t, node, "_minus", "unary", {*x}, {{"function", std::string("neg")}});
  ValueId below = minus.valid() ? step(t, node, "_below", "relu", {minus}) : minus;
  if (!aligned.valid() || !above.valid() || !below.valid()) return;
  ValueId sloped = step(t, node, "_sloped", "mul", {below, aligned});
  if (sloped.valid())
    finish(t, node, "binary", {above, sloped}, {{"function", std::string("sub")}});
}

}  // namespace

std::vector<OperatorEntry> real_unary_operators() {
  std::vector<OperatorEntry> entries = {{"Relu", relu}, {"Gelu", gelu}, {"PRelu", prelu}};
  for (const UnaryEntry& entry : kUnary) entries.push_back({entry.op, unary});
  return entries;
}

}  // namespace heddle
