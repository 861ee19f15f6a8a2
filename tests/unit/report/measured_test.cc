#include "report/measured.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::Optional;

std::string errors_of(const std::string& text) {
  const Result<Measured> measured = parse_measured(text, "m.csv");
  return measured.ok() ? "" : format_diagnostics(measured.errors());
}

TEST(Measured, ReadsWhatItWrites) {
  Measured measured{"digits.onnx", "diana", "cpu", {}};
  measured.rows = {{"conv1", std::nullopt, 17, {}},
                   {"a, \"b\"", 0, 2, {}},
                   {"a, \"b\"", 1, 3, {}},
                   {"#1", std::nullopt, (int64_t{1} << 40) - 1, {}},
                   {"", std::nullopt, 0, {}}};
  const std::string text = measured_csv(measured);
  EXPECT_EQ(text,
            "# model: digits.onnx\n# soc: diana\n# policy: cpu\nlayer,tile,cycles\nconv1,,17\n"
            "\"a, \"\"b\"\"\",0,2\n\"a, \"\"b\"\"\",1,3\n\"#1\",,1099511627775\n,,0\n");
  const Result<Measured> again = parse_measured(text, "m.csv");
  ASSERT_TRUE(again.ok()) << format_diagnostics(again.errors());
  EXPECT_EQ(again->model, measured.model);
  EXPECT_EQ(again->soc, measured.soc);
  EXPECT_EQ(again->policy, measured.policy);
  ASSERT_EQ(again->rows.size(), measured.rows.size());
  for (size_t r = 0; r < measured.rows.size(); ++r) {
    EXPECT_EQ(again->rows[r].layer, measured.rows[r].layer);
    EXPECT_EQ(again->rows[r].tile, measured.rows[r].tile);
    EXPECT_EQ(again->rows[r].cycles, measured.rows[r].cycles);
  }
  EXPECT_EQ(measured_csv(*again), text);
}

TEST(Measured, TakesSpreadsheetsFormatting) {
  const Result<Measured> measured = parse_measured(
      "\xEF\xBB\xBF# by hand\r\n\r\n layer , tile, cycles\r\n conv 1 ,  , 5 \r\n \"x\" , 3 , 6",
      "m.csv");
  ASSERT_TRUE(measured.ok()) << format_diagnostics(measured.errors());
  ASSERT_EQ(measured->rows.size(), 2u);
  EXPECT_EQ(measured->rows[0].layer, "conv 1");
  EXPECT_EQ(measured->rows[0].tile, std::nullopt);
  EXPECT_EQ(measured->rows[1].layer, "x");
  EXPECT_THAT(measured->rows[1].tile, Optional(3));
}

TEST(Measured, EveryErrorHasItsPlace) {
  EXPECT_EQ(errors_of("layer,tile,cycles\na,,-1\n\nb,x,4\nc,1\nd,,1,2,3\n\"e,,3\n\"f\"g,,3\n"
                      "h,4294967296,\ni,,1099511627776\n"),
            "m.csv:2:4: error: the number of cycles is `-1`, but it must be an integer in 0 to "
            "1,099,511,627,775\n"
            "  | a,,-1\n  |    ^\n  help: write a whole number\n"
            "m.csv:4:3: error: the tile is `x`, but it must be an integer in 0 to 4,294,967,295\n"
            "  | b,x,4\n  |   ^\n  help: number the tiles of a layer from 0, or leave the field "
            "empty\n"
            "m.csv:5:3: error: 2 fields where the header has 3\n"
            "  | c,1\n  |   ^\n  help: names with a comma stand in double quotes\n"
            "m.csv:6:6: error: 5 fields where the header has 3\n"
            "  | d,,1,2,3\n  |      ^\n  help: names with a comma stand in double quotes\n"
            "m.csv:7:1: error: the quote does not end in this line\n"
            "  | \"e,,3\n  | ^\n  help: double the quotes inside of a quoted field\n"
            "m.csv:8:1: error: text follows the closing quote\n"
            "  | \"f\"g,,3\n  | ^\n  help: double the quotes inside of a quoted field\n"
            "m.csv:9:3: error: the tile is `4294967296`, but it must be an integer in 0 to "
            "4,294,967,295\n"
            "  | h,4294967296,\n  |   ^\n  help: number the tiles of a layer from 0, or leave the "
            "field empty\n"
            "m.csv:9:14: error: the number of cycles is missing\n"
            "  | h,4294967296,\n  |              ^\n  help: write a whole number\n"
            "m.csv:10:4: error: the number of cycles is `1099511627776`, but it must be an integer "
            "in 0 to 1,099,511,627,775\n"
            "  | i,,1099511627776\n  |    ^\n  help: write a whole number\n");
  EXPECT_EQ(errors_of("layer,cycles\na,4\n"),
            "m.csv:1:1: error: the header is not `layer,tile,cycles`\n  | layer,cycles\n  | ^\n"
            "  help: name these three columns, in this order\n"
            "m.csv:2:3: error: 2 fields where the header has 3\n  | a,4\n  |   ^\n"
            "  help: names with a comma stand in double quotes\n");
  EXPECT_EQ(errors_of("# nothing\n"),
            "m.csv: error: the file has no header\n  help: its first line must be "
            "`layer,tile,cycles`\n");
  EXPECT_EQ(errors_of("layer,tile,cycles\n"),
            "m.csv: error: the file has no measurement\n  help: write a line `layer,tile,cycles` "
            "for each layer\n");
}

std::string errors_of(const std::string& rows, const std::vector<std::string>& layers) {
  const Result<Measured> measured = parse_measured("layer,tile,cycles\n" + rows, "m.csv");
  if (!measured.ok()) return format_diagnostics(measured.errors());
  const auto cycles = cycles_of_layers(*measured, layers);
  return cycles.ok() ? "" : format_diagnostics(cycles.errors());
}

TEST(Measured, RowsFindTheirLayers) {
  const Result<Measured> measured = parse_measured(
      "layer,tile,cycles\nb,0,10\nb,1,11\nb,2,12\na,,5\nb,0,20\nb,1,21\nb,,7\n", "m.csv");
  ASSERT_TRUE(measured.ok());
  const std::vector<std::string> layers = {"a", "b", "c", "b", "b"};
  const auto cycles = cycles_of_layers(*measured, layers);
  ASSERT_TRUE(cycles.ok()) << format_diagnostics(cycles.errors());
  EXPECT_THAT(*cycles,
              ElementsAre(Optional(5), Optional(33), std::nullopt, Optional(41), Optional(7)));
  EXPECT_EQ(errors_of("convolution,,3\nconvolutiom,,3\n", {"convolution"}),
            "m.csv:3:1: error: the network has no layer `convolutiom`; did you mean "
            "`convolution`?\n  | convolutiom,,3\n  | ^\n"
            "  help: name the layers as `heddle compile` prints them\n");
  EXPECT_EQ(errors_of("a,0,3\na,0,4\n", {"a"}),
            "m.csv:3:1: error: a further measurement of `a`, which the network has once\n"
            "  | a,0,4\n  | ^\n"
            "  help: leave one measurement of each layer; its tiles are numbered from 0 upwards\n");
}

}  // namespace
}  // namespace heddle
