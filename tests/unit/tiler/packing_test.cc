// Packings against their definition, element by element.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::HasSubstr;

int at(const std::vector<std::byte>& bytes, int64_t index) {
  return static_cast<int8_t>(bytes.at(static_cast<size_t>(index)));
}

const Tensor& constant(const Layer& layer, std::string_view name) {
  return *layer.graph.value(layer.match.find(name)).constant;
}

// The byte of a bias: planes of bytes, least significant first, 16 (or `lanes`) channels each.
int byte_of(int64_t value, int64_t byte) {
  return static_cast<int8_t>((value >> (8 * byte)) & 0xff);
}

TEST(Packing, ConvolutionsAreBlocksOfSixteenOutputChannels) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 3, .k = 20, .iy = 8, .ix = 8, .fy = 3, .fx = 5, .pad = 1}, diana());
  const Region region = layer->region();
  const Packing& packing = region.rule->packings.front();
  const std::vector<std::byte> bytes = pack(region, packing);
  const int64_t block = 64 + 3 * 3 * 5 * 16;
  ASSERT_EQ(static_cast<int64_t>(bytes.size()), 2 * block);
  EXPECT_EQ(packed_bytes(region, packing, 0, 20), 2 * block);
  EXPECT_EQ(packed_bytes(region, packing, 16, 20), block);
  for (int64_t k = 0; k < 32; ++k) {
    const int64_t begin = k / 16 * block;
    for (int64_t b = 0; b < 4; ++b) {
      EXPECT_EQ(at(bytes, begin + b * 16 + k % 16),
                k < 20 ? byte_of(constant(*layer, "bias").at(k), b) : 0);
    }
    for (int64_t i = 0; i < 3 * 3 * 5;
         ++i) {  // c, fy, fx as one index, as in the weights themselves
      EXPECT_EQ(at(bytes, begin + 64 + i * 16 + k % 16),
                k < 20 ? constant(*layer, "weights").at(k * 45 + i) : 0);
    }
  }
}

TEST(Packing, GroupsFollowEachOther) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 6, .k = 60, .iy = 8, .ix = 8, .group = 3}, diana());
  const Region region = layer->region();
  const Packing& packing = region.rule->packings.front();
  const std::vector<std::byte> bytes = pack(region, packing);
  const int64_t block = 64 + 2 * 9 * 16, group = 2 * block;  // 20 channels: a block of 16, one of 4
  ASSERT_EQ(static_cast<int64_t>(bytes.size()), 3 * group);
  EXPECT_EQ(packed_bytes(region, packing), 3 * group);
  for (int64_t g = 0; g < 3; ++g) {
    for (int64_t k = 0; k < 32; ++k) {
      const int64_t begin = g * group + k / 16 * block;
      for (int64_t b = 0; b < 4; ++b) {
        EXPECT_EQ(at(bytes, begin + b * 16 + k % 16),
                  k < 20 ? byte_of(constant(*layer, "bias").at(g * 20 + k), b) : 0);
      }
      for (int64_t i = 0; i < 2 * 9; ++i) {
        EXPECT_EQ(at(bytes, begin + 64 + i * 16 + k % 16),
                  k < 20 ? constant(*layer, "weights").at((g * 20 + k) * 18 + i) : 0);
      }
    }
  }
  TileBox box = whole_box(region);
  box[static_cast<size_t>(axis_index(region.nest, "g"))] = {2, 3};
  box[static_cast<size_t>(axis_index(region.nest, "k"))] = {16, 20};
  EXPECT_EQ(main_offset_of(region, region.operand("weights"), box), 2 * group + block);
}

TEST(Packing, DepthwiseHasOneRealLaneOfFour) {
  const std::unique_ptr<Layer> layer = depthwise_layer({.k = 3, .iy = 8, .ix = 8}, diana());
  const Region region = layer->region();
  const std::vector<std::byte> bytes = pack(region, region.rule->packings.front());
  ASSERT_EQ(bytes.size(), 3u * (16 + 36));
  for (int64_t k = 0; k < 3; ++k) {
    for (int64_t lane = 0; lane < 4; ++lane) {
      for (int64_t b = 0; b < 4; ++b) {
        EXPECT_EQ(at(bytes, k * 52 + b * 4 + lane),
                  lane == 0 ? byte_of(constant(*layer, "bias").at(k), b) : 0);
      }
      for (int64_t i = 0; i < 9; ++i) {
        EXPECT_EQ(at(bytes, k * 52 + 16 + i * 4 + lane),
                  lane == 0 ? constant(*layer, "weights").at(k * 9 + i) : 0);
      }
    }
  }
}

