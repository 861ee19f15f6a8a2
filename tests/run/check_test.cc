// Bugs planted in copies of shipped folders: `heddle check` finds each of them with the layers that it
// draws for a rule by itself, and nothing in the folders as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "check/check.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path shipped(const std::string& unit) {
  return fs::path(HEDDLE_SOURCE_DIR) / "accelerators" / unit;
}

PathCheck check(const fs::path& folder, const std::string& soc, int64_t shapes,
                const std::string& rules = "") {
  CheckOptions options;
  options.paths = {folder};
  options.soc = soc;
  options.conform.shapes = shapes;
  options.conform.rules = rules;
  return check_paths(options).paths[0];
}

std::string text_of(const PathCheck& checked) { return check_text(CheckReport{{checked}}); }

struct Shipped {
  std::string unit, soc;
};
void PrintTo(const Shipped& shipped, std::ostream* out) {
  *out << shipped.unit << (shipped.soc.empty() ? "" : " on ") << shipped.soc;
}

class ShippedFolder : public testing::TestWithParam<Shipped> {};

TEST_P(ShippedFolder, Passes) {
  const PathCheck checked = check(shipped(GetParam().unit), GetParam().soc, 12);
  EXPECT_EQ(checked.failures(), 0u) << text_of(checked);
  for (const RuleConformance& rule : checked.rules) {
    EXPECT_EQ(rule.run, 12) << rule.rule;
    EXPECT_EQ(rule.exact, 12) << rule.rule;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ShippedFolder,
                         testing::Values(Shipped{"diana_digital", ""}, Shipped{"qvanilla", ""},
                                         Shipped{"qvanilla", "qvanilla_timed"},
                                         Shipped{"qvanilla", "qvanilla_tiled"}, Shipped{"ne16", ""}));

TEST(Folder, OfADmaIsRead) {
  const PathCheck checked = check(shipped("diana_dma"), "", 1);
  EXPECT_EQ(checked.failures(), 0u) << text_of(checked);
  EXPECT_EQ(checked.what, "DMA");
}

// Of the published model: the case that is there for it runs, and shows it, without any drawn layer.
TEST(Cases, AreRunAndFound) {
  const TemporaryFolder temporary;
  const fs::path copy = temporary.path() / "qvanilla";
  fs::copy(shipped("qvanilla"), copy, fs::copy_options::recursive);
  EXPECT_EQ(text_of(check(copy, "", 0)).find("differs"), std::string::npos);
  std::string text = read_file(copy / "model.c").value();
  const std::string right = "for (uint32_t fx = 0; fx < j->kw; ++fx)";
  const size_t at = text.find(right);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, right.size(), "for (uint32_t fx = 0; fx < j->kh; ++fx)");
  ASSERT_TRUE(write_file(copy / "model.c", text).ok());
  const PathCheck checked = check(copy, "", 0);
  EXPECT_EQ(checked.failures(), 1u);
  EXPECT_EQ(checked.cases_as_said, checked.cases - 1);
  EXPECT_THAT(text_of(checked), HasSubstr("case `more_columns_than_rows`: the layer differs from the reference"));
}

struct Planted {
  std::string name;  // of the test
  std::string unit, soc, rule;
  std::string file, right, wrong;
  std::string finding;
};
void PrintTo(const Planted& bug, std::ostream* out) { *out << bug.name; }

class PlantedBug : public testing::TestWithParam<Planted> {};

TEST_P(PlantedBug, IsFound) {
  const Planted& bug = GetParam();
  const TemporaryFolder temporary;
  const fs::path copy = temporary.path() / bug.unit;
  fs::copy(shipped(bug.unit), copy);
  Result<std::string> text = read_file(copy / bug.file);
  ASSERT_TRUE(text.ok());
  const size_t at = text->find(bug.right);
  ASSERT_NE(at, std::string::npos) << bug.file << " has no " << bug.right;
  text->replace(at, bug.right.size(), bug.wrong);
  ASSERT_TRUE(write_file(copy / bug.file, *text).ok());
  const PathCheck checked = check(copy, bug.soc, 40, bug.rule);
  const std::string said = text_of(checked);
  EXPECT_GE(checked.failures(), 1u) << said;
  EXPECT_THAT(said, HasSubstr(bug.finding));
}

INSTANTIATE_TEST_SUITE_P(
    All, PlantedBug,
    testing::Values(
        // QVanilla's own, of the published model.
        Planted{"kernel_columns_bounded_by_its_rows", "qvanilla", "", "conv2d", "model.c",
                "for (uint32_t fx = 0; fx < j->kw; ++fx)", "for (uint32_t fx = 0; fx < j->kh; ++fx)",
                "layers differ from the reference"},
        Planted{"padding_inside_the_image", "diana_digital", "", "conv2d", "accelerator.toml",
                "pad_top = \"pad.top\"", "pad_top = \"conv2d.pad_top\"", "rule `conv2d`"},
        Planted{"sums_shifted_without_their_sign", "diana_digital", "", "dense", "model.c",
                "heddle_shift_down((int32_t)sum, ", "heddle_shift_down(sum, ",
                "layers differ from the reference"},
        Planted{"a_shift_of_the_other_sign", "diana_digital", "", "conv2d", "accelerator.toml",
                "shift = \"requant.shift\"", "shift = \"31 - requant.shift\"",
                "layers differ from the reference"},
        Planted{"a_cycle_too_many", "diana_digital", "", "conv2d", "accelerator.toml",
                "launch = \"600\"", "launch = \"601\"", "cost other cycles than the model charges"},
        Planted{"reading_over_the_end_of_a_row", "diana_digital", "", "conv2d", "model.c",
                "first + count < t->width ? first + count : t->width",
                "first + count < t->pitch ? first + count : t->pitch", "layers differ from the reference"}),
    [](const auto& bug) { return bug.param.name; });

}  // namespace
}  // namespace heddle
