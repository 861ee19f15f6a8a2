#include "ops/window.h"

#include <fmt/format.h>

#include "ops/check.h"

namespace heddle {
namespace {

constexpr int64_t kMost =
    int64_t{1} << 24;  // of strides, kernels, dilations, pads: products stay far within int64

Window strides_and_pads(const OpView& op) {
  Window window;
  window.stride_h = op.attribute("stride_h");
  window.stride_w = op.attribute("stride_w");
  window.pad_top = op.attribute("pad_top");
  window.pad_left = op.attribute("pad_left");
  window.pad_bottom = op.attribute("pad_bottom");
  window.pad_right = op.attribute("pad_right");
  return window;
}

std::vector<AttributeDef> stride_and_pad_attributes() {
  return {{.name = "stride_h", .doc = "rows from one output row to the next"},
          {.name = "stride_w", .doc = "columns from one output column to the next"},
          {.name = "pad_top", .doc = "rows of padding above the image"},
          {.name = "pad_left", .doc = "columns of padding left of it"},
          {.name = "pad_bottom", .doc = "rows of padding below it"},
          {.name = "pad_right", .doc = "columns of padding right of it"}};
}

// One direction of window_output().
Result<int64_t> output_extent(const OpView& op, std::string_view direction, int64_t size,
                              int64_t kernel, int64_t stride, int64_t dilation, int64_t pad_before,
                              int64_t pad_after) {
  const int64_t reach = dilation * (kernel - 1) + 1;
  const int64_t padded = size + pad_before + pad_after;
  if (padded < reach) {
    return node_error(op, fmt::format("the window spans {} {}, the padded input has {}", reach,
                                      direction, padded));
  }
  return (padded - reach) / stride + 1;
}

}  // namespace

Window conv_window(const OpView& op) {
  Window window = strides_and_pads(op);
  window.dilation_h = op.attribute("dilation_h");
  window.dilation_w = op.attribute("dilation_w");
  const Shape& weights = op.input(1).shape;
  HEDDLE_CHECK(weights.size() == 4, "weights that are not OIHW");
  window.kernel_h = weights[2];
  window.kernel_w = weights[3];
  return window;
}

Window pool_window(const OpView& op) {
  Window window = strides_and_pads(op);
  window.kernel_h = op.attribute("kernel_h");
  window.kernel_w = op.attribute("kernel_w");
  return window;
}

std::vector<AttributeDef> conv_attributes() {
  std::vector<AttributeDef> attributes = stride_and_pad_attributes();
  attributes.push_back(
      {.name = "dilation_h", .doc = "rows from one row of the kernel to the next"});
  attributes.push_back(
      {.name = "dilation_w", .doc = "columns from one column of the kernel to the next"});
  return attributes;
}

std::vector<AttributeDef> pool_attributes() {
  std::vector<AttributeDef> attributes = stride_and_pad_attributes();
  attributes.push_back({.name = "kernel_h", .doc = "rows of the window"});
  attributes.push_back({.name = "kernel_w", .doc = "columns of the window"});
  return attributes;
}

Result<Extent> window_output(const OpView& op, const Window& window, const Shape& input) {
  HEDDLE_CHECK(input.size() == 4, "a window over something that is not NCHW");
  struct Member {
    std::string_view name;
    int64_t value;
    int64_t least;
  };
  const Member members[] = {
      {"kernel_h", window.kernel_h, 1},     {"kernel_w", window.kernel_w, 1},
      {"stride_h", window.stride_h, 1},     {"stride_w", window.stride_w, 1},
      {"dilation_h", window.dilation_h, 1}, {"dilation_w", window.dilation_w, 1},
      {"pad_top", window.pad_top, 0},       {"pad_left", window.pad_left, 0},
      {"pad_bottom", window.pad_bottom, 0}, {"pad_right", window.pad_right, 0},
  };
  Diagnostics errors;
  for (const Member& member : members) {
    if (member.least <= member.value && member.value <= kMost) continue;
    errors.push_back(node_error(op, fmt::format("`{}` is {}, outside [{}, {}]", member.name,
                                                member.value, member.least, kMost)));
  }
  if (!errors.empty()) return errors;
  Result<int64_t> height = output_extent(op, "rows", input[2], window.kernel_h, window.stride_h,
                                         window.dilation_h, window.pad_top, window.pad_bottom);
  if (!height.ok()) return height.errors();
  Result<int64_t> width = output_extent(op, "columns", input[3], window.kernel_w, window.stride_w,
                                        window.dilation_w, window.pad_left, window.pad_right);
  if (!width.ok()) return width.errors();
  return Extent{*height, *width};
}

Status check_windows_inside(const OpView& op, const Window& window, const Shape& input,
                            const Extent& output) {
  struct Direction {
    const char* before_name;
    const char* after_name;
    int64_t size, kernel, stride, before, last;
  };
  const Direction directions[] = {
      {"pad_top", "pad_bottom", input[2], window.kernel_h, window.stride_h, window.pad_top,
       output.height - 1},
      {"pad_left", "pad_right", input[3], window.kernel_w, window.stride_w, window.pad_left,
       output.width - 1},
  };
  for (const Direction& d : directions) {
    const bool first_outside = d.kernel <= d.before;
    const bool last_outside = d.last * d.stride - d.before >= d.size;
    if (!first_outside && !last_outside) continue;
    const char* name = first_outside ? d.before_name : d.after_name;
    return node_error(
        op,
        fmt::format(
            "the {} window lies wholly in the padding (`{}` is {}, the window {}, the stride {})",
            first_outside ? "first" : "last", name, op.attribute(name), d.kernel, d.stride),
        fmt::format("reduce `{}`", name));
  }
  return Unit{};
}

DimAccess along(int axis, int64_t coefficient) { return {{{axis, coefficient}}, 0}; }

DimAccess window_rows(const Window& window, int oy_axis, int fy_axis) {
  return {{{oy_axis, window.stride_h}, {fy_axis, window.dilation_h}}, -window.pad_top};
}

DimAccess window_columns(const Window& window, int ox_axis, int fx_axis) {
  return {{{ox_axis, window.stride_w}, {fx_axis, window.dilation_w}}, -window.pad_left};
}

LoopNest channelwise_loops(const Window& window, const Shape& output) {
  LoopNest nest;
  nest.axes = {{"n", output[0]},
               {"k", output[1]},
               {"oy", output[2]},
               {"ox", output[3]},
               {"fy", window.kernel_h, true},
               {"fx", window.kernel_w, true}};
  nest.inputs = {{along(N), along(K), window_rows(window, OY, FY), window_columns(window, OX, FX)}};
  nest.output = {along(N), along(K), along(OY), along(OX)};
  return nest;
}

}  // namespace heddle
