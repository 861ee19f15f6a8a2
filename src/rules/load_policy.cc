#include <fmt/format.h>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {

Result<Policy> load_policy(const std::filesystem::path& file) {
  Result<TomlValue> read = read_toml(file);
  if (!read.ok()) return read.errors();
  TomlValue& root = *read;
  Reading reading;
  if (!check_against(schema_of(FileKind::policy), root, reading.errors)) return reading.errors;
  Policy policy;
  policy.name = identifier_at(root, "name", reading);
  policy.summary = string_at(root, "summary");
  policy.objective =
      string_at(root, "objective") == "first_match" ? Objective::first_match : Objective::latency;
  for (const TomlValue& item : items_at(root, "avoid")) {
    if (item.kind != TomlKind::text || item.text.empty()) continue;
    if (item.text != "*" && !is_c_identifier(item.text)) {
      report(reading, item.place,
             fmt::format("`{}` cannot be the name of an accelerator", terminal_text(item.text)),
             "name an accelerator, or write `*` for all");
    }
    policy.avoid.push_back(item.text);
  }
  if (!reading.errors.empty()) return reading.errors;
  return policy;
}

}  // namespace heddle
