// The .npy format, versions 1 to 3: magic, header length, a Python dict literal, raw data
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "import/npz.h"

namespace heddle {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are read as little-endian");

Diagnostic bad(const std::string& name, std::string message, std::string remedy = "") {
  return error_at(in_file(name), std::move(message), std::move(remedy));
}

constexpr int64_t kMaxElements = int64_t{1} << 26;  // half a gigabyte of int64

struct Header {
  char kind = 0;      // 'i', 'u', 'b', 'f'
  int64_t width = 0;  // bytes of an element
  bool fortran = false;
  Shape shape;
  size_t data_begin = 0;
};

// The text after `'key':`, or nothing.
std::optional<std::string_view> field(std::string_view dict, std::string_view key) {
  for (char quote : {'\'', '"'}) {
    size_t at = dict.find(fmt::format("{}{}{}", quote, key, quote));
    if (at == std::string_view::npos) continue;
    std::string_view rest = dict.substr(at + key.size() + 2);
    size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(colon + 1);
    size_t start = rest.find_first_not_of(" \t");
    return start == std::string_view::npos ? std::string_view() : rest.substr(start);
  }
  return std::nullopt;
}

// "(3, 4)", "(3,)", "()".
std::optional<Shape> parse_shape(std::string_view text) {
  if (text.empty() || text[0] != '(') return std::nullopt;
  size_t close = text.find(')');
  if (close == std::string_view::npos) return std::nullopt;
  text = text.substr(1, close - 1);
  Shape shape;
  int64_t number = -1;
  for (char c : text) {
    if (c >= '0' && c <= '9') {
      number = std::max<int64_t>(number, 0) * 10 + (c - '0');
      if (number > (int64_t{1} << 40)) return std::nullopt;
    } else if (c == ',') {
      if (number < 0) return std::nullopt;
      shape.push_back(number);
      number = -1;
    } else if (c != ' ' && c != 'L') {
      return std::nullopt;
    }
  }
  if (number >= 0) shape.push_back(number);
  if (shape.size() > 32) return std::nullopt;
  return shape;
}

Result<Header> parse_header(std::string_view bytes, const std::string& name) {
  if (bytes.size() < 10 || bytes.substr(0, 6) != "\x93NUMPY") {
    return bad(name, "not a .npy array: its first bytes are not `\\x93NUMPY`");
  }
  uint8_t version = static_cast<uint8_t>(bytes[6]);
  if (version < 1 || version > 3)
    return bad(name, fmt::format("version {} of the .npy format is not supported", version));
  size_t length_bytes = version == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_bytes) return bad(name, "the .npy header is cut short");
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, length_bytes);
  Header header;
  header.data_begin = 8 + length_bytes + length;
  if (header.data_begin > bytes.size()) return bad(name, "the .npy header is cut short");
  std::string_view dict = bytes.substr(8 + length_bytes, length);

  std::optional<std::string_view> descr = field(dict, "descr");
  std::optional<std::string_view> order = field(dict, "fortran_order");
  std::optional<std::string_view> shape_text = field(dict, "shape");
  if (!descr || !order || !shape_text) {
    return bad(name, "the .npy header lacks `descr`, `fortran_order` or `shape`");
  }
  // '<i8', '|b1': byte order, kind, width, between quotes.
  std::string_view text = *descr;
  size_t end = text.size() < 2 ? std::string_view::npos : text.find(text[0], 1);
  std::string_view type =
      end == std::string_view::npos || end > 16 ? std::string_view() : text.substr(1, end - 1);
  static constexpr std::string_view kKnown[] = {"|i1", "<i1", "<i2", "<i4", "<i8", "|u1", "<u1",
                                                "<u2", "<u4", "<u8", "|b1", "<f4", "<f8"};
  bool known = false;
  for (std::string_view k : kKnown) known = known || k == type;
  if (!known) {
    return bad(name,
               fmt::format("element type `{}` is not supported",
                           terminal_text(type.empty() ? text.substr(0, 16) : type)),
               "store little-endian integers, bools, float32 or float64");
  }
  header.kind = type[1];
  header.width = type[2] - '0';
  if (order->starts_with("True")) {
    header.fortran = true;
  } else if (!order->starts_with("False")) {
    return bad(name, "`fortran_order` in the .npy header is neither True nor False");
  }
  std::optional<Shape> shape = parse_shape(*shape_text);
  if (!shape || checked_elements(*shape) < 0)
    return bad(name, "`shape` in the .npy header is no tuple of sizes");
  header.shape = std::move(*shape);
  return header;
}

