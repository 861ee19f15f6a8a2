// Escaping of foreign strings for each place they may land in, and "did you mean".
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

namespace heddle {

// [A-Za-z_][A-Za-z0-9_]*, never a C or C++ keyword, at most 48 characters; "" gives "unnamed".
std::string c_identifier(std::string_view text);
bool is_c_identifier(std::string_view text);
// Cannot end a comment ("*/"), open one, continue a line or hold control characters; at most 80
// characters.
std::string c_comment(std::string_view text);
std::string c_string(std::string_view text);  // with the quotes; trigraph-safe
std::string file_name(
    std::string_view text);  // no separators, no leading dot or dash, at most 64 characters
std::string makefile_text(std::string_view text);
std::string html_text(std::string_view text);
std::string terminal_text(std::string_view text,
                          size_t max_length = 80);  // control characters as \xNN, "..." when cut

// Hands out distinct C identifiers: the second "conv" becomes "conv_2". Deterministic in call
// order.
class UniqueNames {
 public:
  std::string take(std::string_view wanted);

 private:
  std::set<std::string> used_;
};

// "; did you mean `strides`?" for the nearest known name within a third of its length, else "".
std::string did_you_mean(std::string_view name, std::span<const std::string> known);

std::string thousands(int64_t number);  // 1234567 -> "1,234,567"

}  // namespace heddle
