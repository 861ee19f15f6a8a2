// docs/accelerators.md, which `heddle docs` prints.
#include "rules/document_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/files.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

const fs::path kRoot = HEDDLE_SOURCE_DIR;

TEST(Document, OfAcceleratorsIsUpToDate) {
  std::vector<fs::path> folders;
  for (const char* const parent : {"accelerators", "cpu_codegen"}) {
    for (const auto& entry : fs::directory_iterator(kRoot / parent)) {
      for (const char* const file : {"accelerator.toml", "dma.toml", "library.toml", "cpu.toml"})
        if (fs::exists(entry.path() / file)) folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename() < b.filename(); });
  std::vector<Target> targets;
  for (const fs::path& folder : folders) {
    Result<Target> target = load_target(folder);
    ASSERT_TRUE(target.ok()) << format_diagnostics(target.errors());
    targets.push_back(*target);
  }
  const std::string text = document_targets(targets, kRoot / "docs");
  const fs::path file = kRoot / "docs/accelerators.md";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(file) << text;
  EXPECT_EQ(fs::exists(file) ? read_file(file).value() : "", text) << "HEDDLE_REWRITE=1 rewrites it";
  // Every reason of every rule is there, and a link to where it stands.
  for (const Target& target : targets) {
    for (const Rule& rule : target.rules) {
      for (const Condition& condition : rule.when)
        EXPECT_THAT(text, testing::HasSubstr("* " + condition.why + ": `"));
    }
  }
  EXPECT_THAT(text, testing::HasSubstr("](../accelerators/diana_digital/accelerator.toml#L"));
}

}  // namespace
}  // namespace heddle
