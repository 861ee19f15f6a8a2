// QuantizeLinear and DequantizeLinear, of ONNX and of com.microsoft.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "import/onnx/quant.h"

namespace heddle {
namespace {

bool same_everywhere(const std::vector<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [&](int64_t x) { return x == values[0]; });
}

// The dimension of the channels; an error where the scales do not fit it.
std::optional<int64_t> channel_axis(Translation& t, const RawNode& node, const Grid& grid,
                                    const Shape& shape, int64_t axis) {
  if (grid.whole_tensor()) return 0;
  const int64_t rank = static_cast<int64_t>(shape.size());
  std::optional<int64_t> normal = normal_axis(t, node, axis, rank, rank - 1);
  if (!normal) return std::nullopt;
  if (shape[static_cast<size_t>(*normal)] == std::ssize(grid.scale)) return normal;
  fail(t, node,
       fmt::format("{} scales for dimension {} of shape {}", grid.scale.size(), *normal,
                   to_string(shape)),
       "one scale for the tensor, or one for each index of the dimension `axis`");
  return std::nullopt;
}

void dequantise_constant(Translation& t, const RawNode& node, const Tensor& integers,
                         const Grid& grid, int64_t axis) {
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < integers.shape().size(); ++d)
    inner *= integers.shape()[d];
  Tensor reals(DType::float32, integers.shape());
  for (int64_t i = 0; i < integers.elements(); ++i) {
    const size_t k =
        grid.whole_tensor()
            ? 0
            : static_cast<size_t>(i / inner % integers.shape()[static_cast<size_t>(axis)]);
    reals.set_float(i, static_cast<float>(integers.at(i) - grid.zero_point[k]) * grid.scale[k]);
  }
  t.quantised_constants.emplace(content_key(reals), grid.scale);
  set_constant(t, node, raw_constant(reals, kOnnxFloat));
}

ValueId add_scale(Translation& t, const RawNode& node, const Grid& grid) {
  return add_reals(t, node, "_scale", {std::ssize(grid.scale)}, grid.scale);
}

// Activations have one zero point.
std::optional<int64_t> common_zero_point(Translation& t, const RawNode& node, const Grid& grid) {
  if (same_everywhere(grid.zero_point)) return grid.zero_point[0];
  fail(t, node, "the zero points of an activation differ from channel to channel",
       "quantise activations per tensor, or symmetrically");
  return std::nullopt;
}

bool is_blocked(Translation& t, const RawNode& node) {
  if (int_of(t, node, "block_size", 0) == 0) return false;
  fail(t, node,
       fmt::format("`block_size` is {}: scales of blocks are not supported",
                   int_of(t, node, "block_size", 0)),
       "quantise per tensor or per channel");
  return true;
}

void quantize_linear(Translation& t, const RawNode& node) {
  if (is_blocked(t, node)) return;
  std::optional<Grid> grid = read_grid(t, node, 1, 2);
  if (!grid) return;
  if (!has_operand(node, 2)) {
    const int64_t type = int_of(t, node, "output_dtype", 0);
    if (type != 0) grid->type = static_cast<int32_t>(type);
  }
  quantise(t, node, 0, *grid, int_of(t, node, "axis", 1));
}

void dequantize_linear(Translation& t, const RawNode& node) {
  if (is_blocked(t, node)) return;
  if (std::optional<Grid> grid = read_grid(t, node, 1, 2))
    dequantise(t, node, 0, *grid, int_of(t, node, "axis", 1));
}

void dynamic_quantize_linear(Translation& t, const RawNode& node) {
  fail(t, node,
       "its scale is computed from the data of each run, which integer arithmetic cannot follow",
       "quantise the model statically, with calibration data");
}

}  // namespace

Range range_of_onnx(int32_t type) {
  switch (type) {
    case kOnnxInt4:
      return {-8, 7};
    case kOnnxUint4:
      return {0, 15};
    case kOnnxInt8:
      return range_of(DType::int8);
    case kOnnxUint8:
      return range_of(DType::uint8);
    case kOnnxInt16:
      return range_of(DType::int16);
    case kOnnxUint16:
      return range_of(DType::uint16);
    case kOnnxInt32:
      return range_of(DType::int32);
    default:
      return {0, 0};
  }
}

