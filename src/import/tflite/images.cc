// PAD, PADV2 and RESIZE_NEAREST_NEIGHBOR.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "import/tflite/translate.h"

namespace heddle::tflite {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 28;  // of a resized image

// The source of every row (or column) of a resized image.
std::vector<int64_t> nearest(const RawOptions& options, int64_t from, int64_t to) {
  const float scale = options.align_corners && to > 1
                          ? static_cast<float>(from - 1) / static_cast<float>(to - 1)
                          : static_cast<float>(from) / static_cast<float>(to);
  const float offset = options.half_pixel_centers ? 0.5f : 0.0f;
  std::vector<int64_t> sources;
  for (int64_t i = 0; i < to; ++i) {
    const float at = (static_cast<float>(i) + offset) * scale;
    const auto index =
        static_cast<int64_t>(options.align_corners ? std::round(at) : std::floor(at));
    sources.push_back(std::clamp<int64_t>(index, 0, from - 1));
  }
  return sources;
}

void resize_nearest(Translation& t, const RawOperator& op) {
  const std::optional<std::vector<int64_t>> size = ints_input(t, op, 1, "sizes");
  std::optional<ValueId> x = planes_input(t, op, 0);
  if (!size || !x) return;
  const Shape shape = shape_of(t, *x);
  const auto sound = [&] {
    if (shape.size() != 4 || size->size() != 2 || (*size)[0] < 1 || (*size)[1] < 1) return false;
    const int64_t elements = checked_elements({shape[0], shape[1], (*size)[0], (*size)[1]});
    return elements >= 0 && elements <= kMaxElements;
  };
  if (!sound()) {
    return fail(t, op,
                fmt::format("it resizes {} to {}, which is not supported", to_string(shape),
                            to_string(*size)));
  }
  const std::string name = output_tensor(t, op).name;
  const ValueId rows = add_int32_constant(t.builder, name + "_rows", {(*size)[0]},
                                          nearest(op.options, shape[2], (*size)[0]));
  const ValueId columns = add_int32_constant(t.builder, name + "_columns", {(*size)[1]},
                                             nearest(op.options, shape[3], (*size)[1]));
  const ValueId taller = emit(t, op, "gather", {*x, rows}, {{"axis", int64_t{2}}}, "_taller");
  if (taller.valid())
    set_planes(t, op, emit(t, op, "gather", {taller, columns}, {{"axis", int64_t{3}}}));
}

// What the padding holds: 0.0, or the integer that means it, or the third operand.
std::optional<Attribute> pad_value(Translation& t, const RawOperator& op) {
  if (has_input(op, 2)) {
    const std::optional<Tensor> value = constant_input(t, op, 2, "values");
    if (!value) return std::nullopt;
    if (value->elements() == 1) {
      return value->dtype() == DType::float32 ? Attribute{static_cast<double>(value->float_at(0))}
                                              : Attribute{value->at(0)};
    }
    fail(t, op, "its padding value is not one element");
    return std::nullopt;
  }
  if (real_input(t, op)) return Attribute{0.0};
  if (!quantised(output_tensor(t, op))) return Attribute{int64_t{0}};
  const std::optional<Scale> scale = output_scale(t, op);
  if (!scale) return std::nullopt;
  return Attribute{scale->zero_point};
}

void pad(Translation& t, const RawOperator& op) {
  const RawTensor* tensor = input_tensor(t, op, 0);
  const std::optional<std::vector<int64_t>> pads = ints_input(t, op, 1, "pads");
  const std::optional<Attribute> value = pad_value(t, op);
  if (tensor == nullptr || !pads || !value) return;
  // Images, or [N, W, C] as an image of one row.
  const std::optional<Shape> from = model_shape(t, op, 0);
  if (!from) return;
  const size_t rank = from->size();
  const bool row = rank == 3;
  if ((rank != 4 && !row) || pads->size() != 2 * rank ||
      std::any_of(pads->begin(), pads->end(),
                  [](int64_t pad) { return pad < 0 || pad > (int64_t{1} << 24); }) ||
      (*pads)[0] + (*pads)[1] + (*pads)[2 * rank - 2] + (*pads)[2 * rank - 1] != 0) {
    return fail(t, op,
                fmt::format("it pads a tensor of shape {} by {}: only height and width of "
                            "images [N, H, W, C] can be padded",
                            to_string(*from), to_string(*pads)));
  }
  std::optional<ValueId> x = planes_input(t, op, 0);
  if (!x) return;
  Shape shape = shape_of(t, *x);
  if (row) x = emit_reshape(t, tensor->name + "_image", *x, {shape[0], shape[1], 1, shape[2]});
  if (!x->valid()) return;
  ValueId y = emit(t, op, "pad", {*x},
                   {{"pad_top", row ? 0 : (*pads)[2]},
                    {"pad_bottom", row ? 0 : (*pads)[3]},
                    {"pad_left", (*pads)[row ? 2 : 4]},
                    {"pad_right", (*pads)[row ? 3 : 5]},
                    {"value", *value}});
  if (!y.valid()) return;
  shape = shape_of(t, y);
  if (row)
    y = emit_reshape(t, output_tensor(t, op).name + "_row", y, {shape[0], shape[1], shape[3]});
  set_planes(t, op, y);
}

}  // namespace

std::vector<OperatorEntry> image_operators() {
  return {{"PAD", pad}, {"PADV2", pad}, {"RESIZE_NEAREST_NEIGHBOR", resize_nearest}};
}

}  // namespace heddle::tflite
