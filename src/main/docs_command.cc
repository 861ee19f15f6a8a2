// `heddle docs`: the reference of accelerators, libraries and CPU flavours, or a JSON Schema.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/text.h"
#include "compile/resources.h"
#include "main/common.h"
#include "rules/document_targets.h"
#include "rules/schema_json.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

Result<std::string> schemas(const std::string& kind) {
  std::vector<std::string> names;
  std::string all;
  for (const Schema& schema : all_schemas()) {
    names.push_back(schema_name(schema));
    if (names.back() == kind) return json_schema(schema);
    std::string text = json_schema(schema);
    text.pop_back();  // the line's end
    all += fmt::format("{}\"{}\": {}", all.empty() ? "{\n" : ",\n", names.back(), text);
  }
  if (kind.empty()) return all + "\n}\n";
  std::string list;
  for (const std::string& name : names) list += fmt::format("{}`{}`", list.empty() ? "" : ", ", name);
  return error_at(in_file("--schema " + kind), "no such kind of file" + did_you_mean(kind, names),
                  "the kinds are " + list);
}

// All folders of this installation, sorted by name; of two of one name the first is meant, as in a
// SoC's file.
std::vector<fs::path> all_folders() {
  std::map<std::string, fs::path> found;
  std::error_code error;
  for (const fs::path& resource : resource_folders()) {
    for (const char* const parent : {"accelerators", "cpu_codegen"}) {
      for (const fs::directory_entry& entry : fs::directory_iterator(resource / parent, error)) {
        const bool target = std::any_of(
            all_schemas().begin(), all_schemas().end(), [&](const Schema& schema) {
              std::error_code ignored;
              return fs::is_regular_file(entry.path() / schema.file, ignored);
            });
        if (target) found.emplace(entry.path().filename().string(), entry.path());
      }
    }
  }
  std::vector<fs::path> folders;
  for (const auto& [name, folder] : found) folders.push_back(folder);
  return folders;
}

}  // namespace

int docs_command(const CommandOptions& options) {
  std::string text;
  if (options.docs.schema) {
    if (!options.docs.folders.empty())
      return fail(options.docs.folders.front(), "a schema is of all folders of a kind",
                  "leave out the folder, or `--schema`");
    Result<std::string> json = schemas(options.docs.kind);
    if (!json.ok()) return fail(json.errors());
    text = std::move(*json);
  } else {
    std::vector<Target> targets;
    Diagnostics errors;
    for (const fs::path& folder :
         options.docs.folders.empty() ? all_folders() : options.docs.folders) {
      Result<Target> target = load_target(folder);
      if (target.ok()) {
        targets.push_back(std::move(*target));
      } else {
        errors.insert(errors.end(), target.errors().begin(), target.errors().end());
      }
    }
    if (!errors.empty()) return fail(errors);
    std::error_code ignored;
    text = document_targets(targets, options.output.empty()
                                         ? fs::path()
                                         : fs::absolute(options.output, ignored).parent_path());
  }
  if (options.output.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  const Status written = write_file(options.output, text);
  return written.ok() ? 0 : fail(written.errors());
}

}  // namespace heddle
