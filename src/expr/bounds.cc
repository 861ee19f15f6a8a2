#include "expr/bounds.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "expr/arithmetic.h"

namespace heddle {
namespace {

using MaybeBounds = std::optional<Bounds>;

bool is_point(const Bounds& b) { return b.lo == b.hi; }
bool is_truth(const Bounds& b) { return b.lo >= 0 && b.hi <= 1; }
constexpr Bounds kFalse{0, 0};
constexpr Bounds kTrue{1, 1};
constexpr Bounds kEither{0, 1};

// Sums, products, floored and ceiled quotients are monotone in each operand while the other one
// stays on one side of zero, so the extremes are at corners.
MaybeBounds corners(ExprOp op, const Bounds& a, const Bounds& b) {
  const std::array<std::optional<int64_t>, 4> values = {
      apply(op, a.lo, b.lo), apply(op, a.lo, b.hi), apply(op, a.hi, b.lo), apply(op, a.hi, b.hi)};
  Bounds result{INT64_MAX, INT64_MIN};
  for (const std::optional<int64_t>& value : values) {
    if (!value) return std::nullopt;
    result.lo = std::min(result.lo, *value);
    result.hi = std::max(result.hi, *value);
  }
  return result;
}

MaybeBounds bounds_of_mod(const Bounds& a, const Bounds& b) {
  // Both ends in the same period of a constant divisor: the remainder only grows from one to the
  // other.
  if (is_point(b)) {
    const std::optional<int64_t> first = apply(ExprOp::div, a.lo, b.lo);
    const std::optional<int64_t> last = apply(ExprOp::div, a.hi, b.lo);
    if (first && last && *first == *last) {
      return Bounds{*apply(ExprOp::mod, a.lo, b.lo), *apply(ExprOp::mod, a.hi, b.lo)};
    }
  }
  if (b.lo > 0) {
    if (a.lo >= 0) return a.hi < b.lo ? a : Bounds{0, std::min(a.hi, b.hi - 1)};
    return Bounds{0, b.hi - 1};
  }
  return Bounds{b.lo + 1, 0};
}

MaybeBounds bounds_of_arithmetic(ExprOp op, const Bounds& a, const Bounds& b) {
  const bool divides = op == ExprOp::div || op == ExprOp::mod || op == ExprOp::ceil_div;
  if (divides && b.lo <= 0 && b.hi >= 0) return std::nullopt;
  return op == ExprOp::mod ? bounds_of_mod(a, b) : corners(op, a, b);
}

Bounds inverse(const Bounds& b) { return {1 - b.hi, 1 - b.lo}; }

Bounds bounds_of_less(const Bounds& a, const Bounds& b) {
  if (a.hi < b.lo) return kTrue;
  return a.lo >= b.hi ? kFalse : kEither;
}

Bounds bounds_of_equal(const Bounds& a, const Bounds& b) {
  if (a.hi < b.lo || b.hi < a.lo) return kFalse;
  return is_point(a) && is_point(b) ? kTrue : kEither;
}

Bounds bounds_of_comparison(ExprOp op, const Bounds& a, const Bounds& b) {
  switch (op) {
    case ExprOp::eq:
      return bounds_of_equal(a, b);
    case ExprOp::ne:
      return inverse(bounds_of_equal(a, b));
    case ExprOp::lt:
      return bounds_of_less(a, b);
    case ExprOp::ge:
      return inverse(bounds_of_less(a, b));
    case ExprOp::gt:
      return bounds_of_less(b, a);
    default:
      return inverse(bounds_of_less(b, a));
  }
}

MaybeBounds bounds_of_membership(const Expr& expr, const BoundsEnvironment& environment) {
  const MaybeBounds left = bounds_of(expr.children[0], environment);
  if (!left) return std::nullopt;
  IntSet listed;  // of those in the interval
  for (const Expr& constant : expr.children[1].children) {
    if (constant.op != ExprOp::integer) return std::nullopt;
    if (constant.integer >= left->lo && constant.integer <= left->hi)
      listed.insert(constant.integer);
  }
  Bounds result = kEither;
  if (listed.empty()) {
    result = kFalse;
  } else {
    const std::optional<int64_t> span = checked_sub(left->hi, left->lo);
    if (span && *span == static_cast<int64_t>(listed.size()) - 1) result = kTrue;
  }
  return expr.op == ExprOp::in ? result : inverse(result);
}

// A right side that cannot be bounded does not matter where the left one always decides.
MaybeBounds bounds_of_logic(const Expr& expr, const BoundsEnvironment& environment) {
  const MaybeBounds left = bounds_of(expr.children[0], environment);
  if (!left || !is_truth(*left)) return std::nullopt;
  if (expr.op == ExprOp::logical_not) return inverse(*left);
  const bool conjunction = expr.op == ExprOp::logical_and;
  if (conjunction && left->hi == 0) return kFalse;
  if (!conjunction && left->lo == 1) return kTrue;
  const MaybeBounds right = bounds_of(expr.children[1], environment);
  if (!right || !is_truth(*right)) return std::nullopt;
  if (conjunction) return Bounds{std::min(left->lo, right->lo), std::min(left->hi, right->hi)};
  return Bounds{std::max(left->lo, right->lo), std::max(left->hi, right->hi)};
}

}  // namespace

MaybeBounds bounds_of(const Expr& expr, const BoundsEnvironment& environment) {
  switch (expr.op) {
    case ExprOp::integer:
      return Bounds{expr.integer, expr.integer};
    case ExprOp::text:
    case ExprOp::set:
      return std::nullopt;
    case ExprOp::name: {
      const MaybeBounds bounds = environment(expr.text);
      return bounds && bounds->lo <= bounds->hi ? bounds : std::nullopt;
    }
    case ExprOp::in:
    case ExprOp::not_in:
      return bounds_of_membership(expr, environment);
    case ExprOp::logical_and:
    case ExprOp::logical_or:
    case ExprOp::logical_not:
      return bounds_of_logic(expr, environment);
    default:
      break;
  }
  std::vector<Bounds> children;
  for (const Expr& child : expr.children) {
    const MaybeBounds bounds = bounds_of(child, environment);
    if (!bounds) return std::nullopt;
    children.push_back(*bounds);
  }
  switch (expr.op) {
    case ExprOp::neg:
      return corners(ExprOp::sub, Bounds{0, 0}, children[0]);
    case ExprOp::eq:
    case ExprOp::ne:
    case ExprOp::lt:
    case ExprOp::le:
    case ExprOp::gt:
    case ExprOp::ge:
      return bounds_of_comparison(expr.op, children[0], children[1]);
    default:
      break;
  }
  MaybeBounds result = children[0];
  for (size_t i = 1; i < children.size() && result; ++i) {
    result = bounds_of_arithmetic(expr.op, *result, children[i]);
  }
  return result;
}

}  // namespace heddle
