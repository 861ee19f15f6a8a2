#include "sim/fields.h"

#include <fmt/format.h>

#include "base/text.h"

namespace heddle::sim {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  return terminal_text(value.dump(-1, ' ', true, Json::error_handler_t::replace), 40);
}

const Json& nothing() {
  static const Json object = Json::object();
  return object;
}

}  // namespace

std::string Fields::path_of(const char* key) const {
  return path_.empty() ? key : path_ + "." + key;
}

void Fields::report(const char* key, const std::string& what, const std::string& remedy) const {
  errors_->push_back(error_at(in_file(file_), fmt::format("`{}` {}", path_of(key), what), remedy));
}

const Json* Fields::find(const char* key, bool needed) const {
  // What is read from a table that is absent was reported with the table.
  if (json_ == &nothing()) return nullptr;
  if (has(key)) return &(*json_)[key];
  if (needed) report(key, "is missing");
  return nullptr;
}

int64_t Fields::integer(const char* key, int64_t low, int64_t high,
                        std::optional<int64_t> otherwise) const {
  const Json* const value = find(key, !otherwise);
  if (value == nullptr) return otherwise.value_or(low);
  // An unsigned number above 2^63 is no int64_t.
  const bool whole = value->is_number_integer() &&
                     !(value->is_number_unsigned() &&
                       value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
  const int64_t number = whole ? value->get<int64_t>() : 0;
  if (whole && number >= low && number <= high) return number;
  report(key, fmt::format("is {}, but a whole number from {} to {} stands here", shown(*value), low,
                          high));
  return low;
}

double Fields::number(const char* key, std::optional<double> otherwise) const {
  const Json* const value = find(key, !otherwise);
  if (value == nullptr) return otherwise.value_or(0);
  if (value->is_number()) return value->get<double>();
  report(key, fmt::format("is {}, but a number stands here", shown(*value)));
  return 0;
}

std::string Fields::text(const char* key, std::optional<std::string> otherwise) const {
  const Json* const value = find(key, !otherwise);
  if (value == nullptr) return otherwise.value_or("");
  if (value->is_string()) return value->get<std::string>();
  report(key, fmt::format("is {}, but a text stands here", shown(*value)));
  return "";
}

std::vector<std::string> Fields::texts(const char* key) const {
  const Json* const value = find(key, true);
  std::vector<std::string> result;
  if (value == nullptr) return result;
  bool good = value->is_array();
  for (size_t i = 0; good && i < value->size(); ++i) {
    good = (*value)[i].is_string();
    if (good) result.push_back((*value)[i].get<std::string>());
  }
  if (!good) report(key, fmt::format("is {}, but a list of texts stands here", shown(*value)));
  return result;
}

Fields Fields::table(const char* key) const {
  const Json* const value = find(key, true);
  if (value != nullptr && value->is_object()) return {*value, file_, path_of(key), *errors_};
  if (value != nullptr) report(key, fmt::format("is {}, but an object stands here", shown(*value)));
  return {nothing(), file_, path_of(key), *errors_};
}

std::vector<Fields> Fields::list(const char* key) const {
  const Json* const value = find(key, true);
  std::vector<Fields> result;
  if (value == nullptr) return result;
  if (!value->is_array()) {
    report(key, fmt::format("is {}, but a list stands here", shown(*value)));
    return result;
  }
  for (size_t i = 0; i < value->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", path_of(key), i);
    if ((*value)[i].is_object()) {
      result.emplace_back((*value)[i], file_, path, *errors_);
    } else {
      errors_->push_back(
          error_at(in_file(file_),
                   fmt::format("`{}` is {}, but an object stands here", path, shown((*value)[i]))));
    }
  }
  return result;
}

std::vector<std::string> Fields::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : json_->items()) result.push_back(key);
  return result;
}

Result<Json> parse_json(const std::string& text, const std::string& file,
                        const std::string& remedy) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return error_at(in_file(file), "the file is no JSON object", remedy);
  if (!json.contains("schema") || json["schema"] != 1) {
    return error_at(in_file(file),
                    json.contains("schema") ? fmt::format("`schema` is {}, but this Heddle reads 1",
                                                          shown(json["schema"]))
                                            : "`schema` is missing",
                    remedy);
  }
  return json;
}

}  // namespace heddle::sim
