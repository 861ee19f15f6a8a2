// Interval reader of expressions: the values an expression can take while each name stays in its
// interval.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "expr/expr.h"

namespace heddle {

struct Bounds {
  int64_t lo = 0;
  int64_t hi = 0;  // inclusive
};
using BoundsEnvironment = std::function<std::optional<Bounds>(std::string_view name)>;

// Sound, not always tight. nullopt: a text operand, an unknown name, or possible overflow /
// division by zero.
std::optional<Bounds> bounds_of(const Expr& expr, const BoundsEnvironment& environment);

}  // namespace heddle
