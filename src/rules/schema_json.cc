#include "rules/schema_json.h"

#include <fmt/format.h>

#include <limits>
#include <sstream>
#include <vector>

namespace heddle {
namespace {

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

// {"key", "value in JSON"} ... as an object, `indent` blanks in front of its lines.
using Members = std::vector<std::pair<std::string, std::string>>;
std::string object(const Members& members, size_t indent) {
  if (members.empty()) return "{}";
  std::string text = "{\n";
  for (size_t i = 0; i < members.size(); ++i) {
    text += fmt::format("{:{}}{}: {}{}\n", "", indent + 2, json_text(members[i].first),
                        members[i].second, i + 1 < members.size() ? "," : "");
  }
  return text + fmt::format("{:{}}}}", "", indent);
}

class Writer {
 public:
  explicit Writer(const Schema& schema) : schema_(schema) {}

  // The keys of the table at `path` ("" is the file), after `members`.
  std::string table(std::string_view path, Members members, size_t indent) const {
    Members properties;
    std::string required;
    for (const KeyDef& def : schema_.keys) {
      const size_t dot = def.path.rfind('.');
      const std::string_view parent =
          dot == std::string_view::npos ? std::string_view() : def.path.substr(0, dot);
      if (parent != path) continue;
      const std::string_view key =
          dot == std::string_view::npos ? def.path : def.path.substr(dot + 1);
      properties.emplace_back(key, value(def, indent + 4));
      if (needed(def)) required += fmt::format("{}{}", required.empty() ? "" : ", ", json_text(key));
    }
    members.emplace_back("type", json_text("object"));
    members.emplace_back("properties", object(properties, indent + 2));
    if (!required.empty()) members.emplace_back("required", fmt::format("[{}]", required));
    members.emplace_back("additionalProperties", "false");
    return object(members, indent);
  }

 private:
  // What a SoC's file lacks may stand in the file that it extends.
  bool needed(const KeyDef& def) const {
    return def.required &&
           (schema_.kind != FileKind::soc || def.path == "schema" || def.path == "name");
  }

  static Members integers(const KeyDef& def) {
    Members members = {{"type", json_text("integer")}};
    if (def.least != std::numeric_limits<int64_t>::min())
      members.emplace_back("minimum", std::to_string(def.least));
    if (def.most != std::numeric_limits<int64_t>::max())
      members.emplace_back("maximum", std::to_string(def.most));
    return members;
  }

  // A number, a text or all values of a constant; before the dot: a table of them.
  static Members name_of_layer(bool tables, size_t indent) {
    Members members = {{"type", fmt::format(R"(["integer", "string", "array"{}])", tables ? R"(, "object")" : "")},
                       {"items", object({{"type", json_text("integer")}}, indent)}};
    if (tables)
      members.emplace_back("additionalProperties", object(name_of_layer(false, indent + 2), indent));
    return members;
  }

  static Members texts(const KeyDef& def) {
    Members members = {{"type", json_text("string")}, {"minLength", "1"}};
    std::string choices;
    std::istringstream words{std::string(def.choices)};
    for (std::string word; words >> word;)
      choices += fmt::format("{}{}", choices.empty() ? "" : ", ", json_text(word));
    if (!choices.empty()) members.emplace_back("enum", fmt::format("[{}]", choices));
    return members;
  }

  std::string value(const KeyDef& def, size_t indent) const {
    Members members = {{"description", json_text(def.doc)}};
    const auto add = [&](const Members& more) {
      members.insert(members.end(), more.begin(), more.end());
    };
    const auto map_of = [&](const Members& entry) {
      add({{"type", json_text("object")}, {"additionalProperties", object(entry, indent + 2)}});
    };
    const Members any_text = {{"type", json_text("string")}, {"minLength", "1"}};
    switch (def.type) {
      case KeyType::integer:
        add(integers(def));
        break;
      case KeyType::boolean:
        add({{"type", json_text("boolean")}});
        break;
      case KeyType::text:
      case KeyType::expression:
      case KeyType::pattern:
        add(texts(def));
        break;
      case KeyType::text_list:
        add({{"type", json_text("array")}, {"items", object(any_text, indent + 2)}});
        return object(members, indent);
      case KeyType::table:
        return table(def.path, members, indent);
      case KeyType::table_list:
        add({{"type", json_text("array")}});
        if (needed(def)) members.emplace_back("minItems", "1");
        members.emplace_back("items", table(std::string(def.path) + "[]", {}, indent + 2));
        return object(members, indent);
      case KeyType::text_map:
      case KeyType::expression_map:
        map_of(any_text);
        return object(members, indent);
      case KeyType::integer_map:
        map_of(integers(def));
        return object(members, indent);
      case KeyType::names:
        add({{"type", json_text("object")}, {"additionalProperties", object(name_of_layer(true, indent + 4), indent + 2)}});
        return object(members, indent);
    }
    const bool bare = def.type == KeyType::integer || def.type == KeyType::boolean;
    if (!def.fallback.empty())
      members.emplace_back("default", bare ? std::string(def.fallback) : json_text(def.fallback));
    return object(members, indent);
  }

  const Schema& schema_;
};

}  // namespace

std::string schema_name(const Schema& schema) {
  // "accelerator.toml", "rules/soc/*.toml"
  std::string name(schema.file.substr(0, schema.file.rfind('.')));
  if (name.ends_with("/*")) name.resize(name.size() - 2);
  return name.substr(name.rfind('/') + 1);
}

std::string json_schema(const Schema& schema) {
  return Writer(schema).table("",
                              {{"$schema", json_text("http://json-schema.org/draft-04/schema#")},
                               {"title", json_text(schema.file)},
                               {"description", json_text(schema.summary)}},
                              0) +
         "\n";
}

}  // namespace heddle
