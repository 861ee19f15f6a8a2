// Windows of convolutions and pools, with TFLite's paddings as four numbers.
#pragma once

#include "import/tflite/translate.h"

namespace heddle::tflite {

// An image [N, C, H, W]; an error names another rank.
std::optional<ValueId> image_input(Translation& t, const RawOperator& op, size_t i);

// Strides and the four pads (SAME: the odd one behind), as attributes; nothing and an error where
// the options make no sense.
std::optional<Attributes> window_attributes(Translation& t, const RawOperator& op,
                                            const Shape& image, int64_t kernel_h, int64_t kernel_w,
                                            int64_t dilation_h, int64_t dilation_w);

}  // namespace heddle::tflite
