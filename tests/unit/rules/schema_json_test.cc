// rules/schema/*.json: printed from the loader's table, and true of all TOML files that are shipped.
#include "rules/schema_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

const fs::path kRoot = HEDDLE_SOURCE_DIR;

// What of draft 4 the schemas use; anything else in them is an error of the test.
class Validator {
 public:
  std::vector<std::string> errors;

  void check(const Json& schema, const TomlValue& value, const std::string& path) {
    for (const auto& [keyword, unused] : schema.items()) {
      static const std::vector<std::string> known = {
          "$schema", "title",    "description", "default",  "type",    "properties",
          "required", "additionalProperties", "items", "minItems", "enum", "minimum",
          "maximum",  "minLength"};
      EXPECT_NE(std::find(known.begin(), known.end(), keyword), known.end()) << keyword;
    }
    if (schema.at("type").is_array()) {  // one of several
      Validator least;
      for (const Json& each : schema["type"]) {
        Json one = schema;
        one["type"] = each;
        Validator alone;
        alone.check(one, value, path);
        if (alone.errors.empty()) return;
        least = alone;
      }
      errors.insert(errors.end(), least.errors.begin(), least.errors.end());
      return;
    }
    const std::string type = schema.at("type");
    if (type == "object" && value.kind == TomlKind::table) return check_object(schema, value, path);
    if (type == "array" && value.kind == TomlKind::list) {
      if (value.items.size() < schema.value("minItems", size_t{0})) wrong(path, "too few items");
      for (const TomlValue& item : value.items) check(schema.at("items"), item, path + "[]");
    } else if (type == "string" && value.kind == TomlKind::text) {
      if (value.text.size() < schema.value("minLength", size_t{0})) wrong(path, "empty");
      if (schema.contains("enum") && std::count(schema["enum"].begin(), schema["enum"].end(),
                                                Json(value.text)) == 0)
        wrong(path, "no such choice");
    } else if (type == "integer" && value.kind == TomlKind::integer) {
      if (schema.contains("minimum") && value.integer < schema["minimum"]) wrong(path, "too small");
      if (schema.contains("maximum") && value.integer > schema["maximum"]) wrong(path, "too large");
    } else if (type != "boolean" || value.kind != TomlKind::boolean) {
      wrong(path, "not of type " + type);
    }
  }

 private:
  void wrong(const std::string& path, const std::string& what) { errors.push_back(path + ": " + what); }

  void check_object(const Json& schema, const TomlValue& value, const std::string& path) {
    const Json properties = schema.value("properties", Json::object());
    for (const Json& key : schema.value("required", Json::array()))
      if (value.find(key.get<std::string>()) == nullptr)
        wrong(path, "lacks " + key.get<std::string>());
    for (const TomlMember& member : value.members) {
      const std::string below = path + "." + member.key;
      if (properties.contains(member.key)) {
        check(properties[member.key], member.value, below);
      } else if (schema.at("additionalProperties").is_boolean()) {
        wrong(below, "unknown");
      } else {
        check(schema["additionalProperties"], member.value, below);
      }
    }
  }
};

std::vector<std::string> errors_of(const Json& schema, const TomlValue& root) {
  Validator validator;
  validator.check(schema, root, "");
  return validator.errors;
}

const Schema* schema_called(const std::string& name) {
  for (const Schema& schema : all_schemas())
    if (schema_name(schema) == name) return &schema;
  return nullptr;
}

TEST(SchemaJson, FilesAreUpToDate) {
  for (const Schema& schema : all_schemas()) {
    const fs::path file = kRoot / "rules/schema" / (schema_name(schema) + ".json");
    const std::string text = json_schema(schema);
    EXPECT_FALSE(Json::parse(text, nullptr, false).is_discarded()) << text;
    if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(file) << text;
    EXPECT_EQ(fs::exists(file) ? read_file(file).value() : "", text)
        << file << ": HEDDLE_REWRITE=1 rewrites it";
  }
}

// Every shipped file says which schema is its own, and passes it.
TEST(SchemaJson, ShippedFilesPass) {
  int count = 0;
  for (const char* const folder : {"rules", "accelerators", "cpu_codegen", "templates"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.path().extension() != ".toml") continue;
      const std::string text = read_file(entry.path()).value();
      const std::string line = text.substr(0, text.find('\n'));
      ASSERT_TRUE(line.starts_with("#:schema ")) << entry.path();
      const fs::path named = entry.path().parent_path() / line.substr(9);
      const Schema* const schema = schema_called(named.stem().string());
      ASSERT_NE(schema, nullptr) << entry.path() << ": " << line;
      // A new accelerator's folder gets schemas of its own.
      if (folder != std::string("templates")) {
        EXPECT_TRUE(fs::equivalent(named, kRoot / "rules/schema" / named.filename()))
            << entry.path() << ": " << line;
      }
      const Result<TomlValue> root = parse_toml(text, entry.path().string());
      ASSERT_TRUE(root.ok()) << format_diagnostics(root.errors());
      EXPECT_THAT(errors_of(Json::parse(json_schema(*schema)), *root), testing::IsEmpty())
          << entry.path();
      ++count;
    }
  }
  EXPECT_GE(count, 30);
}

// What the loader says of keys, types, choices and ranges, an editor says too.
TEST(SchemaJson, RefusesWhatTheLoaderRefuses) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kRoot / "tests/rejects")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("schema_")) continue;
    for (const Schema& schema : all_schemas()) {
      const std::string own = schema.kind == FileKind::soc      ? "soc.toml"
                              : schema.kind == FileKind::policy ? "policy.toml"
                              : schema.kind == FileKind::cases  ? "cases/layers.toml"
                                                                : std::string(schema.file);
      if (!fs::exists(entry.path() / own)) continue;
      const Result<TomlValue> root = read_toml(entry.path() / own);
      ASSERT_TRUE(root.ok());
      EXPECT_THAT(errors_of(Json::parse(json_schema(schema)), *root),
                  testing::Not(testing::IsEmpty()))
          << name;
      ++count;
    }
  }
  EXPECT_GE(count, 10);
}

}  // namespace
}  // namespace heddle
