// Boxes, storage and transfers of tiles.
#include "tiler/geometry.h"

#include <algorithm>

#include "base/checked.h"
#include "tiler/order.h"
#include "tiler/traffic.h"

namespace heddle {
namespace {

int64_t unit_of(const Region& region) {
  return region.soc->dma ? std::max<int64_t>(region.soc->dma->target.transfer_unit_bytes, 1) : 1;
}

// Strides of a tile with these sizes. The row pitch is that of the stored value where the tile
// spans its whole width and the pitch is good enough for the device: rows then merge into one
// transfer.
Storage tile_storage(const Region& region, const RegionOperand& operand,
                     const std::vector<ClippedInterval>& dims) {
  const size_t rank = dims.size();
  TensorType type = operand.type;
  for (size_t d = 0; d < rank; ++d) type.shape[d] = dims[d].size();
  const BufferLayout layout = region.rule->layout.value_or(BufferLayout{});
  const std::vector<size_t> order = order_in_memory(rank, layout);
  if (rank >= 2 && type.shape[order[rank - 1]] == operand.type.shape[order[rank - 1]] &&
      operand.storage.strides[order[rank - 1]] == 1) {  // stored in the same order
    const int64_t pitch = operand.storage.strides[order[rank - 2]];
    const bool aligned =
        pitch % layout.row == 0 && (rank > 2 || pitch * bytes_of(type.dtype) % layout.plane == 0);
    if (aligned && pitch >= type.shape[order[rank - 1]])
      type.shape[order[rank - 1]] = pitch;  // a width that padding leaves alone
  }
  return padded_storage(type, layout);
}

bool covers(const RegionOperand& operand, const OperandTile& tile, size_t d) {
  return tile.dims[d].begin == 0 && tile.dims[d].end == operand.type.shape[d];
}

// The innermost dimensions that one row of a transfer moves, from `first` on in the order of the
// tile's memory, and their exact bytes.
struct Run {
  std::vector<size_t> order;
  size_t first = 0;  // position in `order`; its size: a single element
  int64_t bytes = 0;
};

// A dimension joins the run where its stride is the same on both sides. A load may then read over
// the gaps; a store may only where the gaps are padding, that is where the box has everything
// inside the dimension.
Run run_of(const Region& region, const RegionOperand& operand, const OperandTile& tile) {
  const size_t rank = tile.dims.size();
  const int64_t element_bytes = bytes_of(operand.type.dtype);
  Run run{order_in_memory(rank, region.rule->layout), rank, element_bytes};
  bool whole = true;
  while (run.first > 0) {
    const size_t d = run.order[run.first - 1];
    const bool same =
        operand.storage.strides[d] == tile.storage.strides[d] && (!operand.output || whole);
    if (!same && operand.type.shape[d] != 1) break;
    run.bytes += (tile.dims[d].size() - 1) * tile.storage.strides[d] * element_bytes;
    --run.first;
    whole = whole && covers(operand, tile, d);
  }
  return run;
}

Interval range_of(const Region& region, const Packing& packing, const TileBox& box) {
  return box[static_cast<size_t>(axis_index(region.nest, packing.block_axis))];
}

// Where the tile's run of blocks begins.
int64_t packed_offset(const Region& region, const Packing& packing, const TileBox& box) {
  const std::vector<int> axes = packed_axes(region, packing);
  int64_t outer = 0;
  for (size_t i = 0; i + 1 < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(axes[i]);
    outer = outer * region.nest.axes[axis].extent + box[axis].begin;
  }
  const int64_t extent = region.nest.axes[static_cast<size_t>(axes.back())].extent;
  return outer * packed_bytes(region, packing, 0, extent) +
         packed_bytes(region, packing, 0, range_of(region, packing, box).begin);
}

std::vector<Transfer> packed_transfers(const Region& region, const RegionOperand& operand,
                                       const TileBox& box) {
  const Packing& packing = packing_of(region, operand);
  const Interval range = range_of(region, packing, box);
  Transfer transfer;
  transfer.main_offset = packed_offset(region, packing, box);
  transfer.row_bytes =
      round_up(packed_bytes(region, packing, range.begin, range.end), unit_of(region));
  return {transfer};
}

// Without its offset in main memory.
Transfer first_transfer(const Region& region, const RegionOperand& operand, const OperandTile& tile,
                        const Run& run) {
  const int64_t element_bytes = bytes_of(operand.type.dtype);
  Transfer transfer;
  transfer.row_bytes = round_up(run.bytes, unit_of(region));
  if (run.first >= 1) {
    const size_t d = run.order[run.first - 1];
    transfer.rows = tile.dims[d].size();
    transfer.main_row_stride = operand.storage.strides[d] * element_bytes;
    transfer.tile_row_stride = tile.storage.strides[d] * element_bytes;
  }
  if (run.first >= 2) {
    const size_t d = run.order[run.first - 2];
    transfer.planes = tile.dims[d].size();
    transfer.main_plane_stride = operand.storage.strides[d] * element_bytes;
    transfer.tile_plane_stride = tile.storage.strides[d] * element_bytes;
  }
  return transfer;
}

// A part of the value, with the value's strides.
Storage storage_in_place(const RegionOperand& operand, const std::vector<ClippedInterval>& dims) {
  Storage storage{operand.storage.strides, 0};
  int64_t last = 0;
  for (size_t d = 0; d < dims.size(); ++d) last += (dims[d].size() - 1) * storage.strides[d];
  storage.bytes = (last + 1) * bytes_of(operand.type.dtype);
  return storage;
}

bool job_is_told(const Region& region, const std::string& name) {
  const std::vector<JobField>& fields = region.rule->job->fields;
  return std::any_of(fields.begin(), fields.end(), [&](const JobField& field) {
    const std::vector<std::string> names = names_in(field.expr);
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

}  // namespace

TileBox whole_box(const Region& region) {
  TileBox box;
  for (const Axis& axis : region.nest.axes) box.push_back({0, axis.extent});
  for (const TileDomain& domain : region.rule->domains) {
    const int axis = axis_index(region.nest, domain.axis);
    if (domain.one && axis >= 0) box[static_cast<size_t>(axis)].end = 1;
  }
  return box;
}

OperandTile tile_of(const Region& region, const RegionOperand& operand, const TileBox& box) {
  OperandTile tile;
  if (operand.packed) {
    const Packing& packing = packing_of(region, operand);
    const Interval range = range_of(region, packing, box);
    tile.storage.bytes = packed_bytes(region, packing, range.begin, range.end);
    return tile;
  }
  for (size_t d = 0; d < operand.access.size(); ++d) {
    tile.dims.push_back(touched(operand.access[d], box, operand.type.shape[d]));
  }
  tile.storage = operand.in_place ? storage_in_place(operand, tile.dims)
                                  : tile_storage(region, operand, tile.dims);
  return tile;
}

int64_t main_offset_of(const Region& region, const RegionOperand& operand, const TileBox& box) {
  if (operand.packed) {
    return packed_offset(region, packing_of(region, operand), box);
  }
  int64_t elements = 0;
  for (size_t d = 0; d < operand.access.size(); ++d) {
    elements +=
        touched(operand.access[d], box, operand.type.shape[d]).begin * operand.storage.strides[d];
  }
  return elements * bytes_of(operand.type.dtype);
}

bool lies_as_wanted(const Region& region, const RegionOperand& operand, const TileBox& box) {
  if (operand.packed) return true;
  const OperandTile tile = tile_of(region, operand, box);
  const BufferLayout layout = region.rule->layout.value_or(BufferLayout{});
  TensorType type = operand.type;
  for (size_t d = 0; d < tile.dims.size(); ++d) type.shape[d] = tile.dims[d].size();
  const std::vector<int64_t> wanted = padded_storage(type, layout).strides;
  const std::vector<int64_t>& lies = tile.storage.strides;
  const size_t rank = lies.size();
  const int64_t element_bytes = bytes_of(operand.type.dtype);
  const std::vector<size_t> order = order_in_memory(rank, layout);
  for (size_t p = 0; p < rank; ++p) {
    const size_t d = order[p];
    if (type.shape[d] == 1 || lies[d] == wanted[d]) continue;
    const bool rows = p + 2 == rank, planes = p + 3 == rank;
    const bool aligned =
        rows ? lies[d] % layout.row == 0 : planes && lies[d] * element_bytes % layout.plane == 0;
    const char* const distance = rows ? ".pitch" : ".plane";
    if (!aligned || lies[d] < wanted[d] || !job_is_told(region, operand.name + distance))
      return false;
  }
  return main_offset_of(region, operand, box) / element_bytes % layout.row == 0;
}

Transfers transfers_together(const Region& region, const RegionOperand& operand,
                             const TileBox& box) {
  const OperandTile tile = tile_of(region, operand, box);
  Transfers all;
  int64_t last_offset = 0;
  if (operand.packed) {
    all.first = packed_transfers(region, operand, box).front();
  } else {
    const Run run = run_of(region, operand, tile);
    all.first = first_transfer(region, operand, tile, run);
    for (size_t p = 0; p + 2 < run.first; ++p) {
      const size_t d = run.order[p];
      all.count *= tile.dims[d].size();
      last_offset +=
          (tile.dims[d].size() - 1) * tile.storage.strides[d] * bytes_of(operand.type.dtype);
    }
  }
  all.storage_bytes = tile.storage.bytes;
  Transfer last = all.first;
  last.tile_offset = last_offset;
  all.tile_bytes = tile_extent_bytes(tile, {last});
  return all;
}

std::vector<Transfer> transfers_of(const Region& region, const RegionOperand& operand,
                                   const TileBox& box) {
  if (operand.in_place) return {};
  if (operand.packed) return packed_transfers(region, operand, box);
  const OperandTile tile = tile_of(region, operand, box);
  const int64_t element_bytes = bytes_of(operand.type.dtype);
  const Run run = run_of(region, operand, tile);
  Transfer transfer = first_transfer(region, operand, tile, run);
  transfer.main_offset = main_offset_of(region, operand, box);
  // Dimensions outside the planes: one transfer for each of their positions.
  std::vector<Transfer> transfers{transfer};
  for (size_t p = run.first < 2 ? 0 : run.first - 2; p-- > 0;) {
    const size_t d = run.order[p];
    std::vector<Transfer> repeated;
    for (int64_t i = 0; i < tile.dims[d].size(); ++i) {
      for (Transfer each : transfers) {
        each.main_offset += i * operand.storage.strides[d] * element_bytes;
        each.tile_offset += i * tile.storage.strides[d] * element_bytes;
        repeated.push_back(each);
      }
    }
    transfers = std::move(repeated);
  }
  return transfers;
}

Environment transfer_constants(const Soc& soc) {
  const Target* const dma = soc.dma ? &soc.dma->target : nullptr;
  return [dma](std::string_view name) -> std::optional<ExprValue> {
    if (dma == nullptr || !name.starts_with("unit.")) return std::nullopt;
    for (const auto& [key, value] : dma->constants) {
      if (name.substr(5) == key) return value;
    }
    return std::nullopt;
  };
}

int64_t cycles_of(const Region& region, const Transfer& transfer, bool to_tile) {
  HEDDLE_CHECK(region.soc->dma && region.soc->dma->target.transfer_cycles,
               "the cycles of a transfer without a DMA");
  const Environment constants = transfer_constants(*region.soc);
  const Environment environment = [&](std::string_view name) -> std::optional<ExprValue> {
    if (name == "row_bytes") return transfer.row_bytes;
    if (name == "rows") return transfer.rows;
    if (name == "planes") return transfer.planes;
    const bool source = name.starts_with("source_");
    if (!source && !name.starts_with("destination_")) return constants(name);
    const std::string_view stride = name.substr(name.find('_') + 1);
    const bool main = source == to_tile;
    if (stride == "row_stride") return main ? transfer.main_row_stride : transfer.tile_row_stride;
    if (stride == "plane_stride")
      return main ? transfer.main_plane_stride : transfer.tile_plane_stride;
    return std::nullopt;
  };
  const auto cycles = evaluate_int(*region.soc->dma->target.transfer_cycles, environment);
  if (const ExprError* error = std::get_if<ExprError>(&cycles)) {
    internal_error(__FILE__, __LINE__, "the cycles of a transfer: " + error->message);
  }
  return std::get<int64_t>(cycles);
}

int64_t tile_extent_bytes(const OperandTile& tile, const std::vector<Transfer>& transfers) {
  int64_t bytes = tile.storage.bytes;
  for (const Transfer& t : transfers) {
    bytes = std::max(bytes, t.tile_offset + (t.planes - 1) * t.tile_plane_stride +
                                (t.rows - 1) * t.tile_row_stride + t.row_bytes);
  }
  return bytes;
}

// The gap between the end of the first row and the next element of the value in the order of
// addresses. Other rows have the same gap or, at the end of a plane, a larger one.
bool stores_exactly(const Region& region, const RegionOperand& operand, const TileBox& box) {
  const OperandTile tile = tile_of(region, operand, box);
  const int64_t element_bytes = bytes_of(operand.type.dtype);
  const Run run = run_of(region, operand, tile);
  const int64_t over = round_up(run.bytes, unit_of(region)) - run.bytes;
  if (over == 0) return true;
  const auto index_at = [&](size_t p) {
    const ClippedInterval& dim = tile.dims[run.order[p]];
    return p < run.first ? dim.begin : dim.end - 1;
  };
  int64_t last = 0;  // address of the run's last element
  for (size_t p = 0; p < run.order.size(); ++p) {
    // Stored in another order than the tile's: what lies behind is not padding.
    const auto stride = [&](size_t i) { return operand.storage.strides[run.order[i]]; };
    if (p > 0 && operand.type.shape[run.order[p - 1]] > 1 && stride(p) > stride(p - 1)) return false;
    last += index_at(p) * stride(p);
  }
  int64_t next = last;
  for (size_t p = run.order.size(); p-- > 0;) {
    const size_t d = run.order[p];
    const int64_t index = index_at(p);
    if (index + 1 < operand.type.shape[d]) {
      next += operand.storage.strides[d];
      return over <= (next - last - 1) * element_bytes;
    }
    next -= index * operand.storage.strides[d];
  }
  return over <= operand.storage.bytes - (last + 1) * element_bytes;
}

TileBox box_of(const Region& region, const Tiling& tiling, int64_t tile_index) {
  TileBox box = whole_box(region);
  for (size_t i = tiling.axes.size(); i-- > 0;) {
    const TileAxis& axis = tiling.axes[i];
    const int64_t begin = tile_index % axis.count() * axis.tile;
    tile_index /= axis.count();
    box[static_cast<size_t>(axis_index(region.nest, axis.axis))] = {
        begin, std::min(begin + axis.tile, axis.extent)};
  }
  return box;
}

bool loads_at(const Region& region, const RegionOperand& operand, const Tiling& tiling,
              int64_t tile_index) {
  if (operand.output || operand.in_place) return false;
  if (tile_index == 0) return true;
  const TileBox before = box_of(region, tiling, tile_index - 1);
  const TileBox now = box_of(region, tiling, tile_index);
  const auto same = [](const Interval& a, const Interval& b) {
    return a.begin == b.begin && a.end == b.end;
  };
  if (operand.packed) {
    const std::vector<int> axes = packed_axes(region, packing_of(region, operand));
    return std::any_of(axes.begin(), axes.end(), [&](int axis) {
      return !same(before[static_cast<size_t>(axis)], now[static_cast<size_t>(axis)]);
    });
  }
  const OperandTile a = tile_of(region, operand, before);
  const OperandTile b = tile_of(region, operand, now);
  return !std::equal(a.dims.begin(), a.dims.end(), b.dims.begin(), same);
}

}  // namespace heddle
