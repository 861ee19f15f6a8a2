// What operators of float32 alone share.
#pragma once

#include <string>

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {

// y = f(x, w) element by element, both broadcast; for references.
Tensor broadcast_reals(const OpView& op, std::span<const Tensor* const> inputs,
                       float (*f)(float, float));

// Functions of one number: unary's attribute `function`.
struct UnaryFunction {
  std::string_view name;
  std::string_view formula;                      // for the documentation
  std::string_view c;                            // on `$value`, with $alpha and $beta
  float (*reference)(float x, float alpha, float beta);  // the same roundings
};
std::span<const UnaryFunction> unary_functions();
const UnaryFunction* find_unary(std::string_view name);  // null if unknown

}  // namespace heddle
