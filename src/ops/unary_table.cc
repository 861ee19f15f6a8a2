// The functions of `unary`, each written twice: as C text and in C++, with the same roundings.
#include <algorithm>
#include <cmath>

#include "heddle_math.h"
#include "ops/real.h"

namespace heddle {
namespace {

float softplus(float x) {
  return x > 0 ? x + heddle_log1p(heddle_exp(-x)) : heddle_log1p(heddle_exp(x));
}
float clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

constexpr UnaryFunction kFunctions[] = {
    {"abs", "|x|", "if ($value < 0.0f) $value = -$value;",
     [](float x, float, float) { return x < 0 ? -x : x; }},
    {"ceil", "least integer from x on", "$value = heddle_ceil($value);",
     [](float x, float, float) { return heddle_ceil(x); }},
    {"celu", "x for x > 0, else alpha * (exp(x / alpha) - 1)",
     "if (!($value > 0.0f)) $value = $alpha * (heddle_exp($value / $alpha) - 1.0f);",
     [](float x, float alpha, float) {
       return x > 0 ? x : alpha * (heddle_exp(x / alpha) - 1);
     }},
    {"cos", "cosine", "$value = heddle_cos($value);",
     [](float x, float, float) { return heddle_cos(x); }},
    {"elu", "x for x > 0, else alpha * (exp(x) - 1)",
     "if (!($value > 0.0f)) $value = $alpha * (heddle_exp($value) - 1.0f);",
     [](float x, float alpha, float) { return x > 0 ? x : alpha * (heddle_exp(x) - 1); }},
    {"erf", "error function", "$value = heddle_erf($value);",
     [](float x, float, float) { return heddle_erf(x); }},
    {"exp", "e^x", "$value = heddle_exp($value);",
     [](float x, float, float) { return heddle_exp(x); }},
    {"floor", "greatest integer up to x", "$value = heddle_floor($value);",
     [](float x, float, float) { return heddle_floor(x); }},
    {"gelu", "x / 2 * (1 + erf(x / sqrt(2)))",
     "$value = 0.5f * $value * (1.0f + heddle_erf($value * 0.70710678f));",
     [](float x, float, float) { return 0.5f * x * (1 + heddle_erf(x * 0.70710678f)); }},
    {"gelu_tanh", "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))",
     "$value = 0.5f * $value * (1.0f + heddle_tanh(0.7978846f * ($value + 0.044715f * $value * "
     "$value * $value)));",
     [](float x, float, float) {
       return 0.5f * x * (1 + heddle_tanh(0.7978846f * (x + 0.044715f * x * x * x)));
     }},
    {"hard_sigmoid", "max(0, min(1, alpha * x + beta))",
     "$value = $alpha * $value + $beta;\nif ($value < 0.0f) $value = 0.0f;\nif ($value > 1.0f) "
     "$value = 1.0f;",
     [](float x, float alpha, float beta) { return clamp01(alpha * x + beta); }},
    {"hard_swish", "x * max(0, min(1, x / 6 + 1/2))",
     "{\n  float part = $value * 0.16666667f + 0.5f;\n  if (part < 0.0f) part = 0.0f;\n  if (part "
     "> 1.0f) part = 1.0f;\n  $value = $value * part;\n}",
     [](float x, float, float) { return x * clamp01(x * 0.16666667f + 0.5f); }},
    {"leaky_relu", "x for x >= 0, else alpha * x", "if ($value < 0.0f) $value = $value * $alpha;",
     [](float x, float alpha, float) { return x < 0 ? x * alpha : x; }},
    {"log", "natural logarithm", "$value = heddle_log($value);",
     [](float x, float, float) { return heddle_log(x); }},
    {"mish", "x * tanh(softplus(x))",
     "$value = $value * heddle_tanh($value > 0.0f ? $value + heddle_log1p(heddle_exp(-$value)) : "
     "heddle_log1p(heddle_exp($value)));",
     [](float x, float, float) { return x * heddle_tanh(softplus(x)); }},
    {"neg", "-x", "$value = -$value;", [](float x, float, float) { return -x; }},
    {"reciprocal", "1 / x", "$value = 1.0f / $value;",
     [](float x, float, float) { return 1 / x; }},
    {"round", "to the nearest integer, halves to even", "$value = heddle_round_even($value);",
     [](float x, float, float) { return heddle_round_even(x); }},
    {"selu", "beta * x for x > 0, else beta * (alpha * exp(x) - alpha)",
     "$value = $beta * ($value > 0.0f ? $value : $alpha * heddle_exp($value) - $alpha);",
     [](float x, float alpha, float beta) {
       return beta * (x > 0 ? x : alpha * heddle_exp(x) - alpha);
     }},
    {"sigmoid", "1 / (1 + exp(-x))", "$value = 1.0f / (1.0f + heddle_exp(-$value));",
     [](float x, float, float) { return 1 / (1 + heddle_exp(-x)); }},
    {"sign", "-1, 0 or 1", "$value = (float)(($value > 0.0f) - ($value < 0.0f));",
     [](float x, float, float) { return static_cast<float>((x > 0) - (x < 0)); }},
    {"sin", "sine", "$value = heddle_sin($value);",
     [](float x, float, float) { return heddle_sin(x); }},
    {"softplus", "log(1 + exp(x))",
     "$value = $value > 0.0f ? $value + heddle_log1p(heddle_exp(-$value)) : "
     "heddle_log1p(heddle_exp($value));",
     [](float x, float, float) { return softplus(x); }},
    {"softsign", "x / (1 + |x|)", "$value = $value / (1.0f + ($value < 0.0f ? -$value : $value));",
     [](float x, float, float) { return x / (1 + (x < 0 ? -x : x)); }},
    {"sqrt", "square root", "$value = heddle_sqrt($value);",
     [](float x, float, float) { return heddle_sqrt(x); }},
    {"swish", "x / (1 + exp(-alpha * x))",
     "$value = $value / (1.0f + heddle_exp(-($alpha * $value)));",
     [](float x, float alpha, float) { return x / (1 + heddle_exp(-(alpha * x))); }},
    {"tanh", "hyperbolic tangent", "$value = heddle_tanh($value);",
     [](float x, float, float) { return heddle_tanh(x); }},
    {"thresholded_relu", "x for x > alpha, else 0", "if (!($value > $alpha)) $value = 0.0f;",
     [](float x, float alpha, float) { return x > alpha ? x : 0; }},
};

}  // namespace

std::span<const UnaryFunction> unary_functions() { return kFunctions; }

const UnaryFunction* find_unary(std::string_view name) {
  const auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                  [&](const UnaryFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

}  // namespace heddle
