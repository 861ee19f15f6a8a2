#include "cpu_codegen/rv32/pack_pixels.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cpu_codegen/affine.h"
#include "ops/check.h"

namespace heddle::rv32 {
namespace {

constexpr int64_t kMostUnrolled = 32;  // words of one row of the kernel that are written out
constexpr size_t kMostKinds = 4;       // of groups at the borders that get code of their own

// "row[ix + 3]", for the element `column` columns from the first one that the group touches.
std::string element(const PixelRow& row, int64_t column) {
  const std::string index = column == 0 ? "ix" : fmt::format("ix + {}", column);
  if (row.strides[3] == 1) return fmt::format("row[{}]", index);
  return fmt::format("row[{} * {}]", column == 0 ? index : "(" + index + ")", row.strides[3]);
}

std::string padding_word(const PixelRow& row) {
  return fmt::format(
      "{}u", static_cast<uint32_t>(row.padding) + (static_cast<uint32_t>(row.padding) << 16));
}

// Subtracts the offset from both halves.
std::string less_offset(const PixelRow& row, const std::string& word) {
  if (row.offset == 0) return word;
  return fmt::format("{} - {}u", word,
                     static_cast<uint32_t>(row.offset) + (static_cast<uint32_t>(row.offset) << 16));
}

// Columns, from the first one on, that the pixel `pixel` of a group reads for `fx`.
int64_t column_of(const PixelRow& row, int64_t pixel, int64_t fx) {
  return pixel * row.window.stride_w + fx * row.window.dilation_w;
}

// Which columns of a group lie inside the image, and which of its pixels exist: one letter each.
std::string kind_of(const PixelRow& row, int64_t words, int64_t first) {
  const int64_t ix = first * row.window.stride_w - row.window.pad_left;
  std::string kind;
  const int64_t last = column_of(row, 2 * words - 1, row.window.kernel_w - 1);
  for (int64_t column = 0; column <= last; ++column)
    kind += ix + column >= 0 && ix + column < row.width ? 'x' : '-';
  for (int64_t pixel = 0; pixel < 2 * words; ++pixel)
    kind += first + pixel < row.pixels ? 'p' : '-';
  return kind;
}

// Whether the pixel of a group has an element of the image at `fx`.
bool reads(const PixelRow& row, int64_t words, const std::string& kind, int64_t pixel, int64_t fx) {
  const int64_t columns = column_of(row, 2 * words - 1, row.window.kernel_w - 1) + 1;
  return kind[static_cast<size_t>(column_of(row, pixel, fx))] == 'x' &&
         kind[static_cast<size_t>(columns + pixel)] == 'p';
}

bool reads_any(const PixelRow& row, int64_t words, const std::string& kind) {
  for (int64_t pixel = 0; pixel < 2 * words; ++pixel) {
    for (int64_t fx = 0; fx < row.window.kernel_w; ++fx) {
      if (reads(row, words, kind, pixel, fx)) return true;
    }
  }
  return false;
}

// The words of one row of the kernel, every element read once.
void print_unrolled(CWriter& out, const PixelRow& row, int64_t words, const std::string& kind) {
  const Window& w = row.window;
  const auto exists = [&](int64_t pixel, int64_t fx) { return reads(row, words, kind, pixel, fx); };
  std::map<int64_t, std::string> read;  // column -> variable
  for (int64_t pixel = 0; pixel < 2 * words; ++pixel) {
    for (int64_t fx = 0; fx < w.kernel_w; ++fx) {
      if (exists(pixel, fx)) read.emplace(column_of(row, pixel, fx), "");
    }
  }
  for (auto& [column, name] : read) {
    name = fmt::format("x{}", column);
    out.line(fmt::format("const uint32_t {} = (uint32_t)(int32_t){};", name, element(row, column)));
  }
  const uint32_t padding = static_cast<uint32_t>(row.padding + row.offset);
  std::map<std::string, std::string> made;  // text of a word -> where it is
  for (int64_t fx = 0; fx < w.kernel_w; ++fx) {
    for (int64_t word = 0; word < words; ++word) {
      const auto half = [&](int64_t pixel) -> std::string {
        return exists(pixel, fx) ? read.at(column_of(row, pixel, fx)) : "";
      };
      const std::string low = half(2 * word), high = half(2 * word + 1);
      std::string text;
      if (low.empty() && high.empty()) {
        text = padding_word(row);
      } else {
        text = low.empty() ? fmt::format("{}u", padding) : low;
        if (padding != 0 || !high.empty())
          text += high.empty() ? fmt::format(" + {}u", padding << 16)
                               : fmt::format(" + ({} << 16)", high);
        text = less_offset(row, text);
      }
      const std::string place = fmt::format("strip[{}]", fx * words + word);
      const auto [known, fresh] = made.emplace(text, place);
      out.line(fmt::format("{} = {};", place, fresh ? text : known->second));
    }
  }
}

// The same with a test for every element: for groups at odd borders and for long kernels.
void print_tested(CWriter& out, const PixelRow& row, int64_t words, const std::string& first) {
  const Window& w = row.window;
  out.open(fmt::format("for (int32_t fx = 0; fx < {}; ++fx)", w.kernel_w));
  out.open(fmt::format("for (int32_t word = 0; word < {}; ++word)", words));
  out.line(
      fmt::format("const int32_t low = ix + word * {} + fx * {};", 2 * w.stride_w, w.dilation_w));
  out.line(fmt::format("const int32_t high = low + {};", w.stride_w));
  out.line(fmt::format("uint32_t pair = {};", padding_word(row)));
  const auto add = [&](const char* index, int64_t pixel, int64_t shift) {
    const std::string at =
        row.strides[3] == 1 ? index : fmt::format("{} * {}", index, row.strides[3]);
    out.open(fmt::format("if ({0} >= 0 && {0} < {1} && {2} + 2 * word < {3})", index, row.width,
                         first, row.pixels - pixel));
    const std::string less =
        row.padding + row.offset == 0
            ? ""
            : fmt::format(" - {}u", static_cast<uint32_t>(row.padding + row.offset));
    const std::string value = fmt::format("(uint32_t)(int32_t)row[{}]{}", at, less);
    out.line(shift == 0 ? fmt::format("pair += {};", value)
                        : fmt::format("pair += ({}) << {};", value, shift));
    out.close();
  };
  add("low", 0, 0);
  add("high", 1, 16);
  out.line(fmt::format("strip[fx * {} + word] = pair;", words));
  out.close();
  out.close();
}

// A kind of group, for all first pixels below `end` that no kind before it has taken.
struct Kind {
  std::string columns;
  int64_t end = 0;
};

std::vector<Kind> kinds_of(const PixelRow& row, int64_t words, int64_t begin, int64_t end) {
  std::vector<Kind> kinds;
  for (int64_t first = begin; first < end; first += 2 * words) {
    const std::string kind = kind_of(row, words, first);
    if (kinds.empty() || kinds.back().columns != kind) kinds.push_back({kind, 0});
    kinds.back().end = first + 2 * words;
  }
  return kinds;
}

void print_taps(CWriter& out, const PixelRow& row, int64_t words, const std::string& first,
                const std::string& kind) {
  const Window& w = row.window;
  const int64_t per_row = w.kernel_w * words;
  if (!kind.empty() && !reads_any(row, words, kind)) {
    out.line(fmt::format("for (int32_t i = 0; i < {}; ++i) *strip++ = {};", row.taps() * words,
                         padding_word(row)));
    return;
  }
  out.line(fmt::format("const int32_t ix = {};", print_affine({{{0, w.stride_w}}, -w.pad_left},
                                                              std::vector<Axis>{{first, 2}})));
  if (row.channels > 1) {
    out.open(fmt::format("for (int32_t c = 0; c < {}; ++c)", row.channels));
    out.line(fmt::format("const {} *plane = {} + c * {};", row.element, row.image, row.strides[1]));
  }
  if (w.kernel_h > 1) out.open(fmt::format("for (int32_t fy = 0; fy < {}; ++fy)", w.kernel_h));
  // Row of the image, relative to `oy` of the output.
  const int64_t last_row = (w.kernel_h - 1) * w.dilation_h;
  std::string iy = "oy";
  if (w.stride_h != 1) iy += fmt::format(" * {}", w.stride_h);
  if (w.kernel_h > 1) iy += w.dilation_h == 1 ? " + fy" : fmt::format(" + fy * {}", w.dilation_h);
  if (w.pad_top != 0) iy += fmt::format(" - {}", w.pad_top);
  const bool may_leave = w.pad_top > 0 || w.pad_bottom > 0;
  const std::string plane = row.channels > 1 ? "plane" : row.image;
  if (row.height == 1 && last_row == 0 && !may_leave) {
    out.line(fmt::format("const {} *row = {};", row.element, plane));
  } else {
    out.line(fmt::format("const int32_t iy = {};", iy));
    if (may_leave) {
      out.open(fmt::format("if (iy < 0 || iy >= {})", row.height));
      out.line(fmt::format("for (int32_t i = 0; i < {}; ++i) *strip++ = {};", per_row,
                           padding_word(row)));
      out.reopen("else");
    }
    out.line(fmt::format("const {} *row = {} + iy * {};", row.element, plane, row.strides[2]));
  }
  if (kind.empty()) {
    print_tested(out, row, words, first);
  } else {
    print_unrolled(out, row, words, kind);
  }
  out.line(fmt::format("strip += {};", per_row));
  if (may_leave) out.close();
  if (w.kernel_h > 1) out.close();
  if (row.channels > 1) out.close();
}

}  // namespace

void print_packing(CWriter& out, const PixelRow& row, int64_t words, const std::string& first,
                   int64_t begin, int64_t end) {
  const Window& w = row.window;
  const std::vector<Kind> kinds = kinds_of(row, words, begin, end);
  if (w.kernel_w * words > kMostUnrolled || kinds.size() > kMostKinds)
    return print_taps(out, row, words, first, "");
  for (size_t i = 0; i < kinds.size(); ++i) {
    const bool last = i + 1 == kinds.size();
    if (kinds.size() > 1) {
      const std::string condition = fmt::format("if ({} < {})", first, kinds[i].end);
      if (i == 0)
        out.open(condition);
      else
        out.reopen(last ? "else" : "else " + condition);
    }
    print_taps(out, row, words, first, kinds[i].columns);
  }
  if (kinds.size() > 1) out.close();
}

}  // namespace heddle::rv32
