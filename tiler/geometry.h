// The geometry of one tile: which box of each operand it touches, its size on the device, and the transfers that move it.
// One place for the tiler's cost, the emitted C and the tests, so that they cannot disagree.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tiler/tiling.h"

namespace heddle {

// A tile: one half-open interval for each axis of the anchor's loop nest (untiled axes: the whole extent).
using TileBox = std::vector<Interval>;

// The box of one operand, per dimension, clipped to the operand, and its storage on the device.
struct OperandTile {
  std::vector<ClippedInterval> dims;
  Storage storage;  // strides and bytes of the tile in its memory
};

// A strided transfer: planes x rows x row_bytes. Offsets are bytes from the start of each buffer.
struct Transfer {
  int64_t main_offset = 0, tile_offset = 0;
  int64_t row_bytes = 0, rows = 1, planes = 1;
  int64_t main_row_stride = 0, main_plane_stride = 0;
  int64_t tile_row_stride = 0, tile_plane_stride = 0;
};

// Everything about the operands of one match that does not depend on the tile.
struct RegionOperand {
  std::string name;        // "x", "weights" (packed), "residual", "y"
  std::string memory;
  ValueId value;           // invalid for packed constants
  bool output = false;
  bool packed = false;     // a Packing
  Access access;           // of activations
  TensorType type;
  Storage storage;         // in main memory
};

struct Region {
  const Graph* graph = nullptr;
  const Soc* soc = nullptr;
  const Match* match = nullptr;
  LoopNest nest;                        // of the anchor
  std::vector<RegionOperand> operands;
};
Region region_of(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage);

OperandTile tile_of(const Region& region, const RegionOperand& operand, const TileBox& box);
std::vector<Transfer> transfers_of(const Region& region, const RegionOperand& operand, const TileBox& box);
int64_t cycles_of(const Region& region, const Transfer& transfer, bool to_tile);

// The names that tile, cost and job expressions see for this tile: sizes (`k`, `oy`, `iy` ...), `layer.<size>`,
// `<operand>.bytes/.pitch/.plane`, `inside.<axis>`, `pad.top` ..., and everything of layer_environment.
Environment tile_environment(const Region& region, const TileBox& box);

// Tile t of the nest of tile loops: boxes in execution order.
TileBox box_of(const Region& region, const Tiling& tiling, int64_t tile_index);

// The constant buffer of a Packing, for the whole layer; a tile of the block axis is a contiguous run of blocks.
std::vector<std::byte> pack(const Region& region, const Packing& packing);
int64_t packed_bytes(const Region& region, const Packing& packing, int64_t block_axis_begin, int64_t block_axis_end);

}  // namespace heddle
