// Every key of every TOML file, once: the loaders check files against this table and
// rules/SCHEMA.md is printed from it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "rules/toml.h"

namespace heddle {

enum class FileKind : uint8_t { soc, policy, accelerator, dma, library, cpu, cases };

enum class KeyType : uint8_t {
  integer,
  boolean,
  text,
  expression,
  pattern,
  text_list,
  table,
  table_list,
  text_map,        // a table with keys of the user's choice
  expression_map,  //
  integer_map,     //
  names,           // a table of names as conditions write them: `c`, `conv2d.stride_h`
};

struct KeyDef {
  std::string_view path;  // "rule[].when[].why"; [] stands for the items of a list
  KeyType type = KeyType::text;
  bool required = true;
  std::string_view doc;
  std::string_view fallback =
      "";  // what an absent optional key means, as it would be written without quotes
  int64_t least = std::numeric_limits<int64_t>::min();  // of integers
  int64_t most = std::numeric_limits<int64_t>::max();
  std::string_view choices = "";  // of texts: all allowed ones, separated by blanks
};

struct Schema {
  FileKind kind;
  std::string_view file;     // "accelerator.toml"
  std::string_view summary;  // one paragraph
  std::vector<KeyDef> keys;
};

inline constexpr int64_t kSchemaVersion = 1;

// The keys of cases/*.toml (cases.h).
std::vector<KeyDef> case_keys();

const std::vector<Schema>& all_schemas();
const Schema& schema_of(FileKind kind);

// Unknown and missing keys, wrong types and values out of range, all of them; absent optional keys
// get their fallback. Returns false where reading on is pointless: the file is of a newer schema.
bool check_against(const Schema& schema, TomlValue& root, Diagnostics& errors);

// What a key holds, if it is there and of the right type. check_against has reported everything
// else.
const TomlValue* text_at(const TomlValue& table, std::string_view key);  // never empty
int64_t integer_at(const TomlValue& table, std::string_view key, int64_t otherwise = 0);
bool boolean_at(const TomlValue& table, std::string_view key);
const TomlValue* table_at(const TomlValue& table, std::string_view key);
const std::vector<TomlValue>& items_at(const TomlValue& table, std::string_view key);
std::string string_at(const TomlValue& table, std::string_view key);
// Where the key stands, for an error about it; the table's own place if it is absent.
const Place& place_at(const TomlValue& table, std::string_view key);

// rules/SCHEMA.md.
std::string document_schema();

}  // namespace heddle
