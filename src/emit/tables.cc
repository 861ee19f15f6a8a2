#include "emit/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "ops/check.h"

namespace heddle {
namespace {

constexpr size_t kColumns = 100;

// Appends numbers to lines of at most 100 columns.
class Rows {
 public:
  explicit Rows(std::string& text) : text_(text) {}
  void add(std::string_view number) {
    if (column_ == 0 || column_ + number.size() + 2 > kColumns) {
      text_ += column_ == 0 ? "  " : "\n  ";
      column_ = 2;
    } else {
      text_ += ' ';
      ++column_;
    }
    text_.append(number);
    text_ += ',';
    column_ += number.size() + 1;
  }

 private:
  std::string& text_;
  size_t column_ = 0;
};

}  // namespace

std::string print_table(std::string_view prefix, std::string_view name, const Tensor& tensor) {
  const int64_t elements = std::max<int64_t>(tensor.elements(), 1);  // C has no empty arrays
  std::string text =
      fmt::format("{}const {} {}[{}] = {{\n", prefix, c_name_of(tensor.dtype()), name, elements);
  text.reserve(text.size() + static_cast<size_t>(elements) * 5);
  Rows rows(text);
  if (tensor.elements() == 0) rows.add("0");
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    rows.add(tensor.dtype() == DType::float32 ? c_literal(tensor.float_at(i))
                                              : c_literal(tensor.at(i)));
  }
  return text + "\n};\n";
}

std::string print_bytes(std::string_view prefix, std::string_view name, std::string_view size,
                        std::span<const std::byte> bytes) {
  std::string text = fmt::format("{}const uint8_t {}[{}] = {{\n", prefix, name, size);
  text.reserve(text.size() + bytes.size() * 5);
  Rows rows(text);
  if (bytes.empty()) rows.add("0");
  for (const std::byte byte : bytes) rows.add(fmt::format("{}", static_cast<int>(byte)));
  return text + "\n};\n";
}

}  // namespace heddle
