// Index expressions, the writer, and the embedded runtime.
#include <gtest/gtest.h>

#include "base/files.h"
#include "cpu_codegen/affine.h"
#include "cpu_codegen/runtime.h"
#include "cpu_codegen/writer.h"

namespace heddle {
namespace {

const std::vector<Axis> kAxes = {{"oy", 4}, {"ox", 8}, {"unit", 1}, {"fy", 3, true}};

TEST(Affine, Prints) {
  struct {
    DimAccess access;
    std::string text;
  } table[] = {
      {{{}, 0}, "0"},
      {{{}, -3}, "-3"},
      {{{{0, 2}, {3, 1}}, -1}, "oy * 2 + fy - 1"},
      {{{{0, -1}}, 7}, "-oy + 7"},
      {{{{0, 1}, {1, -2}}, 0}, "oy - ox * 2"},
  };
  for (const auto& [access, text] : table) EXPECT_EQ(print_affine(access, kAxes), text);
}

TEST(Affine, DropsUnitAxesAndMergesEqualOnes) {
  const DimAccess access = simplified({{{0, 1}, {2, 5}, {0, 2}, {1, 0}}, 3}, kAxes);
  EXPECT_EQ(print_affine(access, kAxes), "oy * 3 + 3");
}

TEST(Affine, RangeIsExactAtTheCorners) {
  const Range range = index_range({{{0, 2}, {3, -1}}, -1}, kAxes);
  EXPECT_EQ(range, (Range{-3, 5}));
}

TEST(Affine, ComposesThroughAnOutputIndex) {
  // y's dimension is oy * 3 + ox; an operand reads at twice that, plus one.
  const DimAccess inner[] = {{{{0, 3}, {1, 1}}, 0}};
  EXPECT_EQ(print_affine(composed({{{0, 2}}, 1}, inner), kAxes), "oy * 6 + ox * 2 + 1");
}

TEST(Affine, PrintsStridedIndices) {
  struct {
    std::vector<StridedIndex> dims;
    std::string text;
  } table[] = {
      {{}, "0"},
      {{{{{}, 2}, 10}}, "20"},
      {{{{{{0, 1}}, 0}, 8}, {{{{1, 1}}, 0}, 1}}, "oy * 8 + ox"},
      {{{{{{0, 2}, {3, 1}}, -1}, 8}, {{{{1, 1}}, -1}, 1}}, "(oy * 2 + fy - 1) * 8 + ox - 1"},
      {{{{{{0, 2}}, 0}, 3}}, "oy * 6"},
  };
  for (const auto& [dims, text] : table) EXPECT_EQ(print_index(dims, kAxes), text);
}

TEST(Writer, IndentsAndWraps) {
  CWriter out;
  out.comment({"one"});
  out.comment({"one", "two"});
  out.open("if (x)");
  out.lines("a;\nb;");
  out.call("f", {"a", "b"}, ";");
  out.call("function", {std::string(50, 'x'), std::string(50, 'y')}, ";");
  out.close(" /* x */");
  EXPECT_EQ(
      out.take(),
      "/* one */\n/* one\n * two\n */\nif (x) {\n  a;\n  b;\n  f(a, b);\n  function(\n      " +
          std::string(50, 'x') + ",\n      " + std::string(50, 'y') + ");\n} /* x */\n");
}

TEST(Writer, FillsHoles) {
  const auto shout = [](const std::string& name) { return "<" + name + ">"; };
  EXPECT_EQ(fill_holes("$a + $b_2*$a", shout), "<a> + <b_2>*<a>");
  EXPECT_EQ(holes_in("$a + $b_2*$a"), (std::set<std::string>{"a", "b_2"}));
  EXPECT_THROW(fill_holes("a $ b", shout), InternalError);
}

TEST(Runtime, IsEmbeddedByteForByte) {
  const std::filesystem::path folder = std::filesystem::path(HEDDLE_SOURCE_DIR) / "cpu_codegen";
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (entry.path().parent_path().filename() != "runtime" ||
        (extension != ".c" && extension != ".h" && extension != ".S"))
      continue;
    ++files;
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(runtime_files().contains(name)) << name;
    EXPECT_EQ(runtime_files().at(name), *read_file(entry.path())) << name;
  }
  EXPECT_EQ(files, runtime_files().size());
}

}  // namespace
}  // namespace heddle
