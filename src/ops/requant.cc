#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/check.h"
#include "ops/map.h"
#include "ops/requant_forms.h"

namespace heddle {

namespace requant {

Range bounds_of(const OpView& op) { return {op.attribute("lo"), op.attribute("hi")}; }

bool per_channel(const OpView& op, Operand operand) {
  return op.has(operand) && op.constant(operand)->elements() > 1;
}

int64_t at_channel(const OpView& op, Operand operand, int64_t channel, int64_t otherwise) {
  if (!op.has(operand)) return otherwise;
  return op.constant(operand)->at(per_channel(op, operand) ? channel : 0);
}

std::vector<int64_t> all_channels(const OpView& op, Operand operand, int64_t otherwise) {
  std::vector<int64_t> values;
  for (int64_t k = 0; k < channels_of(op); ++k)
    values.push_back(at_channel(op, operand, k, otherwise));
  return values;
}

int64_t channels_of(const OpView& op) {
  for (const Operand operand : {MUL, ADD, SHIFTS}) {
    if (per_channel(op, operand)) return op.constant(operand)->elements();
  }
  return 1;
}

int64_t shift_of(const OpView& op, int64_t channel) {
  return op.attribute("shift") + at_channel(op, SHIFTS, channel, 0);
}

std::string c_shift(const OpView& op, int64_t less) {
  if (!per_channel(op, SHIFTS)) return fmt::format("{}", shift_of(op, 0) - less);
  const int64_t common = op.attribute("shift") - less;
  return common == 0 ? "$shifts" : fmt::format("($shifts{})", c_plus(common));
}

std::string indented(const std::string& lines) {
  std::string text = "  " + lines;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 3)
    text.insert(at + 1, "  ");
  return text;
}

}  // namespace requant

namespace {

using requant::ADD;
using requant::bounds_of;
using requant::MUL;
using requant::Operand;
using requant::SHIFTS;
using requant::X;

const requant::Family* family_of(const OpView& op) {
  const std::string& rounding = op.text("rounding");
  if (rounding == "shift" || rounding == "floor" || rounding == "half_up")
    return &requant::integer_family;
  if (rounding == "tflite_double") return &requant::gemmlowp_family;
  return rounding == "float" ? &requant::real_family : nullptr;
}

Status check_rounding(const OpView& op) {
  const requant::Family* family = family_of(op);
  if (family == nullptr) {
    return node_error(op, fmt::format("`rounding` is '{}', not one of 'shift', 'floor', 'half_up', "
                                      "'tflite_double', 'float'",
                                      terminal_text(op.text("rounding"))));
  }
  if (Status status = check_attribute(op, "zero_point", -65536, 65536); !status.ok()) return status;
  if (family != &requant::real_family && op.has(MUL) && op.input(MUL).dtype == DType::float32)
    return node_error(op, "`mul` is float32, which only the rounding 'float' has");
  if (family != &requant::real_family && op.has(ADD) && op.input(ADD).dtype == DType::float32)
    return node_error(op, "`add` is float32, which only the rounding 'float' has");
  const int64_t most = family == &requant::real_family ? 65536 : 0;
  if (Status status = check_attribute(op, "x_zero_point", -most, most); !status.ok()) return status;
  return family->check(op);
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
  for (const auto& [operand, name] :
       {std::pair{MUL, "mul"}, std::pair{ADD, "add"}, std::pair{SHIFTS, "shifts"}}) {
    if (Status status = check_per_channel(op, operand, name); !status.ok()) return status.errors();
  }
  if (Status status = check_rounding(op); !status.ok()) return status.errors();
  return TensorType{narrowest_type(bounds_of(op)), op.input(X).shape,
                    clamped(family_of(op)->result(op), bounds_of(op))};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const requant::Formula formula = family_of(op)->formula(op);
  const int64_t channels = requant::channels_of(op);
  const int64_t axis = op.attribute("axis");
  const Range bounds = bounds_of(op);
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t channel =
        channels == 1 ? 0 : channel_of(op.output().shape, axis, i);
    const int64_t value = formula(inputs[X]->at(i), static_cast<size_t>(channel));
    y.set(i, std::clamp(value, bounds.lo, bounds.hi));
  }
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  for (Operand operand : {MUL, ADD, SHIFTS}) {
    if (operand >= op.node.inputs.size()) break;
    nest.inputs.push_back(op.has(operand)
                              ? per_channel_access(op.input(operand).shape, op.attribute("axis"))
                              : Access{});
  }
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.map = family_of(op)->c_body(op);
  while (!body.map.empty() && body.map.back() == '\n') body.map.pop_back();
  body.map = or_comment(std::move(body.map), bounds_of(op));
  body.uses_math = body.map.find("heddle_") != std::string::npos;
  return body;
}

}  // namespace

const OpDef& requant_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "requant";
    d.summary =
        "Requantisation: y = max(lo, min(hi, r + zero_point)). `rounding` says how r comes from x. "
        "'shift', 'floor', 'half_up': r = (x * mul + add + h) >> (shift + shifts) on exact "
        "integers, `>>` rounding down, h half of what is shifted out for half_up, else 0. "
        "'tflite_double': gemmlowp's doubling high product with mul in Q31, then its rounding "
        "shift. 'float': r = (x - x_zero_point) * mul + add in float32, to nearest, halves to "
        "even.";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
                  {.name = "mul",
                   .doc = "one element or [K]; 1 if absent; float32 for 'float'",
                   .dims = {"k"},
                   .constant = true,
                   .optional = true,
                   .numbers = Numbers::any},
                  {.name = "add",
                   .doc = "one element or [K], at most 64 bits; 0 if absent; float32 for 'float'",
                   .dims = {"k"},
                   .constant = true,
                   .optional = true,
                   .numbers = Numbers::any,
                   .wide = true},
                  {.name = "shifts",
                   .doc = "bits to shift each channel by, on top of `shift`; one element or [K]",
                   .dims = {"k"},
                   .constant = true,
                   .optional = true}};
    d.attributes = {
        {.name = "shift", .doc = "bits to shift right, 0 to 62"},
        {.name = "lo", .doc = "least value of y"},
        {.name = "hi", .doc = "greatest value of y"},
        {.name = "axis", .doc = "the dimension of x that operands of shape [K] run along"},
        {.name = "rounding",
         .doc = "'shift' (neither mul nor add, rounds down), 'floor', 'half_up', 'tflite_double', "
                "'float'",
         .text = true},
        {.name = "zero_point", .doc = "added to the result", .otherwise = Attribute{int64_t{0}}},
        {.name = "x_zero_point",
         .doc = "subtracted from x first; 'float' only",
         .otherwise = Attribute{int64_t{0}}}};
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
