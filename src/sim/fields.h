// Reads JSON without exceptions: every field by its name and range, all errors collected, each with
// its path: "soc.json: error: `memories[1].bytes` is -4, but ..."
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace heddle::sim {

class Fields {
 public:
  // `json` outlives this object; `path` is empty for the whole file.
  Fields(const nlohmann::ordered_json& json, std::string file, std::string path,
         Diagnostics& errors)
      : json_(&json), file_(std::move(file)), path_(std::move(path)), errors_(&errors) {}

  bool has(const char* key) const { return json_->is_object() && json_->contains(key); }

  // A whole number in [low, high]. Absent: `otherwise`, or an error if that is empty too.
  int64_t integer(const char* key, int64_t low, int64_t high,
                  std::optional<int64_t> otherwise = {}) const;
  uint32_t address(const char* key) const {
    return static_cast<uint32_t>(integer(key, 0, std::numeric_limits<uint32_t>::max()));
  }
  uint64_t count(const char* key, std::optional<int64_t> otherwise = {}) const {
    return static_cast<uint64_t>(integer(key, 0, std::numeric_limits<int64_t>::max(), otherwise));
  }
  double number(const char* key, std::optional<double> otherwise = {}) const;
  std::string text(const char* key, std::optional<std::string> otherwise = {}) const;
  std::vector<std::string> texts(const char* key) const;

  // An object; if it is absent or something else, that is an error and what is read from it is
  // empty.
  Fields table(const char* key) const;
  // The objects of a list, likewise.
  std::vector<Fields> list(const char* key) const;
  // Keys in the order of the file.
  std::vector<std::string> keys() const;

  void report(const char* key, const std::string& what, const std::string& remedy = "") const;

 private:
  const nlohmann::ordered_json* find(const char* key, bool needed) const;
  std::string path_of(const char* key) const;

  const nlohmann::ordered_json* json_;
  std::string file_, path_;
  Diagnostics* errors_;
};

// The file's text as an object with `schema` 1.
Result<nlohmann::ordered_json> parse_json(const std::string& text, const std::string& file,
                                          const std::string& remedy);

}  // namespace heddle::sim
