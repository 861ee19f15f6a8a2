// Quantities of tiles as C text: the form that is chosen, and that it gives exactly the values.
#include "emit/tile_form.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/files.h"
#include "base/process.h"
#include "unit/ops/helpers.h"

namespace heddle {
namespace {

const std::vector<TileLoop> kOne = {{"t", 4}};
const std::vector<TileLoop> kTwo = {{"k_tile", 2}, {"oy_tile", 3}};

TEST(TileForm, ChoosesTheSimplestForm) {
  struct {
    std::vector<TileLoop> loops;
    std::vector<int64_t> values;
    std::string text;
    std::vector<std::string> declarations;
  } table[] = {
      {{}, {7}, "7u", {}},
      {kOne, {5, 5, 5, 5}, "5u", {}},
      {kOne, {0, 8, 16, 24}, "t * 8u", {}},
      {kOne, {3, 11, 19, 27}, "t * 8u + 3u", {}},
      {kOne, {30, 20, 10, 0}, "30u - t * 10u", {}},
      {kOne, {8, 8, 8, 3}, "t < 3u ? 8u : 3u", {}},
      {kOne, {0, 7, 15, 23}, "t == 0u ? 0u : t * 8u - 1u", {}},
      {kOne, {9, 10, 10, 4}, "t == 0u ? 9u : t < 3u ? 10u : 4u", {}},
      {kOne, {1, 5, 2, 9}, "name_of[t]", {"static const uint32_t name_of[4] = {1u, 5u, 2u, 9u};"}},
      {kOne, {-1, 0, 1, 5}, "name_of[t]", {"static const int32_t name_of[4] = {-1, 0, 1, 5};"}},
      {{{"t", 2}}, {6, 2}, "t < 1u ? 6u : 2u", {}},
      {kTwo, {0, 0, 0, 64, 64, 64}, "k_tile * 64u", {"const uint32_t k_tile = t / 3u;"}},
      {kTwo, {8, 8, 2, 8, 8, 2}, "oy_tile < 2u ? 8u : 2u", {"const uint32_t oy_tile = t % 3u;"}},
      {kTwo,
       {0, 10, 20, 64, 74, 84},
       "k_tile * 64u + oy_tile * 10u",
       {"const uint32_t k_tile = t / 3u;", "const uint32_t oy_tile = t % 3u;"}},
      {kTwo,
       {4, 4, 2, 6, 6, 3},
       "name_of[t]",
       {"static const uint32_t name_of[6] = {4u, 4u, 2u, 6u, 6u, 3u};"}},
  };
  for (const auto& row : table) {
    TileForms forms(row.loops);
    EXPECT_EQ(forms.form("name", row.values), row.text);
    EXPECT_EQ(forms.take_declarations(), row.declarations) << row.text;
    EXPECT_TRUE(forms.take_declarations().empty());
  }
}

TEST(TileForm, Conditions) {
  struct {
    std::vector<bool> values;
    std::string text;
  } table[] = {
      {{true, true, true, true, true, true}, ""},
      {{true, false, false, true, false, false}, "oy_tile == 0u"},
      {{true, true, true, false, false, false}, "k_tile == 0u"},
      {{true, false, false, false, false, false}, "t == 0u"},
      {{true, false, true, false, false, false}, "loads_of[t] != 0u"},
  };
  for (const auto& [values, text] : table) {
    TileForms forms(kTwo);
    EXPECT_EQ(forms.condition(values), text);
  }
}

// Random sequences of the shapes that geometry has, and of none: compiled, every form must give its
// values.
TEST(TileForm, GivesExactlyTheValues) {
  test::Random random(7);
  std::string functions, calls;
  for (int i = 0; i < 150; ++i) {
    std::vector<TileLoop> loops;
    const int64_t rank = random.between(1, 3);
    for (int64_t l = 0; l < rank; ++l)
      loops.push_back({fmt::format("i{}", l), random.between(2, 5)});
    if (rank == 1) loops[0].index = "t";
    int64_t tiles = 1;
    for (const TileLoop& loop : loops) tiles *= loop.count;
    const int64_t kind = random.between(0, 3);
    const int64_t a = random.between(0, 9), b = random.between(0, 9), edge = random.between(0, 5),
                  base = random.between(0, 60);
    std::vector<int64_t> values;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t inner = t % loops.back().count, outer = t / loops.back().count;
      const bool last = inner + 1 == loops.back().count;
      values.push_back(kind == 0   ? base + a * outer + b * inner
                       : kind == 1 ? base + a * outer + (last ? edge : b) -
                                         (inner == 0 ? std::min<int64_t>(base, 1) : 0)
                       : kind == 2 ? (last ? edge : a) * (outer + 1)
                                   : random.between(kind == 3 && a > 6 ? -9 : 0, 9));
    }
    TileForms forms(loops);
    const std::string text = forms.form("name", values);
    const bool negative =
        std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
    functions += fmt::format("static {}int32_t f{}(uint32_t t) {{\n", negative ? "" : "u", i);
    for (const std::string& line : forms.take_declarations()) functions += line + '\n';
    functions += fmt::format("(void)t;\nreturn {};\n}}\n", text);
    for (int64_t t = 0; t < tiles; ++t) {
      calls += fmt::format(
          "if ((long long)f{0}({1}u) != {2}) {{ printf(\"f{0}({1}) is not {2}: {3}\\n\"); return "
          "1; }}\n",
          i, t, values[static_cast<size_t>(t)], text);
    }
  }
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "forms.c") << "#include <stdint.h>\n#include <stdio.h>\n"
                                           << functions << "int main(void) {\n"
                                           << calls << "return 0;\n}\n";
  const Result<ProcessOutcome> compiled =
      run_process({"cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow",
                   "-Wno-format", "-Werror", "-o", "forms", "forms.c"},
                  folder.path());
  ASSERT_TRUE(compiled.ok() && compiled->exit_status == 0) << (compiled.ok() ? compiled->err : "");
  const Result<ProcessOutcome> ran =
      run_process({(folder.path() / "forms").string()}, folder.path());
  ASSERT_TRUE(ran.ok());
  EXPECT_EQ(ran->exit_status, 0) << ran->out;
}

}  // namespace
}  // namespace heddle
