#include "import/tflite/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"

namespace heddle::tflite {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 24;

bool check_size(Translation& t, const RawOperator& op, std::string_view name, int64_t size) {
  if (size >= 1 && size <= kMaxWindow) return true;
  fail(t, op, fmt::format("`{}` is {}, outside [1, {}]", name, size, kMaxWindow));
  return false;
}

// Before and behind the image along one dimension.
std::pair<int64_t, int64_t> same_pads(int64_t in, int64_t kernel, int64_t stride,
                                      int64_t dilation) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  const int64_t total = std::max<int64_t>((ceil_div(in, stride) - 1) * stride + reach - in, 0);
  return {total / 2, total - total / 2};
}

}  // namespace

std::optional<ValueId> image_input(Translation& t, const RawOperator& op, size_t i) {
  const std::optional<Shape> shape = model_shape(t, op, i);
  if (!shape) return std::nullopt;
  if (shape->size() == 4) return planes_input(t, op, i);
  fail(t, op,
       fmt::format("its input {} has shape {}: only images [N, H, W, C] are supported",
                   ticked(input_tensor(t, op, i)->name), to_string(*shape)));
  return std::nullopt;
}

std::optional<Attributes> window_attributes(Translation& t, const RawOperator& op,
                                            const Shape& image, int64_t kernel_h, int64_t kernel_w,
                                            int64_t dilation_h, int64_t dilation_w) {
  const RawOptions& options = op.options;
  bool fine = check_size(t, op, "stride_h", options.stride_h);
  fine = check_size(t, op, "stride_w", options.stride_w) && fine;
  fine = check_size(t, op, "dilation_h", dilation_h) && fine;
  fine = check_size(t, op, "dilation_w", dilation_w) && fine;
  fine = check_size(t, op, "kernel_h", kernel_h) && fine;
  fine = check_size(t, op, "kernel_w", kernel_w) && fine;
  if (!fine) return std::nullopt;
  std::pair<int64_t, int64_t> rows, columns;
  if (options.padding == Padding::same) {
    rows = same_pads(image[2], kernel_h, options.stride_h, dilation_h);
    columns = same_pads(image[3], kernel_w, options.stride_w, dilation_w);
  } else if (options.padding != Padding::valid) {
    fail(t, op,
         fmt::format("its padding is number {}, not SAME (0) or VALID (1)",
                     static_cast<int>(options.padding)));
    return std::nullopt;
  }
  return Attributes{{"stride_h", options.stride_h}, {"stride_w", options.stride_w},
                    {"pad_top", rows.first},        {"pad_bottom", rows.second},
                    {"pad_left", columns.first},    {"pad_right", columns.second}};
}

}  // namespace heddle::tflite
