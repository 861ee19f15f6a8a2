// `heddle new-accelerator`: a folder that compiles, checks and runs, from the files in templates/.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/files.h"
#include "base/text.h"
#include "compile/resources.h"
#include "main/common.h"
#include "rules/schema_json.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

// Names of files, C functions and macros are made from it.
std::string wrong_name(const std::string& name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (!std::all_of(name.begin(), name.end(), fits) || !is_c_identifier(name) || name[0] == '_' ||
      name.back() == '_' || name.find("__") != std::string::npos)
    return "is not in small letters, digits and single `_` between them, a letter first";
  if (name.size() > 40) return "is longer than 40 characters";
  if (name == "cpu" || name.starts_with("heddle")) return "belongs to the tool itself";
  return "";
}

std::string filled(std::string text, const std::string& hole, const std::string& with) {
  for (size_t at = text.find(hole); at != std::string::npos; at = text.find(hole, at + with.size()))
    text.replace(at, hole.size(), with);
  return text;
}

// The template's files with the name in their holes, and the schemas that their TOML files name.
Result<FileSet> fill(const fs::path& from, const std::string& name, const std::string& kind) {
  std::string capitals = name;
  std::transform(capitals.begin(), capitals.end(), capitals.begin(),
                 [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
  FileSet files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from, error)) {
    if (!entry.is_regular_file()) continue;
    Result<std::string> text = read_file(entry.path());
    if (!text.ok()) return text.errors();
    files[entry.path().lexically_relative(from).generic_string()] =
        filled(filled(std::move(*text), "$NAME", name), "$UPPER", capitals);
  }
  for (const Schema& schema : all_schemas()) {
    const std::string of = schema_name(schema);
    if (of == kind || of == "soc" || of == "cases") files["schema/" + of + ".json"] = json_schema(schema);
  }
  return files;
}

}  // namespace

int new_accelerator_command(const CommandOptions& options) {
  const std::string& name = options.fresh.name;
  if (const std::string wrong = wrong_name(name); !wrong.empty())
    return fail(terminal_text(name), "the name " + wrong,
                "C functions and macros begin with it, for example my_unit");
  fs::path folder = options.output.empty() ? fs::path(name) : options.output;
  if (!folder.has_filename()) folder = folder.parent_path();  // "-o DIR/"
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder, error)))
    return fail(folder, "there is something of that name already",
                "choose another name, or another folder with `-o`");
  fs::path from;
  for (const fs::path& resource : resource_folders()) {
    if (from.empty() && fs::is_directory(resource / "templates" / options.fresh.kind, error))
      from = resource / "templates" / options.fresh.kind;
  }
  if (from.empty())
    return fail("templates/" + options.fresh.kind, "this installation has no such folder",
                "install Heddle again, or set HEDDLE_PATH");
  Result<FileSet> files = fill(from, name, options.fresh.kind);
  if (!files.ok()) return fail(files.errors());
  const Status written = write_folder(folder, *files);
  if (!written.ok()) return fail(written.errors());
  const std::string shown = terminal_text(folder.generic_string());
  fmt::print("wrote {}: {} files; lines to edit are marked EDIT\n", shown, files->size());
  fmt::print("  heddle check {}\n  heddle why MODEL --soc {}/soc.toml\n  heddle run MODEL --soc {}/soc.toml\n",
             shown, shown, shown);
  return 0;
}

}  // namespace heddle
