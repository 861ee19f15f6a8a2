// Operands that jobs work on where they lie: DIANA's core, with some of its operands in main
// memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tiler/problem.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Each of these operands where it lies.
void place_in_main(Layer& layer, const std::vector<std::string>& operands) {
  for (Rule& rule : layer.soc.accelerators[0].target.rules) {
    for (OperandPlacement& placement : rule.operands) {
      if (std::count(operands.begin(), operands.end(), placement.operand) > 0)
        placement.memory = layer.soc.main_memory;
    }
  }
}

int64_t int_of(const Region& region, const TileBox& box, std::string_view name) {
  const std::optional<ExprValue> value = tile_environment(region, box)(name);
  HEDDLE_CHECK(value.has_value(), "a name of a test");
  return std::get<int64_t>(*value);
}

TEST(InPlace, NothingIsMovedAndNoMemoryLimits) {
  const std::unique_ptr<Layer> layer = conv_layer({}, diana_with(32, 32));
  place_in_main(*layer, {"x", "weights", "y"});
  layer->soc.dma.reset();
  const Result<Tiling> tiling =
      solve_tiling(layer->graph, layer->soc, layer->match, layer->storage);
  ASSERT_TRUE(tiling.ok()) << format_diagnostics(tiling.errors());
  EXPECT_EQ(tiling->tiles(), 1);  // a job costs 600 cycles
  EXPECT_THAT(tiling->buffers, IsEmpty());
  EXPECT_EQ(tiling->cost.dma, 0);
  EXPECT_EQ(tiling->cost.dma_bytes, 0);
  EXPECT_GT(tiling->cost.driver, 0);
  EXPECT_EQ(tiling->cost.total, tiling->cost.compute + tiling->cost.driver);
}

// Offsets, pitches and bytes of a tile are those of a box of the value, halo included.
TEST(InPlace, TilesStepThroughTheValue) {
  const std::unique_ptr<Layer> layer = conv_layer({.c = 3, .k = 32, .iy = 12, .ix = 20}, diana());
  place_in_main(*layer, {"x", "weights", "y"});
  const Region region = layer->region();
  Tiling tiling;
  tiling.axes = {{"k", 32, 16}, {"oy", 12, 5}};
  const TileBox box = box_of(region, tiling, 4);  // k 16 to 32, oy 5 to 10
  const RegionOperand& x = region.operand("x");
  const RegionOperand& y = region.operand("y");
  EXPECT_TRUE(x.in_place && y.in_place && region.operand("weights").in_place);
  EXPECT_EQ(main_offset_of(region, x, box), 4 * 32);  // pad 1; rows of 20 are padded to 32
  EXPECT_EQ(main_offset_of(region, y, box), 16 * 12 * 32 + 5 * 32);
  EXPECT_EQ(main_offset_of(region, region.operand("weights"), box), 64 + 16 * 3 * 9);
  EXPECT_EQ(int_of(region, box, "x.pitch"), 32);
  EXPECT_EQ(int_of(region, box, "x.plane"), 12 * 32);
  EXPECT_EQ(int_of(region, box, "y.plane"), 12 * 32);
  EXPECT_EQ(int_of(region, box, "x.bytes"), 2 * 12 * 32 + 6 * 32 + 20);
  for (const RegionOperand& operand : region.operands) {
    EXPECT_THAT(transfers_of(region, operand, box), IsEmpty());
    EXPECT_TRUE(lies_as_wanted(region, operand, box));
    for (int64_t t = 0; t < tiling.tiles(); ++t) EXPECT_FALSE(loads_at(region, operand, tiling, t));
  }
}

TEST(InPlace, WhatTheJobIsNotToldMustBeDense) {
  const std::unique_ptr<Layer> layer = conv_layer({.c = 3, .k = 4, .iy = 12, .ix = 20}, diana());
  place_in_main(*layer, {"x", "y"});
  Rule& rule = layer->soc.accelerators[0].target.rules[static_cast<size_t>(layer->match.rule)];
  const auto told = [&](const char* operand, const TileBox& box) {
    const Region region = layer->region();
    return lies_as_wanted(region, region.operand(operand), box);
  };
  const auto box = [&](Interval k, Interval oy, Interval ox) {
    TileBox tile = whole_box(layer->region());
    tile[static_cast<size_t>(axis_index(layer->region().nest, "k"))] = k;
    tile[static_cast<size_t>(axis_index(layer->region().nest, "oy"))] = oy;
    tile[static_cast<size_t>(axis_index(layer->region().nest, "ox"))] = ox;
    return tile;
  };
  const TileBox whole = whole_box(layer->region());
  const TileBox rows = box({0, 4}, {3, 9}, {0, 20}), channels = box({2, 4}, {0, 12}, {0, 20}),
                columns = box({0, 4}, {0, 12}, {16, 20}), odd = box({0, 4}, {0, 12}, {8, 20}),
                one_channel = box({1, 2}, {3, 9}, {0, 20});
  for (const TileBox& each : {whole, rows, channels, columns, one_channel})
    EXPECT_TRUE(told("y", each));
  EXPECT_FALSE(told("y", odd));  // begins in the midst of the 16 columns that a row is made of

  std::erase_if(rule.job->fields, [](const JobField& field) { return field.name == "y_plane"; });
  EXPECT_TRUE(told("y", whole));
  EXPECT_TRUE(told("y", channels));
  EXPECT_TRUE(told("y", one_channel));  // one plane has no distance to the next
  EXPECT_FALSE(told("y", rows));
  EXPECT_TRUE(told("x", rows));  // x's is still a field

  std::erase_if(rule.job->fields, [](const JobField& field) { return field.name == "y_pitch"; });
  EXPECT_TRUE(told("y", one_channel));
  EXPECT_FALSE(told("y", columns));
}

// Z3 and enumeration, where some operands are moved and some are not.
TEST(InPlace, SearchAgreesWithEnumeration) {
  Random random(21);
  int tiled = 0, moved = 0;
  for (int i = 0; i < 150; ++i) {
    const Soc soc =
        diana_with(int64_t{32} << random.between(2, 8), int64_t{32} << random.between(3, 10));
    const std::unique_ptr<Layer> layer = random_layer(random, soc, 10);
    const std::vector<std::vector<std::string>> choices = {
        {"x"}, {"y"}, {"weights"}, {"x", "residual"}, {"x", "y", "residual"}, {"y", "weights"}};
    place_in_main(*layer, choices[static_cast<size_t>(random.between(0, 5))]);
    const Result<Tiling> exhaustive =
        solve_tiling_exhaustively(layer->graph, layer->soc, layer->match, layer->storage);
    const Result<Tiling> z3 = solve_tiling(layer->graph, layer->soc, layer->match, layer->storage);
    ASSERT_EQ(exhaustive.ok(), z3.ok()) << layer->text;
    if (!z3.ok()) {
      EXPECT_EQ(format_diagnostics(exhaustive.errors()), format_diagnostics(z3.errors()));
      continue;
    }
    EXPECT_EQ(dump(*z3).substr(0, dump(*z3).find("  proof")),
              dump(*exhaustive).substr(0, dump(*exhaustive).find("  proof")))
        << layer->text;
    EXPECT_TRUE(z3->proof.optimal) << layer->text;
    for (const TileBuffer& buffer : z3->buffers) EXPECT_NE(buffer.memory, layer->soc.main_memory);
    tiled += z3->tiles() > 1;
    moved += !z3->buffers.empty();
  }
  EXPECT_GT(tiled, 20);
  EXPECT_GT(moved, 80);
}

}  // namespace
}  // namespace heddle
