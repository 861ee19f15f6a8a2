// Sliding windows over the last two dimensions of an NCHW tensor: convolutions and pools.
#pragma once

#include "base/result.h"
#include "ops/op.h"

namespace heddle {

// Window element (fy, fx) of output (oy, ox) is input row oy * stride_h + fy * dilation_h -
// pad_top, column likewise.
struct Window {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  bool padded() const { return pad_top + pad_left + pad_bottom + pad_right > 0; }
};

Window conv_window(const OpView& op);  // kernel from the weights (operand 1, ..., FY, FX)
Window pool_window(const OpView& op);  // kernel from attributes, no dilation

// Attributes that conv_window() and pool_window() read, for the records.
std::vector<AttributeDef> conv_attributes();
std::vector<AttributeDef> pool_attributes();

// Height and width of the output for an input of this shape [N, C, H, W]; checks all members of the
// window first.
struct Extent {
  int64_t height = 0;
  int64_t width = 0;
};
Result<Extent> window_output(const OpView& op, const Window& window, const Shape& input);
// Error where a window lies wholly in the padding: a pool has nothing to compute there.
Status check_windows_inside(const OpView& op, const Window& window, const Shape& input,
                            const Extent& output);

// Input row (or column) as a function of the axes at these positions of LoopNest::axes.
DimAccess window_rows(const Window& window, int oy_axis, int fy_axis);
DimAccess window_columns(const Window& window, int ox_axis, int fx_axis);
DimAccess along(int axis, int64_t coefficient = 1);

// The loop nest of a window that slides over every channel by itself: axes n k oy ox / fy fx, at
// these positions, for an output [N, K, OY, OX]; the access of x and y.
enum ChannelwiseAxis { N, K, OY, OX, FY, FX };
LoopNest channelwise_loops(const Window& window, const Shape& output);

}  // namespace heddle
