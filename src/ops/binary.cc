#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "heddle_math.h"
#include "ops/real.h"

namespace heddle {
namespace {

struct BinaryFunction {
  std::string_view name;
  std::string_view c;
  float (*reference)(float, float);
};

constexpr BinaryFunction kFunctions[] = {
    {"div", "$value = $value / $w;", [](float x, float w) { return x / w; }},
    {"max", "if ($value < $w) $value = $w;", [](float x, float w) { return x < w ? w : x; }},
    {"min", "if ($value > $w) $value = $w;", [](float x, float w) { return x > w ? w : x; }},
    {"pow", "$value = heddle_pow($value, $w);", [](float x, float w) { return heddle_pow(x, w); }},
    {"sub", "$value = $value - $w;", [](float x, float w) { return x - w; }},
};

const BinaryFunction* find_function(const OpView& op) {
  const std::string& name = op.text("function");
  const auto found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                  [&](const BinaryFunction& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  for (size_t operand : {0, 1}) {
    if (Status status = check_map_rank(op, operand); !status.ok()) return status.errors();
  }
  if (find_function(op) == nullptr) {
    return node_error(
        op, fmt::format("`function` is '{}', not one of 'div', 'max', 'min', 'pow', 'sub'",
                        terminal_text(op.text("function"))));
  }
  Result<Shape> shape = broadcast_shape(op, op.input(0).shape, op.input(1).shape);
  if (!shape.ok()) return shape.errors();
  return TensorType{DType::float32, std::move(*shape), {}};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  return broadcast_reals(op, inputs, find_function(op)->reference);
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(broadcast_access(op.input(1).shape, op.output().shape));
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.map = find_function(op)->c;
  body.uses_math = body.map.find("heddle_") != std::string::npos;
  return body;
}

}  // namespace

const OpDef& binary_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "binary";
    d.summary = "A function of two float32 tensors, broadcasting like NumPy.";
    d.classes = {"map"};
    d.operands = {{.name = "x",
                   .doc = "any shape",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals},
                  {.name = "w",
                   .doc = "broadcasts against x",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals}};
    d.attributes = {{.name = "function",
                     .doc = "'div' (x / w), 'max', 'min', 'pow' (x to the power of w), 'sub' (x - w)",
                     .text = true}};
    d.output_doc = "float32";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
