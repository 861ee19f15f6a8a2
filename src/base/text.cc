#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace heddle {
namespace {

constexpr size_t kMaxIdentifier = 48;
constexpr size_t kMaxComment = 80;
constexpr size_t kMaxFileName = 64;
constexpr size_t kMaxMakefile = 80;

// Keywords of C23 and C++23, sorted.
constexpr std::array kKeywords = {
    "_Alignas",
    "_Alignof",
    "_Atomic",
    "_BitInt",
    "_Bool",
    "_Complex",
    "_Decimal128",
    "_Decimal32",
    "_Decimal64",
    "_Generic",
    "_Imaginary",
    "_Noreturn",
    "_Pragma",
    "_Static_assert",
    "_Thread_local",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

// No keywords, but macros or names that a compiler or a standard header may have taken.
constexpr std::array kTaken = {
    "EOF",      "NULL",   "assert", "errno", "i386",   "linux", "main",
    "offsetof", "size_t", "stderr", "stdin", "stdout", "unix",
};

bool is_keyword(std::string_view text) {
  return std::binary_search(kKeywords.begin(), kKeywords.end(), text);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_'; }
bool is_printable(char c) { return c >= 0x20 && c < 0x7F; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = lower(c);
  return result;
}

// Length of the UTF-8 character at the start of `text` if it is well formed and harmless on a
// screen, else 0. Not harmless: C0 and C1 controls, line separators, and what changes the direction
// of text or has no width.
size_t harmless_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return is_printable(text[0]) ? 1 : 0;
  const size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < length) return 0;
  uint32_t code = byte(0) & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10FFFF) return 0;
  const auto between = [&](uint32_t lo, uint32_t hi) { return code >= lo && code <= hi; };
  if (between(0x80, 0x9F) || code == 0xAD || code == 0x61C || between(0x200B, 0x200F) ||
      between(0x2028, 0x202E) || between(0x2060, 0x206F) || between(0xD800, 0xDFFF) ||
      code == 0xFEFF || between(0xFFF9, 0xFFFF) || between(0xE0000, 0xE0FFF)) {
    return 0;
  }
  return length;
}

// Keeps the characters that `keep` accepts; runs of others become one underscore.
template <class Keep>
std::string only(std::string_view text, size_t max_length, Keep keep) {
  std::string result;
  for (const char c : text) {
    if (result.size() == max_length) break;
    if (keep(c)) {
      result += c;
    } else if (result.empty() || result.back() != '_') {
      result += '_';
    }
  }
  return result;
}

// Optimal string alignment (Damerau-Levenshtein with adjacent swaps), ignoring case.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

// Runs of underscores are merged and those at the ends dropped: `__x`, `_X` and `a__b` are reserved
// in C or C++.
std::string c_identifier(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool word = is_word(c) && c != '_';
    if (!word && (result.empty() || result.back() == '_')) continue;
    if (result.empty() && is_digit(c)) result = "n";
    if (result.size() >= kMaxIdentifier) break;
    result += word ? c : '_';
  }
  while (!result.empty() && result.back() == '_') result.pop_back();
  if (result.empty()) return "unnamed";
  if (is_keyword(result) || std::find(kTaken.begin(), kTaken.end(), result) != kTaken.end()) {
    result += '_';
  }
  return result;
}

bool is_c_identifier(std::string_view text) {
  return !text.empty() && !is_digit(text[0]) && std::all_of(text.begin(), text.end(), is_word) &&
         !is_keyword(text);
}

std::string c_comment(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (result.size() > kMaxComment) break;
    if (!is_printable(c) || c == '\\') c = '.';
    const char last = result.empty() ? ' ' : result.back();
    // No comment ends or opens here, and no trigraph turns into a backslash.
    if ((last == '*' && c == '/') || (last == '/' && (c == '*' || c == '/')) ||
        (last == '?' && c == '?')) {
      result += ' ';
    }
    result += c;
  }
  if (result.size() > kMaxComment) result = result.substr(0, kMaxComment - 3) + "...";
  // The caller may go on with "*/" at once.
  if (!result.empty() && result.back() == '/') result.back() = '.';
  return result;
}

std::string c_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '?') {
      result += '\\';
      result += c;
    } else if (is_printable(c)) {
      result += c;
    } else {
      result +=
          fmt::format("\\{:03o}", static_cast<uint8_t>(c));  // never swallows a digit after it
    }
  }
  return result + '"';
}

std::string file_name(std::string_view text) {
  std::string result =
      only(text, kMaxFileName, [](char c) { return is_word(c) || c == '.' || c == '-'; });
  if (result.empty()) return "unnamed";
  if (result[0] == '.' || result[0] == '-') result[0] = '_';
  return result;
}

std::string makefile_text(std::string_view text) {
  std::string result = only(text, kMaxMakefile, [](char c) {
    return is_word(c) || c == '.' || c == '-' || c == '+' || c == ' ';
  });
  // Neither an option nor a recipe's prefix; no blanks that make would drop.
  if (!result.empty() && (result[0] == '-' || result[0] == '+' || result[0] == ' '))
    result[0] = '_';
  if (!result.empty() && result.back() == ' ') result.back() = '_';
  return result;
}

std::string html_text(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const size_t length = harmless_character(text.substr(i));
    if (length == 0) {
      result += fmt::format("\\x{:02X}", static_cast<uint8_t>(text[i]));
      ++i;
      continue;
    }
    switch (text[i]) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += text.substr(i, length);
    }
    i += length;
  }
  return result;
}

std::string terminal_text(std::string_view text, size_t max_length) {
  std::string result;
  std::vector<size_t> ends;  // of each piece, so that a cut never halves one
  for (size_t i = 0; i < text.size() && result.size() <= max_length;) {
    const size_t length = harmless_character(text.substr(i));
    if (length == 0) {
      result += fmt::format("\\x{:02X}", static_cast<uint8_t>(text[i]));
      ++i;
    } else {
      result += text.substr(i, length);
      i += length;
    }
    ends.push_back(result.size());
  }
  if (result.size() <= max_length) return result;
  const size_t room = max_length > 3 ? max_length - 3 : 0;
  while (!ends.empty() && ends.back() > room) ends.pop_back();
  result.resize(ends.empty() ? 0 : ends.back());
  return result + "...";
}

// Distinct also when the letters' case is ignored: file systems and linkers' maps may not tell
// `Conv` from `conv`.
std::string UniqueNames::take(std::string_view wanted) {
  const std::string base = c_identifier(wanted);
  std::string name = base;
  for (int64_t count = 2; !used_.insert(lower(name)).second; ++count) {
    const std::string suffix = fmt::format("_{}", count);
    std::string stem = base.substr(0, kMaxIdentifier - suffix.size());
    while (!stem.empty() && stem.back() == '_') stem.pop_back();
    name = stem + suffix;
  }
  return name;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> known) {
  if (name.size() < 2 || name.size() > 64) return "";
  const size_t limit = std::max<size_t>(1, name.size() / 3);
  const std::string wanted = lower(name);
  size_t best = limit + 1;
  std::string_view nearest;
  for (const std::string& candidate : known) {
    if (candidate.size() > name.size() + limit || candidate.size() + limit < name.size()) continue;
    const size_t distance = edit_distance(wanted, lower(candidate));
    if (distance < best || (distance == best && distance <= limit && candidate < nearest)) {
      best = distance;
      nearest = candidate;
    }
  }
  return best > limit ? "" : fmt::format("; did you mean `{}`?", nearest);
}

std::string thousands(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t sign = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > sign + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

}  // namespace heddle
