#include "ops/row.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/window.h"

namespace heddle {

Status check_row(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (op.input(0).shape.empty())
    return node_error(op, "`x` is a scalar, one dimension is needed at least");
  return Unit{};
}

int64_t row_length(const OpView& op) { return op.input(0).shape.back(); }

Status check_row_constants(const OpView& op) {
  for (size_t i = 1; i < op.node.inputs.size(); ++i) {
    if (!op.has(i) || op.input(i).shape == Shape{row_length(op)}) continue;
    return node_error(op, fmt::format("`{}` has shape {}, the rows of x have {} elements",
                                      op_of(op.node).operands[i].name, to_string(op.input(i).shape),
                                      row_length(op)));
  }
  return Unit{};
}

LoopNest row_loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.axes.push_back({"c", row_length(op), true});
  const int along_row = static_cast<int>(nest.axes.size()) - 1;
  nest.inputs[0].back() = along(along_row);
  for (size_t i = 1; i < op.node.inputs.size(); ++i)
    nest.inputs.push_back(op.has(i) ? Access{along(along_row)} : Access{});
  return nest;
}

const char* c_integer_for(Wide most) { return most <= INT32_MAX ? "int32_t" : "int64_t"; }

Status prove_int64(const OpView& op, std::string_view what, Wide most) {
  if (most <= INT64_MAX) return Unit{};
  return node_error(op, fmt::format("the {} can leave int64", what),
                    "narrow the input's range (`--input-type`, a clip) or the weights");
}

std::string c_square_root(const char* type, Wide most) {
  Wide bit = 1;
  while (bit * 4 <= most) bit *= 4;
  // Digit by digit, base 4: no division, no floating point.
  return fmt::format(
      R"({type} row_root = 0;
for ({type} row_bit = {bit}; row_bit > 0; row_bit >>= 2) {{
  if (row_rest >= row_root + row_bit) {{
    row_rest -= row_root + row_bit;
    row_root = (row_root >> 1) + row_bit;
  }} else {{
    row_root >>= 1;
  }}
}})",
      fmt::arg("type", type), fmt::arg("bit", c_literal(static_cast<int64_t>(bit))));
}

int64_t square_root(int64_t value) {
  int64_t root = static_cast<int64_t>(std::sqrt(static_cast<double>(value)));
  while (Wide{root} * root > value) --root;
  while (Wide{root + 1} * (root + 1) <= value) ++root;
  return root;
}

std::vector<AttributeDef> row_shift_attributes() {
  return {{.name = "shift", .doc = "bits to shift right, 0 to 62"},
          {.name = "lo", .doc = "the result is at least this"},
          {.name = "hi", .doc = "and at most this"}};
}

Status check_row_shift(const OpView& op) {
  if (Status status = check_attribute(op, "shift", 0, 62); !status.ok()) return status;
  return check_bounds(op);
}

}  // namespace heddle
