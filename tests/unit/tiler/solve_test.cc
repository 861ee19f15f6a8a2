// Whole tilings: their buffers, their cost tile by tile, and every reason why there is none.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tiler/problem.h"
#include "unit/tiler/layers.h"

namespace heddle {
namespace {

using testing::HasSubstr;

Result<Tiling> solve(const Layer& layer) {
  return solve_tiling(layer.graph, layer.soc, layer.match, layer.storage);
}

// The pipeline of tiling.h, written down a second time from the geometry alone.
TilingCost pipeline(const Layer& layer, const Tiling& tiling) {
  const Region region = layer.region();
  TilingCost cost;
  const int64_t issue = layer.soc.driver_cycles(*layer.soc.dma->target.transfer);
  const auto dma = [&](int64_t t, bool output) {
    int64_t cycles = 0;
    for (const RegionOperand& operand : region.operands) {
      if (operand.output != output || (!output && !loads_at(region, operand, tiling, t))) continue;
      for (const Transfer& transfer : transfers_of(region, operand, box_of(region, tiling, t))) {
        cycles += issue + cycles_of(region, transfer, !output);
        cost.dma += cycles_of(region, transfer, !output);
        cost.driver += issue;
        cost.dma_bytes += transfer.planes * transfer.rows * transfer.row_bytes;
      }
    }
    return cycles;
  };
  cost.total = dma(0, false);
  int64_t store = 0;
  for (int64_t t = 0; t < tiling.tiles(); ++t) {
    const Environment names = tile_environment(region, box_of(region, tiling, t));
    const int64_t compute = std::get<int64_t>(evaluate_int(region.rule->launch, names)) +
                            std::get<int64_t>(evaluate_int(region.rule->compute, names));
    cost.compute += compute;
    const int64_t start = layer.soc.driver_cycles(*region.rule->job);
    cost.driver += start;
    cost.total += start + std::max(compute, store + (t + 1 < tiling.tiles() ? dma(t + 1, false) : 0));
    store = dma(t, true);
  }
  cost.total += store;
  return cost;
}

TEST(Tiling, CostIsThatOfThePipelineAndBuffersHoldEveryTile) {
  Random random(6);
  int tiled = 0;
  for (int i = 0; i < 120; ++i) {
    const Soc soc =
        diana_with(int64_t{32} << random.between(4, 11), int64_t{32} << random.between(4, 11));
    const std::unique_ptr<Layer> layer =
        i % 4 == 3 ? random_groups(random, soc, 10) : random_layer(random, soc, 10);
    const Result<Tiling> solved = solve(*layer);
    if (!solved.ok()) continue;
    const Tiling& tiling = *solved;
    tiled += tiling.tiles() > 1;
    const TilingCost cost = pipeline(*layer, tiling);
    EXPECT_EQ(tiling.cost.total, cost.total) << layer->text << "\n" << dump(tiling);
    const Result<TilingCost> again =
        cost_of_tiling(layer->graph, layer->soc, layer->match, layer->storage, tiling);
    ASSERT_TRUE(again.ok()) << format_diagnostics(again.errors());
    EXPECT_EQ(again->total, cost.total) << layer->text << "\n" << dump(tiling);
    EXPECT_EQ(tiling.cost.compute, cost.compute) << layer->text;
    EXPECT_EQ(tiling.cost.dma, cost.dma) << layer->text;
    EXPECT_EQ(tiling.cost.driver, cost.driver) << layer->text;
    EXPECT_EQ(tiling.cost.dma_bytes, cost.dma_bytes) << layer->text;

    const Region region = layer->region();
    for (const RegionOperand& operand : region.operands) {
      const TileBuffer& buffer = tiling.buffer(operand.name);
      EXPECT_EQ(buffer.offset % 32 + buffer.bytes % 32, 0) << layer->text;
      int64_t loads = 0;
      for (int64_t t = 0; t < tiling.tiles(); ++t) {
        const TileBox box = box_of(region, tiling, t);
        EXPECT_LE(
            tile_extent_bytes(tile_of(region, operand, box), transfers_of(region, operand, box)),
            buffer.bytes)
            << layer->text;
        loads += operand.output || loads_at(region, operand, tiling, t);
        for (const Condition& condition : region.rule->require) {
          EXPECT_EQ(std::get<int64_t>(evaluate_int(condition.expr, tile_environment(region, box))),
                    1)
              << layer->text << condition.text;
        }
        EXPECT_TRUE(!operand.output || stores_exactly(region, operand, box)) << layer->text;
      }
      EXPECT_EQ(buffer.copies, loads > 1 ? 2 : 1) << layer->text << " " << operand.name;
    }
    for (const TileBuffer& a : tiling.buffers) {
      for (const TileBuffer& b : tiling.buffers) {
        if (&a == &b || a.memory != b.memory) continue;
        EXPECT_TRUE(a.offset + a.bytes * a.copies <= b.offset ||
                    b.offset + b.bytes * b.copies <= a.offset)
            << layer->text;
      }
    }
    const int64_t l1 = layer->soc.find_memory("l1")->bytes;
    EXPECT_LE(tiling.bytes_in("l1"), l1);
    EXPECT_LE(tiling.bytes_in("weights"), layer->soc.accelerators[0].target.memories[0].bytes);
  }
  EXPECT_GT(tiled, 20);
}

TEST(Tiling, IsDumpedInFull) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 16, .k = 32, .iy = 32, .ix = 32}, diana_with(8192));
  const Result<Tiling> tiling = solve(*layer);
  ASSERT_TRUE(tiling.ok());
  EXPECT_EQ(dump(*tiling), R"(tiling input_stationary
  axis oy 3 of 32: 11 tiles
  axis ox 32 of 32: 1 tiles
  axis k 16 of 32: 2 tiles
  buffer x l1+0 bytes 2560 copies 2
  buffer weights weights+0 bytes 2368 copies 2
  buffer y l1+5120 bytes 1536 copies 2
  cost compute 46224 dma 45468 driver 12298 total 64130 dma_bytes 111488
  proof optimal lower_bound 64130
)");
}

