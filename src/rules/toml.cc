#include "rules/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <toml.hpp>

#include "base/files.h"
#include "base/text.h"

namespace heddle {
namespace {

using Foreign = toml::basic_value<toml::discard_comments, std::map, std::vector>;

constexpr int64_t kMaxBytes = 256 * 1024;
constexpr int kMaxBrackets = 64;  // toml11 is recursive

struct Source {
  std::string file;
  std::vector<std::string> lines;
};

Source source_of(const std::string& text, const std::string& file) {
  Source source{file, {}};
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    source.lines.push_back(std::move(line));
    begin = end + 1;
  }
  return source;
}

const std::string& line_of(const Source& source, int line) {
  static const std::string empty;
  const bool known = line >= 1 && line <= static_cast<int>(source.lines.size());
  return known ? source.lines[static_cast<size_t>(line - 1)] : empty;
}

Place place_at(const Source& source, int line, int column) {
  Place place;
  place.file = source.file;
  place.line = line;
  place.column = column;
  place.source_line = line_of(source, line);
  return place;
}

bool before(const Place& a, const Place& b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

std::string_view rest_of(const Place& place) {
  const std::string_view line = place.source_line;
  const size_t offset = static_cast<size_t>(std::max(place.column, 1) - 1);
  return offset < line.size() ? line.substr(offset) : std::string_view();
}

// Past the quotes, and past the line break that TOML drops right after three of them.
Place first_character(const Source& source, Place place) {
  const std::string_view rest = rest_of(place);
  const bool three = rest.starts_with("\"\"\"") || rest.starts_with("'''");
  if (three && rest.size() == 3) return place_at(source, place.line + 1, 1);
  place.column += three ? 3 : 1;
  return place;
}

// Left of the value on its line, or within the header of a table.
Place place_of_key(const Source& source, const std::string& key, const Place& value) {
  const bool header =
      rest_of(value).starts_with('[') &&
      value.source_line.find_first_not_of(" \t") + 1 == static_cast<size_t>(value.column);
  const size_t from =
      header ? std::string::npos : static_cast<size_t>(std::max(value.column - 1, 0));
  const size_t found = value.source_line.rfind(key, from);
  if (found == std::string::npos) return value;
  return place_at(source, value.line, static_cast<int>(found) + 1);
}

// toml11 reads a number that is too large as the largest one: the digits are read again.
bool fits(const TomlValue& value) {
  std::string digits;
  for (const char c : rest_of(value.place)) {
    if (c == '_') continue;
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '+') break;
    digits += c;
  }
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  int base = 10;
  if (digits.starts_with("0x")) base = 16;
  if (digits.starts_with("0o")) base = 8;
  if (digits.starts_with("0b")) base = 2;
  if (base != 10) digits.erase(0, 2);
  uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  const uint64_t limit = uint64_t{1} << 63;
  return error == std::errc() && end == digits.data() + digits.size() &&
         (magnitude < limit || (negative && magnitude == limit));
}

// `start` is where the value begins, quotes included. toml11 counts lines anew for every location:
// asked once a value.
TomlValue convert(const Foreign& foreign, const Source& source, Diagnostics& errors, Place& start) {
  TomlValue value;
  const toml::source_location location = foreign.location();
  start = place_at(source, static_cast<int>(location.line()), static_cast<int>(location.column()));
  value.place = start;
  Place item_start;
  switch (foreign.type()) {
    case toml::value_t::integer:
      value.kind = TomlKind::integer;
      value.integer = foreign.as_integer();
      if (!fits(value)) {
        errors.push_back(error_at(value.place, "this number does not fit into 64 bits"));
      }
      break;
    case toml::value_t::string:
      value.kind = TomlKind::text;
      value.text = foreign.as_string().str;
      value.place = first_character(source, value.place);
      break;
    case toml::value_t::boolean:
      value.kind = TomlKind::boolean;
      value.boolean = foreign.as_boolean();
      break;
    case toml::value_t::array:
      value.kind = TomlKind::list;
      for (const Foreign& item : foreign.as_array()) {
        value.items.push_back(convert(item, source, errors, item_start));
      }
      break;
    case toml::value_t::table:
      value.kind = TomlKind::table;
      for (const auto& [key, item] : foreign.as_table()) {
        TomlMember member{key, {}, convert(item, source, errors, item_start)};
        member.key_place = place_of_key(source, key, item_start);
        value.members.push_back(std::move(member));
      }
      std::stable_sort(value.members.begin(), value.members.end(),
                       [](const TomlMember& a, const TomlMember& b) {
                         return before(a.key_place, b.key_place);
                       });
      break;
    default:
      value.kind = TomlKind::other;
      break;
  }
  return value;
}

// toml11 explains itself in several lines:
//   [error] toml::parse_key_value_pair: missing key-value separator `=`
//    --> f.toml
//      |
//    2 | b 2
//      |  ^--- should be `=`
// The last pair of a numbered line and a line of marks is where it stopped.
Diagnostic syntax_error(const Source& source, const std::string& what, int line) {
  std::vector<std::string> lines;
  std::istringstream stream(what);
  for (std::string text; std::getline(stream, text);) lines.push_back(text);
  std::string message = lines.empty() ? "" : lines[0];
  if (message.starts_with("[error] ")) message.erase(0, 8);
  if (message.starts_with("toml::")) {
    const size_t colon = message.find(": ");
    message = colon == std::string::npos ? "" : message.substr(colon + 2);
  }
  while (!message.empty() && (message.back() == '.' || message.back() == ' ')) message.pop_back();

  Place place = place_at(source, line, 0);
  std::string comment;
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    const size_t digits = lines[i].find_first_not_of(' ');
    const size_t bar = lines[i].find(" | ");
    if (digits == std::string::npos || bar == std::string::npos || digits >= bar) continue;
    int number = 0;
    const char* end = lines[i].data() + bar;
    if (std::from_chars(lines[i].data() + digits, end, number).ptr != end) continue;
    const std::string& marks = lines[i + 1];
    const size_t mark = marks.find_first_of("^~");
    if (mark == std::string::npos || mark < bar + 3) continue;
    place = place_at(source, number, static_cast<int>(mark - bar - 3) + 1);
    const size_t after = marks.find_first_not_of("^~-", mark);
    comment = after == std::string::npos ? "" : marks.substr(after + 1);
  }
  if (comment == "here") comment.clear();
  if (message.empty()) std::swap(message, comment);
  if (!comment.empty()) message += ": " + comment;
  while (!message.empty() && message.back() == '.') message.pop_back();
  return error_at(
      place, fmt::format("this is not TOML: {}", message.empty() ? "it cannot be read" : message));
}

