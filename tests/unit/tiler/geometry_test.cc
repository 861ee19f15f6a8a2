// Storage, boxes and transfers: what the DMA moves is simulated byte by byte and compared with the
// boxes.
#include "tiler/geometry.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/checked.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

TEST(Storage, FollowsTheLayout) {
  const BufferLayout diana{16, 32};
  const struct {
    Shape shape;
    DType dtype;
    BufferLayout layout;
    std::vector<int64_t> strides;
    int64_t bytes;
  } cases[] = {
      {{1, 3, 5, 20}, DType::int8, {}, {300, 100, 20, 1}, 300},
      {{1, 3, 5, 20}, DType::int8, diana, {480, 160, 32, 1}, 480},
      {{2, 3, 5, 16}, DType::int8, diana, {288, 96, 16, 1}, 576},  // 80 bytes a plane become 96
      {{1, 10}, DType::int8, diana, {32, 1}, 32},
      {{4, 40}, DType::int8, diana, {64, 1}, 256},
      {{7}, DType::int8, diana, {1}, 32},
      {{2, 5, 20}, DType::int8, diana, {160, 32, 1}, 320},
      {{}, DType::int32, {}, {}, 4},
      {{1, 3, 5, 5}, DType::int16, diana, {240, 80, 16, 1}, 480},
      {{1, 20, 3, 5}, DType::int8, {16, 1, DimOrder::channels_last}, {480, 1, 160, 32}, 480},
      {{1, 3, 2, 5}, DType::int8, {1, 64, DimOrder::channels_last}, {128, 1, 64, 3}, 128},
      {{1, 20}, DType::int8, {16, 1, DimOrder::channels_last}, {32, 1}, 32},
  };
  for (const auto& c : cases) {
    const Storage storage = padded_storage({c.dtype, c.shape, {}}, c.layout);
    EXPECT_EQ(storage.strides, c.strides) << to_string(c.shape);
    EXPECT_EQ(storage.bytes, c.bytes) << to_string(c.shape);
    EXPECT_EQ(is_dense({c.dtype, c.shape, {}}, storage), c.layout == BufferLayout{})
        << to_string(c.shape);
  }
}

TileBox random_box(Random& random, const Region& region) {
  TileBox box;
  for (const Axis& axis : region.nest.axes) {
    const int64_t begin = axis.reduction ? 0 : random.between(0, axis.extent - 1);
    const int64_t end = axis.reduction ? axis.extent : random.between(begin + 1, axis.extent);
    box.push_back(random.between(0, 2) == 0 ? Interval{0, axis.extent} : Interval{begin, end});
  }
  return box;
}

// As the DMA works: planes, rows, bytes, in this order; or rows and planes backwards, which shows
// what a row writes too much.
void move(const Transfer& t, std::vector<int>& tile, std::vector<int>& main, bool to_tile,
          bool backwards = false) {
  for (int64_t i = 0; i < t.planes; ++i) {
    for (int64_t j = 0; j < t.rows; ++j) {
      const int64_t p = backwards ? t.planes - 1 - i : i, r = backwards ? t.rows - 1 - j : j;
      for (int64_t b = 0; b < t.row_bytes; ++b) {
        int& in_tile = tile.at(static_cast<size_t>(t.tile_offset + p * t.tile_plane_stride +
                                                   r * t.tile_row_stride + b));
        int& in_main = main.at(static_cast<size_t>(t.main_offset + p * t.main_plane_stride +
                                                   r * t.main_row_stride + b));
        (to_tile ? in_tile : in_main) = to_tile ? in_main : in_tile;
      }
    }
  }
}

int64_t address(const std::vector<int64_t>& index, const Storage& storage) {
  int64_t flat = 0;
  for (size_t d = 0; d < index.size(); ++d) flat += index[d] * storage.strides[d];
  return flat;
}

