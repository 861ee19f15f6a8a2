#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

enum Operand : size_t { X, MUL, ADD };

// Beyond 62 even int64 could overflow by the rounding term.
constexpr int64_t kMostShift = 62;

Range bounds_of(const OpView& op) { return {op.attribute("lo"), op.attribute("hi")}; }

// What half_up adds before the shift.
int64_t rounding_term(const OpView& op) {
  const int64_t shift = op.attribute("shift");
  return string_attribute(op.node, "rounding") == "half_up" && shift > 0 ? int64_t{1} << (shift - 1)
                                                                         : 0;
}

// Bounds of the value after each step, over all channels.
struct Steps {
  Range product;  // x * mul
  Range sum;      // + add
  Range rounded;  // + rounding term
  Range shifted;  // >> shift
};

Steps steps_of(const OpView& op) {
  const std::vector<int64_t> mul =
      op.has(MUL) ? op.constant(MUL)->to_ints() : std::vector<int64_t>{1};
  const std::vector<int64_t> add =
      op.has(ADD) ? op.constant(ADD)->to_ints() : std::vector<int64_t>{0};
  const Range x = op.input(X).range;
  const int64_t shift = op.attribute("shift");
  Steps steps;
  for (size_t k = 0; k < std::max(mul.size(), add.size()); ++k) {
    // |x|, |mul| and |add| are at most 2^31: nothing here reaches 2^63 (see kMostShift).
    const int64_t m = mul[mul.size() == 1 ? 0 : k];
    const int64_t a = add[add.size() == 1 ? 0 : k];
    const Range product{m * (m > 0 ? x.lo : x.hi), m * (m > 0 ? x.hi : x.lo)};
    const Range sum{product.lo + a, product.hi + a};
    const Range rounded{sum.lo + rounding_term(op), sum.hi + rounding_term(op)};
    const Range shifted{floor_div(rounded.lo, int64_t{1} << shift),
                        floor_div(rounded.hi, int64_t{1} << shift)};
    if (k == 0) {
      steps = {product, sum, rounded, shifted};
    } else {
      steps = {united(steps.product, product), united(steps.sum, sum),
               united(steps.rounded, rounded), united(steps.shifted, shifted)};
    }
  }
  return steps;
}

Status check_rounding(const OpView& op) {
  const std::string& rounding = string_attribute(op.node, "rounding");
  if (rounding != "shift" && rounding != "floor" && rounding != "half_up") {
    return node_error(op, fmt::format("`rounding` is '{}', not one of 'shift', 'floor', 'half_up'",
                                      terminal_text(rounding)));
  }
  if (rounding == "shift" && (op.has(MUL) || op.has(ADD))) {
    return node_error(
        op, fmt::format("`rounding` is 'shift', which has no `{}`", op.has(MUL) ? "mul" : "add"),
        "use 'floor'");
  }
  return check_attribute(op, "shift", 0, kMostShift);
}

Status check_per_channel(const OpView& op, Operand operand, std::string_view name) {
  if (!op.has(operand) || elements_of(op.input(operand).shape) == 1) return Unit{};
  const Shape& x = op.input(X).shape;
  if (Status status = check_attribute(op, "axis", 0, static_cast<int64_t>(x.size()) - 1);
      !status.ok())
    return status;
  const int64_t channels = x[static_cast<size_t>(op.attribute("axis"))];
  if (op.input(operand).shape == Shape{channels}) return Unit{};
  return node_error(
      op,
      fmt::format("`{}` has shape {}, x has {} channels (dimension {} of {})", name,
                  to_string(op.input(operand).shape), channels, op.attribute("axis"), to_string(x)),
      "one element, or one per channel");
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (Status status = check_bounds(op); !status.ok()) return status.errors();
  if (Status status = check_rounding(op); !status.ok()) return status.errors();
  if (Status status = check_per_channel(op, MUL, "mul"); !status.ok()) return status.errors();
  if (Status status = check_per_channel(op, ADD, "add"); !status.ok()) return status.errors();
  return TensorType{narrowest_type(bounds_of(op)), op.input(X).shape,
                    clamped(steps_of(op).shifted, bounds_of(op))};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const auto element = [&](Operand operand, int64_t i, int64_t otherwise) {
    if (inputs[operand] == nullptr) return otherwise;
    if (inputs[operand]->elements() == 1) return inputs[operand]->at(0);
    return inputs[operand]->at(channel_of(op.output().shape, op.attribute("axis"), i));
  };
  const int64_t divisor = int64_t{1} << op.attribute("shift");
  const int64_t half = string_attribute(op.node, "rounding") == "half_up" ? divisor / 2 : 0;
  const Range bounds = bounds_of(op);
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t sum = inputs[X]->at(i) * element(MUL, i, 1) + element(ADD, i, 0) + half;
    y.set(i, std::max(bounds.lo, std::min(bounds.hi, floor_div(sum, divisor))));
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  for (Operand operand : {MUL, ADD}) {
    if (operand >= op.node.inputs.size()) break;
    nest.inputs.push_back(op.has(operand)
                              ? per_channel_access(op.input(operand).shape, op.attribute("axis"))
                              : Access{});
  }
  return nest;
}

