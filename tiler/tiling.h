// What the tiler decides for one candidate: tile sizes, loop order, where each tile buffer lies,
// and the proof.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "match/match.h"

namespace heddle {

// Strides of a stored value in elements, one for each dimension of its shape, its size in bytes, and
// the memory that holds it.
struct Storage {
  std::vector<int64_t> strides;
  int64_t bytes = 0;
  std::string memory{};  // one that the SoC's units share; empty: its main memory
  bool operator==(const Storage&) const = default;
};
Storage dense_storage(const TensorType& type);
Storage padded_storage(const TensorType& type, const BufferLayout& layout);
bool is_dense(const TensorType& type, const Storage& storage);

// One tile buffer of a job in its memory. `copies` = 2: double buffered, the second one at offset +
// bytes.
struct TileBuffer {
  std::string operand;
  std::string memory;
  int64_t offset = 0;
  int64_t bytes = 0;  // of one copy, aligned as the device needs
  int64_t copies = 1;
};

enum class LoopOrder : uint8_t {
  weights_stationary,
  input_stationary
};  // which operand's axis is the outer tile loop

struct TileAxis {
  std::string axis;
  int64_t extent = 0;
  int64_t tile = 0;  // the last tile of an axis may be smaller
  int64_t count() const { return (extent + tile - 1) / tile; }
};

struct TilingProof {
  bool optimal = false;     // no tile with a lower (cycles, preference, lexicographic) key exists
  int64_t lower_bound = 0;  // cycles; equals Tiling::cycles when optimal
  int64_t checks = 0;       // calls of Z3's check()
};

// Cycles of one region on its unit. total = the software pipeline below, edge tiles exact:
//   load(0); for t: { start job(t); store(t-1); load(t+1); wait job } ; store(last)
// where load(t) skips operands whose box did not change since t-1. Starting a job or a transfer takes
// the CPU Soc::driver_cycles; the job runs while the CPU issues transfers, one after the other.
struct TilingCost {
  int64_t compute = 0;  // sum of launch + compute over tiles
  int64_t dma = 0;      // sum over all transfers
  int64_t driver = 0;   // sum of the CPU's cycles to start jobs and transfers
  int64_t total = 0;
  int64_t dma_bytes = 0;
};

struct Tiling {
  std::vector<TileAxis> axes;  // every parallel axis of the anchor with a domain, in the order of
                               // the tile loops, outermost first
  LoopOrder order = LoopOrder::weights_stationary;
  std::vector<TileBuffer> buffers;  // of operands that are moved
  TilingCost cost;
  TilingProof proof;

  int64_t tiles() const;
  int64_t bytes_in(std::string_view memory) const;  // highest end of a buffer there: the block of
                                                    // tile buffers, which the memory plan may move
  const TileBuffer& buffer(std::string_view operand) const;
  int64_t tile_of(std::string_view axis,
                  int64_t otherwise) const;  // tile size, or `otherwise` if not tiled
};

// How the values of the region are stored while the job runs: in main memory; or in a shared memory
// in which the rule places the operand, where the job works on it in place.
using StorageOf = std::map<ValueId, Storage>;

// Bytes of shared memories that residents hold while the job runs, by the memory's name: those of
// values that are no operands of this job. What its own operands hold there is added by the tiler.
using Taken = std::map<std::string, int64_t>;

// Offsets of tile buffers and of residents in shared and private memories are multiples of this: good
// for the DMA and for every element type.
int64_t tile_alignment(const Soc& soc);

// Finds the tile with the least modelled latency (Z3 box search, facts: docs/tiling.md) and lays
// out the buffers. Error: no tile fits; the message names the constraint and the smallest L1 (or
// private memory) that would do. Or: an operand is at home neither in main memory nor where the rule
// places it.
Result<Tiling> solve_tiling(const Graph& graph, const Soc& soc, const Match& match,
                            const StorageOf& storage, const Taken& taken = {});

// The same by trying every candidate: the oracle of the tests, and the fallback when Z3 hits its
// resource limit.
Result<Tiling> solve_tiling_exhaustively(const Graph& graph, const Soc& soc, const Match& match,
                                         const StorageOf& storage, const Taken& taken = {});

// The cost of exactly these tiles, in this loop order, under other costs of the rule or the SoC:
// what solve_tiling() found for one set of constants, priced with another. Error: an expression
// that cannot be evaluated, or a tile that this problem does not allow.
Result<TilingCost> cost_of_tiling(const Graph& graph, const Soc& soc, const Match& match,
                                  const StorageOf& storage, const Tiling& tiling,
                                  const Taken& taken = {});

std::string dump(const Tiling& tiling);

}  // namespace heddle
