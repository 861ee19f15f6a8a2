// C that lays the inputs of a row of output pixels out as bytes, channels next to each other.
#pragma once

#include <string>
#include <vector>

#include "cpu_codegen/writer.h"
#include "ops/window.h"

namespace heddle::rv32 {

// For each of the filter's rows one run of columns, each of whole words. Either a column is one of
// the image, and a pixel reads as many neighbours as the filter is wide; or a column holds all that
// one pixel reads of the row, which takes fewer words where there are few channels.
struct ByteRows {
  Window window;
  int64_t channels = 1;
  int64_t height = 1, width = 1;  // of the input
  std::vector<int64_t> strides;   // of the input, in elements: n, c, y, x
  int64_t offset = 0;             // subtracted from every element
  int64_t padding = 0;            // what lies outside, offset subtracted: an int8
  std::string image = "x";        // C pointer to the first element
  std::string element;            // C type of the input: "uint8_t"

  int64_t columns = 1;  // of a run
  int64_t taps = 1;     // columns of the filter in one column
  int64_t step = 1;     // columns of the image from a column to the next

  int64_t column_words() const { return (taps * channels + 3) / 4; }
  int64_t pitch() const { return columns * column_words(); }  // words
  // Words from a pixel to the next, and that a pixel reads of a run.
  int64_t pixel_step() const {
    return (taps == window.kernel_w ? 1 : window.stride_w) * column_words();
  }
  int64_t pixel_words() const { return column_words() * (window.kernel_w / taps); }
  int64_t words() const { return window.kernel_h * pitch(); }
};

// Sets columns, taps and step for rows of `pixels` output pixels; the rest is given.
void choose_columns(ByteRows& rows, int64_t pixels);

// Fills all of `rows`, a uint32_t *, with padding, where print_packing() leaves some of it out.
void print_padding(CWriter& out, const ByteRows& rows);

// Writes the bytes that row `oy` of the output reads to `rows`. If `chunk` is not empty, a row has
// no padding, and columns from `ox` on are written, as many as the variable of that name says.
void print_packing(CWriter& out, const ByteRows& rows, const std::string& chunk);

}  // namespace heddle::rv32
