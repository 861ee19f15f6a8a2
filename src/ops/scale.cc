#include "ops/scale.h"

#include <fmt/format.h>

#include <cmath>

namespace heddle {

OperandDef scale_operand() {
  return {.name = "scale",
          .doc = "positive; one element or [K]",
          .dims = {"k"},
          .constant = true,
          .numbers = Numbers::reals};
}

AttributeDef scale_axis_attribute() {
  return {.name = "axis",
          .doc = "the dimension of x that a scale of shape [K] runs along",
          .otherwise = Attribute{int64_t{0}}};
}

Status check_scale(const OpView& op) {
  if (Status status = check_map_rank(op); !status.ok()) return status;
  const Shape& x = op.input(0).shape;
  const Tensor& scale = *op.constant(1);
  if (scale.elements() > 1) {
    if (Status status = check_attribute(op, "axis", 0, static_cast<int64_t>(x.size()) - 1);
        !status.ok())
      return status;
    const int64_t channels = x[static_cast<size_t>(op.attribute("axis"))];
    if (scale.shape() != Shape{channels}) {
      return node_error(
          op,
          fmt::format("`scale` has shape {}, x has {} channels (dimension {} of {})",
                      to_string(scale.shape()), channels, op.attribute("axis"), to_string(x)),
          "one element, or one per channel");
    }
  }
  for (int64_t i = 0; i < scale.elements(); ++i) {
    const float value = scale.float_at(i);
    if (std::isfinite(value) && value > 0) continue;
    return node_error(op, fmt::format("`scale` of channel {} is {}, not positive", i, value),
                      "calibrate the model again");
  }
  return check_attribute(op, "zero_point", INT32_MIN, INT32_MAX);
}

std::vector<float> scale_of_elements(const OpView& op) {
  const std::vector<float> scales = op.constant(1)->to_floats();
  const Shape& shape = op.input(0).shape;
  const int64_t axis = op.attribute("axis");
  std::vector<float> result;
  for (int64_t i = 0; i < elements_of(shape); ++i)
    result.push_back(scales[scales.size() == 1 ? 0
                                               : static_cast<size_t>(channel_of(shape, axis, i))]);
  return result;
}

std::string c_scale(const OpView& op) {
  const Tensor& scale = *op.constant(1);
  return scale.elements() == 1 ? c_literal(scale.float_at(0)) : "$scale";
}

LoopNest scaled_map_loops(const OpView& op) {
  LoopNest nest = map_loops(op);
  nest.inputs.push_back(per_channel_access(op.input(1).shape, op.attribute("axis")));
  return nest;
}

}  // namespace heddle