template <class T>
T read_at(const char* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

// An element of an integer or bool array; nothing where it exceeds int64 (*large is then its
// value).
std::optional<int64_t> integer(const Header& header, const char* data, int64_t i, uint64_t* large) {
  if (header.kind == 'b') return read_at<uint8_t>(data, i) != 0;
  if (header.kind == 'i') {
    switch (header.width) {
      case 1:
        return read_at<int8_t>(data, i);
      case 2:
        return read_at<int16_t>(data, i);
      case 4:
        return read_at<int32_t>(data, i);
      default:
        return read_at<int64_t>(data, i);
    }
  }
  switch (header.width) {
    case 1:
      return read_at<uint8_t>(data, i);
    case 2:
      return read_at<uint16_t>(data, i);
    case 4:
      return read_at<uint32_t>(data, i);
    default:
      *large = read_at<uint64_t>(data, i);
      if (*large > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
      return static_cast<int64_t>(*large);
  }
}

double real(const Header& header, const char* data, int64_t i) {
  return header.width == 4 ? static_cast<double>(read_at<float>(data, i))
                           : read_at<double>(data, i);
}

// float64 arrays of integers that float32 cannot hold (accumulators above 2^24) stay integers.
bool holds_large_integers(const Header& header, const char* data, int64_t count) {
  bool large = false;
  for (int64_t i = 0; header.width == 8 && i < count; ++i) {
    const double value = real(header, data, i);
    if (!(std::fabs(value) <= 9007199254740992.0) || value != std::floor(value))
      return false;  // 2^53
    large = large || value != static_cast<double>(static_cast<float>(value));
  }
  return large;
}

// Row-major position of the element that is number `index` in column-major order.
int64_t from_fortran(const Shape& shape, int64_t index) {
  int64_t flat = 0;
  int64_t stride = elements_of(shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    stride /= shape[d];
    flat += (index % shape[d]) * stride;
    index /= shape[d];
  }
  return flat;
}

}  // namespace

std::optional<Tensor> as_integers(const Tensor& array) {
  if (array.dtype() != DType::float32) return array;
  Tensor integers(DType::int64, array.shape());
  for (int64_t i = 0; i < array.elements(); ++i) {
    const float value = array.float_at(i);
    if (!(std::fabs(value) < 9.2e18f) || value != std::floor(value)) return std::nullopt;
    integers.set(i, static_cast<int64_t>(value));
  }
  return integers;
}

Result<Tensor> parse_npy(std::string_view bytes, const std::string& name) {
  Result<Header> parsed = parse_header(bytes, name);
  if (!parsed.ok()) return parsed.errors();
  const Header& header = *parsed;
  int64_t count = elements_of(header.shape);
  int64_t available = static_cast<int64_t>(bytes.size() - header.data_begin);
  if (count > kMaxElements) {
    return bad(name, fmt::format("shape {} has {} elements, at most {} are read",
                                 to_string(header.shape), thousands(count), thousands(kMaxElements)));
  }
  if (count > available / header.width) {  // before anything of that size is allocated
    return bad(name, fmt::format("shape {} needs {} bytes of data, the file has {}",
                                 to_string(header.shape), count * header.width, available));
  }
  const char* data = bytes.data() + header.data_begin;
  const bool floats = header.kind == 'f' && !holds_large_integers(header, data, count);
  Tensor tensor(floats ? DType::float32 : DType::int64, header.shape);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t flat = header.fortran ? from_fortran(header.shape, i) : i;
    if (header.kind == 'f') {
      const double value = real(header, data, i);
      if (floats) tensor.set_float(flat, static_cast<float>(value));
      if (!floats) tensor.set(flat, static_cast<int64_t>(value));
      continue;
    }
    uint64_t large = 0;
    const std::optional<int64_t> value = integer(header, data, i, &large);
    if (!value)
      return bad(name, fmt::format("element {} is {}, more than an int64 holds", flat, large));
    tensor.set(flat, *value);
  }
  return tensor;
}

}  // namespace heddle
