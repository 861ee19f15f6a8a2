// Bounds of the cycles and bytes of each operand's transfers.
#include <algorithm>

#include "base/checked.h"
#include "tiler/bound.h"
#include "tiler/order.h"
#include "tiler/saturate.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

BoxBound::OperandTable BoxBound::table_of(const RegionOperand& operand) {
  OperandTable table;
  if (operand.in_place) {  // nothing is moved
    table.bounded = false;
    return table;
  }
  table.axes = search_axes(axes_of(problem_.region, operand));
  table.moved_by = table.axes;
  for (const int axis : single_axes(operand)) {
    table.moved_by.push_back(axis);
    table.repeats = times(table.repeats, tile_count(axis, 0));
  }
  if (table.axes.size() == 3) {
    // The axis of the outermost dimension, if it is that dimension, and the transfers' inner shape
    // does not depend on it.
    const size_t rank = operand.access.size();
    const std::vector<size_t> order = order_in_memory(rank, problem_.region.rule->layout);
    for (size_t p = 0; p + 2 < rank && table.split < 0; ++p) {
      // A dimension around it may join the rows of a tile that has all of it, and of no smaller one.
      table.linear = table.linear && (p == 0 || operand.type.shape[order[p - 1]] == 1);
      const DimAccess& outer = operand.access[order[p]];
      const std::vector<AffineTerm>& terms = outer.terms;
      if (terms.size() != 1 || terms[0].coefficient != 1 || outer.offset != 0) continue;
      const std::vector<int> axis = search_axes({terms[0].axis});
      const auto mentions = [&](const DimAccess& dim) {
        return std::any_of(dim.terms.begin(), dim.terms.end(),
                           [&](const AffineTerm& t) { return t.axis == terms[0].axis; });
      };
      if (axis.empty() ||
          std::count_if(operand.access.begin(), operand.access.end(), mentions) != 1)
        continue;
      table.split = axis[0];
    }
    table.bounded = table.split >= 0;
    std::erase(table.axes, table.split);
  }
  table.bounded = table.bounded && table.axes.size() <= 2;
  size_t cells = 1;
  if (table.bounded) {
    for (const int axis : table.axes) cells *= problem_.axes[at(axis)].sizes.size();
  }
  table.cells.resize(cells);
  return table;
}

// Sums over all tiles of these axes, at these indices.
BoxBound::Cell BoxBound::exact_cell(size_t operand, const std::vector<int>& axes,
                                    const std::vector<int>& index) {
  Cell cell;
  std::vector<const AxisTiles*> along;
  for (size_t i = 0; i < axes.size(); ++i) along.push_back(&problem_.tiles(at(axes[i]), index[i]));
  std::vector<size_t> local(axes.size(), 0);
  TileBox box = problem_.whole;
  for (;;) {
    int64_t tiles = 1;
    bool first = true, last = true;
    for (size_t i = 0; i < axes.size(); ++i) {
      const int cls = static_cast<int>(local[i]);
      box[at(problem_.axes[at(axes[i])].axis)] =
          problem_.representative(at(axes[i]), along[i]->distinct[local[i]]);
      tiles *= along[i]->count[local[i]];
      first = first && along[i]->local.front() == cls;
      last = last && along[i]->local.back() == cls;
    }
    const TileTraffic& traffic = problem_.traffic(operand, box);
    if (!traffic.empty) {
      cell.sum = plus(cell.sum, times(tiles, traffic.cycles));
      if (first) cell.first = traffic.cycles;
      if (last) cell.last = traffic.cycles;
      cell.bytes = std::max(cell.bytes, traffic.buffer_bytes);
    }
    size_t i = axes.size();
    while (i > 0 && ++local[i - 1] == along[i - 1]->distinct.size()) local[--i] = 0;
    if (i == 0) return cell;
  }
}

// Cells for tiles of one and of two elements along the split axis: a + b and a + 2b give a and b,
// unless the split axis becomes part of the transfers' rows.
std::optional<BoxBound::Cell> BoxBound::linear_cell(size_t operand, const OperandTable& table,
                                                    const std::vector<int>& index) {
  if (!linear_dma_) return std::nullopt;
  const size_t split = at(problem_.axes[at(table.split)].axis);
  Cell cell;
  std::vector<const AxisTiles*> along;
  for (size_t i = 0; i < table.axes.size(); ++i)
    along.push_back(&problem_.tiles(at(table.axes[i]), index[i]));
  std::vector<size_t> local(table.axes.size(), 0);
  TileBox box = problem_.whole;
  for (;;) {
    int64_t tiles = 1;
    bool first = true, last = true;
    for (size_t i = 0; i < table.axes.size(); ++i) {
      const int cls = static_cast<int>(local[i]);
      box[at(problem_.axes[at(table.axes[i])].axis)] =
          problem_.representative(at(table.axes[i]), along[i]->distinct[local[i]]);
      tiles *= along[i]->count[local[i]];
      first = first && along[i]->local.front() == cls;
      last = last && along[i]->local.back() == cls;
    }
    TileTraffic traffic[2];
    for (const int64_t size : {1, 2}) {
      box[split] = {0, size};
      traffic[size - 1] = problem_.traffic(operand, box);
    }
    cell.bytes = std::max(cell.bytes, traffic[0].storage_bytes);
    const int64_t each = traffic[1].cycles - traffic[0].cycles;
    const int64_t constant = traffic[0].cycles - each;
    if (traffic[0].row_bytes != traffic[1].row_bytes || each < 0 || constant < 0) return std::nullopt;
    cell.sum = plus(cell.sum, times(tiles, constant));
    cell.sum_each = plus(cell.sum_each, times(tiles, each));
    if (first) cell.first = constant, cell.first_each = each;
    if (last) cell.last = constant, cell.last_each = each;
    size_t i = table.axes.size();
    while (i > 0 && ++local[i - 1] == along[i - 1]->distinct.size()) local[--i] = 0;
    if (i == 0) return cell;
  }
}