// Deep nesting is refused before the parser sees it. Brackets in texts and comments count too:
// nobody needs 64.
std::optional<Diagnostic> too_deep(const Source& source) {
  int depth = 0;
  for (size_t line = 0; line < source.lines.size(); ++line) {
    for (size_t i = 0; i < source.lines[line].size(); ++i) {
      const char c = source.lines[line][i];
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') depth = std::max(depth - 1, 0);
      if (depth > kMaxBrackets) {
        return error_at(place_at(source, static_cast<int>(line) + 1, static_cast<int>(i) + 1),
                        fmt::format("more than {} levels of brackets", kMaxBrackets));
      }
    }
  }
  return std::nullopt;
}

// toml11 reads beyond a text of its own when it reports bytes that are not UTF-8: they are refused
// here.
std::optional<Diagnostic> not_utf8(const Source& source) {
  for (size_t line = 0; line < source.lines.size(); ++line) {
    const std::ptrdiff_t at = toml::detail::check_utf8_validity(source.lines[line]);
    if (at < 0) continue;
    return error_at(
        place_at(source, static_cast<int>(line) + 1, static_cast<int>(at) + 1),
        fmt::format("byte 0x{:02X} is not UTF-8",
                    static_cast<unsigned char>(source.lines[line][static_cast<size_t>(at)])),
        "save the file as UTF-8");
  }
  return std::nullopt;
}

}  // namespace

const TomlValue* TomlValue::find(std::string_view key) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const TomlMember& member) { return member.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

std::string_view describe(TomlKind kind) {
  switch (kind) {
    case TomlKind::integer:
      return "an integer";
    case TomlKind::text:
      return "a text";
    case TomlKind::boolean:
      return "a truth value";
    case TomlKind::list:
      return "a list";
    case TomlKind::table:
      return "a table";
    case TomlKind::other:
      break;
  }
  return "a date or a fraction";
}

Result<TomlValue> parse_toml(const std::string& text, const std::string& file_name) {
  const Source source = source_of(text, file_name);
  if (std::optional<Diagnostic> deep = too_deep(source)) return *deep;
  if (std::optional<Diagnostic> foreign = not_utf8(source)) return *foreign;
  std::istringstream stream(text);
  Diagnostics errors;
  try {
    const Foreign root =
        toml::parse<toml::discard_comments, std::map, std::vector>(stream, file_name);
    Place start;
    TomlValue value = convert(root, source, errors, start);
    value.place = Place{};
    value.place.file = file_name;
    if (!errors.empty()) return errors;
    return value;
  } catch (const toml::exception& error) {
    return syntax_error(source, error.what(), static_cast<int>(error.location().line()));
  } catch (const InternalError&) {
    throw;
  } catch (const std::exception& error) {
    return syntax_error(source, error.what(), 0);
  }
}

Result<TomlValue> read_toml(const std::filesystem::path& file) {
  Result<std::string> text = read_file(file, kMaxBytes);
  if (!text.ok()) return text.errors();
  return parse_toml(*text, file.string());
}

}  // namespace heddle
