// The rules of the house that a compiler does not check: layering, hidden libraries, accelerators
// outside the code.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Source {
  std::string path;   // relative to the repository
  std::string layer;  // "base", "tiler", ...
  std::string text;
};

std::vector<Source> sources() {
  const fs::path root = HEDDLE_SOURCE_DIR;
  std::vector<Source> found;
  for (const char* const top : {"src", "tiler", "cpu_codegen"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".cc" && extension != ".h") continue;
      if (entry.path().parent_path().filename() == "runtime")
        continue;  // C that is shipped, not part of the tool
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      const std::string path = fs::relative(entry.path(), root).string();
      // "import" of src/import/onnx/wire.h
      const std::string layer =
          std::string(top) == "src" ? std::next(fs::path(path).begin())->string() : top;
      found.push_back({path, layer, text.str()});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return found;
}

std::vector<std::string> includes(const Source& source) {
  static const std::regex include(R"re(#include [<"]([^>"]+)[>"])re");
  std::vector<std::string> found;
  for (std::sregex_iterator it(source.text.begin(), source.text.end(), include), end; it != end;
       ++it)
    found.push_back((*it)[1]);
  return found;
}

TEST(House, EveryLayerIncludesOnlyLayersBelowIt) {
  const std::vector<std::string> order = {"base",        "expr",  "graph",  "ops",      "import",      "export",
                                          "rules",       "match", "legalise", "tiler", "place", "schedule", "memory",
                                          "cpu_codegen", "emit",  "sim",    "report", "compile",     "check", "requantize", "main"};
  std::map<std::string, size_t> rank;
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
  std::vector<std::string> wrong;
  for (const Source& source : sources()) {
    ASSERT_TRUE(rank.contains(source.layer)) << source.path << ": unknown layer " << source.layer;
    for (const std::string& include : includes(source)) {
      const std::string layer = include.substr(0, include.find('/'));
      if (layer == include || !rank.contains(layer)) continue;
      const bool siblings =
          source.layer == "rules" && layer == "import";  // neither may know the other
      if (rank[layer] > rank[source.layer] || siblings)
        wrong.push_back(source.path + " includes " + include);
    }
  }
  EXPECT_THAT(wrong, IsEmpty());
}

// Two types of one name are two meanings of every function that the compiler makes for it; the linker keeps one of
// them, for both.
TEST(House, NoTypeIsDefinedTwice) {
  const std::regex space(R"re(^namespace ([\w:]+) \{)re"), end(R"re(^\}  // namespace ([\w:]+))re");
  const std::regex type(R"re(^(?:struct|class|enum class) (\w+)( [^;]*)?$)re");
  std::map<std::string, std::vector<std::string>> places;  // of "heddle::sim::Job"
  const auto read = [&](const std::string& path, const std::string& text) {
    std::string inside;
    bool anonymous = false;
    std::istringstream lines(text);
    std::smatch found;
    for (std::string line; std::getline(lines, line);) {
      if (line == "namespace {") anonymous = true;
      if (line == "}  // namespace") anonymous = false;
      if (std::regex_search(line, found, end)) inside.clear();
      if (std::regex_search(line, found, space)) inside = found[1];
      if (!anonymous && !inside.empty() && std::regex_search(line, found, type))
        places[inside + "::" + std::string(found[1])].push_back(path);
    }
  };
  for (const Source& source : sources()) read(source.path, source.text);
  const fs::path root = HEDDLE_SOURCE_DIR;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / "tests")) {
    if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    read(fs::relative(entry.path(), root).string(), text.str());
  }
  EXPECT_GT(places.size(), 200u);
  for (const auto& [name, where] : places) EXPECT_THAT(where, SizeIs(1)) << name;
}

