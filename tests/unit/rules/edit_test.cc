#include "rules/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "rules/rules.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

using testing::Contains;
using testing::HasSubstr;

const fs::path kDiana = fs::path(HEDDLE_SOURCE_DIR) / "rules/soc/diana.toml";

TEST(Edit, ChangesNumbersAndNothingElse) {
  const Result<std::string> before = read_file(kDiana);
  const Result<std::string> same =
      soc_with_constants(kDiana, {{"mac_x10", 105}}, kDiana.parent_path());
  ASSERT_TRUE(before.ok() && same.ok());
  EXPECT_EQ(*same, *before);
  const Result<std::string> after =
      soc_with_constants(kDiana, {{"kernel", 7}, {"mac_x10", 12345}}, kDiana.parent_path());
  ASSERT_TRUE(after.ok()) << format_diagnostics(after.errors());
  std::string expected = *before;
  const auto replace = [&](const std::string& from, const std::string& to) {
    const size_t at = expected.find(from);
    ASSERT_NE(at, std::string::npos);
    expected.replace(at, from.size(), to);
  };
  replace("\nmac_x10 = 105", "\nmac_x10 = 12345");
  replace("\nkernel = 371", "\nkernel = 7");
  EXPECT_EQ(*after, expected);
}

TEST(Edit, ANewConstantGetsALine) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "soc.toml";
  ASSERT_TRUE(write_file(file, "[cpu.constants]  # here\na = 1\n b = 2   # two\n[dma]\n").ok());
  const Result<std::string> after =
      soc_with_constants(file, {{"c", 3}, {"b", 4}, {"d", 5}}, folder.path());
  ASSERT_TRUE(after.ok()) << format_diagnostics(after.errors());
  EXPECT_EQ(*after, "[cpu.constants]  # here\na = 1\n b = 4   # two\nc = 3\nd = 5\n[dma]\n");
  ASSERT_TRUE(write_file(file, "[cpu]\n").ok());
  const Result<std::string> none = soc_with_constants(file, {{"c", 3}}, folder.path());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.errors()[0].message, "the SoC has no `[cpu.constants]`");
}

TEST(Edit, AFileElsewhereFindsItsUnits) {
  const TemporaryFolder folder;
  const Result<std::string> text = soc_with_constants(kDiana, {{"kernel", 5}}, folder.path());
  ASSERT_TRUE(text.ok()) << format_diagnostics(text.errors());
  ASSERT_TRUE(write_file(folder.path() / "mine.toml", *text).ok());
  const Result<Soc> soc = load_soc(folder.path() / "mine.toml");
  ASSERT_TRUE(soc.ok()) << format_diagnostics(soc.errors());
  EXPECT_EQ(soc->accelerators.size(), 2u);
  EXPECT_THAT(soc->cpu_constants, Contains(std::pair<std::string, int64_t>("kernel", 5)));
}

TEST(Edit, NumbersInAnyNotation) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "soc.toml";
  fs::create_directory(folder.path() / "o'flavour");
  const std::string text =
      "[cpu]\nflavour = \"o\\u0027flavour\" # there\nconstants = { a = +1_000, b=0x1F,c = 3 }\n";
  ASSERT_TRUE(write_file(file, text).ok());
  const Result<std::string> after =
      soc_with_constants(file, {{"c", 9}, {"a", 1}, {"b", 12}}, folder.path());
  ASSERT_TRUE(after.ok()) << format_diagnostics(after.errors());
  EXPECT_EQ(*after,
            "[cpu]\nflavour = \"o\\u0027flavour\" # there\nconstants = { a = 1, b=12,c = 9 }\n");

  const Result<std::string> inlined = soc_with_constants(file, {{"d", 9}}, folder.path());
  ASSERT_TRUE(inlined.ok());
  EXPECT_THAT(*inlined, HasSubstr("{ a = +1_000, b=0x1F,c = 3, d = 9 }\n"));
  const Result<std::string> elsewhere = soc_with_constants(file, {}, folder.path() / "sub");
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_THAT(format_diagnostics(elsewhere.errors()),
              HasSubstr(":2:12: error: the folder cannot be named from another folder"));
}

}  // namespace
}  // namespace heddle