TEST(Tiling, StaysOnCandidatesThatAreBounded) {
  const struct {
    int64_t extent, multiple;
    size_t least, most;
  } cases[] = {{1, 1, 1, 1},    {7, 1, 7, 7},      {80, 1, 80, 80},
               {81, 1, 80, 80}, {4096, 1, 80, 80}, {4096, 16, 80, 80},
               {100, 32, 4, 4}, {5, 16, 1, 1},     {1 << 30, 1, 80, 80}};
  for (const auto& c : cases) {
    const std::vector<int64_t> sizes = candidate_sizes(c.extent, c.multiple);
    EXPECT_GE(sizes.size(), c.least) << c.extent;
    EXPECT_LE(sizes.size(), c.most) << c.extent;
    EXPECT_EQ(sizes.back(), c.extent);
    EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end()));
    for (const int64_t size : sizes)
      EXPECT_TRUE(size % c.multiple == 0 || size == c.extent) << size << " of " << c.extent;
    if (c.extent <= 65536 * c.multiple) {
      EXPECT_EQ(sizes.front(), std::min(c.multiple, c.extent));
    }
  }
}

Rule& rule_in(Layer& layer) {
  return layer.soc.accelerators[0].target.rules[static_cast<size_t>(layer.match.rule)];
}
Expr expr(std::string_view text) {
  const Result<Expr> parsed = parse_expr(text, {});
  HEDDLE_CHECK(parsed.ok(), "an expression of a test");
  return *parsed;
}

// A flatten behind the layer.
NodeId flatten_after(Layer& layer) {
  Node node;
  node.name = "flat";
  node.op = "flatten";
  node.attributes["axis"] = int64_t{1};
  node.inputs = {layer.match.output(layer.graph)};
  node.output = layer.graph.add_value(Value{});
  layer.graph.value(node.output).type = *op_of(node).infer(OpView{layer.graph, node});
  layer.storage[node.output] = dense_storage(layer.graph.value(node.output).type);
  return layer.graph.add_node(std::move(node));
}

TEST(Reasons, NameTheMemoryAndTheSmallestOneThatWouldDo) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 16, .k = 16, .iy = 16, .ix = 16}, diana_with(2048));
  const Result<Tiling> refused = solve(*layer);
  ASSERT_FALSE(refused.ok());
  const std::string text = format_diagnostics(refused.errors());
  EXPECT_THAT(text, HasSubstr("memory `l1` has 2,048 bytes; the smallest tile of `conv2d` needs "
                              "3,072 (x 2 x 1,024, y 2 x 512)"));
}

// A layer that needs a large `l1` with few weights, or many weights with a small `l1`.
TEST(Reasons, SayWhichTileComesClosestWhereEachMemoryAloneWouldDo) {
  const std::unique_ptr<Layer> layer =
      conv_layer({.c = 16, .k = 48, .iy = 16, .ix = 16}, diana_with(6000, 2 * 2368));
  rule_in(*layer).require.push_back({expr("k == layer.k or oy == layer.oy"), "", "as a test", {}});
  const Result<Tiling> refused = solve(*layer);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(format_diagnostics(refused.errors()),
              HasSubstr("the tile that comes closest of `conv2d` needs"));
}

TEST(Reasons, OfTooManyTiles) {
  const std::unique_ptr<Layer> layer = add_layer(2048, 32, 32, diana_with(1024));
  rule_in(*layer).domains.back() = {"ox", false, false, 1};
  rule_in(*layer).require = {{expr("k == 1 and oy == 1 and ox == 1"), "", "", {}}};
  layer->soc.dma->target.transfer_unit_bytes = 1;
  const Result<Tiling> refused = solve(*layer);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(format_diagnostics(refused.errors()),
              HasSubstr("there are more than 1,048,576 tiles"));
}

