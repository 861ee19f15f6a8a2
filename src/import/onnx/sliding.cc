#include "import/onnx/sliding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"

namespace heddle {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 24;

bool all_within(const std::vector<int64_t>& values, int64_t least) {
  return std::all_of(values.begin(), values.end(),
                     [&](int64_t v) { return v >= least && v <= kMaxWindow; });
}

// `values` holds the default, or nothing where the attribute must be there.
bool spatial_attribute(Translation& t, const RawNode& node, const std::string& name, size_t count,
                       int64_t least, std::vector<int64_t>* values) {
  std::optional<std::vector<int64_t>> given = maybe_ints(t, node, name);
  if (given) *values = *given;
  if (values->size() == count && all_within(*values, least)) return true;
  fail(t, node, fmt::format("{} must be {} numbers from {}", ticked(name), count, least));
  return false;
}

// One direction; auto_pad and ceil_mode become plain pads.
void place_pads(Sliding& window, size_t d, int64_t in, const std::string& auto_pad,
                bool ceil_mode) {
  int64_t stride = window.strides[d];
  int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
  int64_t& before = window.pads[d];
  int64_t& after = window.pads[d + 2];
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    int64_t total = std::max<int64_t>((ceil_div(in, stride) - 1) * stride + reach - in, 0);
    before = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    after = total - before;
  } else if (ceil_mode && in + before + after >= reach) {
    // One more window where the last one is incomplete, unless it would begin in the padding
    // behind the image.
    int64_t out = ceil_div(in + before + after - reach, stride) + 1;
    if ((out - 1) * stride >= in + before) --out;
    int64_t needed = (out - 1) * stride + reach - in - before;
    window.widened = window.widened || needed > after;
    after = std::max(after, needed);
  }
}

}  // namespace

std::optional<ImageOperand> image_or_line(Translation& t, const RawNode& node) {
  std::optional<ValueId> x = value_operand(t, node, 0);
  if (!x) return std::nullopt;
  const Shape shape = type_of(t.builder, *x).shape;
  if (shape.size() == 4) return ImageOperand{*x, 2};
  if (shape.size() == 3) {
    const std::string name = node.name + "_image";
    ValueId image = emit_named(t, name, name, "reshape", {*x},
                               {{"shape", Shape{shape[0], shape[1], 1, shape[2]}}});
    return image.valid() ? std::optional<ImageOperand>({image, 1}) : std::nullopt;
  }
  fail(t, node,
       fmt::format("its input has shape {}: only images [N, C, H, W] and lines [N, C, W] are "
                   "supported",
                   to_string(shape)));
  return std::nullopt;
}

void set_image(Translation& t, const RawNode& node, ValueId y, const ImageOperand& x) {
  if (!y.valid() || x.dimensions == 2) return set_value(t, node, y);
  const Shape shape = type_of(t.builder, y).shape;
  std::string name = t.builder.graph.value(y).name;
  t.builder.graph.value(y).name += "_image";
  set_value(t, node,
            emit_named(t, node.name + "_line", std::move(name), "reshape", {y},
                       {{"shape", Shape{shape[0], shape[1], shape[3]}}}));
}

std::optional<Sliding> read_window(Translation& t, const RawNode& node, const Shape& x,
                                   std::vector<int64_t> kernel, size_t dimensions) {
  Sliding window{.kernel = std::move(kernel), .strides = {}, .dilations = {}, .pads = {}};
  window.strides.assign(dimensions, 1);
  window.dilations.assign(dimensions, 1);
  window.pads.assign(2 * dimensions, 0);
  bool fine = spatial_attribute(t, node, "kernel_shape", dimensions, 1, &window.kernel);
  fine = spatial_attribute(t, node, "strides", dimensions, 1, &window.strides) && fine;
  fine = spatial_attribute(t, node, "dilations", dimensions, 1, &window.dilations) && fine;
  fine = spatial_attribute(t, node, "pads", 2 * dimensions, 0, &window.pads) && fine;
  std::string auto_pad = text_of(node, "auto_pad", "NOTSET");
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER" && auto_pad != "NOTSET" &&
      auto_pad != "VALID") {
    fail(t, node,
         fmt::format("`auto_pad` is {}, not NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                     ticked(auto_pad)));
    fine = false;
  }
  if (!fine) return std::nullopt;
  if (dimensions == 1) {
    for (std::vector<int64_t>* values : {&window.kernel, &window.strides, &window.dilations})
      values->insert(values->begin(), 1);
    window.pads = {0, window.pads[0], 0, window.pads[1]};
  }
  if (auto_pad == "VALID") window.pads = {0, 0, 0, 0};
  bool ceil_mode = int_of(t, node, "ceil_mode", 0) != 0;
  for (size_t d = 0; d < 2; ++d) place_pads(window, d, x[d + 2], auto_pad, ceil_mode);
  return window;
}

Attributes window_attributes(const Sliding& w) {
  return {{"stride_h", w.strides[0]}, {"stride_w", w.strides[1]}, {"pad_top", w.pads[0]},
          {"pad_left", w.pads[1]},    {"pad_bottom", w.pads[2]},  {"pad_right", w.pads[3]}};
}

Attributes pool_attributes(const Sliding& window) {
  Attributes attributes = window_attributes(window);
  attributes["kernel_h"] = window.kernel[0];
  attributes["kernel_w"] = window.kernel[1];
  return attributes;
}

}  // namespace heddle
