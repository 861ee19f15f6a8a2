// Operators that compute whole rows (the innermost dimension) at once: normalisations, softmaxes.
// Their bodies have the block form of CBody.
#pragma once

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {

// check_node(), and that x has a row.
Status check_row(const OpView& op);
int64_t row_length(const OpView& op);
// Operands from the second on are constants with one element for each of a row.
Status check_row_constants(const OpView& op);

// One parallel axis per dimension of the output, then the reduction axis c along a row of x and of
// the constants.
LoopNest row_loops(const OpView& op);

// The narrowest of int32_t and int64_t whose values reach from -most to most.
const char* c_integer_for(Wide most);
// An error where `most` leaves int64.
Status prove_int64(const OpView& op, std::string_view what, Wide most);

// C statements: `row_root`, of this type, becomes the integer square root of the variable
// `row_rest`, which lies in [0, most] and is used up.
std::string c_square_root(const char* type, Wide most);
// floor(sqrt(value)), for references.
int64_t square_root(int64_t value);

// The attributes `shift`, `lo`, `hi` of a result clip(value >> shift, lo, hi).
std::vector<AttributeDef> row_shift_attributes();
Status check_row_shift(const OpView& op);

}  // namespace heddle
