#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/row.h"

namespace heddle {
namespace {

// The integer softmax of I-BERT (Kim et al., "I-BERT: Integer-only BERT Quantization", ICML 2021),
// as PULP's networks use it. With d = max - x, exp(-d) is 2^-z * poly(p): z = min(31, d / log2), p
// = z * log2 - d in (-log2, 0] unless z is cut, poly(p) = a * (p + b)^2 + c. `log2` is ln 2 in the
// scale of x.

struct Bounds {
  Wide distance;  // max - x
  Wide poly_lo, poly_hi;
  Wide most;  // of every intermediate value, absolute
};

Bounds bounds_of(const OpView& op) {
  const Range x = op.input(0).range;
  const Wide log2 = op.attribute("log2"), a = op.attribute("coeff_a"), b = op.attribute("coeff_b");
  const Wide c = op.attribute("coeff_c");
  const Wide distance = Wide{x.hi} - x.lo;
  // p is least just before z grows, or, where z is cut at 31, at the greatest distance.
  const Wide p = std::min(-std::min(distance, log2 - 1), 31 * log2 - std::max(distance, 31 * log2));
  const Wide least = (p + b) * (p + b), greatest = b * b;
  const bool crosses_zero = p + b <= 0 && b >= 0;
  const Wide square_lo = crosses_zero ? 0 : std::min(least, greatest);
  const Wide square_hi = std::max(least, greatest);
  Bounds bounds;
  bounds.distance = distance;
  bounds.poly_lo = std::min(a * square_lo, a * square_hi) + c;
  bounds.poly_hi = std::max(a * square_lo, a * square_hi) + c;
  const Wide row = row_length(op);
  const Wide product = std::max(a * square_hi, -a * square_hi);
  bounds.most = std::max({distance, square_hi, product, bounds.poly_hi});
  if (bounds.most > INT64_MAX)
    return bounds;  // refused anyway; more products could leave even Wide
  bounds.most =
      std::max({bounds.most, bounds.poly_hi * (op.attribute("levels") - 1), bounds.poly_hi * row});
  return bounds;
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_row(op); !status.ok()) return status.errors();
  const Shape& x = op.input(0).shape;
  for (const char* name : {"coeff_a", "coeff_b", "coeff_c"}) {
    if (Status status = check_attribute(op, name, INT32_MIN, INT32_MAX); !status.ok())
      return status.errors();
  }
  if (Status status = check_attribute(op, "log2", 1, INT32_MAX); !status.ok())
    return status.errors();
  if (Status status = check_attribute(op, "levels", 2, INT32_MAX); !status.ok())
    return status.errors();
  const Bounds bounds = bounds_of(op);
  const Wide at_zero =
      Wide{op.attribute("coeff_a")} * op.attribute("coeff_b") * op.attribute("coeff_b") +
      op.attribute("coeff_c");
  if (bounds.poly_lo < 0 || at_zero <= 0) {
    return node_error(op,
                      "the polynomial of the exponential is not positive: `coeff_a` * (p + "
                      "`coeff_b`)^2 + `coeff_c` "
                      "must be above 0 at p = 0 and never below 0");
  }
  if (bounds.most > INT64_MAX)
    return node_error(op, "the exponentials of a row can leave int64", "use smaller coefficients");
  const Range range{0, op.attribute("levels") - 1};
  return TensorType{narrowest_type(range), x, range};
}

// y = floor(e * (levels - 1) / sum e), by the formula as PULP's deployment tools write it.
Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t log2 = op.attribute("log2");
  const int64_t row = inputs[0]->shape().back();
  const std::vector<int64_t> x = inputs[0]->to_ints();
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t start = 0; start < y.elements(); start += row) {
    const int64_t most = *std::max_element(x.begin() + start, x.begin() + start + row);
    std::vector<int64_t> exponentials;
    int64_t sum = 0;
    for (int64_t i = start; i < start + row; ++i) {
      const int64_t xt = x[static_cast<size_t>(i)] - most;
      const int64_t z = std::clamp<int64_t>(-(xt / log2), 0, 31);
      const int64_t p = xt + z * log2;
      const int64_t base = p + op.attribute("coeff_b");
      exponentials.push_back((op.attribute("coeff_a") * (base * base) + op.attribute("coeff_c")) >>
                             z);
      sum += exponentials.back();
    }
    for (int64_t i = 0; i < row; ++i) {
      y.set(start + i, exponentials[static_cast<size_t>(i)] * (op.attribute("levels") - 1) / sum);
    }
  }
  return y;
}

CBody c_body(const OpView& op) {
  const int64_t row = row_length(op);
  const char* type = c_integer_for(bounds_of(op).most);
  CBody body;
  // Twice over the row instead of an array of exponentials: no scratch memory.
  body.block = fmt::format(
      R"({{
  {type} row_max = $x[0];
  {type} row_sum = 0;
  for (int32_t row_i = 1; row_i < {row}; ++row_i) {{
    if ($x[row_i] > row_max) row_max = $x[row_i];
  }}
  for (int32_t row_pass = 0; row_pass < 2; ++row_pass) {{
    for (int32_t row_i = 0; row_i < {row}; ++row_i) {{
      const {type} row_distance = row_max - $x[row_i];
      const {type} row_halvings = row_distance / {log2} < 31 ? row_distance / {log2} : 31;
      const {type} row_base = row_halvings * {log2} - row_distance + {b};
      const {type} row_exp = ({a} * (row_base * row_base) + {c}) >> row_halvings;
      if (row_pass == 0) {{
        row_sum += row_exp;
      }} else {{
        $y[row_i] = ({y})(row_exp * {top} / row_sum);
      }}
    }}
  }}
}})",
      fmt::arg("type", type), fmt::arg("row", row), fmt::arg("log2", op.attribute("log2")),
      fmt::arg("a", c_literal(op.attribute("coeff_a"))),
      fmt::arg("b", c_literal(op.attribute("coeff_b"))),
      fmt::arg("c", c_literal(op.attribute("coeff_c"))),
      fmt::arg("top", op.attribute("levels") - 1), fmt::arg("y", c_name_of(op.output().dtype)));
  return body;
}

}  // namespace

const OpDef& i_softmax_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "i_softmax";
    d.summary =
        "Integer softmax of each row (last dimension): y = floor(e * (levels - 1) / sum of e), e = "
        "(coeff_a * (p + "
        "coeff_b)^2 + coeff_c) >> z, z = min(31, floor((max - x) / log2)), p = x - max + z * log2.";
    d.operands = {{.name = "x", .doc = "any shape but a scalar", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "coeff_a", .doc = "of the square"},
                    {.name = "coeff_b", .doc = "added before squaring"},
                    {.name = "coeff_c", .doc = "added after"},
                    {.name = "log2", .doc = "ln 2 in the scale of x"},
                    {.name = "levels", .doc = "number of values of y: 0 to levels - 1"}};
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
