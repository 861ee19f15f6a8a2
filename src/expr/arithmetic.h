// The arithmetic of the expression language on two integers, shared by evaluate and bounds_of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/checked.h"
#include "expr/expr.h"

namespace heddle {

// nullopt: the result leaves 64 bits, or b is zero where it divides.
inline std::optional<int64_t> apply(ExprOp op, int64_t a, int64_t b) {
  switch (op) {
    case ExprOp::add:
      return checked_add(a, b);
    case ExprOp::sub:
      return checked_sub(a, b);
    case ExprOp::mul:
      return checked_mul(a, b);
    case ExprOp::min:
      return std::min(a, b);
    case ExprOp::max:
      return std::max(a, b);
    case ExprOp::div:
    case ExprOp::mod:
    case ExprOp::ceil_div:
      break;
    default:
      return std::nullopt;
  }
  if (b == 0) return std::nullopt;
  // INT64_MIN / -1 traps on some machines: -1 goes its own way.
  if (b == -1) return op == ExprOp::mod ? 0 : checked_sub(0, a);
  if (op == ExprOp::div) return floor_div(a, b);
  if (op == ExprOp::mod) return floor_mod(a, b);
  return floor_div(a, b) + (a % b != 0 ? 1 : 0);
}

}  // namespace heddle
