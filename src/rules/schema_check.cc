// Holds a file against its schema.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/text.h"
#include "rules/schema.h"

namespace heddle {
namespace {

struct Split {
  std::string_view parent;  // "rule[].when[]"
  std::string_view key;     // "why"
};

Split split(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

std::string_view wanted(KeyType type) {
  switch (type) {
    case KeyType::integer:
      return "an integer";
    case KeyType::boolean:
      return "`true` or `false`";
    case KeyType::text:
      return "a text";
    case KeyType::expression:
      return "an expression, as a text";
    case KeyType::pattern:
      return "a pattern, as a text";
    case KeyType::text_list:
      return "a list of texts";
    case KeyType::table_list:
      return "a list of tables";
    case KeyType::table:
    case KeyType::text_map:
    case KeyType::expression_map:
    case KeyType::integer_map:
    case KeyType::names:
      break;
  }
  return "a table";
}

TomlKind kind_of(KeyType type) {
  switch (type) {
    case KeyType::integer:
      return TomlKind::integer;
    case KeyType::boolean:
      return TomlKind::boolean;
    case KeyType::text:
    case KeyType::expression:
    case KeyType::pattern:
      return TomlKind::text;
    case KeyType::text_list:
    case KeyType::table_list:
      return TomlKind::list;
    case KeyType::table:
    case KeyType::text_map:
    case KeyType::expression_map:
    case KeyType::integer_map:
    case KeyType::names:
      break;
  }
  return TomlKind::table;
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += fmt::format("`{}`", names[i]);
  }
  return text;
}

// "`rule[].when[]`" reads as "a table of `rule.when`".
std::string table_name(std::string_view path) {
  if (path.empty()) return "the file";
  std::string name;
  for (const char c : path) {
    if (c != '[' && c != ']') name += c;
  }
  return fmt::format("{}`{}`", path.ends_with("[]") ? "a table of " : "the table ", name);
}

class Checker {
 public:
  Checker(const Schema& schema, Diagnostics& errors) : schema_(schema), errors_(errors) {}

  void check_table(TomlValue& table, const std::string& path) {
    std::vector<std::string> known;
    for (const KeyDef& def : schema_.keys) {
      if (split(def.path).parent == path) known.emplace_back(split(def.path).key);
    }
    for (TomlMember& member : table.members) {
      const KeyDef* def = find(path, member.key);
      if (def == nullptr) {
        error(member.key_place,
              fmt::format("unknown key `{}` in {}{}", terminal_text(member.key), table_name(path),
                          did_you_mean(member.key, known)),
              fmt::format("{} has {}", table_name(path), listed(known)));
      } else {
        check_value(*def, member.key, member.key_place, member.value);
      }
    }
    for (const KeyDef& def : schema_.keys) {
      const auto [parent, key] = split(def.path);
      if (parent != path || table.find(key) != nullptr || is_misspelt(table, path, key)) continue;
      if (def.required) {
        error(table.place, fmt::format("{} has no `{}`", table_name(path), key),
              fmt::format("`{}` is {}: {}", key, wanted(def.type), def.doc));
      } else if (!def.fallback.empty()) {
        table.members.push_back({std::string(key), table.place, fallback_of(def, table.place)});
      }
    }
  }

 private:
  void error(const Place& place, std::string message, std::string remedy = "") {
    errors_.push_back(error_at(place, std::move(message), std::move(remedy)));
  }

  const KeyDef* find(std::string_view path, std::string_view key) const {
    for (const KeyDef& def : schema_.keys) {
      if (split(def.path).parent == path && split(def.path).key == key) return &def;
    }
    return nullptr;
  }

  // An unknown key that was meant to be this one has been reported already.
  bool is_misspelt(const TomlValue& table, std::string_view path, std::string_view key) const {
    const std::vector<std::string> meant = {std::string(key)};
    return std::any_of(table.members.begin(), table.members.end(), [&](const TomlMember& member) {
      return find(path, member.key) == nullptr && !did_you_mean(member.key, meant).empty();
    });
  }

  static TomlValue fallback_of(const KeyDef& def, const Place& place) {
    TomlValue value;
    value.place = place;
    value.kind = kind_of(def.type);
    value.text = def.fallback;
    value.boolean = def.fallback == "true";
    if (def.type == KeyType::integer) {
      std::from_chars(def.fallback.data(), def.fallback.data() + def.fallback.size(),
                      value.integer);
    }
    return value;
  }

  void wrong_type(const Place& place, std::string_view key, std::string_view what,
                  const TomlValue& value) {
    error(place, fmt::format("`{}` must be {}, but it is {}", terminal_text(key), what,
                             describe(value.kind)));
  }