const BoxBound::Cell& BoxBound::cell(size_t operand, const std::vector<int>& index) {
  OperandTable& table = tables_[operand];
  size_t flat = 0;
  for (size_t i = 0; i < table.axes.size(); ++i) {
    flat = flat * problem_.axes[at(table.axes[i])].sizes.size() + at(index[i]);
  }
  std::optional<Cell>& known = table.cells[flat];
  if (known) return *known;
  if (table.split < 0) {
    known = exact_cell(operand, table.axes, index);
    return *known;
  }
  if (table.linear) known = linear_cell(operand, table, index);
  if (known) return *known;
  known = Cell{};
  known->by_split = true;
  std::vector<int> axes = table.axes, indices = index;
  axes.push_back(table.split);
  indices.push_back(0);
  for (size_t s = 0; s < problem_.axes[at(table.split)].sizes.size(); ++s) {
    indices.back() = static_cast<int>(s);
    known->row.push_back(exact_cell(operand, axes, indices));
  }
  return *known;
}

BoxBound::DmaBound BoxBound::operand_bound(size_t operand, const PointBox& box) {
  const OperandTable& table = tables_[operand];
  if (!table.bounded) return {};
  DmaBound least{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
  const auto take = [&](int64_t sum, int64_t first, int64_t last, int64_t bytes) {
    least = {std::min(least.sum, sum), std::min(least.first, first), std::min(least.last, last),
             std::min(least.bytes, bytes)};
  };
  std::vector<int> index;
  for (const int axis : table.axes) index.push_back(box.lo[at(axis)]);
  for (;;) {
    const Cell& now = cell(operand, index);
    if (table.split < 0) {
      take(now.sum, now.first, now.last, now.bytes);
    } else if (now.by_split) {
      for (int s = box.lo[at(table.split)]; s <= box.hi[at(table.split)]; ++s) {
        const Cell& exact = now.row[at(s)];
        take(exact.sum, exact.first, exact.last, exact.bytes);
      }
    } else {
      const SearchAxis& split = problem_.axes[at(table.split)];
      const int lo = box.lo[at(table.split)], hi = box.hi[at(table.split)];
      int64_t last_size = split.extent;
      for (int s = lo; s <= hi; ++s) {
        const int64_t rest = split.extent % split.sizes[at(s)];
        last_size = std::min(last_size, rest == 0 ? split.sizes[at(s)] : rest);
      }
      const int64_t size = split.sizes[at(lo)];
      take(plus(times(tile_count(table.split, hi), now.sum), times(split.extent, now.sum_each)),
           plus(now.first, times(size, now.first_each)),
           plus(now.last, times(last_size, now.last_each)), times(size, now.bytes));
    }
    size_t i = table.axes.size();
    while (i > 0 && ++index[i - 1] > box.hi[at(table.axes[i - 1])]) {
      index[i - 1] = box.lo[at(table.axes[i - 1])];
      --i;
    }
    if (i > 0) continue;
    least.sum = times(least.sum, table.repeats);
    return least;
  }
}

// Whether in every point of the box each tile of the operand's own axes is another box, so that
// none is skipped.
bool BoxBound::loads_every_tile(size_t operand, const PointBox& box) {
  for (const int axis : tables_[operand].moved_by) {
    for (int i = box.lo[at(axis)]; i <= box.hi[at(axis)]; ++i) {
      if (tile_count(axis, i) > 1 && !problem_.tiles(at(axis), i).always_changes[operand])
        return false;
    }
  }
  return true;
}

// How often all tiles of the operand are loaded: once for each tile of every loop outside one that
// changes its box.
int64_t BoxBound::repeats_at_least(size_t operand, const PointBox& box, LoopOrder order) {
  int64_t repeats = 1;
  bool moves_inside = false;
  const std::vector<int> loops = problem_.loop_axes(order);
  for (size_t l = loops.size(); l-- > 0;) {
    const size_t a = at(loops[l]);
    bool always = true, ever = false;
    for (int i = box.lo[a]; i <= box.hi[a]; ++i) {
      const AxisTiles& tiles = problem_.tiles(a, i);
      always = always && tiles.varies[operand];
      ever = ever || tiles.varies[operand];
    }
    if (!ever && moves_inside) repeats = times(repeats, tile_count(loops[l], box.hi[a]));
    moves_inside = moves_inside || always;
  }
  return repeats;
}

int64_t BoxBound::copies_at_least(size_t operand, const PointBox& box) {
  for (size_t a = 0; a < problem_.axes.size(); ++a) {
    if (problem_.region.operands[operand].output) {
      if (tile_count(static_cast<int>(a), box.hi[a]) > 1) return 2;
      continue;
    }
    bool always = true;
    for (int i = box.lo[a]; i <= box.hi[a] && always; ++i)
      always = problem_.tiles(a, i).varies[operand];
    if (always) return 2;
  }
  return 1;
}

}  // namespace heddle
