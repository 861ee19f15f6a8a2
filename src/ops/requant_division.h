// Which division a requantisation is. Imports write a division by what is no power of two as a multiplier,
// an addend and a shift (import/division.h); people are told the divisor.
#pragma once

#include <optional>

#include "ops/op.h"

namespace heddle {

// The D > 0 with which a `requant`, before its bounds, is floor(x / D) for every x of its proven range;
// nullopt: it is another map, has a zero point, or is per channel.
std::optional<int64_t> division_of(const OpView& requant);

}  // namespace heddle