// Calls visit(index in the box, index in the value) for every element of the value; the first one
// is empty outside.
template <class Visit>
void for_each_element(const Shape& shape, const OperandTile& tile, const Visit& visit) {
  std::vector<int64_t> index(shape.size(), 0);
  for (;;) {
    std::vector<int64_t> inner;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (index[d] < tile.dims[d].begin || index[d] >= tile.dims[d].end) break;
      inner.push_back(index[d] - tile.dims[d].begin);
    }
    visit(inner.size() == shape.size() ? inner : std::vector<int64_t>{}, index);
    size_t d = shape.size();
    while (d > 0 && ++index[d - 1] == shape[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

void check_load(const Region& region, const RegionOperand& operand, const TileBox& box,
                const std::string& text) {
  const OperandTile tile = tile_of(region, operand, box);
  const std::vector<Transfer> transfers = transfers_of(region, operand, box);
  std::vector<int> main(static_cast<size_t>(operand.storage.bytes + 32)), in_tile;
  for (size_t i = 0; i < main.size(); ++i) main[i] = static_cast<int>(i) + 1;
  in_tile.assign(static_cast<size_t>(tile_extent_bytes(tile, transfers)), 0);
  for (const Transfer& transfer : transfers) move(transfer, in_tile, main, true);
  int64_t wrong = 0;
  for_each_element(operand.type.shape, tile,
                   [&](const std::vector<int64_t>& inner, const std::vector<int64_t>& index) {
                     if (inner.empty()) return;
                     wrong += in_tile[static_cast<size_t>(address(inner, tile.storage))] !=
                              main[static_cast<size_t>(address(index, operand.storage))];
                   });
  EXPECT_EQ(wrong, 0) << text << ": load of " << operand.name;
}

// Returns whether the store was exact: no row changes anything but its own part of the box, and
// padding.
bool check_store(const Region& region, const RegionOperand& operand, const TileBox& box,
                 const std::string& text) {
  const OperandTile tile = tile_of(region, operand, box);
  const std::vector<Transfer> transfers = transfers_of(region, operand, box);
  std::vector<int> main(static_cast<size_t>(operand.storage.bytes + 64), 0);
  std::vector<int> in_tile(static_cast<size_t>(tile_extent_bytes(tile, transfers)));
  for (size_t i = 0; i < in_tile.size(); ++i) in_tile[i] = static_cast<int>(i) + 1;
  for (size_t t = transfers.size(); t-- > 0;) move(transfers[t], in_tile, main, false, true);
  int64_t wrong = 0, clobbered = 0;
  for_each_element(operand.type.shape, tile,
                   [&](const std::vector<int64_t>& inner, const std::vector<int64_t>& index) {
                     const int found = main[static_cast<size_t>(address(index, operand.storage))];
                     if (inner.empty()) {
                       clobbered += found != 0;
                     } else {
                       wrong += found != in_tile[static_cast<size_t>(address(inner, tile.storage))];
                     }
                   });
  const bool past_end = std::any_of(main.begin() + operand.storage.bytes, main.end(),
                                    [](int value) { return value != 0; });
  const bool exact = stores_exactly(region, operand, box);
  EXPECT_EQ(exact, wrong == 0 && clobbered == 0 && !past_end)
      << text << ": store of " << operand.name << ", wrong " << wrong << ", clobbered "
      << clobbered;
  return exact;
}

TEST(Transfers, MoveTheBoxAndNothingElse) {
  Random random(3);
  int exact = 0, inexact = 0;
  for (int i = 0; i < 150; ++i) {
    std::unique_ptr<Layer> layer = random_layer(random, diana(), 8);
    for (auto& [id, storage] :
         layer->storage) {  // neighbours may have wanted no padding, or more of it
      const TensorType& type = layer->graph.value(id).type;
      if (random.between(0, 3) == 0) storage = dense_storage(type);
      if (random.between(0, 3) == 0)
        storage = padded_storage(type, {random.between(0, 1) == 0 ? 8 : 32, 64});
    }
    const Region region = layer->region();
    for (int b = 0; b < 6; ++b) {
      const TileBox box = random_box(random, region);
      for (const RegionOperand& operand : region.operands) {
        if (operand.packed) continue;
        const OperandTile tile = tile_of(region, operand, box);
        if (std::any_of(tile.dims.begin(), tile.dims.end(),
                        [](const Interval& d) { return d.size() <= 0; }))
          continue;
        if (operand.output) {
          ++(check_store(region, operand, box, layer->text) ? exact : inexact);
        } else {
          check_load(region, operand, box, layer->text);
        }
      }
    }
  }
  EXPECT_GT(exact, 100);
  EXPECT_GT(inexact, 50);
}

// A rule that wants channels last, its values in any order: a DMA that moves single bytes copes with
// all of them, one that moves 32 with its own order, and never spoils what is not its own.
TEST(Transfers, ChannelsLast) {
  Random random(5);
  int exact = 0, inexact = 0;
  for (int i = 0; i < 150; ++i) {
    std::unique_ptr<Layer> layer = random_layer(random, diana(), 8);
    const bool bytes = random.between(0, 1) == 0;
    if (bytes) layer->soc.dma->target.transfer_unit_bytes = 1;
    const BufferLayout last{random.between(0, 1) == 0 ? 16 : 1, 1, DimOrder::channels_last};
    Rule& rule = layer->soc.accelerators[0].target.rules[static_cast<size_t>(layer->match.rule)];
    rule.layout = last;
    for (auto& [id, storage] : layer->storage) {
      const TensorType& type = layer->graph.value(id).type;
      storage = padded_storage(type, last);
      if (random.between(0, 2) == 0) storage = padded_storage(type, {32, 1, last.order});
      if (bytes && random.between(0, 2) == 0) storage = dense_storage(type);
    }
    const Region region = layer->region();
    for (int b = 0; b < 6; ++b) {
      const TileBox box = random_box(random, region);
      for (const RegionOperand& operand : region.operands) {
        if (operand.packed) continue;
        const OperandTile tile = tile_of(region, operand, box);
        if (std::any_of(tile.dims.begin(), tile.dims.end(),
                        [](const Interval& d) { return d.size() <= 0; }))
          continue;
        if (tile.dims.size() == 4) {
          EXPECT_EQ(tile.storage.strides[1], 1);
        }
        if (operand.output) {
          ++(check_store(region, operand, box, layer->text) ? exact : inexact);
        } else {
          check_load(region, operand, box, layer->text);
        }
      }
    }
  }
  EXPECT_GT(exact, 100);
  EXPECT_GT(inexact, 50);
}

TEST(Transfers, MergeRowsThatAreContiguousOnBothSides) {
  const std::unique_ptr<Layer> layer = conv_layer({.c = 4, .k = 8, .iy = 10, .ix = 20}, diana());
  const Region region = layer->region();
  const auto only = [](const std::vector<Transfer>& transfers) {
    EXPECT_EQ(transfers.size(), 1u);
    return transfers.front();
  };
  // The whole input: one row. 4 planes of 10 rows of 32 bytes.
  const TileBox whole = whole_box(region);
  EXPECT_EQ(
      only(transfers_of(region, region.operand("x"), whole)),
      (Transfer{.main_offset = 0, .tile_offset = 0, .row_bytes = 1280, .rows = 1, .planes = 1}));
  // Rows 4 to 8: one run for each of the 4 input channels, with a halo of one row on both sides.
  TileBox rows = whole;
  rows[static_cast<size_t>(axis_index(region.nest, "oy"))] = {4, 8};
  EXPECT_EQ(only(transfers_of(region, region.operand("x"), rows)),
            (Transfer{.main_offset = 96,
                      .row_bytes = 192,
                      .rows = 4,
                      .main_row_stride = 320,
                      .main_plane_stride = 1280,
                      .tile_row_stride = 192,
                      .tile_plane_stride = 768}));
  // A part of the width too: each row on its own.
  TileBox part = rows;
  part[static_cast<size_t>(axis_index(region.nest, "ox"))] = {0, 8};
  EXPECT_EQ(only(transfers_of(region, region.operand("x"), part)),
            (Transfer{.main_offset = 96,
                      .row_bytes = 32,
                      .rows = 6,
                      .planes = 4,
                      .main_row_stride = 32,
                      .main_plane_stride = 320,
                      .tile_row_stride = 16,
                      .tile_plane_stride = 96}));
  EXPECT_EQ(cycles_of(region, {.row_bytes = 64, .rows = 3, .planes = 2}, true), 6 * 74);
}

TEST(TileNames, AreThoseOfTheTile) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 4, .k = 40, .iy = 10, .ix = 20, .stride = 2}, diana());
  const Region region = layer->region();
  TileBox box = whole_box(region);
  box[static_cast<size_t>(axis_index(region.nest, "k"))] = {16, 32};
  box[static_cast<size_t>(axis_index(region.nest, "oy"))] = {0, 2};  // rows -1..3 of x
  const Environment names = tile_environment(region, box);
  const struct {
    const char* name;
    int64_t value;
  } cases[] = {
      {"k", 16},
      {"oy", 2},
      {"ox", 10},
      {"iy", 4},
      {"ix", 20},
      {"ic", 4},
      {"c", 4},
      {"fy", 3},
      {"layer.k", 40},
      {"layer.oy", 5},
      {"layer.iy", 10},
      {"macs", 16 * 2 * 10 * 4 * 9},
      {"layer.macs", 40 * 5 * 10 * 4 * 9},
      {"pad.top", 1},
      {"pad.left", 1},
      {"pad.bottom", 0},
      {"pad.right", 0},
      {"inside.fy", 5},
      {"inside.fx", 29},  // the first row and the first column of the kernel lose one
      {"x.pitch", 32},
      {"x.plane", 128},
      {"x.bytes", 512},
      {"x.elements", 320},
      {"y.pitch", 16},
      {"y.plane", 32},
      {"y.bytes", 512},
      {"weights.bytes", 16 * (4 + 4 * 9)},
      {"last.oy", 0},
      {"last.ox", 1},
      {"requant.shift", 7},
      {"memory.l1.bytes", 262144},
      {"conv2d.stride_h", 2},
  };
  for (const auto& c : cases) {
    const std::optional<ExprValue> value = names(c.name);
    ASSERT_TRUE(value.has_value()) << c.name;
    EXPECT_EQ(std::get<int64_t>(*value), c.value) << c.name;
  }
  EXPECT_FALSE(names("inside.k").has_value());
  EXPECT_FALSE(names("z").has_value());
}