// "- 5" for a negative literal.
std::string plus(int64_t addend) {
  if (addend == 0) return "";
  return addend < 0 && addend > INT32_MIN ? fmt::format(" - {}", c_literal(-addend))
                                          : fmt::format(" + {}", c_literal(addend));
}

bool per_channel(const OpView& op, Operand operand) {
  return op.has(operand) && op.constant(operand)->elements() > 1;
}

// The rounding term and a constant addend are one literal.
int64_t literal_addend(const OpView& op) {
  const bool constant = op.has(ADD) && !per_channel(op, ADD);
  return rounding_term(op) + (constant ? op.constant(ADD)->at(0) : 0);
}

// x * mul + add + rounding, in C.
std::string scaled(const OpView& op, std::string_view value) {
  std::string text(value);
  if (per_channel(op, MUL)) {
    text += " * $mul";
  } else if (op.has(MUL) && op.constant(MUL)->at(0) != 1) {
    text += fmt::format(" * {}", c_literal(op.constant(MUL)->at(0)));
  }
  if (per_channel(op, ADD)) text += " + $add";
  return text + plus(literal_addend(op));
}

// Whether every intermediate value of scaled() fits int32, and the shift is defined for int32.
bool computes_in_int32(const OpView& op, const Steps& steps) {
  const auto narrow = [](const Range& range) { return fits_int32(range.lo, range.hi); };
  const int64_t addend = literal_addend(op);
  return narrow(steps.product) && (!per_channel(op, ADD) || narrow(steps.sum)) &&
         narrow(steps.rounded) && fits_int32(addend, addend) && op.attribute("shift") < 32;
}

CBody c_body(const OpView& op) {
  const Steps steps = steps_of(op);
  const int64_t shift = op.attribute("shift");
  const bool int32 = computes_in_int32(op, steps);
  std::string text = scaled(op, int32 ? "$value" : "(int64_t)$value");
  const bool trivial = text == "$value";
  if (shift > 0) text = fmt::format("{} >> {}", text == "$value" ? text : "(" + text + ")", shift);
  CBody body;
  const Range bounds = bounds_of(op);
  if (int32 || fits_int32(steps.shifted.lo, steps.shifted.hi)) {
    if (!(trivial && shift == 0))
      body.map = int32 ? fmt::format("$value = {};\n", text)
                       : fmt::format("$value = (int32_t)({});\n", text);
    body.map += c_clamp("$value", steps.shifted, bounds);
  } else {
    body.map = fmt::format("{{\n  int64_t wide = {};\n", text);
    std::string clamp = c_clamp("wide", steps.shifted, bounds);
    for (size_t at = 0; (at = clamp.find('\n', at)) != std::string::npos; at += 3)
      clamp.insert(at + 1, "  ");
    body.map += fmt::format("  {}\n  $value = (int32_t)wide;\n}}", clamp);
  }
  while (!body.map.empty() && body.map.back() == '\n') body.map.pop_back();
  body.map = or_comment(std::move(body.map), bounds);
  return body;
}

}  // namespace

const OpDef& requant_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "requant";
    d.summary =
        "Requantisation: y = max(lo, min(hi, (x * mul + add + r) >> shift)) on exact integers, "
        "`>>` rounding down; r is "
        "2^(shift-1) for half_up where shift > 0, else 0.";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
                  {.name = "mul",
                   .doc = "one element or [K]; 1 if absent",
                   .dims = {"k"},
                   .constant = true,
                   .optional = true},
                  {.name = "add",
                   .doc = "one element or [K]; 0 if absent",
                   .dims = {"k"},
                   .constant = true,
                   .optional = true}};
    d.attributes = {
        {.name = "shift", .doc = "bits to shift right, 0 to 62"},
        {.name = "lo", .doc = "least value of y"},
        {.name = "hi", .doc = "greatest value of y"},
        {.name = "axis", .doc = "the dimension of x that mul and add of shape [K] run along"},
        {.name = "rounding",
         .doc = "'shift' (neither mul nor add, rounds down), 'floor', 'half_up'",
         .text = true}};
    d.output_doc = "the narrowest type that holds lo and hi, shape of x";
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