TEST(House, ForeignLibrariesHide) {
  // Z3 twice: the tiler's search over boxes and the analysis of conditions share nothing but the library.
  const std::map<std::string, size_t> allowed = {
      {"^z3", 2},   {"^toml", 1},    {"^onnx/", 1}, {"^google/protobuf", 1},
      {"^re2/", 2}, {"^zip\\.h", 1}, {"^CLI/", 1}, {"^flatbuffers/|tflite_generated", 1}};
  for (const auto& [pattern, files] : allowed) {
    const std::regex library(pattern);
    std::vector<std::string> users;
    for (const Source& source : sources()) {
      for (const std::string& include : includes(source)) {
        const bool own =
            include.ends_with(".h") && fs::exists(fs::path(HEDDLE_SOURCE_DIR) / "src" / include);
        if (!own && std::regex_search(include, library) &&
            (users.empty() || users.back() != source.path)) {
          users.push_back(source.path);
        }
      }
    }
    EXPECT_LE(users.size(), files)
        << pattern << " is included by " << testing::PrintToString(users);
  }
}

TEST(House, NoAcceleratorIsNamedInTheCode) {
  std::vector<std::string> wrong;
  for (const fs::directory_entry& folder :
       fs::directory_iterator(fs::path(HEDDLE_SOURCE_DIR) / "accelerators")) {
    const std::string name = folder.path().filename().string();
    for (const Source& source : sources()) {
      std::istringstream lines(source.text);
      for (std::string line; std::getline(lines, line);) {
        const std::string code = line.substr(0, line.find("//"));
        if (code.find(name) != std::string::npos) wrong.push_back(source.path + " names " + name);
      }
    }
  }
  EXPECT_THAT(wrong, IsEmpty());
}

// Without --no-install the missing packages would be installed; with it the line to do so is
// printed.
TEST(House, SetUpSaysWhatIsMissingInsteadOfInstallingIt) {
  const fs::path folder = fs::path(testing::TempDir()) / "heddle_no_packages";
  fs::create_directories(folder);
  std::ofstream(folder / "dpkg-query") << "#!/bin/sh\nexit 1\n";
  fs::permissions(folder / "dpkg-query", fs::perms::owner_all);
  const std::string command =
      fmt::format("PATH={}:$PATH {}/scripts/setup --no-install > {}/out 2>&1", folder.string(),
                  HEDDLE_SOURCE_DIR, folder.string());
  EXPECT_NE(std::system(command.c_str()), 0);
  std::ostringstream text;
  text << std::ifstream(folder / "out").rdbuf();
  EXPECT_THAT(text.str(),
              testing::HasSubstr("apt-get install -y --no-install-recommends g++ cmake"));
  fs::remove_all(folder);
}

// The README shows a real run: its table is the one that the golden test of the report holds.
TEST(House, TheReadmeShowsARealRun) {
  const auto read = [](const char* file) {
    std::ostringstream text;
    text << std::ifstream(fs::path(HEDDLE_SOURCE_DIR) / file).rdbuf();
    return text.str();
  };
  std::string report = read("tests/golden/report-digits/expected.txt");
  report = report.substr(0, report.find("wrote "));
  ASSERT_FALSE(report.empty());
  EXPECT_NE(read("README.md").find(report), std::string::npos)
      << "paste the output of scripts/demo into README.md";
}

TEST(House, FilesAreShort) {
  std::vector<std::string> wrong;
  for (const Source& source : sources()) {
    const auto lines = std::count(source.text.begin(), source.text.end(), '\n');
    if (lines > 500) wrong.push_back(fmt::format("{} has {} lines", source.path, lines));
  }
  EXPECT_THAT(wrong, IsEmpty());
}

TEST(House, ResultsDependOnNoClockLocaleOrHashOrder) {
  static const std::regex forbidden(
      R"(unordered_(map|set)|std::rand\b|random_device|system_clock|steady_clock|setlocale|__DATE__|__TIME__)");
  std::vector<std::string> wrong;
  for (const Source& source : sources()) {
    if (source.path == "src/base/process.cc")
      continue;  // ends a child that hangs; no result comes of it
    if (std::regex_search(source.text, forbidden)) wrong.push_back(source.path);
  }
  EXPECT_THAT(wrong, IsEmpty());
}

}  // namespace
