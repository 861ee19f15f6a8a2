// Layouts: how values and tiles lie in memory, and what transfers make of it, element by element. The
// devices are made up: DIANA's rules with other layouts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checked.h"
#include "tiler/bound.h"
#include "tiler/order.h"
#include "tiler/problem.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::ElementsAre;

constexpr DimOrder kFirst = DimOrder::channels_first, kLast = DimOrder::channels_last;

TEST(Layouts, PadInTheOrderOfMemory) {
  const struct {
    Shape shape;
    BufferLayout layout;
    std::vector<int64_t> strides;
    int64_t bytes;
  } cases[] = {
      {{1, 3, 4, 5}, {1, 1, kFirst}, {60, 20, 5, 1}, 60},
      {{1, 3, 4, 5}, {1, 1, kLast}, {60, 1, 15, 3}, 60},
      {{1, 3, 4, 5}, {8, 1, kLast}, {160, 1, 40, 8}, 160},
      {{1, 3, 4, 5}, {4, 32, kLast}, {128, 1, 32, 4}, 128},  // a row of pixels takes 20 bytes
      {{2, 3, 4, 5}, {4, 32, kLast}, {128, 1, 32, 4}, 256},
      {{2, 3, 4, 5}, {8, 64, kFirst}, {192, 64, 8, 1}, 384},
      {{2, 3, 5}, {1, 1, kLast}, {15, 1, 3}, 30},
      {{2, 3, 5}, {4, 1, kLast}, {20, 1, 4}, 40},
      {{2, 3}, {4, 8, kLast}, {8, 1}, 16},  // a matrix has its channels last anyway
      {{7}, {4, 16, kLast}, {1}, 16},
      {{}, {4, 1, kLast}, {}, 1},
  };
  for (const auto& c : cases) {
    const TensorType type{DType::int8, c.shape, {}};
    const Storage storage = padded_storage(type, c.layout);
    EXPECT_EQ(storage.strides, c.strides) << testing::PrintToString(c.shape);
    EXPECT_EQ(storage.bytes, c.bytes) << testing::PrintToString(c.shape);
  }
  EXPECT_THAT(order_in_memory(4, BufferLayout{1, 1, kLast}), ElementsAre(0, 2, 3, 1));
  EXPECT_THAT(order_in_memory(2, BufferLayout{1, 1, kLast}), ElementsAre(0, 1));
  EXPECT_THAT(order_in_memory(4, std::nullopt), ElementsAre(0, 1, 2, 3));
}

BufferLayout random_layout(Random& random) {
  return {int64_t{1} << random.between(0, 4), int64_t{1} << random.between(0, 5),
          random.between(0, 1) == 0 ? kFirst : kLast};
}

Rule& rule_in(Layer& layer) {
  return layer.soc.accelerators[0].target.rules[static_cast<size_t>(layer.match.rule)];
}

// Any tile is allowed, in these layouts.
void set_layouts(Layer& layer, Random& random) {
  Rule& rule = rule_in(layer);
  rule.layout = random_layout(random);
  rule.require.clear();
  for (TileDomain& domain : rule.domains) {
    domain.full = false;
    domain.multiple_of = std::min<int64_t>(domain.multiple_of, 2);
  }
  layer.soc.dma->target.transfer_unit_bytes = int64_t{1} << random.between(0, 2);
  for (auto& [id, storage] : layer.storage) {
    const BufferLayout stored = random.between(0, 2) == 0 ? random_layout(random) : *rule.layout;
    storage = padded_storage(layer.graph.value(id).type, stored);
  }
}

TileBox random_box(const Region& region, Random& random) {
  TileBox box = whole_box(region);
  for (const TileDomain& domain : region.rule->domains) {
    const int axis = axis_index(region.nest, domain.axis);
    if (axis < 0) continue;
    Interval& along = box[static_cast<size_t>(axis)];
    if (random.between(0, 2) == 0) continue;
    along.begin = random.between(0, along.end - 1);
    along.end = random.between(along.begin + 1, along.end);
  }
  return box;
}

// Calls with (main offset, tile offset) in bytes of each element of the tile.
template <class Visit>
void for_each_element(const RegionOperand& operand, const OperandTile& tile, const Visit& visit) {
  std::vector<int64_t> index;
  for (const ClippedInterval& dim : tile.dims) index.push_back(dim.begin);
  const int64_t bytes = bytes_of(operand.type.dtype);
  for (;;) {
    int64_t main = 0, local = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      main += index[d] * operand.storage.strides[d];
      local += (index[d] - tile.dims[d].begin) * tile.storage.strides[d];
    }
    visit(main * bytes, local * bytes);
    size_t d = index.size();
    while (d > 0 && ++index[d - 1] == tile.dims[d - 1].end) {
      index[d - 1] = tile.dims[d - 1].begin;
      --d;
    }
    if (d == 0) return;
  }
}