// As SCHEMA.md says, whatever the element type.
TEST(TileNames, PitchAndPlaneAreBytes) {
  const std::unique_ptr<Layer> layer = conv_layer({}, diana());
  const ValueId y = layer->match.output(layer->graph);
  layer->graph.value(y).type.dtype = DType::int32;
  layer->storage[y] = padded_storage(layer->graph.value(y).type, {16, 32});
  const Region region = layer->region();
  const Environment names = tile_environment(region, whole_box(region));
  EXPECT_EQ(std::get<int64_t>(*names("y.pitch")), 16 * 4);
  EXPECT_EQ(std::get<int64_t>(*names("y.plane")), 16 * 16 * 4);
  EXPECT_EQ(std::get<int64_t>(*names("x.pitch")), 16);
}

// Brute force over the definition: the rows and columns of the kernel that meet the image.
TEST(TileNames, InsideCountsTheKernelWithinTheImage) {
  Random random(4);
  for (int i = 0; i < 60; ++i) {
    const std::unique_ptr<Layer> layer = random_layer(random, diana(), 8);
    const Region region = layer->region();
    const int oy = axis_index(region.nest, "oy"), fy = axis_index(region.nest, "fy");
    if (fy < 0) continue;
    const TileBox box = random_box(random, region);
    const DimAccess& rows = region.nest.inputs[0][2];
    const int64_t height = region.operand("x").type.shape[2];
    int64_t expected = 0;
    for (int64_t y = box[static_cast<size_t>(oy)].begin; y < box[static_cast<size_t>(oy)].end;
         ++y) {
      for (int64_t f = 0; f < region.nest.axes[static_cast<size_t>(fy)].extent; ++f) {
        int64_t row = rows.offset;
        for (const AffineTerm& term : rows.terms)
          row += term.coefficient * (term.axis == oy ? y : f);
        expected += row >= 0 && row < height;
      }
    }
    EXPECT_EQ(std::get<int64_t>(*tile_environment(region, box)("inside.fy")), expected)
        << layer->text;
  }
}