std::optional<Grid> read_grid(Translation& t, const RawNode& node, size_t scale,
                              std::optional<size_t> zero_point) {
  std::optional<Tensor> scales = real_constant(t, node, scale, "scales");
  if (!scales) return std::nullopt;
  Grid grid;
  grid.scale = floats_of(*scales);
  if (scales->shape().size() > 1 || grid.scale.empty()) {
    fail(t, node,
         fmt::format("the scales have shape {}: a scalar or one dimension is supported",
                     to_string(scales->shape())),
         "scales of blocks are not supported: quantise per tensor or per channel");
    return std::nullopt;
  }
  for (size_t k = 0; k < grid.scale.size(); ++k) {
    if (grid.scale[k] > 0 && std::isfinite(grid.scale[k])) continue;
    fail(t, node, fmt::format("scale {} is {}, not a positive number", k, grid.scale[k]));
    return std::nullopt;
  }
  grid.zero_point.assign(grid.scale.size(), 0);
  if (!zero_point || !has_operand(node, *zero_point)) return grid;
  const RawTensor* points = constant_operand(t, node, *zero_point, "zero points");
  if (points == nullptr) return std::nullopt;
  grid.type = points->type;
  const Range range = range_of_onnx(grid.type);
  if (range == Range{0, 0} || points->fraction) {
    fail(t, node,
         fmt::format("the zero point is of {}: integers of at most 32 bits are supported",
                     onnx_type_name(grid.type)));
    return std::nullopt;
  }
  const std::vector<int64_t> values = points->values.to_ints();
  if (values.size() != 1 && values.size() != grid.scale.size()) {
    fail(t, node, fmt::format("{} zero points for {} scales", values.size(), grid.scale.size()));
    return std::nullopt;
  }
  for (size_t k = 0; k < grid.zero_point.size(); ++k)
    grid.zero_point[k] = values[values.size() == 1 ? 0 : k];
  return grid;
}

void dequantise(Translation& t, const RawNode& node, size_t x, const Grid& grid, int64_t axis) {
  const Known* known = operand(t, node, x);
  if (known == nullptr) return;
  if (known->constant && !known->constant->fraction) {
    const Tensor integers = known->constant->values;
    if (std::optional<int64_t> channel = channel_axis(t, node, grid, integers.shape(), axis))
      dequantise_constant(t, node, integers, grid, *channel);
    return;
  }
  std::optional<ValueId> value = value_operand(t, node, x);
  if (!value) return;
  if (type_of(t.builder, *value).dtype == DType::float32) {
    return fail(
        t, node,
        fmt::format("{} is float32 already: nothing is to be dequantised", ticked(node.inputs[x])));
  }
  std::optional<int64_t> channel = channel_axis(t, node, grid, shape_of(t, *value), axis);
  std::optional<int64_t> zero_point = common_zero_point(t, node, grid);
  if (!channel || !zero_point) return;
  finish(t, node, "dequantize", {*value, add_scale(t, node, grid)},
         {{"axis", *channel}, {"zero_point", *zero_point}});
}

void quantise(Translation& t, const RawNode& node, size_t x, const Grid& grid, int64_t axis) {
  const Range range = range_of_onnx(grid.type);
  if (range == Range{0, 0} || grid.type == kOnnxInt32) {
    return fail(t, node,
                fmt::format("its result is of {}: integers of at most 16 bits are supported",
                            onnx_type_name(grid.type)));
  }
  std::optional<ValueId> value = real_operand(t, node, x);
  if (!value) return;
  std::optional<int64_t> channel = channel_axis(t, node, grid, shape_of(t, *value), axis);
  std::optional<int64_t> zero_point = common_zero_point(t, node, grid);
  if (!channel || !zero_point) return;
  finish(t, node, "quantize", {*value, add_scale(t, node, grid)},
         {{"axis", *channel}, {"zero_point", *zero_point}, {"lo", range.lo}, {"hi", range.hi}});
}

std::vector<OperatorEntry> real_quant_operators() {
  return {{"QuantizeLinear", quantize_linear, true},
          {"DequantizeLinear", dequantize_linear, true},
          {"DynamicQuantizeLinear", dynamic_quantize_linear, true, true}};
}

}  // namespace heddle
