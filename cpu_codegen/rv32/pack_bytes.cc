#include "cpu_codegen/rv32/pack_bytes.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/check.h"

namespace heddle::rv32 {
namespace {

std::string product(const char* factor, int64_t by) {
  return by == 1 ? factor : fmt::format("{} * {}", factor, by);
}
std::string plus(int64_t n) {
  return n == 0 ? "" : fmt::format(" {} {}", n < 0 ? '-' : '+', n < 0 ? -n : n);
}

// at[...] = from[...] for the `i`-th column from here on.
std::string copy(const ByteRows& rows, int64_t i) {
  const std::string to = fmt::format("at[{}]", 4 * rows.column_words() * i);
  const std::string from = fmt::format("from[{}]", rows.step * rows.strides[3] * i);
  if (rows.offset == 0 && rows.element == "int8_t") return fmt::format("{} = {};", to, from);
  return fmt::format("{} = (int8_t)((int32_t){}{});", to, from, plus(-rows.offset));
}

// Columns whose tap `tap` lies inside the image.
struct Inside {
  int64_t begin = 0, end = 0;
};
Inside inside_of(const ByteRows& rows, int64_t tap) {
  const int64_t first = tap * rows.window.dilation_w - rows.window.pad_left;  // of column 0
  Inside inside;
  inside.begin = first >= 0 ? 0 : (-first + rows.step - 1) / rows.step;
  inside.end = first >= rows.width ? 0 : (rows.width - 1 - first) / rows.step + 1;
  inside.begin = std::min(inside.begin, rows.columns);
  inside.end = std::clamp(inside.end, inside.begin, rows.columns);
  return inside;
}

// One channel of one tap of all columns, four a turn.
void print_columns(CWriter& out, const ByteRows& rows, int64_t count, const std::string& chunk) {
  const std::string next = fmt::format("from += {}, at += {}", 4 * rows.step * rows.strides[3],
                                       16 * rows.column_words());
  const auto four = [&] {
    for (int64_t i = 0; i < 4; ++i) out.line(copy(rows, i));
  };
  if (!chunk.empty()) {
    out.line(fmt::format("int32_t left = {};", chunk));
    out.open(fmt::format("for (; left >= 4; left -= 4, {})", next));
    four();
    out.close();
    out.line(fmt::format("for (; left > 0; --left, from += {}, at += {}) {}",
                         rows.step * rows.strides[3], 4 * rows.column_words(), copy(rows, 0)));
    return;
  }
  if (count >= 8) {
    out.open(fmt::format("for (int32_t left = {}; left > 0; --left, {})", count / 4, next));
    four();
    out.close();
    count %= 4;
  }
  for (int64_t i = 0; i < count; ++i) out.line(copy(rows, i));
}

void print_taps(CWriter& out, const ByteRows& rows, const std::string& chunk) {
  const int64_t column_bytes = 4 * rows.column_words();
  for (int64_t tap = 0; tap < rows.taps; ++tap) {
    const Inside inside = inside_of(rows, tap);
    if (inside.begin == inside.end) continue;
    const int64_t column =
        inside.begin * rows.step + tap * rows.window.dilation_w - rows.window.pad_left;
    const std::string begin =
        chunk.empty() ? plus(column * rows.strides[3]) : " + " + product("ox", rows.strides[3]);
    const std::string channel_at = rows.channels == 1 ? "" : " + c";
    const std::string channel_from =
        rows.channels == 1 ? "" : " + " + product("c", rows.strides[1]);
    out.open(rows.channels == 1 ? ""
                                : fmt::format("for (int32_t c = 0; c < {}; ++c)", rows.channels));
    out.line(fmt::format("const {} *from = row{}{};", rows.element, channel_from, begin));
    out.line(fmt::format("int8_t *at = to{}{};", channel_at,
                         plus(inside.begin * column_bytes + tap * rows.channels)));
    print_columns(out, rows, inside.end - inside.begin, chunk);
    out.close();
  }
}

std::string padding_word(const ByteRows& rows) {
  return fmt::format("{}u",
                     static_cast<uint32_t>(static_cast<uint8_t>(rows.padding)) * 0x01010101u);
}

}  // namespace

void choose_columns(ByteRows& rows, int64_t pixels) {
  const Window& w = rows.window;
  rows.taps = 1;
  rows.step = 1;
  rows.columns = (pixels - 1) * w.stride_w + w.kernel_w;
  const int64_t own = (w.kernel_w * rows.channels + 3) / 4;  // words of a pixel with its own column
  if (w.kernel_w > 1 && w.dilation_w == 1 && 2 * rows.pixel_words() < 3 * own) return;
  rows.taps = w.kernel_w;
  rows.step = w.stride_w;
  rows.columns = pixels;
}

void print_padding(CWriter& out, const ByteRows& rows) {
  if (!rows.window.padded() && rows.taps * rows.channels % 4 == 0) return;
  out.line(fmt::format("for (int32_t i = 0; i < {}; ++i) rows[i] = {};", rows.words(),
                       padding_word(rows)));
}

void print_packing(CWriter& out, const ByteRows& rows, const std::string& chunk) {
  const Window& w = rows.window;
  HEDDLE_CHECK(chunk.empty() || (!w.padded() && rows.taps == 1 && rows.step == 1),
               "a padded chunk");
  const bool many = w.kernel_h > 1;
  out.open(many ? fmt::format("for (int32_t fy = 0; fy < {}; ++fy)", w.kernel_h) : "");
  out.line(many ? fmt::format("uint32_t *const run = rows + {};", product("fy", rows.pitch()))
                : "uint32_t *const run = rows;");
  out.line("int8_t *const to = (int8_t *)run;");
  const bool may_leave = w.pad_top > 0 || w.pad_bottom > 0;
  if (!may_leave && !many && rows.height == 1) {
    out.line(fmt::format("const {} *row = {};", rows.element, rows.image));
    print_taps(out, rows, chunk);
    out.close();
    return;
  }
  std::string iy = product("oy", w.stride_h);
  if (many) iy += " + " + product("fy", w.dilation_h);
  out.line(fmt::format("const int32_t iy = {}{};", iy, plus(-w.pad_top)));
  if (may_leave) {
    out.open(fmt::format("if (iy < 0 || iy >= {})", rows.height));
    out.line(fmt::format("for (int32_t i = 0; i < {}; ++i) run[i] = {};", rows.pitch(),
                         padding_word(rows)));
    out.reopen("else");
  }
  out.line(fmt::format("const {} *row = {} + {};", rows.element, rows.image,
                       product("iy", rows.strides[2])));
  print_taps(out, rows, chunk);
  if (may_leave) out.close();
  out.close();
}

}  // namespace heddle::rv32
