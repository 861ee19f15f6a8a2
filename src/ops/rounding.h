// From float32 to integers, for the references and in C.
#pragma once

#include "ops/check.h"

namespace heddle {

// half_even: IEEE, ONNX; half_away: C's round.
enum class Rounding : uint8_t { half_even, half_away, floor, ceil, truncate };
std::optional<Rounding> find_rounding(const std::string& name);
// Bounds between which float32 holds every integer and the C of c_rounded() is exact: +-2^22.
Status check_rounded_bounds(const OpView& op, const Range& bounds);

// The value clamped to the bounds (NaN to the lower one), then rounded.
int64_t round_clamped(float value, Rounding rounding, const Range& bounds);

// The same in C, in two parts: statements, a line each, that clamp the float variable; an expression
// of type int32_t of a variable that is clamped.
std::string c_clamp_real(std::string_view name, const Range& bounds, std::string_view indent);
std::string c_rounded(std::string_view name, Rounding rounding);

}  // namespace heddle