TEST(Reasons, OfEveryRefusal) {
  const struct {
    void (*spoil)(Layer&);
    const char* message;
  } cases[] = {
      {[](Layer& l) { l.soc.dma.reset(); }, "soc `diana` has no DMA to fill memory `l1`"},
      {[](Layer& l) {
         l.soc.memories.push_back({"flash", 4096, 0x20000000});
         l.soc.constant_memory = "flash";
         rule_in(l).operands[0].memory = "flash";
       },
       "rule `conv2d` wants tiles of `x` in `flash`, which is the constant memory of soc `diana`"},
      {[](Layer& l) {
         l.soc.memories.push_back({"flash", 4096, 0x20000000});
         l.soc.constant_memory = "flash";
         rule_in(l).operands[1].memory = "l2";
       },
       "rule `conv2d` wants tiles of `weights` in `l2`, which is the main memory of soc `diana`"},
      {[](Layer& l) {  // a job without pitches, on rows that are padded otherwise
         rule_in(l).operands[0].memory = "l2";
         std::erase_if(rule_in(l).job->fields,
                       [](const JobField& field) { return field.name == "x_pitch"; });
         l.storage.at(l.match.find("x")) =
             padded_storage(l.graph.value(l.match.find("x")).type, {.row = 64, .plane = 1});
       },
       "a tile does not lie in memory as the rule's layout says, and the job has no `pitch`"},
      {[](Layer& l) { rule_in(l).operands[0].memory = "l3"; },
       "rule `conv2d` wants tiles of `x` in memory `l3`, which neither soc `diana` nor the "
       "accelerator has"},
      {[](Layer& l) { l.match.nodes.push_back(flatten_after(l)); },
       "rule `conv2d` ends in a result of shape [1, 4096], but its tiles are those of `conv2d` "
       "with shape [1, 16, 16, 16]"},
      {[](Layer& l) {
         rule_in(l).operands.push_back({"z", "l1"});
         l.match.bound.emplace_back("z", ValueId{0});
         l.match.nodes.erase(l.match.nodes.begin());
       },
       "rule `conv2d`: operand `z` is not walked element by element along the result"},
      {[](Layer& l) {
         rule_in(l).domains.push_back({"c", false, false, 4});
       },
       "rule `conv2d` tiles `c`, over which `conv2d` sums"},
      {[](Layer& l) {
         rule_in(l).require.push_back({expr("k > 100"), "k > 100", "as a test", {}});
       },
       "rule `conv2d` allows no tile of `conv2d`: with k 16, oy 16, ox 16, `k > 100` does not hold "
       "(as a test)"},
      {[](Layer& l) { rule_in(l).compute = expr("1 / (k - k)"); }, "`compute`: division by zero"},
      {[](Layer& l) { rule_in(l).compute = expr("0 - 5 * k"); }, "`compute` gives -80 cycles"},
      {[](Layer& l) { rule_in(l).launch = expr("x.colour"); }, "x.colour"},
      {[](Layer& l) {
         rule_in(l).prefer = {{expr("1 / (ox - ox)"), 1, ""}};
       },
       "`prefer`: division by zero"},
      {[](Layer& l) { l.soc.dma->target.transfer_cycles = expr("0 - 1"); },
       "the cycles of a transfer by `diana_dma` cannot be computed"},
      {[](Layer& l) {
         for (auto& each : l.storage) each.second = dense_storage(l.graph.value(each.first).type);
         l.soc.dma->target.transfer_unit_bytes = 8192;
       },
       "a transfer back to `l2` would overwrite its neighbours: rows are moved in units of 8,192 "
       "bytes"},
      {[](Layer& l) {
         rule_in(l).domains.clear();
         for (Memory& m : l.soc.memories)
           if (m.name == "l1") m.bytes = 64;
         l.soc.accelerators[0].target.memories[0].bytes = 32;
       },
       "memory `l1` has 64 bytes"},
  };
  for (const auto& c : cases) {
    std::unique_ptr<Layer> layer = conv_layer({.c = 4, .k = 16, .iy = 16, .ix = 16}, diana());
    c.spoil(*layer);
    const Result<Tiling> tiling = solve(*layer);
    ASSERT_FALSE(tiling.ok()) << c.message;
    EXPECT_THAT(format_diagnostics(tiling.errors()), HasSubstr(c.message));
    const Result<Tiling> oracle =
        solve_tiling_exhaustively(layer->graph, layer->soc, layer->match, layer->storage);
    ASSERT_FALSE(oracle.ok());
    EXPECT_EQ(format_diagnostics(oracle.errors()), format_diagnostics(tiling.errors()));
  }
}

}  // namespace
}  // namespace heddle
