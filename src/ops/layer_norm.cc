#include <fmt/format.h>

#include "heddle_math.h"
#include "ops/row.h"

namespace heddle {
namespace {

float epsilon_of(const OpView& op) { return static_cast<float>(op.real("epsilon")); }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_row_constants(op); !status.ok()) return status.errors();
  if (!(op.real("epsilon") >= 0))
    return node_error(op, fmt::format("`epsilon` is {}, below 0", op.real("epsilon")));
  return op.input(0);
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  std::vector<float> values = inputs[0]->to_floats();
  const size_t length = static_cast<size_t>(row_length(op));
  const float count = static_cast<float>(length);
  for (size_t start = 0; start < values.size(); start += length) {
    float* row = values.data() + start;
    float sum = 0, squares = 0;
    for (size_t i = 0; i < length; ++i) sum += row[i];
    const float mean = sum / count;
    for (size_t i = 0; i < length; ++i) squares += (row[i] - mean) * (row[i] - mean);
    const float factor = 1 / heddle_sqrt(squares / count + epsilon_of(op));
    for (size_t i = 0; i < length; ++i) {
      row[i] = (row[i] - mean) * factor;
      if (op.has(1)) row[i] *= inputs[1]->float_at(static_cast<int64_t>(i));
      if (op.has(2)) row[i] += inputs[2]->float_at(static_cast<int64_t>(i));
    }
  }
  return Tensor::of_floats(op.output().shape, values);
}

CBody c_body(const OpView& op) {
  CBody body;
  body.uses_math = true;
  body.block = fmt::format(
      R"({{
  float row_sum = 0.0f;
  float row_squares = 0.0f;
  for (int32_t row_i = 0; row_i < {n}; ++row_i) row_sum += $x[row_i];
  const float row_mean = row_sum / {count};
  for (int32_t row_i = 0; row_i < {n}; ++row_i) {{
    const float row_distance = $x[row_i] - row_mean;
    row_squares += row_distance * row_distance;
  }}
  const float row_factor = 1.0f / heddle_sqrt(row_squares / {count} + {epsilon});
  for (int32_t row_i = 0; row_i < {n}; ++row_i) {{
    $y[row_i] = ($x[row_i] - row_mean) * row_factor{scale}{shift};
  }}
}})",
      fmt::arg("n", row_length(op)),
      fmt::arg("count", c_literal(static_cast<float>(row_length(op)))),
      fmt::arg("epsilon", c_literal(epsilon_of(op))),
      fmt::arg("scale", op.has(1) ? " * $scale[row_i]" : ""),
      fmt::arg("shift", op.has(2) ? " + $shift[row_i]" : ""));
  return body;
}

}  // namespace

const OpDef& layer_norm_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "layer_norm";
    d.summary =
        "Normalises each row (last dimension) in float32: y = (x - mean) * (1 / sqrt(variance + "
        "epsilon)) * scale + shift; the variance is the mean of (x - mean)^2.";
    d.operands = {{.name = "x",
                   .doc = "any shape but a scalar",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals},
                  {.name = "scale",
                   .doc = "one element for each of a row",
                   .dims = {"c"},
                   .constant = true,
                   .optional = true,
                   .numbers = Numbers::reals},
                  {.name = "shift",
                   .doc = "one element for each of a row",
                   .dims = {"c"},
                   .constant = true,
                   .optional = true,
                   .numbers = Numbers::reals}};
    d.attributes = {{.name = "epsilon", .doc = "added to the variance", .real = true}};
    d.output_doc = "float32, shape of x";
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
