#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {
namespace {

// The polynomial GELU of I-BERT (Kim et al., ICML 2021): erf(x) is about sgn(x) * (1 - a * d^2)
// with d = min(|x|, -b) + b. In units of a, 1 is `one`.

// Bounds of (one + erf) >> 1 for positive and for negative x.
struct Factors {
  Range positive, negative;
};
Factors factors_of(const OpView& op) {
  const int64_t b = op.attribute("b"), one = op.attribute("one");
  return {{(2 * one - b * b) >> 1, one}, {0, (b * b) >> 1}};
}

Result<TensorType> infer(const OpView& op) {
  if (Status status = check_node(op); !status.ok()) return status.errors();
  if (Status status = check_map_rank(op); !status.ok()) return status.errors();
  if (Status status = check_attribute(op, "b", -46340, 0); !status.ok()) return status.errors();
  if (Status status = check_attribute(op, "one", INT32_MIN / 2, INT32_MAX / 2); !status.ok())
    return status.errors();
  const Range& x = op.input(0).range;
  const int64_t b = op.attribute("b"), one = op.attribute("one");
  const Result<Range> magnitude = prove_int32(op, "absolute value", 0, -Wide{x.lo});
  if (!magnitude.ok()) return magnitude.errors();
  const Result<Range> sum = prove_int32(op, "factor", 2 * one - b * b, 2 * one);
  if (!sum.ok()) return sum.errors();
  const Factors factors = factors_of(op);
  Wide lo = 0, hi = 0;
  const auto include = [&](int64_t from, int64_t to, const Range& factor) {
    if (from > to) return;
    for (const int64_t value : {from, to}) {
      for (const int64_t f : {factor.lo, factor.hi}) {
        lo = std::min(lo, Wide{value} * f);
        hi = std::max(hi, Wide{value} * f);
      }
    }
  };
  include(std::max<int64_t>(x.lo, 1), x.hi, factors.positive);
  include(x.lo, std::min<int64_t>(x.hi, -1), factors.negative);
  const Result<Range> range = prove_int32(op, "product", lo, hi);
  if (!range.ok()) return range.errors();
  return TensorType{narrowest_type(*range), op.input(0).shape, *range};
}

Tensor reference(const OpView& op, std::span<const Tensor* const> inputs) {
  const int64_t b = op.attribute("b"), one = op.attribute("one");
  Tensor y(op.output().dtype, op.output().shape);
  for (int64_t i = 0; i < y.elements(); ++i) {
    const int64_t x = inputs[0]->at(i);
    const int64_t sign = (x > 0) - (x < 0);
    const int64_t d = std::min(std::abs(x), -b) + b;
    const int64_t erf = sign * (one - d * d);
    y.set(i, x * ((one + erf) >> 1));
  }
  return y;
}

CBody c_body(const OpView& op) {
  const int64_t b = op.attribute("b"), one = op.attribute("one");
  CBody body;
  body.map = fmt::format(
      R"({{
  int32_t row_d = $value < 0 ? -$value : $value;
  if (row_d > {limit}) row_d = {limit};
  row_d -= {limit};
  $value *= ($value > 0 ? {twice} - row_d * row_d : row_d * row_d) >> 1;
}})",
      fmt::arg("limit", -b), fmt::arg("twice", c_literal(2 * one)));
  return body;
}

}  // namespace

const OpDef& i_gelu_op() {
  static const OpDef def = [] {
    OpDef d;
    d.name = "i_gelu";
    d.summary =
        "Integer GELU: y = x * ((one + e) >> 1), e = sgn(x) * (one - d^2), d = min(|x|, -b) + b.";
    d.classes = {"map"};
    d.operands = {{.name = "x", .doc = "any shape", .dims = {"n", "k", "oy", "ox"}}};
    d.attributes = {{.name = "b", .doc = "minus the |x| from which erf is 1; not positive"},
                    {.name = "one", .doc = "1 in the scale of e"}};
    d.output_doc = "the narrowest type that holds every product";
    d.output_dims = {"n", "k", "oy", "ox"};
    d.axes = all_map_axes();
    d.infer = infer;
    d.reference = reference;
    d.loops = map_loops;
    d.c_body = c_body;
    return d;
  }();
  return def;
}

}  // namespace heddle
