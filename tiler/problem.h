// A tiling problem as data: candidate sizes of each axis, and the exact cost of a point, whatever
// searches them.
//
// A point is one index into the candidate sizes for each axis, and a loop order. Tiles of an axis
// that look alike (size, padding, clipped extents: their "class") cost the same, so that a point
// with thousands of tiles has a few dozen distinct ones; costs of class combinations are remembered
// across points.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tiler/formula.h"
#include "tiler/geometry.h"

namespace heddle {

struct SearchAxis {
  int axis = -1;  // into LoopNest::axes
  int64_t extent = 1;
  bool weights = false;        // along which packed constants change
  std::vector<int64_t> sizes;  // ascending candidates
};

// The tiles of one axis for one size.
struct AxisTiles {
  std::vector<int> classes;   // of each tile
  std::vector<int> distinct;  // the classes that occur, in order of first use
  std::vector<int> local;     // index of each tile's class in `distinct`
  std::vector<int64_t> count;  // of tiles, by index into `distinct`
  // [operand][i]: its box at tile i differs from that at i - 1 (0: from the last).
  std::vector<std::vector<bool>> changes;
  std::vector<bool> varies;          // [operand]: its box is not the same for all tiles
  std::vector<bool> always_changes;  // [operand]: `changes` holds everywhere
};

// Everything about one combination of classes.
struct TileFacts {
  int failed = -1;  // -1: fine; else an index into Problem::requirements, or one of these
  static constexpr int kInexactStore = 1 << 20, kBadExpression = kInexactStore + 1,
                       kTooManyTiles = kInexactStore + 2, kEmpty = kInexactStore + 3,
                       kLiesOtherwise = kInexactStore + 4;
  int64_t compute = 0;       // launch + compute
  // Cycles to load (or, for outputs, store) each operand, with those of the CPU to issue its
  // transfers, during which the DMA rests.
  std::vector<int64_t> dma;
  std::vector<int64_t> transfers;  // how many
  std::vector<int64_t> dma_bytes;
  std::vector<int64_t> bytes;  // of the tile buffer, over-read included
};

// What it takes to move one operand of one tile: a function of the sizes of its box alone, not of
// where it begins.
struct TileTraffic {
  bool empty = false;  // of the operand's elements it has none; the rest is 0
  bool good = true;    // the cycles could be computed
  int64_t cycles = 0;  // of all transfers, issuing them included
  int64_t transfers = 0;
  int64_t row_bytes = 0;  // of each transfer
  int64_t moved_bytes = 0;
  int64_t buffer_bytes = 0;   // over-read included
  int64_t storage_bytes = 0;  // without
};

struct Point {
  std::vector<int> index;
  LoopOrder order = LoopOrder::weights_stationary;
};

// Lower is better, in this order.
struct Key {
  int64_t cycles = INT64_MAX;
  int64_t preference = INT64_MAX;
  LoopOrder order = LoopOrder::input_stationary;
  std::vector<int> index;
  auto operator<=>(const Key&) const = default;
};

struct Evaluation {
  bool feasible = false;
  bool worse = false;  // abandoned: its cycles exceed the limit
  int failed = -1;     // TileFacts::failed of a tile that is not fine
  Key key;
  TilingCost cost;
  std::vector<int64_t> buffer_bytes;  // one copy of each operand
  std::vector<int64_t> copies;
  std::vector<int64_t> memory_bytes;  // in the order of Problem::memories
};

struct MemoryLimit {
  std::string name;
  int64_t bytes = 0;
  int64_t taken = 0;  // by residents, those of this job included
  int64_t free_bytes() const { return bytes - taken; }  // for tile buffers; may be negative
};

class Problem {
 public:
  Problem(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage,
          const Taken& taken = {});

  Region region;
  TileBox whole;  // whole_box(region)
  std::vector<SearchAxis> axes;
  std::vector<LoopOrder> orders;
  std::vector<MemoryLimit> memories;
  std::vector<int> memory_of;           // of each operand: into `memories`, -1 in place
  int64_t alignment = 1;                // of offsets and copies of tile buffers
  std::vector<std::string> slot_names;  // names of expressions that differ between tiles
  std::vector<TileName> slots;
  int64_t driver = 0;                   // cycles of the CPU to start one job
  int64_t issue = 0;                    // ... and one transfer
  Expr launch, compute, transfer;       // folded; `transfer` includes `issue`
  std::vector<Expr> requirement_exprs;  // folded
  std::vector<Expr> prefer_exprs;       // folded
  std::vector<Formula> requirements;

  // Exact. Stops early, with `worse`, once the cycles exceed `limit`.
  Evaluation evaluate(const Point& point, int64_t limit = INT64_MAX);
  const AxisTiles& tiles(size_t axis, int index);
  const TileFacts& facts(const std::vector<int>& classes);
  const TileTraffic& traffic(size_t operand, const TileBox& tile_box);
  TileBox box(const std::vector<int>& classes) const;  // representatives of these classes
  Interval representative(size_t axis, int cls) const {
    return representatives_[axis][static_cast<size_t>(cls)];
  }
  std::vector<int> loop_axes(LoopOrder order) const;  // outermost first, into `axes`
  int slot_of(std::string_view name) const;
  int64_t points() const;
  // Why this tile cannot be: names the requirement or the expression's error.
  std::string explain(const Point& point, int failed);

 private:
  int class_of(size_t axis, Interval interval);
  std::optional<int64_t> preference(const TileBox& first) const;
  TileTraffic measure(const RegionOperand& operand, const TileBox& tile_box) const;

  Formula launch_, compute_, transfer_;
  std::vector<Formula> prefer_;
  std::vector<std::map<std::vector<int64_t>, int>> class_ids_;
  std::vector<std::vector<Interval>> representatives_;
  std::vector<std::vector<std::optional<AxisTiles>>> tiles_;
  std::map<std::vector<int>, TileFacts> facts_;
  std::vector<std::map<std::vector<int64_t>, TileTraffic>> traffic_;  // [operand], by sizes
  std::vector<int64_t> sizes_;                                        // scratch of traffic()
  // [axis]: shares a dimension with another tiled axis: no two tiles are alike.
  std::vector<bool> entangled_;
};

// Slots of the DMA's cycle expression.
inline constexpr std::array<std::string_view, 7> kTransferSlots = {"row_bytes",
                                                                   "rows",
                                                                   "planes",
                                                                   "source_row_stride",
                                                                   "source_plane_stride",
                                                                   "destination_row_stride",
                                                                   "destination_plane_stride"};
std::array<int64_t, 7> transfer_slots(const Transfer& transfer, bool to_tile);

// The candidate sizes of an axis: every multiple, or, where that would be more than 80, sizes that
// split the axis evenly, their neighbours on a multiple of 16, and the smallest ones. Optimal then
// means: among these.
std::vector<int64_t> candidate_sizes(int64_t extent, int64_t multiple_of);

Tiling tiling_of(Problem& problem, const Key& key);
// The error when no point is feasible.
Diagnostic no_tile(Problem& problem);

}  // namespace heddle