TEST(Packing, DenseSplitsTheInputChannels) {
  const std::unique_ptr<Layer> layer = dense_layer(20, 18, diana());
  const Region region = layer->region();
  const std::vector<std::byte> bytes = pack(region, region.rule->packings.front());
  const int64_t block = 64 + 2 * 16 * 16;
  ASSERT_EQ(static_cast<int64_t>(bytes.size()), 2 * block);
  for (int64_t k = 0; k < 32; ++k) {
    for (int64_t c = 0; c < 32; ++c) {
      const int64_t where = k / 16 * block + 64 + (c / 16 * 16 + k % 16) * 16 + c % 16;
      EXPECT_EQ(at(bytes, where),
                k < 18 && c < 20 ? constant(*layer, "weights").at(k * 20 + c) : 0);
    }
  }
}

TEST(Packing, AnAbsentBiasPacksAsZeros) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 1, .k = 16, .iy = 4, .ix = 4, .fy = 1, .fx = 1, .pad = 0}, diana());
  Match match = layer->match;
  std::erase_if(match.bound, [](const auto& operand) { return operand.first == "bias"; });
  const Region region = region_of(layer->graph, layer->soc, match, layer->storage);
  const std::vector<std::byte> bytes = pack(region, region.rule->packings.front());
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(at(bytes, i), 0);
  EXPECT_EQ(at(bytes, 64), constant(*layer, "weights").at(0));
}

// A scale of each channel beside its bias, as words.
TEST(Packing, Float32IsItsWords) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 1, .k = 3, .iy = 4, .ix = 4, .fy = 1, .fx = 1, .pad = 0}, diana());
  Value scales;
  scales.constant = Tensor(DType::float32, {3});
  for (int64_t k = 0; k < 3; ++k)
    scales.constant->set_float(k, 0.25f + static_cast<float>(k));
  scales.type = {DType::float32, {3}, {}};
  const ValueId id = layer->graph.add_value(std::move(scales));
  layer->match.bound.emplace_back("mul", id);
  Packing& packing = layer->soc.accelerators[0]
                         .target.rules[static_cast<size_t>(layer->match.rule)]
                         .packings[0];
  packing = {"weights", "k", 4, 4, {{"mul", 4, {"k"}}}};
  const std::vector<std::byte> bytes = pack(layer->region(), packing);
  float words[4];
  ASSERT_EQ(bytes.size(), sizeof words);
  std::memcpy(words, bytes.data(), sizeof words);
  EXPECT_THAT(words, testing::ElementsAre(0.25f, 1.25f, 2.25f, 0.0f));

  packing.parts[0].element_bytes = 2;
  const Result<Tiling> tiling =
      solve_tiling(layer->graph, layer->soc, layer->match, layer->storage);
  ASSERT_FALSE(tiling.ok());
  EXPECT_THAT(format_diagnostics(tiling.errors()),
              HasSubstr("`mul` is float32, which 2 bytes do not hold"));
}

// An in-memory array's cells: ternary weights in two bits each, lanes innermost, at least 8 rows a
// kernel position, as many bytes as whole rows of the array have.
TEST(Packing, BitsFillBytesFromTheirLeastSignificantEnd) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 3, .k = 6, .iy = 8, .ix = 8, .fy = 1, .fx = 3, .pad = 0}, diana());
  Tensor& weights = *layer->graph.value(layer->match.find("weights")).constant;
  for (int64_t i = 0; i < weights.elements(); ++i) weights.set(i, i * 7 % 3 - 1);
  Packing& packing = layer->soc.accelerators[0]
                         .target.rules[static_cast<size_t>(layer->match.rule)]
                         .packings[0];
  packing = {"weights", "k", 4, 4, {{"weights", 1, {"fy", "fx", "c>=8", "k"}}}};
  packing.parts[0].element_bits = 2;
  packing.parts[0].fill_bytes = 10;
  const Region region = layer->region();
  const std::vector<std::byte> bytes = pack(region, packing);
  ASSERT_EQ(bytes.size(), 2u * 30);  // 3 positions x 8 rows x 4 lanes x 2 bits, filled up to 30
  EXPECT_EQ(packed_bytes(region, packing, 0, 6), 60);
  EXPECT_EQ(packed_bytes(region, packing, 4, 6), 30);
  for (int64_t block = 0; block < 2; ++block) {
    for (int64_t i = 0; i < 30; ++i) {
      for (int64_t lane = 0; lane < 4; ++lane) {
        const int64_t k = block * 4 + lane, c = i % 8, fx = i / 8;
        const int64_t wanted = k < 6 && c < 3 && fx < 3 ? weights.at((k * 3 + c) * 3 + fx) & 3 : 0;
        EXPECT_EQ(at(bytes, block * 30 + i) >> (2 * lane) & 3, wanted) << block << ' ' << i << ' ' << lane;
      }
    }
  }
}

