// Integers for a layer on analog arrays: weights of -1, 0 and 1, a converter of 6 bits, and a
// multiplier and addend for each channel behind it.
#pragma once

#include "requantize/fit.h"

namespace heddle::requantizing {

// y = clip((clip(sum >> shift, -32, 31) * mul + add) >> converter.shift, lo, hi). Of each channel
// the weights of largest magnitude become -1 or 1, as many as lie nearest to a multiple of the
// source's; then mul and add are the line through the source's real numbers over what the converter
// gives on the searched samples, where the clamp lets either through. The shifts and the result's
// scale are those with the least noise.
IntegerLayer fit_ternary(const Fitting& fitting);

}  // namespace heddle::requantizing
