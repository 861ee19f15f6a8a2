// Real numbers and the integers that stand for them.
#pragma once

#include "graph/graph.h"

namespace heddle {

// round(real / scale) + zero_point, clipped to `range`; float32 division, halves away from zero, as
// TFLite quantises its inputs. `real` is no NaN.
int64_t quantise(float real, const Quantisation& quantisation, const Range& range);

// (integer - zero_point) * scale.
double real_value(int64_t integer, const Quantisation& quantisation);

}  // namespace heddle
