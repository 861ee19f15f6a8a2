// One folder in tests/rejects for each message of the loaders: a bad file, and what must be said
// about it. HEDDLE_REWRITE=1 writes the expectations anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "rules/cases.h"
#include "rules/rules.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

const fs::path kRejects = fs::path(HEDDLE_SOURCE_DIR) / "tests" / "rejects";

template <class T>
std::string said(const Result<T>& result) {
  return result.ok() ? "accepted\n" : format_diagnostics(result.errors());
}

// nullopt: the folder holds something else, for another test.
std::optional<std::string> load(const fs::path& folder) {
  if (fs::exists(folder / "soc.toml")) return said(load_soc(folder / "soc.toml"));
  if (fs::exists(folder / "policy.toml")) return said(load_policy(folder / "policy.toml"));
  for (const char* file : {"accelerator.toml", "dma.toml", "library.toml", "cpu.toml"}) {
    if (fs::exists(folder / file)) return said(load_target(folder));
  }
  if (fs::exists(folder / "cases")) return said(load_cases(folder));
  return std::nullopt;
}

std::string without_folder(std::string text, const fs::path& folder) {
  const std::string prefix = folder.string();
  for (size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at)) {
    const size_t end = at + prefix.size();
    text.replace(at, prefix.size() + (text[end] == '/' ? 1 : 0), text[end] == '/' ? "" : ".");
  }
  return text;
}

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Rejects, SayExactlyThis) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(kRejects)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  int count = 0;
  for (const fs::path& folder : folders) {
    const std::optional<std::string> loaded = load(folder);
    if (!loaded) continue;
    ++count;
    const std::string got = without_folder(*loaded, folder);
    EXPECT_NE(got, "accepted\n") << folder.filename();
    const fs::path expected = folder / "expected.txt";
    if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(expected) << got;
    EXPECT_EQ(got, content(expected)) << folder.filename() << ": HEDDLE_REWRITE=1 rewrites";
  }
  EXPECT_GE(count, 90);
}

}  // namespace
}  // namespace heddle
