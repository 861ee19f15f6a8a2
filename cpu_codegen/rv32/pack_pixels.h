// C that packs pairs of neighbouring pixels into words, for every tap of a convolution.
#pragma once

#include <string>

#include "cpu_codegen/writer.h"
#include "ops/window.h"
#include "tiler/tiling.h"

namespace heddle::rv32 {

// A row of output pixels and where they read; a plane of a 1x1 convolution may be one long row.
struct PixelRow {
  Window window;
  int64_t channels = 1;           // of the input
  int64_t height = 1, width = 1;  // of the input
  int64_t pixels = 1;             // of the output
  std::vector<int64_t> strides;   // of the input, in elements: n, c, y, x
  int64_t offset = 0;             // subtracted from every element
  int64_t padding = 0;            // what lies outside, offset subtracted
  std::string image = "x";        // C pointer to the first element
  std::string element;            // C type of the input: "int8_t"

  int64_t taps() const { return channels * window.kernel_h * window.kernel_w; }
};

// Loops over the taps that write words of `words` pairs of pixels from output pixel `first` on, an
// expression, to `strip` and on: taps() * words words, in the order of the taps c, fy, fx. Reads
// the image at row `oy` of the output. `first` takes the values begin, begin + 2 * words ...
// below end. Pixels behind the last one count as padding.
void print_packing(CWriter& out, const PixelRow& row, int64_t words, const std::string& first,
                   int64_t begin, int64_t end);

}  // namespace heddle::rv32
