// Values at home in the memory that a rule works in: tiles are boxes of them, nothing is moved, and
// what they hold there is not free for tile buffers.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checked.h"
#include "tiler/problem.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::HasSubstr;

std::string without_proof(const Tiling& tiling) {
  const std::string text = dump(tiling);
  return text.substr(0, text.find("  proof"));
}

// Each of these operands, where the match has it, at home in `memory`.
void settle_in(Layer& layer, const std::vector<std::string>& operands, const std::string& memory) {
  for (const std::string& operand : operands) {
    if (const ValueId value = layer.match.find(operand); value.valid())
      layer.storage[value].memory = memory;
  }
}

bool moves(const Tiling& tiling, std::string_view operand) {
  return std::any_of(tiling.buffers.begin(), tiling.buffers.end(),
                     [&](const TileBuffer& buffer) { return buffer.operand == operand; });
}

TEST(Residents, AreWorkedOnWhereTheyLie) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 3, .k = 32, .iy = 12, .ix = 20}, diana_with(65536, 2 * 512));
  settle_in(*layer, {"x", "y"}, "l1");
  const Region region = layer->region();
  Tiling steps;
  steps.axes = {{"k", 32, 16}, {"oy", 12, 5}};
  const TileBox box = box_of(region, steps, 4);  // k 16 to 32, oy 5 to 10
  for (const char* const name : {"x", "y"}) {
    const RegionOperand& operand = region.operand(name);
    EXPECT_TRUE(operand.in_place && operand.resident);
    EXPECT_TRUE(lies_as_wanted(region, operand, box));
    EXPECT_TRUE(transfers_of(region, operand, box).empty());
    EXPECT_FALSE(loads_at(region, operand, steps, 4));
  }
  EXPECT_FALSE(region.operand("weights").in_place);
  EXPECT_EQ(main_offset_of(region, region.operand("y"), box), 16 * 12 * 32 + 5 * 32);
  const std::optional<ExprValue> plane = tile_environment(region, box)("x.plane");
  ASSERT_TRUE(plane.has_value());
  EXPECT_EQ(std::get<int64_t>(*plane), 12 * 32);

  const Result<Tiling> tiling =
      solve_tiling(layer->graph, layer->soc, layer->match, layer->storage);
  ASSERT_TRUE(tiling.ok()) << format_diagnostics(tiling.errors());
  EXPECT_FALSE(moves(*tiling, "x") || moves(*tiling, "y"));
  EXPECT_TRUE(moves(*tiling, "weights"));
  EXPECT_EQ(tiling->bytes_in("l1"), 0);
  EXPECT_LT(tiling->cost.dma_bytes, 32 * 64);  // the weights once
}

// 3 x 12 rows of 32 bytes; 32 x 12 of them.
TEST(Residents, TakeRoomFromTileBuffers) {
  const int64_t x_bytes = 3 * 12 * 32, y_bytes = 32 * 12 * 32;
  const struct {
    std::vector<std::string> residents;
    int64_t l1, taken;
    bool fits;
  } cases[] = {
      {{"x", "y"}, x_bytes + y_bytes, 0, true},
      {{"x", "y"}, x_bytes + y_bytes - 32, 0, false},
      {{"x", "y"}, x_bytes + y_bytes + 64, 64, true},
      {{"x", "y"}, x_bytes + y_bytes + 64, 96, false},
      {{"y"}, y_bytes + 2 * 3 * 3 * 32, 0, true},  // tiles of one row of y, three of x, twice
      {{"y"}, y_bytes + 2 * 3 * 3 * 32 - 32, 0, false},
  };
  for (const auto& c : cases) {
    const std::unique_ptr<Layer> layer =
        conv_layer({.c = 3, .k = 32, .iy = 12, .ix = 20}, diana_with(c.l1));
    settle_in(*layer, c.residents, "l1");
    const Result<Tiling> tiling = solve_tiling(layer->graph, layer->soc, layer->match,
                                               layer->storage, {{"l1", c.taken}, {"other", 1000000}});
    EXPECT_EQ(tiling.ok(), c.fits) << c.l1 << " " << c.taken;
    if (tiling.ok()) continue;
    const int64_t held = c.taken + y_bytes + (c.residents.size() == 2 ? x_bytes : 0);
    EXPECT_THAT(
        format_diagnostics(tiling.errors()),
        HasSubstr(fmt::format("of which resident values hold {}", held > 999 ? fmt::format("{},{:03}", held / 1000, held % 1000) : std::to_string(held))));
  }
}

// x + x is one value.
TEST(Residents, AreCountedOnce) {
  const std::unique_ptr<Layer> layer = add_layer(4, 4, 32, diana_with(2 * 4 * 4 * 32));
  layer->match.bound[0].second = layer->match.find("residual");
  for (auto& [operand, value] : layer->match.bound) {
    if (operand == "x") value = layer->match.find("residual");
  }
  settle_in(*layer, {"x", "y"}, "l1");
  const Problem problem(layer->graph, layer->soc, layer->match, layer->storage);
  ASSERT_EQ(problem.memories.size(), 1u);
  EXPECT_EQ(problem.memories[0].taken, problem.memories[0].bytes);
}

