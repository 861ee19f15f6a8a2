// TensorFlow Lite's 8-bit softmax, https://github.com/tensorflow/tensorflow,
// lite/kernels/internal/optimized/optimized_ops.h, Softmax: exponentials from a table, sums in
// float32.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/map.h"
#include "ops/rounding.h"
#include "ops/window.h"

namespace heddle {
namespace {

enum Operand : size_t { X, TABLE };

constexpr int64_t kEntries = 256;

Range bounds_of(const OpView& op) { return {op.attribute("lo"), op.attribute("hi")}; }
Range centred_bounds(const OpView& op) {
  const int64_t zero_point = op.attribute("zero_point");
  return {bounds_of(op).lo - zero_point, bounds_of(op).hi - zero_point};
}

float scale_of(const OpView& op) { return static_cast<float>(op.real("scale")); }

Status check_table(const OpView& op) {
  if (op.input(TABLE).shape != Shape{kEntries}) {
    return node_error(op, fmt::format("`table` has shape {}, not [{}]",
                                      to_string(op.input(TABLE).shape), kEntries));
  }
  for (int64_t i = 0; i < kEntries; ++i) {
    const float e = op.constant(TABLE)->float_at(i);
    if (e >= 0 && std::isfinite(e)) continue;
    return node_error(op, fmt::format("`table` holds {} at {}: exponentials are finite and not "
                                      "negative",
                                      e, i));
  }
  if (op.constant(TABLE)->float_at(kEntries - 1) > 0) return Unit{};
  return node_error(op, "the last element of `table`, the exponential of 0, is 0");
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (Status status = check_bounds(op); !status.ok()) return status.errors();
  const TensorType& x = op.input(X);
  if (x.shape.empty()) return node_error(op, "`x` is a scalar, one dimension is needed at least");
  if (x.range.hi - x.range.lo >= kEntries) {
    return node_error(
        op, fmt::format("`x` has values in [{}, {}]: 8 bits are needed", x.range.lo, x.range.hi));
  }
  if (!(scale_of(op) > 0) || !std::isfinite(scale_of(op)))
    return node_error(op, fmt::format("`scale` is {}, not a positive number", op.real("scale")));
  if (Status status = check_attribute(op, "zero_point", INT16_MIN, INT16_MAX); !status.ok())
    return status.errors();
  if (Status status = check_rounded_bounds(op, centred_bounds(op)); !status.ok())
    return status.errors();
  if (Status status = check_table(op); !status.ok()) return status.errors();
  const int64_t zero_point = op.attribute("zero_point");
  const Range from_zero{std::max(zero_point, bounds_of(op).lo),
                        std::max(zero_point, bounds_of(op).hi)};
  return TensorType{narrowest_type(bounds_of(op)), x.shape, clamped(from_zero, bounds_of(op))};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t row = op.input(X).shape.back();
  const int64_t zero_point = op.attribute("zero_point");
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += row) {
    int64_t most = inputs[X]->at(start);
    for (int64_t i = start; i < start + row; ++i) most = std::max(most, inputs[X]->at(i));
    const auto exponential = [&](int64_t i) {
      return inputs[TABLE]->float_at(kEntries - 1 - (most - inputs[X]->at(i)));
    };
    float sum = 0;
    for (int64_t i = start; i < start + row; ++i) sum += exponential(i);
    const float inverse = 1.0f / (sum * scale_of(op));
    for (int64_t i = start; i < start + row; ++i) {
      const float quotient = exponential(i) * inverse;
      y.set(i, round_clamped(quotient, Rounding::half_away, centred_bounds(op)) + zero_point);
    }
  }
  return y;
}

// A row of x is read whole, along the reduction axis c; the table at what x says.
LoopNest loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.axes.push_back({"c", op.input(X).shape.back(), true});
  nest.inputs[X].back() = along(static_cast<int>(nest.axes.size()) - 1);
  nest.inputs.push_back({DimAccess{{}, 0, X}});
  return nest;
}

CBody c_body(const OpView& op) {
  CBody body;
  body.block = fmt::format(
      R"({{
  int32_t row_max = $x[0];
  float row_sum = 0.0f;
  for (int32_t row_i = 1; row_i < {row}; ++row_i) {{
    if ($x[row_i] > row_max) row_max = $x[row_i];
  }}
  for (int32_t row_i = 0; row_i < {row}; ++row_i) row_sum += $table[$x[row_i] - row_max + 255];
  row_sum = 1.0f / (row_sum * {scale});
  for (int32_t row_i = 0; row_i < {row}; ++row_i) {{
    float row_value = $table[$x[row_i] - row_max + 255] * row_sum;
{clamp}    $y[row_i] = ({type})({rounded}{zero_point});
  }}
}})",
      fmt::arg("row", op.input(X).shape.back()), fmt::arg("scale", c_literal(scale_of(op))),
      fmt::arg("clamp", c_clamp_real("row_value", centred_bounds(op), "    ")),
      fmt::arg("type", c_name_of(op.output().dtype)),
      fmt::arg("rounded", c_rounded("row_value", Rounding::half_away)),
      fmt::arg("zero_point", c_plus(op.attribute("zero_point"))));
  return body;
}

}  // namespace

const OpDef& tflite_softmax_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "tflite_softmax";
    d.summary =
        "TensorFlow Lite's softmax of each row (last dimension): y = max(lo, min(hi, round(e / "
        "(sum "
        "of e * scale)) + zero_point)), e = table[255 - (max - x)]; sums, the reciprocal and its "
        "product in float32, halves rounded away from zero.";
    d.operands = {
        {.name = "x", .doc = "8 bits, any shape but a scalar", .dims = {"n", "k", "oy", "ox"}},
        {.name = "table",
         .doc = "[256] exponentials, the last of them for the distance 0",
         .dims = {},
         .constant = true,
         .numbers = Numbers::reals}};
    d.attributes = {{.name = "scale", .doc = "of y", .real = true},
                    {.name = "zero_point", .doc = "the y for 0.0"},
                    {.name = "lo", .doc = "least value of y"},
                    {.name = "hi", .doc = "greatest value of y"}};
    d.output_doc = "the narrowest type that holds lo and hi, shape of x";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.axes.push_back("c");
    d.infer = infer;
    d.reference = reference;
    d.loops = loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
