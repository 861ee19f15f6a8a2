// Scales of tensors, bounds of results, requantisations.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

std::optional<Range> bounds_of(RawType type) {
  switch (type) {
    case RawType::int8:
      return range_of(DType::int8);
    case RawType::uint8:
      return range_of(DType::uint8);
    case RawType::int16:
      return range_of(DType::int16);
    case RawType::int4:
      return Range{-8, 7};
    case RawType::int32:
      return range_of(DType::int32);
    default:
      return std::nullopt;
  }
}

bool sound(float scale) { return std::isfinite(scale) && scale > 0; }

// Scales are positive, zero points within the type.
bool check_quantisation(Translation& t, const RawOperator& op, const RawTensor& tensor) {
  const RawQuantisation& q = tensor.quantisation;
  const std::optional<Range> type = bounds_of(tensor.type);
  if (!type) {
    fail(t, op,
         fmt::format("tensor {} is {}, which is not supported here", ticked(tensor.name),
                     name_of(tensor.type)));
    return false;
  }
  if (q.scales.empty() || q.custom) {
    fail(t, op,
         fmt::format("tensor {} is {} without {}: what its integers mean is unknown",
                     ticked(tensor.name), name_of(tensor.type),
                     q.custom ? "scales that TFLite itself defines" : "a scale"),
         "convert the model with full integer quantisation");
    return false;
  }
  for (float scale : q.scales) {
    if (sound(scale)) continue;
    fail(t, op,
         fmt::format("tensor {} has scale {}, not a positive number", ticked(tensor.name), scale));
    return false;
  }
  for (int64_t zero_point : q.zero_points) {
    if (type->lo <= zero_point && zero_point <= type->hi) continue;
    fail(t, op,
         fmt::format("tensor {} has zero point {}, outside {}", ticked(tensor.name), zero_point,
                     name_of(tensor.type)));
    return false;
  }
  return true;
}

int64_t zero_point_at(const RawQuantisation& q, size_t i) {
  if (q.zero_points.empty()) return 0;
  return q.zero_points[q.zero_points.size() == 1 ? 0 : i];
}

}  // namespace

std::optional<Scale> scale_of(Translation& t, const RawOperator& op, const RawTensor& tensor) {
  if (!check_quantisation(t, op, tensor)) return std::nullopt;
  if (tensor.quantisation.scales.size() > 1) {
    fail(
        t, op,
        fmt::format("tensor {} has {} scales, one for each index of dimension {}: only weights may",
                    ticked(tensor.name), tensor.quantisation.scales.size(),
                    tensor.quantisation.dimension));
    return std::nullopt;
  }
  return Scale{tensor.quantisation.scales[0], zero_point_at(tensor.quantisation, 0)};
}

std::optional<Scale> input_scale(Translation& t, const RawOperator& op, size_t i) {
  const RawTensor* tensor = input_tensor(t, op, i);
  return tensor == nullptr ? std::nullopt : scale_of(t, op, *tensor);
}

std::optional<Scale> output_scale(Translation& t, const RawOperator& op, size_t i) {
  return scale_of(t, op, output_tensor(t, op, i));
}

std::optional<ChannelScales> channel_scales(Translation& t, const RawOperator& op, size_t i,
                                            int64_t dimension, int64_t channels) {
  const RawTensor* tensor = input_tensor(t, op, i);
  if (tensor == nullptr || !check_quantisation(t, op, *tensor)) return std::nullopt;
  const RawQuantisation& q = tensor->quantisation;
  ChannelScales result{.scales = q.scales, .zero_points = {}};
  for (size_t k = 0; k < q.scales.size(); ++k) result.zero_points.push_back(zero_point_at(q, k));
  if (q.scales.size() == 1) return result;
  t.per_channel = true;
  if (static_cast<int64_t>(q.scales.size()) == channels && q.dimension == dimension) return result;
  fail(t, op,
       fmt::format("the weights {} have {} scales along dimension {}, not one for all or one for "
                   "each of {} channels (dimension {})",
                   ticked(tensor->name), q.scales.size(), q.dimension, channels, dimension));
  return std::nullopt;
}

