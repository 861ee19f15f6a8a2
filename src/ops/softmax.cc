#include <fmt/format.h>

#include <algorithm>

#include "heddle_math.h"
#include "ops/row.h"

namespace heddle {
namespace {

bool is_log(const OpView& op) { return op.attribute("log") != 0; }

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  if (Status status = check_attribute(op, "log", 0, 1); !status.ok()) return status.errors();
  return op.input(0);
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  std::vector<float> values = inputs[0]->to_floats();
  const std::ptrdiff_t length = row_length(op);
  for (auto row = values.begin(); row != values.end(); row += length) {
    const float most = *std::max_element(row, row + length);
    float sum = 0;
    for (auto value = row; value != row + length; ++value) sum += heddle_exp(*value - most);
    const float log_sum = heddle_log(sum);
    for (auto value = row; value != row + length; ++value)
      *value = is_log(op) ? (*value - most) - log_sum : heddle_exp(*value - most) / sum;
  }
  return Tensor::of_floats(op.output().shape, values);
}

CBody c_body(const OpView& op) {
  CBody body;
  body.uses_math = true;
  const char* result = is_log(op) ? "($x[row_i] - row_max) - row_log" : "$y[row_i] / row_sum";
  // The exponentials wait in y, where they are the result.
  body.block = fmt::format(
      R"({{
  float row_max = $x[0];
  float row_sum = 0.0f;
  for (int32_t row_i = 1; row_i < {0}; ++row_i) {{
    if ($x[row_i] > row_max) row_max = $x[row_i];
  }}
  for (int32_t row_i = 0; row_i < {0}; ++row_i) {{
    const float row_exp = heddle_exp($x[row_i] - row_max);
    row_sum += row_exp;{1}
  }}{2}
  for (int32_t row_i = 0; row_i < {0}; ++row_i) $y[row_i] = {3};
}})",
      row_length(op), is_log(op) ? "" : "\n    $y[row_i] = row_exp;",
      is_log(op) ? "\n  const float row_log = heddle_log(row_sum);" : "", result);
  return body;
}

}  // namespace

const OpDef& softmax_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "softmax";
    d.summary =
        "Softmax of each row (last dimension) in float32: y = exp(x - max) / sum of exp(x - max), or "
        "its logarithm (x - max) - log(sum).";
    d.operands = {{.name = "x",
                   .doc = "any shape but a scalar",
                   .dims = {"n", "k", "oy", "ox"},
                   .numbers = Numbers::reals}};
    d.attributes = {
        {.name = "log", .doc = "1: the logarithm", .otherwise = Attribute{int64_t{0}}}};
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
