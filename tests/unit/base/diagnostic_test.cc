#include "base/diagnostic.h"

#include <gtest/gtest.h>

#include "base/checked.h"
#include "base/result.h"

namespace heddle {
namespace {

Place place(int line, int column, std::string source) {
  Place result;
  result.file = "soc.toml";
  result.line = line;
  result.column = column;
  result.source_line = std::move(source);
  return result;
}

TEST(Diagnostic, PointsIntoTheSource) {
  EXPECT_EQ(format_diagnostic(error_at(place(3, 5, "abc def"), "`def` is unknown", "write `abc`")),
            "soc.toml:3:5: error: `def` is unknown\n"
            "  | abc def\n"
            "  |     ^\n"
            "  help: write `abc`\n");
}

TEST(Diagnostic, KnowsLessThanAPlace) {
  EXPECT_EQ(format_diagnostic(error_at(place(3, 0, "abc"), "bad")),
            "soc.toml:3: error: bad\n  | abc\n");
  EXPECT_EQ(format_diagnostic(error_at(place(0, 0, ""), "bad")), "soc.toml: error: bad\n");
  EXPECT_EQ(format_diagnostic(error_at({}, "bad")), "error: bad\n");
  Place node;
  node.file = "net.onnx";
  node.node = "conv1 (Conv)";
  EXPECT_EQ(format_diagnostic({Severity::warning, node, "odd", ""}),
            "net.onnx: conv1 (Conv): warning: odd\n");
}

// The caret counts characters of the screen: tabs are one, escapes are four, UTF-8 is one.
TEST(Diagnostic, CaretFollowsWhatIsShown) {
  EXPECT_EQ(format_diagnostic(error_at(place(1, 2, "\tx"), "bad")),
            "soc.toml:1:2: error: bad\n  |  x\n  |  ^\n");
  EXPECT_EQ(format_diagnostic(error_at(place(1, 2, "\x1Bx"), "bad")),
            "soc.toml:1:2: error: bad\n  | \\x1Bx\n  |     ^\n");
  EXPECT_EQ(format_diagnostic(error_at(place(1, 3, "\xC3\xA9x"), "bad")),
            "soc.toml:1:3: error: bad\n  | \xC3\xA9x\n  |  ^\n");
  EXPECT_EQ(format_diagnostic(error_at(place(1, 99, "x"), "bad")),
            "soc.toml:1:99: error: bad\n  | x\n  |  ^\n");
}

TEST(Diagnostic, LongLinesAreCutAroundTheCaret) {
  const std::string text = format_diagnostic(
      error_at(place(1, 501, std::string(500, 'a') + "b" + std::string(500, 'c')), "bad"));
  EXPECT_LT(text.size(), 320u);
  const size_t source = text.find("  | ");
  const size_t caret = text.find("  | ", source + 1);
  EXPECT_EQ(text.find('b', source) - source, text.find('^') - caret);
}

TEST(Diagnostic, ForeignTextsCannotForgeLines) {
  const std::string text = format_diagnostic(error_at({}, "bad\nsoc.toml: error: forged", "a\nb"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST(Diagnostic, PlaceWithinCountsLines) {
  const Place start = place(4, 9, "x = '''a +");
  const Place first = place_within(start, "a +\n  b", 2);
  EXPECT_EQ(first.line, 4);
  EXPECT_EQ(first.column, 11);
  const Place second = place_within(start, "a +\n  b", 6);
  EXPECT_EQ(second.line, 5);
  EXPECT_EQ(second.column, 3);
  EXPECT_EQ(second.source_line, "  b");
}

TEST(Diagnostic, InternalErrorsAreExceptions) {
  EXPECT_THROW(HEDDLE_CHECK(1 == 2, "no"), InternalError);
  const Result<int> failed = error_at({}, "bad");
  EXPECT_FALSE(failed.ok());
  EXPECT_THROW(failed.value(), InternalError);
  const Result<int> fine = 3;
  EXPECT_THROW(fine.errors(), InternalError);
}

TEST(Checked, FloorsTowardsMinusInfinity) {
  static_assert(floor_div(7, 2) == 3 && floor_div(-7, 2) == -4 && floor_div(7, -2) == -4);
  static_assert(floor_mod(7, 3) == 1 && floor_mod(-7, 3) == 2 && floor_mod(-7, -3) == -1);
  static_assert(floor_mod(INT64_MIN, 3) == 1 && floor_mod(INT64_MAX, -2) == -1);
  static_assert(ceil_div(7, 2) == 4 && ceil_div(-7, 2) == -3 && ceil_div(8, 2) == 4);
  static_assert(round_up(33, 32) == 64 && round_up(32, 32) == 32 && round_up(0, 32) == 0);
  EXPECT_FALSE(checked_add(INT64_MAX, 1));
  EXPECT_FALSE(checked_sub(INT64_MIN, 1));
  EXPECT_FALSE(checked_mul(INT64_MAX, 2));
  EXPECT_EQ(checked_mul(-3, 4), -12);
}

}  // namespace
}  // namespace heddle