TEST(Boxes, CoverTheOutputOnceAndLoadsAreSkippedWhereNothingChanges) {
  Random random(5);
  for (int i = 0; i < 60; ++i) {
    const std::unique_ptr<Layer> layer = random_layer(random, diana(), 8);
    const Region region = layer->region();
    Tiling tiling;
    for (size_t a = 0; a < region.nest.axes.size(); ++a) {
      const Axis& axis = region.nest.axes[a];
      if (!axis.reduction)
        tiling.axes.push_back({axis.name, axis.extent, random.between(1, axis.extent)});
    }
    if (random.between(0, 1) == 0) std::reverse(tiling.axes.begin(), tiling.axes.end());
    if (tiling.tiles() > 300) continue;
    int64_t volume = 0, whole = 1;
    for (const Axis& axis : region.nest.axes) whole *= axis.extent;
    for (int64_t t = 0; t < tiling.tiles(); ++t) {
      int64_t points = 1;
      for (const Interval& interval : box_of(region, tiling, t)) points *= interval.size();
      volume += points;
    }
    EXPECT_EQ(volume, whole) << layer->text;
    for (const RegionOperand& operand : region.operands) {
      EXPECT_EQ(loads_at(region, operand, tiling, 0), !operand.output);
      if (operand.output || operand.packed) continue;
      for (int64_t t = 1; t < tiling.tiles(); ++t) {
        const auto dims = [&](int64_t tile) {
          std::vector<int64_t> flat;
          for (const Interval& d : tile_of(region, operand, box_of(region, tiling, tile)).dims)
            flat.insert(flat.end(), {d.begin, d.end});
          return flat;
        };
        EXPECT_EQ(loads_at(region, operand, tiling, t), dims(t) != dims(t - 1))
            << layer->text << " tile " << t;
      }
    }
  }
}

}  // namespace
}  // namespace heddle