// Rows that do not end at a byte follow each other within one.
TEST(Packing, BitsRunOnFromRowToRow) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 3, .k = 3, .iy = 4, .ix = 4, .fy = 1, .fx = 1, .pad = 0}, diana());
  Tensor& weights = *layer->graph.value(layer->match.find("weights")).constant;
  for (int64_t i = 0; i < 9; ++i) weights.set(i, i - 4);
  Packing& packing = layer->soc.accelerators[0]
                         .target.rules[static_cast<size_t>(layer->match.rule)]
                         .packings[0];
  packing = {"weights", "k", 3, 3, {{"weights", 1, {"c", "k"}}}};
  packing.parts[0].element_bits = 4;
  const std::vector<std::byte> bytes = pack(layer->region(), packing);
  ASSERT_EQ(bytes.size(), 5u);  // 9 elements of half a byte
  for (int64_t i = 0; i < 9; ++i)
    EXPECT_EQ(at(bytes, i / 2) >> (4 * (i % 2)) & 15, weights.at(i % 3 * 3 + i / 3) & 15) << i;
  EXPECT_EQ(at(bytes, 4) >> 4, 0);
}

// Multipliers of a requantisation that has none are 1; padding stays 0.
TEST(Packing, AnAbsentOperandIsWhatTheRuleSays) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 1, .k = 3, .iy = 4, .ix = 4, .fy = 1, .fx = 1, .pad = 0}, diana());
  Packing& packing = layer->soc.accelerators[0]
                         .target.rules[static_cast<size_t>(layer->match.rule)]
                         .packings[0];
  packing = {"weights", "k", 4, 4, {{"mul", 2, {"k"}}, {"add", 1, {"k"}}}};
  packing.parts[0].absent = 1;
  std::vector<int> found;
  for (const std::byte byte : pack(layer->region(), packing)) found.push_back(static_cast<int>(byte));
  EXPECT_THAT(found, testing::ElementsAre(1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0));

  // One for all channels.
  Value factor;
  factor.constant = Tensor(DType::int32, {});
  factor.constant->set(0, -2);
  factor.type = {DType::int32, {}, {}};
  layer->match.bound.emplace_back("mul", layer->graph.add_value(std::move(factor)));
  found.clear();
  for (const std::byte byte : pack(layer->region(), packing)) found.push_back(static_cast<int>(byte));
  EXPECT_THAT(found, testing::ElementsAre(254, 255, 254, 255, 254, 255, 0, 0, 0, 0, 0, 0));
}

// Rule files that pack what is not there.
TEST(Packing, SaysWhatIsWrongWithARule) {
  const std::unique_ptr<Layer> layer = conv_layer({.c = 3}, diana());
  const struct {
    void (*spoil)(Packing&);
    const char* message;
  } cases[] = {
      {[](Packing& p) { p.block_axis = "q"; }, "packing `weights`: `conv2d` has no axis `q`"},
      {[](Packing& p) {
         p.parts[1].order = {"c", "fy", "fz", "k"};
       },
       "the order of `weights` names an axis that `conv2d` does not have"},
      {[](Packing& p) {
         p.parts[1].order = {"c/0", "fy", "fx", "k"};
       },
       "the order of `weights` names an axis that `conv2d` does not have"},
      {[](Packing& p) {
         p.parts[1].order = {"c", "fx", "k"};
       },
       "the order of `weights` leaves out axis `fy` of extent 3"},
      {[](Packing& p) { p.parts[0].element_bytes = 1; }, "`bias` holds values from -500 to"},
      {[](Packing& p) { p.parts[1].element_bits = 2; }, ", which 2 bits cannot"},
  };
  for (const auto& c : cases) {
    Layer spoiled = *layer;
    c.spoil(spoiled.soc.accelerators[0]
                .target.rules[static_cast<size_t>(spoiled.match.rule)]
                .packings[0]);
    const Result<Tiling> tiling =
        solve_tiling(spoiled.graph, spoiled.soc, spoiled.match, spoiled.storage);
    ASSERT_FALSE(tiling.ok()) << c.message;
    EXPECT_THAT(format_diagnostics(tiling.errors()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace heddle
