// Stored layouts of values, and the small questions one asks a Tiling.
#include "tiler/tiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "tiler/order.h"

namespace heddle {

Storage dense_storage(const TensorType& type) {
  Storage storage;
  storage.strides.assign(type.shape.size(), 1);
  for (size_t d = type.shape.size(); d-- > 1;) {
    storage.strides[d - 1] = storage.strides[d] * type.shape[d];
  }
  storage.bytes = elements_of(type.shape) * bytes_of(type.dtype);
  return storage;
}

std::vector<size_t> order_in_memory(size_t rank, const std::optional<BufferLayout>& layout) {
  std::vector<size_t> order(rank);
  std::iota(order.begin(), order.end(), size_t{0});
  if (layout && layout->order == DimOrder::channels_last && rank >= 3)
    std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

// In the order of memory: the last dimension's pitch is a multiple of `row` elements; the last two
// together, or a row of a matrix or vector, are a multiple of `plane` bytes.
Storage padded_storage(const TensorType& type, const BufferLayout& layout) {
  const int64_t element_bytes = bytes_of(type.dtype);
  const size_t rank = type.shape.size();
  auto whole_planes = [&](int64_t elements) {
    return ceil_div(round_up(elements * element_bytes, layout.plane), element_bytes);
  };
  Storage storage;
  storage.strides.assign(rank, 1);
  int64_t run = 1;  // elements of everything inside dimension d, padding included
  const std::vector<size_t> order = order_in_memory(rank, layout);
  for (size_t p = rank; p-- > 0;) {
    storage.strides[order[p]] = run;
    run *= type.shape[order[p]];
    if (p + 1 == rank) run = round_up(run, layout.row);
    if (rank <= 2 ? p + 1 == rank : p + 2 == rank) run = whole_planes(run);
  }
  storage.bytes = run * element_bytes;
  return storage;
}

bool is_dense(const TensorType& type, const Storage& storage) {
  return storage == dense_storage(type);
}

int64_t Tiling::tiles() const {
  int64_t tiles = 1;
  for (const TileAxis& axis : axes) tiles *= axis.count();
  return tiles;
}

int64_t Tiling::bytes_in(std::string_view memory) const {
  int64_t end = 0;
  for (const TileBuffer& buffer : buffers) {
    if (buffer.memory == memory) end = std::max(end, buffer.offset + buffer.bytes * buffer.copies);
  }
  return end;
}

const TileBuffer& Tiling::buffer(std::string_view operand) const {
  for (const TileBuffer& buffer : buffers) {
    if (buffer.operand == operand) return buffer;
  }
  internal_error(__FILE__, __LINE__, "a tiling without the buffer that was asked for");
}

int64_t Tiling::tile_of(std::string_view axis, int64_t otherwise) const {
  for (const TileAxis& tiled : axes) {
    if (tiled.axis == axis) return tiled.tile;
  }
  return otherwise;
}

std::string dump(const Tiling& tiling) {
  std::string text = fmt::format("tiling {}\n", tiling.order == LoopOrder::weights_stationary
                                                    ? "weights_stationary"
                                                    : "input_stationary");
  for (const TileAxis& axis : tiling.axes) {
    text += fmt::format("  axis {} {} of {}: {} tiles\n", axis.axis, axis.tile, axis.extent,
                        axis.count());
  }
  for (const TileBuffer& buffer : tiling.buffers) {
    text += fmt::format("  buffer {} {}+{} bytes {} copies {}\n", buffer.operand, buffer.memory,
                        buffer.offset, buffer.bytes, buffer.copies);
  }
  const TilingCost& cost = tiling.cost;
  text += fmt::format("  cost compute {} dma {} driver {} total {} dma_bytes {}\n", cost.compute,
                      cost.dma, cost.driver, cost.total, cost.dma_bytes);
  text += fmt::format("  proof {} lower_bound {}\n", tiling.proof.optimal ? "optimal" : "open",
                      tiling.proof.lower_bound);
  return text;
}

}  // namespace heddle