void copy_rows(const std::vector<Transfer>& transfers, std::vector<uint8_t>& main,
               std::vector<uint8_t>& tile, bool load) {
  for (const Transfer& t : transfers) {
    for (int64_t p = 0; p < t.planes; ++p) {
      for (int64_t r = 0; r < t.rows; ++r) {
        const int64_t m = t.main_offset + p * t.main_plane_stride + r * t.main_row_stride;
        const int64_t l = t.tile_offset + p * t.tile_plane_stride + r * t.tile_row_stride;
        for (int64_t b = 0; b < t.row_bytes; ++b) {
          uint8_t& from = (load ? main : tile).at(static_cast<size_t>((load ? m : l) + b));
          (load ? tile : main).at(static_cast<size_t>((load ? l : m) + b)) = from;
        }
      }
    }
  }
}

std::vector<uint8_t> noise(Random& random, int64_t bytes) {
  std::vector<uint8_t> result;
  for (int64_t i = 0; i < bytes; ++i) result.push_back(static_cast<uint8_t>(random.between(0, 255)));
  return result;
}

TEST(Layouts, TransfersMoveEveryElementAndNoOther) {
  constexpr int64_t kSlack = 8;
  constexpr std::array kTypes = {DType::int8, DType::int16, DType::int32};
  Random random(31);
  int loads = 0, stores = 0, refused = 0, gathered = 0;
  for (int i = 0; i < 500; ++i) {
    const std::unique_ptr<Layer> layer = random_layer(random, diana(), 9);
    set_layouts(*layer, random);
    Region region = layer->region();
    const DType dtype = kTypes[static_cast<size_t>(random.between(0, 2))];
    for (RegionOperand& operand : region.operands) {
      if (operand.packed) continue;
      operand.storage.bytes *= bytes_of(dtype) / bytes_of(operand.type.dtype);
      operand.type.dtype = dtype;
    }
    const TileBox box = random_box(region, random);
    for (const RegionOperand& operand : region.operands) {
      if (operand.packed) continue;
      const OperandTile tile = tile_of(region, operand, box);
      if (std::any_of(tile.dims.begin(), tile.dims.end(),
                      [](const ClippedInterval& dim) { return dim.size() <= 0; }))
        continue;
      const std::vector<Transfer> transfers = transfers_of(region, operand, box);
      std::vector<uint8_t> main = noise(random, operand.storage.bytes + kSlack);
      std::vector<uint8_t> local = noise(random, tile_extent_bytes(tile, transfers));
      gathered += transfers.front().row_bytes <= 4;
      if (!operand.output) {
        copy_rows(transfers, main, local, true);
        for_each_element(operand, tile, [&](int64_t m, int64_t l) {
          for (int64_t b = 0; b < bytes_of(dtype); ++b)
            EXPECT_EQ(local.at(static_cast<size_t>(l + b)), main.at(static_cast<size_t>(m + b)))
                << layer->text;
        });
        ++loads;
        continue;
      }
      if (!stores_exactly(region, operand, box)) {
        ++refused;
        continue;
      }
      std::vector<uint8_t> expected = main;
      copy_rows(transfers, main, local, false);
      for_each_element(operand, tile, [&](int64_t m, int64_t l) {
        for (int64_t b = 0; b < bytes_of(dtype); ++b)
          expected[static_cast<size_t>(m + b)] = local.at(static_cast<size_t>(l + b));
      });
      const OperandTile whole = tile_of(region, operand, whole_box(region));
      for_each_element(operand, {whole.dims, operand.storage}, [&](int64_t m, int64_t) {
        for (int64_t b = 0; b < bytes_of(dtype); ++b)
          EXPECT_EQ(main.at(static_cast<size_t>(m + b)), expected.at(static_cast<size_t>(m + b)))
              << layer->text;
      });
      for (int64_t b = operand.storage.bytes; b < std::ssize(main); ++b)
        EXPECT_EQ(main[static_cast<size_t>(b)], expected[static_cast<size_t>(b)]) << layer->text;
      ++stores;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(loads, 300);
  EXPECT_GT(stores, 150);
  EXPECT_GT(refused, 30);
  EXPECT_GT(gathered, 100);
}

// Pitch and plane are those of the innermost dimensions in memory.
TEST(Layouts, NamesFollowTheOrder) {
  const std::unique_ptr<Layer> layer = conv_layer({.c = 3, .k = 24, .iy = 6, .ix = 10}, diana());
  rule_in(*layer).layout = {8, 1, kLast};
  layer->soc.dma->target.transfer_unit_bytes = 1;
  for (auto& [id, storage] : layer->storage)
    storage = padded_storage(layer->graph.value(id).type, {8, 1, kLast});
  Region region = layer->region();
  const auto value = [&](const TileBox& box, const char* name) {
    return std::get<int64_t>(*tile_environment(region, box)(name));
  };
  TileBox box = whole_box(region);
  EXPECT_EQ(value(box, "x.pitch"), 8);
  EXPECT_EQ(value(box, "x.plane"), 8 * 10);
  EXPECT_EQ(value(box, "y.pitch"), 24);
  EXPECT_EQ(value(box, "y.plane"), 24 * 10);
  EXPECT_EQ(value(box, "y.bytes"), 24 * 10 * 6);
  const int k = axis_index(region.nest, "k"), ox = axis_index(region.nest, "ox");
  box[static_cast<size_t>(k)] = {8, 24};
  box[static_cast<size_t>(ox)] = {2, 5};
  EXPECT_EQ(value(box, "y.pitch"), 16);
  EXPECT_EQ(value(box, "y.plane"), 16 * 3);
  const Transfer store{8 + 2 * 24, 0, 16, 3, 6, 24, 240, 16, 48};
  EXPECT_THAT(transfers_of(region, region.operand("y"), box), ElementsAre(store));
  for (const char* const name : {"y.pitch", "y.plane"}) {
    const std::optional<TileName> tile = tile_name(region, name);
    ASSERT_TRUE(tile.has_value());
    const std::vector<int> axes = axes_in(region, *tile);
    EXPECT_EQ(std::count(axes.begin(), axes.end(), k), 1);
    EXPECT_EQ(std::count(axes.begin(), axes.end(), ox), std::string(name) == "y.plane");
  }

  // In place: told of pitch and plane, a device finds parts; not of another order.
  RegionOperand& y = region.operands.back();
  y.in_place = true;
  EXPECT_TRUE(lies_as_wanted(region, y, box));
  EXPECT_EQ(value(box, "y.pitch"), 24);
  EXPECT_EQ(main_offset_of(region, y, box), 8 + 2 * 24);
  box[static_cast<size_t>(k)] = {4, 24};
  EXPECT_FALSE(lies_as_wanted(region, y, box));  // begins in the midst of eight channels
  box[static_cast<size_t>(k)] = {0, 24};
  y.storage = padded_storage(y.type, {8, 1, kFirst});
  EXPECT_FALSE(lies_as_wanted(region, y, box));
}

TEST(Layouts, SearchAgreesWithEnumerationAndBoundsHold) {
  Random random(41);
  int tiled = 0, solved = 0, residents = 0;
  int64_t compared = 0;
  for (int i = 0; i < 120; ++i) {
    const std::unique_ptr<Layer> layer = random_layer(
        random, diana_with(int64_t{32} << random.between(3, 9), int64_t{32} << random.between(4, 11)),
        9);
    set_layouts(*layer, random);
    for (const char* const operand : {"x", "y"}) {
      if (random.between(0, 3) > 0) continue;
      layer->storage[layer->match.find(operand)].memory = "l1";
      ++residents;
    }
    const Result<Tiling> exhaustive =
        solve_tiling_exhaustively(layer->graph, layer->soc, layer->match, layer->storage);
    const Result<Tiling> z3 = solve_tiling(layer->graph, layer->soc, layer->match, layer->storage);
    ASSERT_EQ(exhaustive.ok(), z3.ok()) << layer->text;
    if (z3.ok()) {
      ++solved;
      tiled += z3->tiles() > 1;
      const auto text = [](const Tiling& t) { return dump(t).substr(0, dump(t).find("  proof")); };
      EXPECT_EQ(text(*exhaustive), text(*z3)) << layer->text;
      EXPECT_TRUE(z3->proof.optimal) << layer->text;
    }
    Problem problem(layer->graph, layer->soc, layer->match, layer->storage);
    BoxBound bound(problem);
    for (int b = 0; b < 6; ++b) {
      PointBox box{{}, {}, problem.orders};
      for (const SearchAxis& axis : problem.axes) {
        const int64_t last = std::ssize(axis.sizes) - 1;
        const int64_t one = random.between(0, last), two = random.between(0, last);
        box.lo.push_back(static_cast<int>(std::min(one, two)));
        box.hi.push_back(static_cast<int>(std::max(one, two)));
      }
      const Key lower = bound.lower(box);
      for (int p = 0; p < 6; ++p) {
        Point point{{}, problem.orders[static_cast<size_t>(
                            random.between(0, std::ssize(problem.orders) - 1))]};
        for (size_t a = 0; a < box.lo.size(); ++a)
          point.index.push_back(static_cast<int>(random.between(box.lo[a], box.hi[a])));
        const Evaluation evaluation = problem.evaluate(point);
        if (!evaluation.feasible) continue;
        ++compared;
        EXPECT_LE(lower, evaluation.key) << layer->text;
      }
    }
  }
  EXPECT_GT(solved, 40);
  EXPECT_GT(tiled, 15);
  EXPECT_GT(residents, 30);
  EXPECT_GT(compared, 400);
}

}  // namespace
}  // namespace heddle
