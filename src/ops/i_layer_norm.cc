#include <fmt/format.h>

#include <algorithm>

#include "ops/row.h"

namespace heddle {
namespace {

struct Bounds {
  Wide sum;       // of a row, absolute
  Wide distance;  // |x - mean|
  Wide squares;   // sum of (x - mean)^2
  Wide product;   // |(x - mean) * weights|
  Range bias;
};

Bounds bounds_of(const OpView& op) {
  const Range x = op.input(0).range;
  const Range weights = op.constant(1)->min_max();
  const Wide distance = Wide{x.hi} - x.lo;
  return {std::max(-Wide{x.lo}, Wide{x.hi}) * row_length(op), distance,
          distance * distance * row_length(op),
          distance * std::max({-Wide{weights.lo}, Wide{weights.hi}, Wide{1}}),
          op.constant(2)->min_max()};
}

// Of trunc(product / deviation) + bias; divisors are at least 1.
Range scaled_range(const Bounds& bounds) {
  return {static_cast<int64_t>(-bounds.product) + bounds.bias.lo,
          static_cast<int64_t>(bounds.product) + bounds.bias.hi};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_row_constants(op); !status.ok()) return status.errors();
  if (Status status = check_row_shift(op); !status.ok()) return status.errors();
  const Bounds bounds = bounds_of(op);
  const Result<Range> distance =
      prove_int32(op, "distance from the mean", -bounds.distance, bounds.distance);
  if (!distance.ok()) return distance.errors();
  if (Status status = prove_int64(op, "sum of squares of a row", bounds.squares); !status.ok())
    return status.errors();
  const Range scaled = scaled_range(bounds);
  const int64_t shift = op.attribute("shift");
  const Range range =
      clamped({scaled.lo >> shift, scaled.hi >> shift}, {op.attribute("lo"), op.attribute("hi")});
  return TensorType{narrowest_type(range), op.input(0).shape, range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t length = row_length(op);
  const std::vector<int64_t> x = inputs[0]->to_ints();
  const std::vector<int64_t> weights = inputs[1]->to_ints();
  const std::vector<int64_t> bias = inputs[2]->to_ints();
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += length) {
    int64_t sum = 0;
    for (int64_t i = start; i < start + length; ++i) sum += x[static_cast<size_t>(i)];
    const int64_t mean = sum / length;
    int64_t squares = 0;
    for (int64_t i = start; i < start + length; ++i) {
      const int64_t distance = x[static_cast<size_t>(i)] - mean;
      squares += distance * distance;
    }
    const int64_t deviation = square_root(squares / length + 1);
    for (int64_t i = start; i < start + length; ++i) {
      const size_t k = static_cast<size_t>(i - start);
      const int64_t quotient = (x[static_cast<size_t>(i)] - mean) * weights[k] / deviation;
      const int64_t value = (quotient + bias[k]) >> op.attribute("shift");
      y.set(i, std::clamp(value, op.attribute("lo"), op.attribute("hi")));
    }
  }
  return y;
}

CBody c_body(const OpView& op) {
  const Bounds bounds = bounds_of(op);
  const Wide mean_square = bounds.squares / row_length(op) + 1;
  const Range scaled = scaled_range(bounds);
  const int64_t shift = op.attribute("shift");
  CBody body;
  body.block = fmt::format(
      R"({{
  {sum} row_sum = 0;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) row_sum += $x[row_i];
  const int32_t row_mean = (int32_t)(row_sum / {length});
  {squares} row_squares = 0;
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    const int32_t row_distance = $x[row_i] - row_mean;
    row_squares += ({squares})row_distance * row_distance;
  }}
  {mean} row_rest = ({mean})(row_squares / {length} + 1);
  {root}
  for (int32_t row_i = 0; row_i < {length}; ++row_i) {{
    const {product} row_product = ({product})($x[row_i] - row_mean) * $weights[row_i];
    {product} wide = (row_product / ({product})row_root + $bias[row_i]) >> {shift};
    {clamp}
    $y[row_i] = ({y})wide;
  }}
}})",
      fmt::arg("sum", c_integer_for(bounds.sum)), fmt::arg("length", row_length(op)),
      fmt::arg("squares", c_integer_for(std::max(bounds.squares, mean_square))),
      fmt::arg("mean", c_integer_for(mean_square)),
      fmt::arg("root", c_square_root(c_integer_for(mean_square), mean_square)),
      fmt::arg("product", c_integer_for(std::max(-Wide{scaled.lo}, Wide{scaled.hi}))),
      fmt::arg("shift", shift),
      fmt::arg("clamp", or_comment(c_clamp("wide", {scaled.lo >> shift, scaled.hi >> shift},
                                           {op.attribute("lo"), op.attribute("hi")}),
                                   op.output().range)),
      fmt::arg("y", c_name_of(op.output().dtype)));
  return body;
}

}  // namespace

const OpDef& i_layer_norm_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "i_layer_norm";
    d.summary =
        "Integer layer norm of each row (last dimension): y = clip((d * weights / s + bias) >> "
        "shift, lo, hi) with d = x - mean, s = floor(sqrt(floor(sum of d^2 / length) + 1)); mean "
        "and quotients truncated.";
    d.operands = {
        {.name = "x", .doc = "any shape but a scalar", .dims = {"n", "k", "oy", "ox"}},
        {.name = "weights",
         .doc = "one for each element of a row",
         .dims = {"c"},
         .constant = true},
        {.name = "bias", .doc = "one for each element of a row", .dims = {"c"}, .constant = true}};
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
