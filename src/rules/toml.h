// TOML as a plain tree with places. toml11 hides behind toml.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace heddle {

enum class TomlKind : uint8_t {
  integer,
  text,
  boolean,
  list,
  table,
  other
};  // other: dates, floats

struct TomlMember;

struct TomlValue {
  TomlKind kind = TomlKind::table;
  int64_t integer = 0;
  std::string text;
  bool boolean = false;
  std::vector<TomlValue> items;     // of a list
  std::vector<TomlMember> members;  // of a table, in the order of the file
  Place place;                      // of the value; of a text: its first character, after the quote

  const TomlValue* find(std::string_view key) const;  // null if absent
};

struct TomlMember {
  std::string key;
  Place key_place;
  TomlValue value;
};

// "an integer", "a text" ...
std::string_view describe(TomlKind kind);

// The root table of a file of at most 256 KiB. Errors: the file cannot be read, or its first syntax
// error.
Result<TomlValue> read_toml(const std::filesystem::path& file);
Result<TomlValue> parse_toml(const std::string& text, const std::string& file_name);

}  // namespace heddle
