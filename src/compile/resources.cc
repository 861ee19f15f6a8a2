#include "compile/resources.h"

#include <cstdlib>
#include <set>

#include "base/text.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

void add_existing(const fs::path& folder, std::vector<fs::path>& folders) {
  std::error_code error;
  if (fs::is_directory(folder, error)) folders.push_back(folder);
}

}  // namespace

std::vector<fs::path> resource_folders() {
  std::vector<fs::path> folders;
  if (const char* const listed = std::getenv("HEDDLE_PATH")) {
    const std::string text = listed;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin) add_existing(text.substr(begin, end - begin), folders);
      begin = end + 1;
    }
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return folders;
  add_existing(program.parent_path().parent_path() / "share" / "heddle", folders);
  fs::path folder = program.parent_path();
  for (int level = 0; level < 4 && folder.has_relative_path();
       ++level, folder = folder.parent_path()) {
    if (fs::is_directory(folder / "rules" / "soc", error)) add_existing(folder, folders);
  }
  return folders;
}

std::vector<fs::path> accelerator_folders(const std::vector<fs::path>& given) {
  std::vector<fs::path> folders = given;
  for (const fs::path& resource : resource_folders()) {
    add_existing(resource / "accelerators", folders);
    add_existing(resource / "cpu_codegen", folders);
    folders.push_back(resource);
  }
  return folders;
}

Result<fs::path> find_rules_file(const std::string& kind, const std::string& name) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return fs::path(name);
  std::set<std::string> known;
  for (const fs::path& resource : resource_folders()) {
    for (const fs::path& candidate :
         {resource / "rules" / kind / (name + ".toml"), resource / name}) {
      if (fs::is_regular_file(candidate, error)) return candidate;
    }
    for (const fs::directory_entry& entry :
         fs::directory_iterator(resource / "rules" / kind, error)) {
      if (entry.path().extension() == ".toml") known.insert(entry.path().stem().string());
    }
  }
  const std::vector<std::string> names(known.begin(), known.end());
  std::string list;
  for (const std::string& each : names) list += (list.empty() ? "`" : ", `") + each + "`";
  return error_at(
      in_file(name),
      "no such " + kind + " file, and no " + kind + " of that name" + did_you_mean(name, names),
      "give a TOML file, or one of " + (list.empty() ? "(none installed; set HEDDLE_PATH)" : list));
}

}  // namespace heddle
