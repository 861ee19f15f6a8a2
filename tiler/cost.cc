// The exact cost of a point: the software pipeline of tiling.h, tile by tile, edge tiles included.
#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"
#include "tiler/problem.h"
#include "tiler/traffic.h"

namespace heddle {
namespace {

// Larger figures are taken for mistakes of a rule; below them the sums over tiles cannot overflow.
constexpr int64_t kMaxCycles = int64_t{1} << 40;
constexpr int64_t kMaxTiles = int64_t{1} << 20;

size_t at(int index) { return static_cast<size_t>(index); }

bool sensible(const std::optional<int64_t>& cycles) {
  return cycles && *cycles >= 0 && *cycles < kMaxCycles;
}

// An odometer over tile indices, last loop fastest, that also says which loops moved.
struct Odometer {
  std::vector<size_t> index, count;
  size_t first_moved = 0;  // loops from here on moved in the last step

  bool step() {
    size_t loop = index.size();
    while (loop > 0 && ++index[loop - 1] == count[loop - 1]) index[--loop] = 0;
    first_moved = loop == 0 ? 0 : loop - 1;
    return loop > 0;
  }
};

}  // namespace

std::array<int64_t, 7> transfer_slots(const Transfer& t, bool to_tile) {
  if (to_tile) {
    return {t.row_bytes,
            t.rows,
            t.planes,
            t.main_row_stride,
            t.main_plane_stride,
            t.tile_row_stride,
            t.tile_plane_stride};
  }
  return {t.row_bytes,
          t.rows,
          t.planes,
          t.tile_row_stride,
          t.tile_plane_stride,
          t.main_row_stride,
          t.main_plane_stride};
}

const TileTraffic& Problem::traffic(size_t operand, const TileBox& tile_box) {
  const RegionOperand& of = region.operands[operand];
  sizes_.clear();
  if (of.packed) {
    sizes_.push_back(tile_box[at(packed_axes(region, packing_of(region, of)).back())].size());
  }
  for (size_t d = 0; d < of.access.size(); ++d)
    sizes_.push_back(touched(of.access[d], tile_box, of.type.shape[d]).size());
  const auto known = traffic_[operand].find(sizes_);
  if (known != traffic_[operand].end()) return known->second;
  return traffic_[operand].emplace(sizes_, measure(of, tile_box)).first->second;
}

TileTraffic Problem::measure(const RegionOperand& operand, const TileBox& tile_box) const {
  TileTraffic traffic;
  traffic.empty = std::any_of(sizes_.begin(), sizes_.end(), [](int64_t size) { return size <= 0; });
  if (traffic.empty || operand.in_place) return traffic;
  const Transfers all = transfers_together(region, operand, tile_box);
  const Transfer& each = all.first;
  const std::optional<int64_t> cycles = transfer_.evaluate(transfer_slots(each, !operand.output));
  traffic.good = sensible(cycles) && *cycles >= issue && *cycles < kMaxCycles / all.count;
  traffic.cycles = traffic.good ? *cycles * all.count : 0;
  traffic.transfers = all.count;
  traffic.row_bytes = each.row_bytes;
  traffic.moved_bytes = all.count * each.planes * each.rows * each.row_bytes;
  traffic.storage_bytes = all.storage_bytes;
  traffic.buffer_bytes = all.tile_bytes;
  return traffic;
}

const TileFacts& Problem::facts(const std::vector<int>& classes) {
  const auto [entry, added] = facts_.try_emplace(classes);
  TileFacts& facts = entry->second;
  if (!added) return facts;
  const TileBox tile_box = box(classes);
  std::vector<int64_t> values;
  values.reserve(slots.size());
  for (const TileName& name : slots) values.push_back(value_of(region, name, tile_box));
  for (size_t r = 0; r < requirements.size(); ++r) {
    const std::optional<int64_t> holds = requirements[r].evaluate(values);
    if (holds != 1) {
      facts.failed = holds ? static_cast<int>(r) : TileFacts::kBadExpression;
      return facts;
    }
  }
  const std::optional<int64_t> launched = launch_.evaluate(values);
  const std::optional<int64_t> computed = compute_.evaluate(values);
  bool good = sensible(launched) && sensible(computed);
  facts.compute = good ? *launched + *computed : 0;
  for (size_t o = 0; o < region.operands.size(); ++o) {
    const RegionOperand& operand = region.operands[o];
    const TileTraffic& moved = traffic(o, tile_box);
    if (moved.empty) {
      facts.failed = TileFacts::kEmpty;
    } else if (operand.in_place && !lies_as_wanted(region, operand, tile_box)) {
      facts.failed = TileFacts::kLiesOtherwise;
    } else if (operand.output && !operand.in_place && !stores_exactly(region, operand, tile_box)) {
      facts.failed = TileFacts::kInexactStore;
    }
    if (facts.failed >= 0) return facts;
    good = good && moved.good;
    facts.dma.push_back(moved.cycles);
    facts.transfers.push_back(moved.transfers);
    facts.dma_bytes.push_back(moved.moved_bytes);
    facts.bytes.push_back(moved.buffer_bytes);
  }
  if (!good) facts.failed = TileFacts::kBadExpression;
  return facts;
}

std::optional<int64_t> Problem::preference(const TileBox& first) const {
  std::vector<int64_t> values;
  for (const TileName& name : slots) values.push_back(value_of(region, name, first));
  int64_t sum = 0;
  for (size_t p = 0; p < prefer_.size(); ++p) {
    const std::optional<int64_t> value = prefer_[p].evaluate(values);
    const std::optional<int64_t> weighted =
        value ? checked_mul(*value, region.rule->prefer[p].weight) : std::nullopt;
    const std::optional<int64_t> next = weighted ? checked_add(sum, *weighted) : std::nullopt;
    if (!next) return std::nullopt;
    sum = *next;
  }
  return sum;
}

Evaluation Problem::evaluate(const Point& point, int64_t limit) {
  Evaluation result;
  const std::vector<int> loops = loop_axes(point.order);
  std::vector<const AxisTiles*> along;  // by loop
  for (const int axis : loops) along.push_back(&tiles(at(axis), point.index[at(axis)]));

  // Facts of all class combinations, as a dense table over the loops' local class indices.
  std::vector<const TileFacts*> table;
  std::vector<int> classes(axes.size());
  const size_t operands = region.operands.size();
  result.buffer_bytes.assign(operands, 0);
  Odometer combination{std::vector<size_t>(loops.size(), 0), {}};
  for (const AxisTiles* each : along) combination.count.push_back(each->distinct.size());
  do {
    for (size_t l = 0; l < loops.size(); ++l)
      classes[at(loops[l])] = along[l]->distinct[combination.index[l]];
    const TileFacts& tile = facts(classes);
    if (tile.failed >= 0) {
      result.failed = tile.failed;
      return result;
    }
    for (size_t o = 0; o < operands; ++o)
      result.buffer_bytes[o] = std::max(result.buffer_bytes[o], tile.bytes[o]);
    table.push_back(&tile);
  } while (combination.step());

  int64_t tile_count = 1;
  for (const AxisTiles* each : along) {
    tile_count *= static_cast<int64_t>(each->classes.size());
    if (tile_count > kMaxTiles) {
      result.failed = TileFacts::kTooManyTiles;
      return result;
    }
  }
  result.memory_bytes.assign(memories.size(), 0);
  for (size_t o = 0; o < operands; ++o) {
    const auto varies = [&](const AxisTiles* each) { return each->varies[o]; };
    const bool twice = region.operands[o].output ? tile_count > 1
                                                 : std::any_of(along.begin(), along.end(), varies);
    result.copies.push_back(twice && !region.operands[o].in_place ? 2 : 1);
    if (region.operands[o].in_place) continue;
    result.buffer_bytes[o] = round_up(result.buffer_bytes[o], alignment);
    result.memory_bytes[at(memory_of[o])] += result.copies[o] * result.buffer_bytes[o];
  }
  for (size_t m = 0; m < memories.size(); ++m) {
    if (result.memory_bytes[m] > memories[m].free_bytes()) return result;
  }

  // One pass over the tiles. In step t the loads of t + 1 and the store of t - 1 run beside the job
  // of t.
  Odometer tile{std::vector<size_t>(loops.size(), 0), {}};
  for (const AxisTiles* each : along) tile.count.push_back(each->classes.size());
  const auto facts_now = [&] {
    size_t flat = 0;
    for (size_t l = 0; l < loops.size(); ++l) {
      flat = flat * combination.count[l] + static_cast<size_t>(along[l]->local[tile.index[l]]);
    }
    return table[flat];
  };
  TilingCost cost;
  const auto add = [&](const TileFacts& now, size_t o, int64_t& cycles) {
    const int64_t issuing = now.transfers[o] * issue;
    cycles += now.dma[o];
    cost.driver += issuing;
    cost.dma += now.dma[o] - issuing;
    cost.dma_bytes += now.dma_bytes[o];
  };
  const auto load = [&](const TileFacts& now, bool first) {
    int64_t cycles = 0;
    for (size_t o = 0; o < operands; ++o) {
      if (region.operands[o].output) continue;
      bool changed = first;
      for (size_t l = tile.first_moved; l < loops.size() && !changed; ++l) {
        changed = along[l]->changes[o][tile.index[l]];
      }
      if (!changed) continue;
      add(now, o, cycles);
    }
    return cycles;
  };
  const auto store = [&](const TileFacts& now) {
    int64_t cycles = 0;
    for (size_t o = 0; o < operands; ++o) {
      if (!region.operands[o].output) continue;
      add(now, o, cycles);
    }
    return cycles;
  };
  const TileFacts* now = facts_now();
  cost.total = load(*now, true);
  int64_t store_before = 0;
  for (bool more = true; more;) {
    more = tile.step();
    const TileFacts* const next = more ? facts_now() : nullptr;
    const int64_t load_next = more ? load(*next, false) : 0;
    cost.compute += now->compute;
    cost.driver += driver;
    cost.total += driver + std::max(now->compute, store_before + load_next);
    store_before = store(*now);
    now = next;
    if (cost.total > limit) {
      result.worse = true;
      return result;
    }
  }
  cost.total += store_before;
  result.worse = cost.total > limit;

  TileBox first = whole;
  for (size_t a = 0; a < axes.size(); ++a) {
    first[at(axes[a].axis)] = {0, std::min(axes[a].sizes[at(point.index[a])], axes[a].extent)};
  }
  const std::optional<int64_t> preferred = preference(first);
  if (!preferred) {
    result.failed = TileFacts::kBadExpression;
    return result;
  }
  result.feasible = true;
  result.cost = cost;
  result.key = {cost.total, *preferred, point.order, point.index};
  return result;
}

}  // namespace heddle
