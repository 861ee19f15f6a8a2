#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace heddle {
namespace fs = std::filesystem;
namespace {

using testing::HasSubstr;

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string first_error(const auto& result) { return result.errors()[0].message; }

// Everything below a folder, hidden files too.
std::vector<std::string> content(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.push_back(fs::relative(entry.path(), folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

const FileSet kFiles = {
    {"a.c", "int a;\n"}, {"sub/b.h", std::string("\0\xFF", 2)}, {kManifestName, "{}"}};

TEST(ReadFile, GivesAllBytes) {
  const TemporaryFolder folder;
  const std::string bytes = std::string("a\0b\r\n\xFF", 6);
  put(folder.path() / "x", bytes);
  EXPECT_EQ(read_file(folder.path() / "x").value(), bytes);
  put(folder.path() / "empty", "");
  EXPECT_EQ(read_file(folder.path() / "empty").value(), "");
}

TEST(ReadFile, SaysWhyItCannot) {
  const TemporaryFolder folder;
  put(folder.path() / "x", "12345");
  EXPECT_EQ(first_error(read_file(folder.path() / "none")), "there is no such file");
  EXPECT_EQ(first_error(read_file(folder.path() / "x" / "y")), "there is no such file");
  EXPECT_EQ(first_error(read_file(folder.path())), "this is a folder, a file is needed");
  EXPECT_EQ(first_error(read_file("/dev/null")), "this is not a regular file");
  EXPECT_EQ(first_error(read_file(folder.path() / "x", 4)),
            "the file is larger than the limit of 4 bytes");
  EXPECT_TRUE(read_file(folder.path() / "x", 5).ok());
  EXPECT_EQ(read_file(folder.path() / "none").errors()[0].place.file,
            (folder.path() / "none").string());
}

TEST(WriteFolder, WritesAndReplaces) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "deep" / "out";
  ASSERT_TRUE(write_folder(out, kFiles).ok());
  EXPECT_THAT(content(folder.path()), testing::ElementsAre("deep", "deep/out", "deep/out/a.c",
                                                           std::string("deep/out/") + kManifestName,
                                                           "deep/out/sub", "deep/out/sub/b.h"));
  EXPECT_EQ(read_file(out / "sub/b.h").value(), kFiles.at("sub/b.h"));
  // Old files go, new ones come; a slash at the end is the same folder.
  ASSERT_TRUE(write_folder(out.string() + "/", {{"c.c", "3"}, {kManifestName, "{}"}}).ok());
  EXPECT_THAT(content(out), testing::ElementsAre("c.c", kManifestName));
  EXPECT_THAT(content(folder.path() / "deep"), testing::SizeIs(3));
}

TEST(WriteFolder, FollowsALinkToAFolder) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_folder(folder.path() / "real", kFiles).ok());
  fs::create_directory_symlink(folder.path() / "real", folder.path() / "link");
  ASSERT_TRUE(write_folder(folder.path() / "link", {{kManifestName, "new"}}).ok());
  EXPECT_TRUE(fs::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "real" / kManifestName).value(), "new");
}

TEST(WriteFolder, LeavesForeignFoldersAlone) {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  fs::create_directory(out);
  put(out / "thesis.tex", "precious");
  const Status refused = write_folder(out, kFiles);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(first_error(refused),
              HasSubstr("was not written by heddle: it has no `heddle-manifest.json`"));
  EXPECT_EQ(refused.errors()[0].remedy, "choose another folder, or remove this one");
  EXPECT_EQ(refused.errors()[0].place.file, out.string());
  EXPECT_THAT(content(folder.path()), testing::ElementsAre("out", "out/thesis.tex"));

  put(folder.path() / "file", "x");
  EXPECT_THAT(first_error(write_folder(folder.path() / "file", kFiles)),
              HasSubstr("this is a file"));
}

TEST(WriteFolder, LeavesNothingOnFailure) {
  const TemporaryFolder folder;
  // A file cannot be a folder too: the second write fails after the first one went well.
  const FileSet clash = {{"a", "file"}, {"a/b", "in it"}};
  EXPECT_FALSE(write_folder(folder.path() / "new" / "out", clash).ok());
  EXPECT_THAT(content(folder.path()), testing::IsEmpty());
  ASSERT_TRUE(write_folder(folder.path() / "old", kFiles).ok());
  const std::vector<std::string> before = content(folder.path());
  EXPECT_FALSE(write_folder(folder.path() / "old", clash).ok());
  EXPECT_EQ(content(folder.path()), before);
  put(folder.path() / "file", "x");
  EXPECT_FALSE(write_folder(folder.path() / "file" / "out", kFiles).ok());
  EXPECT_FALSE(write_folder("/proc/heddle/out", kFiles).ok());
}

TEST(WriteFolder, NamesThatLeaveTheFolderAreBugs) {
  const TemporaryFolder folder;
  for (const char* name : {"../x", "/etc/x", "", "a/../../b", "."}) {
    EXPECT_THROW(static_cast<void>(write_folder(folder.path() / "out", {{name, "x"}})),
                 InternalError)
        << name;
    EXPECT_THAT(content(folder.path()), testing::IsEmpty()) << name;
  }
}

TEST(TemporaryFolder, GoesWithItsContent) {
  fs::path path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    fs::create_directories(path / "a/b");
    put(path / "a/b/c", "x");
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(WriteFile, ReplacesTheFileOrSaysWhyNot) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a.onnx";
  for (const char* content : {"one", "two"}) {
    ASSERT_TRUE(write_file(file, content).ok());
    EXPECT_EQ(read_file(file).value(), content);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_FALSE(write_file(folder.path(), "x").ok());
  const Status status = write_file(folder.path() / "none" / "a.onnx", "x");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(format_diagnostics(status.errors()).find("cannot write the file"), std::string::npos);
}

}  // namespace
}  // namespace heddle
