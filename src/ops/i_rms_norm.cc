#include <fmt/format.h>

#include <algorithm>

#include "ops/row.h"

namespace heddle {
namespace {

struct Bounds {
  Wide squares;  // sum of x^2
  Wide product;  // |x * weights|
};

Bounds bounds_of(const OpView& op) {
  const Range x = op.input(0).range;
  const Range weights = op.constant(1)->min_max();
  const Wide most = std::max(-Wide{x.lo}, Wide{x.hi});
  return {most * most * row_length(op),
          most * std::max({-Wide{weights.lo}, Wide{weights.hi}, Wide{1}})};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_row_constants(op); !status.ok()) return status.errors();
  if (Status status = check_row_shift(op); !status.ok()) return status.errors();
  const Bounds bounds = bounds_of(op);
  if (Status status = prove_int64(op, "sum of squares of a row", bounds.squares); !status.ok())
    return status.errors();
  // Divisors are at least 1: no quotient exceeds the product.
  const int64_t most = static_cast<int64_t>(bounds.product);
  const int64_t shift = op.attribute("shift");
  const Range range =
      clamped({-most >> shift, most >> shift}, {op.attribute("lo"), op.attribute("hi")});
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t length = row_length(op);
  const std::vector<int64_t> x = inputs[0]->to_ints();
  const std::vector<int64_t> weights = inputs[1]->to_ints();
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += length) {
    int64_t squares = 0;
    for (int64_t i = start; i < start + length; ++i)
      squares += x[static_cast<size_t>(i)] * x[static_cast<size_t>(i)];
    const int64_t deviation = square_root(squares / length + 1);
    for (int64_t i = start; i < start + length; ++i) {
      const int64_t product = x[static_cast<size_t>(i)] * weights[static_cast<size_t>(i - start)];
      const int64_t value = product / deviation >> op.attribute("shift");
      y.set(i, std::clamp(value, op.attribute("lo"), op.attribute("hi")));
    }
  }
  return y;
}

CBody c_body(const OpView& op) {
  const Bounds bounds = bounds_of(op);
  const Wide mean = bounds.squares / row_length(op) + 1;
  const int64_t most = static_cast<int64_t>(bounds.product);
  const int64_t shift = op.attribute("shift");
  CBody body;
  body.block = fmt::format(
      R"({{
  {squares} row_squares = 0;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    row_squares += ({squares})$x[row_i] * $x[row_i];
  }}
  {mean} row_rest = ({mean})(row_squares / {length} + 1);
  {root}
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    {product} wide = ({product})$x[row_i] * $weights[row_i] / ({product})row_root >> {shift};
    {clamp}
    $y[row_i] = ({y})wide;
  }}
}})",
      fmt::arg("squares", c_integer_for(std::max(bounds.squares, mean))),
      fmt::arg("length", row_length(op)), fmt::arg("mean", c_integer_for(mean)),
      fmt::arg("root", c_square_root(c_integer_for(mean), mean)),
      fmt::arg("product", c_integer_for(bounds.product)), fmt::arg("shift", shift),
      fmt::arg("clamp", or_comment(c_clamp("wide", {-most >> shift, most >> shift},
                                           {op.attribute("lo"), op.attribute("hi")}),
                                   op.output().range)),
      fmt::arg("y", c_name_of(op.output().dtype)));
  return body;
}

}  // namespace

const OpDef& i_rms_norm_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "i_rms_norm";
    d.summary =
        "Integer RMS norm of each row (last dimension): y = clip((x * weights / s) >> shift, lo, "
        "hi), quotients truncated, s = floor(sqrt(floor(sum of x^2 / length) + 1)).";
    d.operands = {{.name = "x", .doc = "any shape but a scalar", .dims = {"n", "k", "oy", "ox"}},
                  {.name = "weights",
                   .doc = "one for each element of a row",
                   .dims = {"c"},
                   .constant = true}};
    d.attributes = row_shift_attributes();
    d.output_doc = "the narrowest type that holds every result, shape of x";
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