TEST(Residents, MustBeWhereTheRuleWorks) {
  const struct {
    const char* operand;
    const char* memory;
    const char* placed;
    const char* message;
  } cases[] = {
      {"x", "flash", "l1", "works on `x` in memory `l1`, but `x` is at home in `flash`"},
      {"y", "l1", "l2", "works on `y` in memory `l2`, but"},
      {"x", "weights", "weights", "works on `x` in memory `weights`, but `x` is at home in `weights`"},
      {"x", "l2", "l2", "is at home in `l2`"},  // main memory is called ""
  };
  for (const auto& c : cases) {
    const std::unique_ptr<Layer> layer = conv_layer({}, diana());
    settle_in(*layer, {c.operand}, c.memory);
    for (Rule& rule : layer->soc.accelerators[0].target.rules) {
      for (OperandPlacement& placement : rule.operands) {
        if (placement.operand == c.operand) placement.memory = c.placed;
      }
    }
    for (const auto solve : {solve_tiling, solve_tiling_exhaustively}) {
      const Result<Tiling> refused =
          solve(layer->graph, layer->soc, layer->match, layer->storage, {});
      ASSERT_FALSE(refused.ok()) << c.message;
      EXPECT_THAT(format_diagnostics(refused.errors()), HasSubstr(c.message));
    }
  }
}

TEST(Residents, SearchAgreesWithEnumeration) {
  Random random(77);
  int tiled = 0, refused = 0, unmoved = 0;
  for (int i = 0; i < 300; ++i) {
    const int64_t l1 = int64_t{32} << random.between(4, 9);
    const std::unique_ptr<Layer> layer =
        random_layer(random, diana_with(l1, int64_t{32} << random.between(4, 11)), 10);
    const std::vector<std::vector<std::string>> choices = {
        {"x"}, {"y"}, {"residual"}, {"x", "residual"}, {"x", "y"}, {"x", "y", "residual"}};
    settle_in(*layer, choices[static_cast<size_t>(random.between(0, 5))], "l1");
    const Taken taken = {{"l1", random.between(0, 1) * random.between(0, 8) * 32}};
    const Result<Tiling> exhaustive = solve_tiling_exhaustively(layer->graph, layer->soc,
                                                                layer->match, layer->storage, taken);
    const Result<Tiling> z3 =
        solve_tiling(layer->graph, layer->soc, layer->match, layer->storage, taken);
    ASSERT_EQ(exhaustive.ok(), z3.ok()) << layer->text;
    if (!z3.ok()) {
      ++refused;
      EXPECT_EQ(format_diagnostics(exhaustive.errors()), format_diagnostics(z3.errors()));
      continue;
    }
    EXPECT_EQ(without_proof(*exhaustive), without_proof(*z3)) << layer->text;
    EXPECT_TRUE(z3->proof.optimal) << layer->text;
    const Result<TilingCost> again =
        cost_of_tiling(layer->graph, layer->soc, layer->match, layer->storage, *z3, taken);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->total, z3->cost.total);
    int64_t held = taken.at("l1");
    for (const RegionOperand& operand : layer->region().operands) {
      EXPECT_EQ(operand.resident, !moves(*z3, operand.name)) << layer->text;
      if (operand.resident) held += round_up(operand.storage.bytes, 32);
    }
    EXPECT_LE(held + z3->bytes_in("l1"), l1) << layer->text;
    tiled += z3->tiles() > 1;
    unmoved += z3->bytes_in("l1") == 0;
  }
  EXPECT_GT(tiled, 20);
  EXPECT_GT(refused, 20);
  EXPECT_GT(unmoved, 10);
}

// No point is feasible of which some tile does not lie as the job wants it, whichever tiles the search
// takes for alike. With halos of one the last of six tiles begins at a whole row of four like the second one, those between
// them do not.
TEST(Residents, EveryTileLiesAsWanted) {
  int feasible = 0, refused = 0;
  for (const int64_t pad : {0, 1, 2}) {
    const std::unique_ptr<Layer> layer = conv_layer(
        {.c = 2, .k = 4, .iy = 3, .ix = 29, .fx = 2 * pad + 1, .pad = pad}, diana_with(1 << 20));
    settle_in(*layer, {"x"}, "l1");
    Rule& rule = layer->soc.accelerators[0].target.rules[static_cast<size_t>(layer->match.rule)];
    rule.require.clear();
    rule.layout->row = 4;
    for (TileDomain& domain : rule.domains) domain.multiple_of = 1;
    layer->soc.dma->target.transfer_unit_bytes = 1;
    Problem problem(layer->graph, layer->soc, layer->match, layer->storage);
    for (size_t a = 0; a < problem.axes.size(); ++a) {
      if (problem.region.nest.axes[static_cast<size_t>(problem.axes[a].axis)].name != "ox") continue;
      for (size_t i = 0; i < problem.axes[a].sizes.size(); ++i) {
        Point point;
        for (const SearchAxis& axis : problem.axes)
          point.index.push_back(static_cast<int>(axis.sizes.size()) - 1);
        point.index[a] = static_cast<int>(i);
        Tiling tiling;
        tiling.axes = {{"ox", 29, problem.axes[a].sizes[i]}};
        bool lie = true;
        for (int64_t t = 0; t < tiling.tiles(); ++t) {
          lie = lie && lies_as_wanted(problem.region, problem.region.operand("x"),
                                      box_of(problem.region, tiling, t));
        }
        EXPECT_EQ(problem.evaluate(point).feasible, lie) << "pad " << pad << " ox " << i + 1;
        ++(lie ? feasible : refused);
      }
    }
  }
  EXPECT_GT(feasible, 5);
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace heddle
