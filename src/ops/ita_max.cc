#include <fmt/format.h>

#include <algorithm>

#include "ops/row.h"

namespace heddle {
namespace {

// The softmax of ITA (Islamoglu et al., "ITA: An Energy-Efficient Attention and Softmax Accelerator
// for Quantized Transformers", ISLPED 2023): powers of two instead of exponentials.

// Of (max - x + 16) >> 5.
Wide most_halvings(const OpView& op) {
  const Range& x = op.input(0).range;
  return (Wide{x.hi} - x.lo + 16) >> 5;
}

Wide most_of(const OpView& op) {
  const Range& x = op.input(0).range;
  return std::max({Wide{256} * row_length(op), Wide{256} * (op.attribute("levels") - 1),
                   Wide{x.hi} - x.lo + 16});
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_attribute(op, "levels", 2, INT32_MAX); !status.ok())
    return status.errors();
  const Range range{0, op.attribute("levels") - 1};
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

// Beyond 31 a shift changes nothing any more: everything here is below 2^31.
int64_t halvings(int64_t distance) { return std::min<int64_t>((distance + 16) >> 5, 31); }

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t length = row_length(op);
  const std::vector<int64_t> x = inputs[0]->to_ints();
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += length) {
    const int64_t most = *std::max_element(x.begin() + start, x.begin() + start + length);
    int64_t sum = 0;
    for (int64_t i = start; i < start + length; ++i)
      sum += 256 >> halvings(most - x[static_cast<size_t>(i)]);
    const int64_t inverse = (op.attribute("levels") - 1) * 256 / sum;
    for (int64_t i = start; i < start + length; ++i)
      y.set(i, inverse >> halvings(most - x[static_cast<size_t>(i)]));
  }
  return y;
}

CBody c_body(const OpView& op) {
  const char* type = c_integer_for(most_of(op));
  const std::string limit =
      most_halvings(op) > 31 ? "\n    if (row_halvings > 31) row_halvings = 31;" : "";
  CBody body;
  body.block = fmt::format(
      R"({{
  {type} row_max = $x[0];
  for (int32_t row_i = 1; row_i < {length}; ++row_i) {{
    if ($x[row_i] > row_max) row_max = $x[row_i];
  }}
  {type} row_sum = 0;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    {type} row_halvings = (row_max - $x[row_i] + 16) >> 5;{limit}
    row_sum += 256 >> row_halvings;
  }}
  const {type} row_inverse = {top} / row_sum;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    {type} row_halvings = (row_max - $x[row_i] + 16) >> 5;{limit}
    $y[row_i] = ({y})(row_inverse >> row_halvings);
  }}
}})",
      fmt::arg("type", type), fmt::arg("length", row_length(op)), fmt::arg("limit", limit),
      fmt::arg("top", c_literal((op.attribute("levels") - 1) * 256)),
      fmt::arg("y", c_name_of(op.output().dtype)));
  return body;
}

}  // namespace

const OpDef& ita_max_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "ita_max";
    d.summary =
        "ITA's integer softmax of each row (last dimension): y = ((levels - 1) * 256 / sum of (256 "
        ">> s)) >> s, s = (max - x + 16) >> 5.";
    d.operands = {{.name = "x", .doc = "any shape but a scalar", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "levels", .doc = "number of values of y: 0 to levels - 1"}};
    d.output_doc = "the narrowest type that holds levels - 1";
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
