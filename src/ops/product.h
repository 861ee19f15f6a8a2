// Products of two activations, each less its zero point.
#pragma once

#include "ops/check.h"

namespace heddle {

// "`x_zero_point`: subtracted from every element of x; default 0"
AttributeDef zero_point_attribute(std::string_view operand, std::string_view name);
// The range of the operand's elements less the attribute's zero point; of float32 operands the zero
// point must be 0.
Result<Range> centred_range(const OpView& op, size_t operand, const std::string& zero_point);
// C text of the element in `hole` less the zero point, of type int32_t: "((int32_t)$w - 3)".
std::string c_centred(std::string_view hole, int64_t zero_point);

// The exact range of products; an error where one can leave int32.
Result<Range> prove_product(const OpView& op, const Range& a, const Range& b);
Range product_range(const Range& a, const Range& b);  // of int32 ranges

}  // namespace heddle
