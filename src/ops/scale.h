// What quantize and dequantize share: operand 1, a positive float32 scale, one or per channel.
#pragma once

#include "ops/check.h"
#include "ops/map.h"

namespace heddle {

OperandDef scale_operand();
AttributeDef scale_axis_attribute();
// Rank of x, shape and values of the scale, the zero point.
Status check_scale(const OpView& op);
std::vector<float> scale_of_elements(const OpView& op);  // one per element of x, row-major
std::string c_scale(const OpView& op);                   // a hole or a literal
LoopNest scaled_map_loops(const OpView& op);

}  // namespace heddle
