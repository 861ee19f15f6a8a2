// Golden folders: tests/golden/<case>/command holds the arguments of one call of the tool,
// expected.txt what it prints and its exit status. HEDDLE_REWRITE=1 writes expected.txt anew; read
// the difference before you commit it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() { return fs::path(HEDDLE_SOURCE_DIR) / "tests" / "golden"; }

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(golden_folder())) {
    if (fs::exists(entry.path() / "command")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// `$models` in a command is the project's models folder, `$out` a temporary folder; both are put
// back in what is printed.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, PrintsWhatIsExpected) {
  const fs::path folder = golden_folder() / GetParam();
  const TemporaryFolder temporary;
  const std::string models = (fs::path(HEDDLE_SOURCE_DIR) / "models").string();
  std::ifstream command(folder / "command");
  std::vector<std::string> argv = {HEDDLE_TOOL};
  std::string show;
  for (std::string word; command >> word;) {
    word = replaced(replaced(word, "$models", models), "$out", temporary.path().string());
    if (word == "&&") {  // "&& FILE": show this file of the output instead of what the tool prints
      command >> show;
      break;
    }
    argv.push_back(word);
  }
  Result<ProcessOutcome> outcome =
      run_process(argv, folder, {.cpu_seconds = 300, .memory_bytes = 0});
  ASSERT_TRUE(outcome.ok());
  std::string got;
  if (show.empty()) {
    got =
        outcome->out + outcome->err + "exit status " + std::to_string(outcome->exit_status) + "\n";
  } else {
    ASSERT_EQ(outcome->exit_status, 0) << outcome->err;
    Result<std::string> file = read_file(temporary.path() / show);
    ASSERT_TRUE(file.ok()) << format_diagnostics(file.errors());
    got = *file;
  }
  got = replaced(replaced(got, temporary.path().string(), "$out"), models, "$models");
  const fs::path expected_file = folder / "expected.txt";
  if (std::getenv("HEDDLE_REWRITE") != nullptr) std::ofstream(expected_file) << got;
  Result<std::string> expected = read_file(expected_file);
  ASSERT_TRUE(expected.ok()) << format_diagnostics(expected.errors());
  EXPECT_EQ(got, *expected);
}

INSTANTIATE_TEST_SUITE_P(Folders, Golden, testing::ValuesIn(cases()), [](const auto& folder) {
  std::string name = folder.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace heddle
