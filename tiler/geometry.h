// The geometry of one tile: which box of each operand it touches, its size on the device, and the
// transfers that move it. One place for the tiler's cost, the emitted C and the tests, so that they
// cannot disagree.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tiler/tiling.h"

namespace heddle {

// A tile: one half-open interval for each axis of the anchor's loop nest (untiled axes: the whole
// extent).
using TileBox = std::vector<Interval>;

// The box of one operand, per dimension, clipped to the operand, and its storage on the device.
struct OperandTile {
  std::vector<ClippedInterval> dims;  // empty for packed constants
  Storage storage;                    // strides and bytes of the tile in its memory; in place: the
                    // value's own strides, bytes from its first to its last element
};

// A strided transfer: planes x rows x row_bytes. Offsets are bytes from the start of each buffer.
// Rows are in the order of their addresses, so that what a rounded-up row writes too much is
// overwritten by the next row.
struct Transfer {
  int64_t main_offset = 0, tile_offset = 0;
  int64_t row_bytes = 0, rows = 1, planes = 1;
  int64_t main_row_stride = 0,
          main_plane_stride = 0;  // of no meaning where there is one row, one plane
  int64_t tile_row_stride = 0, tile_plane_stride = 0;
  bool operator==(const Transfer&) const = default;
};

// Everything about the operands of one match that does not depend on the tile.
struct RegionOperand {
  std::string name;  // "x", "weights" (packed), "residual", "y"
  std::string memory;
  ValueId value;  // invalid for packed constants
  bool output = false;
  bool packed = false;    // a Packing
  bool in_place = false;  // jobs work on it where it lies: no tile buffer, no transfer
  bool resident = false;  // in place in a memory that units share; else that is main memory
  Access access;          // of activations
  TensorType type;
  Storage storage;  // of the value: in main memory, or where it is resident
};

// Refers to the graph, the SoC and the match: they must outlive it.
struct Region {
  const Graph* graph = nullptr;
  const Soc* soc = nullptr;
  const Match* match = nullptr;
  const Rule* rule = nullptr;
  LoopNest nest;                        // of the anchor
  std::vector<RegionOperand> operands;  // in the order of the rule's operands
  Environment layer;                    // layer_environment(graph, soc, match)

  const RegionOperand& operand(std::string_view name) const;  // a bug if absent
};
Region region_of(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage);

// What a rule file can get wrong about a region: an operand that is not there, an output of another
// shape than the anchor's, tiles in the memory of constants, a SoC without DMA, a packing that
// leaves out an axis; and a value whose home is neither main memory nor where the rule places it. To
// be asked first.
Status check_region(const Graph& graph, const Soc& soc, const Match& match,
                    const StorageOf& storage);

// Of axes that the rule tiles one by one: the first index.
TileBox whole_box(const Region& region);
OperandTile tile_of(const Region& region, const RegionOperand& operand, const TileBox& box);
// Where the tile's first element lies, in bytes from the start of the value or the packed
// constants.
int64_t main_offset_of(const Region& region, const RegionOperand& operand, const TileBox& box);
// Whether a job can work on this tile of an operand that is in place: it lies there as the rule's
// layout says; or its rows and planes lie further apart and the job is told how far (`.pitch`,
// `.plane`). Always true of packed constants.
bool lies_as_wanted(const Region& region, const RegionOperand& operand, const TileBox& box);
std::vector<Transfer> transfers_of(const Region& region, const RegionOperand& operand,
                                   const TileBox& box);  // none in place
// `unit.<key>` in the DMA's cycles. Refers to the SoC: it must outlive the environment.
Environment transfer_constants(const Soc& soc);
int64_t cycles_of(const Region& region, const Transfer& transfer, bool to_tile);
// Bytes that the transfers touch on the tile's side, from the start of the buffer: at least the
// tile's storage.bytes.
int64_t tile_extent_bytes(const OperandTile& tile, const std::vector<Transfer>& transfers);
// Whether each row of a store, rounded up to the DMA's unit, stays within its own bytes and the
// padding behind them.
bool stores_exactly(const Region& region, const RegionOperand& operand, const TileBox& box);

// The names that tile, cost and job expressions see for this tile: sizes (`k`, `oy`, `iy` ...),
// `layer.<name>`, `<operand>.bytes/.pitch/.plane/.elements`, `inside.<axis>`, `pad.top` ...,
// `last.<axis>` (1 for the tile at the end of the axis), `macs`, and everything of
// layer_environment. Refers to the region: it must outlive the environment.
Environment tile_environment(const Region& region, const TileBox& box);

// One of these names, looked up once and then read for many tiles.
struct TileName {
  enum class Kind : uint8_t {
    axis,
    dim,
    bytes,
    pitch,
    plane,
    elements,
    inside,
    pad_before,
    pad_after,
    last,
    macs
  };
  Kind kind = Kind::axis;
  int axis = -1;  // Kind::axis, inside (the parallel one), last
  int operand =
      -1;  // into Region::operands; Kind::dim, pad: into LoopNest::inputs, or -1 for the output
  int dim = -1;
  int reduction = -1;  // Kind::inside
};
std::optional<TileName> tile_name(const Region& region,
                                  std::string_view name);  // nullopt: same for all tiles
int64_t value_of(const Region& region, const TileName& name, const TileBox& box);
std::vector<int> axes_in(const Region& region,
                         const TileName& name);  // loop axes that it depends on, ascending
std::vector<int> axes_of(const Region& region,
                         const RegionOperand& operand);  // the same for an operand's box

// Tile t of the nest of tile loops: boxes in execution order.
TileBox box_of(const Region& region, const Tiling& tiling, int64_t tile_index);
// Whether tile t must load the operand: its box differs from that of tile t - 1 (always for t = 0).
// False for outputs.
bool loads_at(const Region& region, const RegionOperand& operand, const Tiling& tiling,
              int64_t tile_index);

// The constant buffer of a Packing, for the whole layer: its blocks for every index of the axes that
// the rule tiles one by one (groups), outermost. A tile of the block axis is a contiguous run of
// blocks.
std::vector<std::byte> pack(const Region& region, const Packing& packing);
int64_t packed_bytes(const Region& region, const Packing& packing);
// Of a run of blocks, for one index of the other axes.
int64_t packed_bytes(const Region& region, const Packing& packing, int64_t block_axis_begin,
                     int64_t block_axis_end);
// The axes along which packed constants change from tile to tile, the block axis last.
std::vector<int> packed_axes(const Region& region, const Packing& packing);
const Packing& packing_of(const Region& region, const RegionOperand& operand);
int axis_index(const LoopNest& nest, std::string_view name);  // -1 if absent

}  // namespace heddle