  void check_value(const KeyDef& def, const std::string& key, const Place& key_place,
                   TomlValue& value) {
    // [[rule]] and [rule] look alike: say which one is meant.
    if (def.type == KeyType::table_list && value.kind == TomlKind::table) {
      error(key_place, fmt::format("`{}` is a list of tables, but here it is one table", key),
            fmt::format("write `[[{}]]`", key));
      return;
    }
    if (value.kind != kind_of(def.type)) {
      wrong_type(key_place, key, wanted(def.type), value);
      return;
    }
    const std::string path(def.path);
    switch (def.type) {
      case KeyType::integer:
        check_range(def, key, value);
        break;
      case KeyType::boolean:
        break;
      case KeyType::text:
      case KeyType::expression:
      case KeyType::pattern:
        check_text(def, key, value);
        break;
      case KeyType::text_list:
        for (const TomlValue& item : value.items)
          check_entry(TomlKind::text, key, item.place, item);
        break;
      case KeyType::text_map:
      case KeyType::expression_map:
        for (const TomlMember& member : value.members) {
          check_entry(TomlKind::text, member.key, member.key_place, member.value);
        }
        break;
      case KeyType::integer_map:
        for (const TomlMember& member : value.members) {
          check_entry(TomlKind::integer, member.key, member.key_place, member.value);
          if (member.value.kind == TomlKind::integer) check_range(def, member.key, member.value);
        }
        break;
      case KeyType::names:
        check_names(value);
        break;
      case KeyType::table:
        check_table(value, path);
        break;
      case KeyType::table_list:
        if (def.required && value.items.empty()) {
          error(key_place, fmt::format("the list `{}` is empty", key));
        }
        for (TomlValue& item : value.items) {
          if (item.kind == TomlKind::table) {
            check_table(item, path + "[]");
          } else {
            error(item.place, fmt::format("every item of `{}` must be a table, but this is {}", key,
                                          describe(item.kind)));
          }
        }
        break;
    }
  }

  // TOML reads `conv2d.stride_h = 2` as a table of its own.
  void check_names(const TomlValue& table) {
    for (const TomlMember& member : table.members) {
      const TomlValue& value = member.value;
      if (value.kind == TomlKind::table) {
        check_names(value);
      } else if (value.kind == TomlKind::list) {
        for (const TomlValue& item : value.items) check_entry(TomlKind::integer, member.key, item.place, item);
      } else if (value.kind == TomlKind::text) {
        check_entry(TomlKind::text, member.key, value.place, value);
      } else if (value.kind != TomlKind::integer) {
        error(value.place, fmt::format("`{}` must be an integer, a text or a list of integers, but it is {}",
                                       terminal_text(member.key), describe(value.kind)));
      }
    }
  }

  void check_entry(TomlKind kind, const std::string& key, const Place& place,
                   const TomlValue& value) {
    if (value.kind != kind) {
      error(place, fmt::format("every value in `{}` must be {}, but this is {}", terminal_text(key),
                               describe(kind), describe(value.kind)));
    } else if (kind == TomlKind::text && value.text.empty()) {
      error(place, fmt::format("an empty text in `{}`", terminal_text(key)));
    }
  }

  void check_range(const KeyDef& def, const std::string& key, const TomlValue& value) {
    if (value.integer >= def.least && value.integer <= def.most) return;
    const std::string range = def.least == def.most ? fmt::format("{}", def.least)
                                                    : fmt::format("{} to {}", def.least, def.most);
    error(value.place, fmt::format("`{}` is {}, but it must be {}", key, value.integer, range));
  }

  void check_text(const KeyDef& def, const std::string& key, const TomlValue& value) {
    if (value.text.empty()) {
      error(value.place, fmt::format("`{}` is empty", key), std::string(def.doc));
      return;
    }
    const std::vector<std::string> choices = words(def.choices);
    if (choices.empty() || std::find(choices.begin(), choices.end(), value.text) != choices.end()) {
      return;
    }
    error(value.place,
          fmt::format("`{}` cannot be `{}`{}", key, terminal_text(value.text),
                      did_you_mean(value.text, choices)),
          fmt::format("it must be {}", listed(choices)));
  }

  const Schema& schema_;
  Diagnostics& errors_;
};

bool of_kind(const TomlValue* value, TomlKind kind) {
  return value != nullptr && value->kind == kind;
}

}  // namespace

bool check_against(const Schema& schema, TomlValue& root, Diagnostics& errors) {
  const TomlValue* version = root.find("schema");
  if (of_kind(version, TomlKind::integer) && version->integer > kSchemaVersion) {
    errors.push_back(error_at(version->place,
                              fmt::format("this file has schema {}, this heddle reads schema {}",
                                          version->integer, kSchemaVersion),
                              "use a newer heddle"));
    return false;
  }
  Checker(schema, errors).check_table(root, "");
  return true;
}

const TomlValue* text_at(const TomlValue& table, std::string_view key) {
  const TomlValue* value = table.find(key);
  return of_kind(value, TomlKind::text) && !value->text.empty() ? value : nullptr;
}

int64_t integer_at(const TomlValue& table, std::string_view key, int64_t otherwise) {
  const TomlValue* value = table.find(key);
  return of_kind(value, TomlKind::integer) ? value->integer : otherwise;
}

bool boolean_at(const TomlValue& table, std::string_view key) {
  const TomlValue* value = table.find(key);
  return of_kind(value, TomlKind::boolean) && value->boolean;
}

const TomlValue* table_at(const TomlValue& table, std::string_view key) {
  const TomlValue* value = table.find(key);
  return of_kind(value, TomlKind::table) ? value : nullptr;
}

const std::vector<TomlValue>& items_at(const TomlValue& table, std::string_view key) {
  static const std::vector<TomlValue> none;
  const TomlValue* value = table.find(key);
  return of_kind(value, TomlKind::list) ? value->items : none;
}

std::string string_at(const TomlValue& table, std::string_view key) {
  const TomlValue* value = text_at(table, key);
  return value == nullptr ? "" : value->text;
}

const Place& place_at(const TomlValue& table, std::string_view key) {
  const TomlValue* value = table.find(key);
  return value == nullptr ? table.place : value->place;
}

}  // namespace heddle
