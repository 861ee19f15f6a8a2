// Images, and windows of Conv and the pools, as ONNX describes them.
#pragma once

#include <optional>
#include <vector>

#include "import/onnx/translate.h"

namespace heddle {

// A line [N, C, W] is an image of one row.
struct ImageOperand {
  ValueId value;          // [N, C, H, W]
  size_t dimensions = 2;  // 1: of a line
};
// Operand 0; an error where it is neither.
std::optional<ImageOperand> image_or_line(Translation& t, const RawNode& node);
// The node's result; a line where x was one.
void set_image(Translation& t, const RawNode& node, ValueId y, const ImageOperand& x);

struct Sliding {
  std::vector<int64_t> kernel, strides, dilations;  // h, w
  std::vector<int64_t> pads;                        // top, left, bottom, right
  bool widened = false;  // ceil_mode added padding that no attribute asks for
};

// Kernel, strides, dilations, pads for an image of shape [N, C, H, W]; auto_pad and ceil_mode
// become plain pads. `kernel`: where the attribute is absent. `dimensions`: 2, or 1 where the
// attributes speak of a line, which is an image of one row then.
std::optional<Sliding> read_window(Translation& t, const RawNode& node, const Shape& x,
                                   std::vector<int64_t> kernel, size_t dimensions = 2);

Attributes window_attributes(const Sliding& window);
Attributes pool_attributes(const Sliding& window);

}  // namespace heddle
