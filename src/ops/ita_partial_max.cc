#include <fmt/format.h>

#include <algorithm>

#include "ops/row.h"

namespace heddle {
namespace {

// The softmax of ITA as it streams: groups of a row arrive one after the other, and the sum so far
// is shifted where a group raises the maximum.

Wide most_halvings(const OpView& op) {
  const Range& x = op.input(0).range;
  return (Wide{x.hi} - x.lo + 16) >> 5;
}

int64_t top_of(const OpView& op) { return op.attribute("levels") / 2 - 1; }

Wide most_of(const OpView& op) {
  const Range& x = op.input(0).range;
  return std::max({Wide{256} * row_length(op), Wide{256} * top_of(op), Wide{x.hi} - x.lo + 16});
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_attribute(op, "levels", 4, INT32_MAX); !status.ok())
    return status.errors();
  const int64_t length = row_length(op);
  if (Status status = check_attribute(op, "group", 1, length); !status.ok()) return status.errors();
  if (length % op.attribute("group") != 0) {
    return node_error(op,
                      fmt::format("`group` is {}, which does not divide the rows of {} elements",
                                  op.attribute("group"), length));
  }
  const Range range{0, top_of(op)};
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

// Beyond 31 a shift changes nothing any more: everything here is below 2^31, or a sum whose terms
// are.
int64_t halvings(int64_t distance) { return std::min<int64_t>((distance + 16) >> 5, 62); }

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t length = row_length(op);
  const int64_t group = op.attribute("group");
  const std::vector<int64_t> x = inputs[0]->to_ints();
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += length) {
    int64_t most = x[static_cast<size_t>(start)];
    int64_t sum = 0;
    for (int64_t g = start; g < start + length; g += group) {
      const int64_t here = *std::max_element(x.begin() + g, x.begin() + g + group);
      if (here > most) {
        sum >>= halvings(here - most);
        most = here;
      }
      for (int64_t i = g; i < g + group; ++i)
        sum += 256 >> std::min<int64_t>(halvings(most - x[static_cast<size_t>(i)]), 31);
    }
    const int64_t inverse = top_of(op) * 256 / sum;
    for (int64_t i = start; i < start + length; ++i)
      y.set(i, inverse >> halvings(most - x[static_cast<size_t>(i)]));
  }
  return y;
}

CBody c_body(const OpView& op) {
  const Wide most = most_of(op);
  const char* type = c_integer_for(most);
  // Where a shift can exceed 31, one that is as wide as the type clears everything all the same.
  const int64_t widest = most <= INT32_MAX ? 31 : 62;
  const std::string limit =
      most_halvings(op) > widest
          ? fmt::format("\n      if (row_halvings > {0}) row_halvings = {0};", widest)
          : "";
  CBody body;
  body.block = fmt::format(
      R"({{
  {type} row_max = $x[0];
  {type} row_sum = 0;
  for (int32_t row_group = 0; row_group < {length}; row_group += {group}) {{
    {type} row_most = row_max;
    for (int32_t row_i = row_group; row_i < row_group + {group}; ++row_i) {{
      if ($x[row_i] > row_most) row_most = $x[row_i];
    }}
    if (row_most > row_max) {{
      {type} row_halvings = (row_most - row_max + 16) >> 5;{limit}
      row_sum >>= row_halvings;
      row_max = row_most;
    }}
    for (int32_t row_i = row_group; row_i < row_group + {group}; ++row_i) {{
      {type} row_halvings = (row_max - $x[row_i] + 16) >> 5;{limit}
      row_sum += ({type})256 >> row_halvings;
    }}
  }}
  const {type} row_inverse = {top} / row_sum;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    {type} row_halvings = (row_max - $x[row_i] + 16) >> 5;{limit}
    $y[row_i] = ({y})(row_inverse >> row_halvings);
  }}
}})",
      fmt::arg("type", type), fmt::arg("length", row_length(op)),
      fmt::arg("group", op.attribute("group")), fmt::arg("limit", limit),
      fmt::arg("top", c_literal(top_of(op) * 256)), fmt::arg("y", c_name_of(op.output().dtype)));
  return body;
}

}  // namespace

const OpDef& ita_partial_max_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "ita_partial_max";
    d.summary =
        "ITA's streaming integer softmax of each row (last dimension), in groups: where a group "
        "raises the maximum by r, the sum so far is shifted by (r + 16) >> 5; each element adds "
        "256 "
        ">> s, s = (max - x + 16) >> 5; at the end y = ((levels / 2 - 1) * 256 / sum) >> s.";
    d.operands = {{.name = "x", .doc = "any shape but a scalar", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {
        {.name = "levels", .doc = "twice the number of values of y, 0 to levels / 2 - 1"},
        {.name = "group", .doc = "elements of a group; divides the row"}};
    d.output_doc = "the narrowest type that holds levels / 2 - 1";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.axes.push_back("c");
    d.infer = infer;
    d.reference = reference;
    d.loops = row_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