std::optional<Range> output_bounds(Translation& t, const RawOperator& op, const RawTensor& output,
                                   const Scale& scale, Activation activation) {
  Range bounds = *bounds_of(output.type);
  // As TFLite computes them: in float32, to nearest, halves away from zero.
  const auto quantised = [&](float real) {
    const double q = std::round(static_cast<double>(real / scale.scale));
    return scale.zero_point + static_cast<int64_t>(std::clamp(q, -4e9, 4e9));
  };
  const auto at_least = [&](float real) { bounds.lo = std::max(bounds.lo, quantised(real)); };
  const auto at_most = [&](float real) { bounds.hi = std::min(bounds.hi, quantised(real)); };
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      at_least(0);
      break;
    case Activation::relu6:
      at_least(0);
      at_most(6);
      break;
    case Activation::relu_n1_to_1:
      at_least(-1);
      at_most(1);
      break;
    default:
      fail(t, op,
           fmt::format("its fused activation is number {}, which is not supported",
                       static_cast<int>(activation)),
           "RELU, RELU6 and RELU_N1_TO_1 are");
      return std::nullopt;
  }
  if (bounds.lo <= bounds.hi) return bounds;
  fail(t, op, "its fused activation leaves no value in the type of the result");
  return std::nullopt;
}

std::optional<Target> output_target(Translation& t, const RawOperator& op) {
  const std::optional<Scale> scale = output_scale(t, op);
  if (!scale) return std::nullopt;
  const std::optional<Range> bounds =
      output_bounds(t, op, output_tensor(t, op), *scale, op.options.activation);
  if (!bounds) return std::nullopt;
  return Target{*scale, *bounds};
}

bool doubles(const RawTensor& output) { return output.type == RawType::int16; }

ValueId emit_requant(Translation& t, const RawOperator& op, ValueId x, const Requant& requant,
                     const std::string& suffix) {
  if (!x.valid()) return {};
  const std::string name = output_tensor(t, op).name + suffix;
  std::vector<int64_t> muls, shifts;
  for (const Multiplier& multiplier : requant.multipliers) {
    muls.push_back(multiplier.mul);
    shifts.push_back(31 - multiplier.exponent);
  }
  // A factor of 0 gives 0 after any shift; what TFLite says there would be the least of all.
  int64_t common = 63;
  for (size_t k = 0; k < shifts.size(); ++k) {
    if (muls[k] != 0) common = std::min(common, shifts[k]);
  }
  if (common == 63) common = 31;
  for (size_t k = 0; k < shifts.size(); ++k) {
    if (muls[k] == 0) shifts[k] = common;
  }
  const auto [least, most] = std::minmax_element(shifts.begin(), shifts.end());
  const bool vary = *least != *most;
  if (common < 1) {
    fail(t, op,
         fmt::format("its scales ask for a factor of 2^{}, which leaves int32", 31 - common));
    return {};
  }
  for (int64_t& shift : shifts) shift -= common;
  const Shape shape{static_cast<int64_t>(muls.size())};
  std::vector<ValueId> inputs{x, add_int32_constant(t.builder, name + "_mul", shape, muls)};
  if (vary) {
    inputs.push_back({});
    inputs.push_back(
        add_narrow_constant(t.builder, name + "_shifts", Tensor::of(DType::int32, shape, shifts)));
  }
  return emit(t, op, "requant", std::move(inputs),
              {{"shift", common},
               {"lo", requant.bounds.lo},
               {"hi", requant.bounds.hi},
               {"axis", requant.axis},
               {"zero_point", requant.zero_point},
               {"rounding", std::string(requant.doubled ? "tflite_double" : "half_up")}},
              suffix);
}

ValueId emit_bounds(Translation& t, const RawOperator& op, ValueId x, const Range& bounds) {
  if (!x.valid() || bounds.contains(type_of(t.builder, x).range)) return x;
  return emit(t, op, "clip", {x}, {{"lo", bounds.lo}, {"hi", bounds.hi}}, "_clipped");
}

ValueId emit_real_activation(Translation& t, const RawOperator& op, ValueId x) {
  if (!x.valid()) return x;
  switch (op.options.activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return emit(t, op, "relu", {x}, {}, "_relu");
    case Activation::relu6:
      return emit(t, op, "clip", {x}, {{"lo", 0.0}, {"hi", 6.0}}, "_clipped");
    case Activation::relu_n1_to_1:
      return emit(t, op, "clip", {x}, {{"lo", -1.0}, {"hi", 1.0}}, "_clipped");
    case Activation::tanh:
      return emit(t, op, "unary", {x}, {{"function", std::string("tanh")}}, "_tanh");
    default:
      fail(t, op,
           fmt::format("its fused activation is number {}, which is not supported",
                       static_cast<int>(op.options.activation)));
      return {};
  }
}

}  // namespace heddle::tflite
