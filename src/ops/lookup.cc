#include <fmt/format.h>

#include <algorithm>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

enum Operand : size_t { X, TABLE };

constexpr int64_t kMostElements = 65536;  // of a table: one for each 16-bit number

// The part of the table that x can reach.
Range reached(const OpView& op) {
  const int64_t first = op.attribute("first");
  const Tensor& table = *op.constant(TABLE);
  Range range;
  for (int64_t x = op.input(X).range.lo; x <= op.input(X).range.hi; ++x) {
    const int64_t y = table.at(x - first);
    range = x == op.input(X).range.lo ? Range{y, y}
                                      : Range{std::min(range.lo, y), std::max(range.hi, y)};
  }
  return range;
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (Status status = check_rank(op, TABLE, 1); !status.ok()) return status.errors();
  const int64_t count = op.constant(TABLE)->elements();
  if (count > kMostElements) {
    return node_error(
        op, fmt::format("`table` has {} elements, at most {} are supported", count, kMostElements));
  }
  if (Status status = check_attribute(op, "first", INT32_MIN, INT32_MAX); !status.ok())
    return status.errors();
  const int64_t first = op.attribute("first");
  const Range& x = op.input(X).range;
  if (x.lo < first || x.hi >= first + count) {
    return node_error(op, fmt::format("x can lie in [{}, {}], the table covers [{}, {}]", x.lo,
                                      x.hi, first, first + count - 1));
  }
  return TensorType{op.input(TABLE).dtype, op.input(X).shape, reached(op)};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t first = op.attribute("first");
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) y.set(i, inputs[TABLE]->at(inputs[X]->at(i) - first));
  return y;
}

LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back({DimAccess{{}, 0, X}});
  return nest;
}

CBody c_body(const OpView& op) {
  const int64_t first = op.attribute("first");
  CBody body;
  if (op.constant(TABLE)->elements() == 1) {
    body.map = fmt::format("$value = {};", c_literal(op.constant(TABLE)->at(0)));
  } else if (first == 0) {
    body.map = "$value = $table[$value];";
  } else if (first < 0 && first > INT32_MIN) {
    body.map = fmt::format("$value = $table[$value + {}];", c_literal(-first));
  } else {
    body.map = fmt::format("$value = $table[$value - {}];", c_literal(first));
  }
  return body;
}

}  // namespace

const OpDef& lookup_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "lookup";
    d.summary =
        "Any function of one small integer, as a table: y = table[x - first], e.g. a quantised "
        "sigmoid.";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}},
                  {.name = "table",
                   .doc = "[T], covers the range of x; at most 65,536 elements",
                   .dims = {},
                   .constant = true,
                   .whole = true}};
    d.attributes = {{.name = "first", .doc = "the x of the table's first element"}};
    d.output_doc = "type of table, shape of x";
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
