// From a match to a tiling problem: axes, candidate sizes, classes of tiles, folded expressions.
#include "tiler/problem.h"

#include <algorithm>
#include <set>

#include "base/checked.h"

namespace heddle {
namespace {

constexpr size_t kMaxCandidates = 80;
constexpr int64_t kMaxTilesOfAxis = 65536;

size_t at(int index) { return static_cast<size_t>(index); }

// Whether another axis is tiled together with this one in some dimension of an operand or of the anchor.
bool shares_dimension(const Region& region, const std::vector<SearchAxis>& axes, int axis) {
  const auto tiled = [&](int other) {
    return other != axis && std::any_of(axes.begin(), axes.end(), [&](const SearchAxis& a) {
             return a.axis == other && a.sizes.front() != a.extent;
           });
  };
  const auto shares = [&](const DimAccess& dim) {
    const auto is = [&](const AffineTerm& term) { return term.axis == axis; };
    const auto other = [&](const AffineTerm& term) { return tiled(term.axis); };
    return std::any_of(dim.terms.begin(), dim.terms.end(), is) &&
           std::any_of(dim.terms.begin(), dim.terms.end(), other);
  };
  const auto any = [&](const Access& access) {
    return std::any_of(access.begin(), access.end(), shares);
  };
  return std::any_of(region.nest.inputs.begin(), region.nest.inputs.end(), any) ||
         any(region.nest.output) ||
         std::any_of(region.operands.begin(), region.operands.end(),
                     [&](const RegionOperand& operand) { return any(operand.access); });
}

bool moves(const DimAccess& dim, int axis) {
  return std::any_of(dim.terms.begin(), dim.terms.end(),
                     [&](const AffineTerm& term) { return term.axis == axis; });
}

int64_t block_of(const Rule& rule, std::string_view axis) {
  int64_t block = 1;
  for (const Packing& packing : rule.packings) {
    if (packing.block_axis == axis) block = std::max(block, packing.block_size);
  }
  return block;
}

std::vector<SearchAxis> search_axes(const Region& region) {
  std::vector<SearchAxis> axes;
  for (size_t a = 0; a < region.nest.axes.size(); ++a) {
    const Axis& axis = region.nest.axes[a];
    const auto domain = std::find_if(region.rule->domains.begin(), region.rule->domains.end(),
                                     [&](const TileDomain& d) { return d.axis == axis.name; });
    if (axis.reduction || domain == region.rule->domains.end()) continue;
    if (domain->one && axis.extent == 1) continue;
    SearchAxis search{static_cast<int>(a), axis.extent, domain->one, {domain->one ? 1 : axis.extent}};
    if (!domain->full && !domain->one) search.sizes = candidate_sizes(axis.extent, domain->multiple_of);
    // A tile of packed constants begins at a block.
    const int64_t block = block_of(*region.rule, axis.name);
    std::erase_if(search.sizes,
                  [&](int64_t size) { return size % block != 0 && size != axis.extent; });
    for (const Packing& packing : region.rule->packings)
      search.weights |= packing.block_axis == axis.name;
    axes.push_back(std::move(search));
  }
  return axes;
}

}  // namespace

std::vector<int64_t> candidate_sizes(int64_t extent, int64_t multiple_of) {
  std::set<int64_t> sizes{extent};
  multiple_of = std::max<int64_t>(multiple_of, 1);
  const int64_t multiples = (extent - 1) / multiple_of;
  if (multiples < static_cast<int64_t>(kMaxCandidates)) {
    for (int64_t size = multiple_of; size < extent; size += multiple_of) sizes.insert(size);
    return {sizes.begin(), sizes.end()};
  }
  // Even splits into 1, 2, 3 ... tiles, more and more thinly; each also rounded up to 16. Then the
  // smallest multiples.
  for (int64_t count = 2; count <= multiples + 1 && sizes.size() + 2 < kMaxCandidates;
       count += 1 + count / 16) {
    const int64_t size = round_up(ceil_div(extent, count), multiple_of);
    if (size < extent) sizes.insert(size);
    const int64_t aligned = round_up(round_up(size, 16), multiple_of);
    if (aligned < extent) sizes.insert(aligned);
  }
  // The smallest one, so that a tile is found wherever one fits; no layer needs 65,536 tiles along
  // one axis.
  const int64_t smallest = round_up(ceil_div(extent, kMaxTilesOfAxis), multiple_of);
  for (int64_t size = smallest; size < extent && sizes.size() < kMaxCandidates; size += multiple_of)
    sizes.insert(size);
  return {sizes.begin(), sizes.end()};
}

int64_t tile_alignment(const Soc& soc) {
  constexpr int64_t kLeast = 32;
  return std::max(kLeast, soc.dma ? soc.dma->target.transfer_unit_bytes : int64_t{0});
}

Problem::Problem(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage,
                 const Taken& taken)
    : region(region_of(graph, soc, match, storage)), whole(whole_box(region)) {
  const Rule& rule = *region.rule;
  axes = search_axes(region);
  for (const SearchAxis& axis : axes) {
    class_ids_.emplace_back();
    representatives_.emplace_back();
    tiles_.emplace_back(axis.sizes.size());
    entangled_.push_back(shares_dimension(region, axes, axis.axis));
  }
  orders = {LoopOrder::weights_stationary};
  const auto weights = [](const SearchAxis& axis) { return axis.weights; };
  if (std::any_of(axes.begin(), axes.end(), weights) &&
      !std::all_of(axes.begin(), axes.end(), weights)) {
    orders.push_back(LoopOrder::input_stationary);
  }
  alignment = tile_alignment(soc);
  const auto limit_of = [&](const std::string& name) {
    const auto known = std::find_if(memories.begin(), memories.end(),
                                    [&](const MemoryLimit& memory) { return memory.name == name; });
    const int index = static_cast<int>(known - memories.begin());
    if (known != memories.end()) return index;
    MemoryLimit limit{name, 0, 0};
    const Memory* memory = soc.find_memory(name);
    if (const auto held = taken.find(name); held != taken.end()) limit.taken = held->second;
    for (const Memory& own : target_of(soc, match).memories) {
      if (own.name != name) continue;
      memory = &own;
      limit.taken = 0;  // a private memory that is called like a shared one
    }
    HEDDLE_CHECK(memory != nullptr, "a rule that places an operand in an unknown memory");
    limit.bytes = memory->bytes;
    memories.push_back(std::move(limit));
    return index;
  };
  std::set<ValueId> residents;  // two operands may be one value
  for (const RegionOperand& operand : region.operands) {
    memory_of.push_back(operand.in_place ? -1 : limit_of(operand.memory));
    if (operand.resident && residents.insert(operand.value).second)
      memories[at(limit_of(operand.memory))].taken += round_up(operand.storage.bytes, alignment);
  }

  traffic_.resize(region.operands.size());

  // Names that only depend on axes with one size to try are constants too.
  const Environment constants = tile_environment(region, whole);
  const auto varies = [&](std::string_view name) {
    const std::optional<TileName> tile = tile_name(region, name);
    if (!tile) return false;
    const std::vector<int> moved_by = axes_in(region, *tile);
    const bool is_last = tile->kind == TileName::Kind::last;
    return std::any_of(axes.begin(), axes.end(), [&](const SearchAxis& axis) {
      return (axis.sizes.size() > 1 || (is_last && axis.sizes.front() < axis.extent)) &&
             std::binary_search(moved_by.begin(), moved_by.end(), axis.axis);
    });
  };
  const auto slot = [&](std::string_view name) -> int {
    const int known = slot_of(name);
    const std::optional<TileName> tile = tile_name(region, name);
    if (known >= 0 || !tile) return known;
    slot_names.emplace_back(name);
    slots.push_back(*tile);
    return static_cast<int>(slots.size()) - 1;
  };
  driver = rule.job ? soc.driver_cycles(*rule.job) : 0;
  launch = fold(rule.launch, constants, varies);
  compute = fold(rule.compute, constants, varies);
  launch_ = Formula(launch, slot);
  compute_ = Formula(compute, slot);
  for (const Condition& condition : rule.require) {
    requirement_exprs.push_back(fold(condition.expr, constants, varies));
    requirements.emplace_back(requirement_exprs.back(), slot);
  }
  for (const Preference& each : rule.prefer) {
    prefer_exprs.push_back(fold(each.expr, constants, varies));
    prefer_.emplace_back(prefer_exprs.back(), slot);
  }
  if (soc.dma && soc.dma->target.transfer_cycles) {
    issue = soc.dma->target.transfer ? soc.driver_cycles(*soc.dma->target.transfer) : 0;
    transfer.op = ExprOp::add;
    transfer.children = {fold(*soc.dma->target.transfer_cycles, transfer_constants(soc),
                              [](auto name) {
                                return std::find(kTransferSlots.begin(), kTransferSlots.end(),
                                                 name) != kTransferSlots.end();
                              }),
                         Expr{}};
    transfer.children.back().integer = issue;
    transfer_ = Formula(transfer, [](std::string_view name) {
      const auto found = std::find(kTransferSlots.begin(), kTransferSlots.end(), name);
      return found == kTransferSlots.end() ? -1 : static_cast<int>(found - kTransferSlots.begin());
    });
  }
}

int Problem::slot_of(std::string_view name) const {
  const auto found = std::find(slot_names.begin(), slot_names.end(), name);
  return found == slot_names.end() ? -1 : static_cast<int>(found - slot_names.begin());
}

int64_t Problem::points() const {
  int64_t points = static_cast<int64_t>(orders.size());
  for (const SearchAxis& axis : axes) points *= static_cast<int64_t>(axis.sizes.size());
  return points;
}

std::vector<int> Problem::loop_axes(LoopOrder order) const {
  std::vector<int> loops;
  for (const bool weights_now :
       {order == LoopOrder::weights_stationary, order != LoopOrder::weights_stationary}) {
    for (size_t a = 0; a < axes.size(); ++a) {
      if (axes[a].weights == weights_now) loops.push_back(static_cast<int>(a));
    }
  }
  return loops;
}

// Two tiles of an axis are of one class if no name of an expression and no transfer's shape can
// tell them apart, whatever the tiles of the other axes are.
int Problem::class_of(size_t axis, Interval interval) {
  const int loop = axes[axis].axis;
  std::vector<int64_t> signature{interval.size(), interval.end == axes[axis].extent};
  if (entangled_[axis]) signature.push_back(interval.begin);
  TileBox box = whole;
  box[at(loop)] = interval;
  const auto add = [&](const Access& access, const Shape& shape) {
    for (size_t d = 0; d < access.size(); ++d) {
      if (!moves(access[d], loop)) continue;
      const ClippedInterval touches = touched(access[d], box, shape[d]);
      signature.insert(signature.end(), {touches.size(), touches.before, touches.after,
                                         touches.begin == 0, touches.end == shape[d]});
    }
  };
  const Node& anchor = region.graph->node(region.match->anchor);
  for (size_t i = 0; i < region.nest.inputs.size(); ++i) {
    if (anchor.inputs[i].valid())
      add(region.nest.inputs[i], region.graph->value(anchor.inputs[i]).type.shape);
  }
  const int64_t row = region.rule->layout.value_or(BufferLayout{}).row;
  for (const RegionOperand& operand : region.operands) {
    add(operand.access, operand.type.shape);
    // In place a tile must begin at a whole row of the device.
    for (size_t d = 0; operand.in_place && row > 1 && d < operand.access.size(); ++d) {
      if (!moves(operand.access[d], loop)) continue;
      const int64_t begin = touched(operand.access[d], box, operand.type.shape[d]).begin;
      signature.push_back(begin * operand.storage.strides[d] % row);
    }
  }
  for (const TileName& name : slots) {
    if (name.kind == TileName::Kind::inside && name.axis == loop)
      signature.push_back(value_of(region, name, box));
  }
  const auto [entry, added] =
      class_ids_[axis].emplace(signature, static_cast<int>(class_ids_[axis].size()));
  if (added) representatives_[axis].push_back(interval);
  return entry->second;
}

const AxisTiles& Problem::tiles(size_t axis, int index) {
  std::optional<AxisTiles>& known = tiles_[axis][at(index)];
  if (known) return *known;
  AxisTiles tiles;
  const SearchAxis& search = axes[axis];
  const int64_t size = search.sizes[at(index)];
  const int64_t count = ceil_div(search.extent, size);
  std::vector<std::vector<Interval>> boxes(
      region.operands.size());  // of each operand and tile, the dimensions that move
  std::vector<std::vector<int>> moved_by;
  for (const RegionOperand& operand : region.operands) moved_by.push_back(axes_of(region, operand));
  TileBox box = whole;
  for (int64_t t = 0; t < count; ++t) {
    const Interval interval{t * size, std::min((t + 1) * size, search.extent)};
    const int cls = class_of(axis, interval);
    const auto seen = std::find(tiles.distinct.begin(), tiles.distinct.end(), cls);
    tiles.classes.push_back(cls);
    tiles.local.push_back(static_cast<int>(seen - tiles.distinct.begin()));
    if (seen == tiles.distinct.end()) {
      tiles.distinct.push_back(cls);
      tiles.count.push_back(0);
    }
    ++tiles.count[at(tiles.local.back())];
    box[at(search.axis)] = interval;
    for (size_t o = 0; o < region.operands.size(); ++o) {
      const RegionOperand& operand = region.operands[o];
      if (!std::binary_search(moved_by[o].begin(), moved_by[o].end(), search.axis)) continue;
      if (operand.packed) boxes[o].push_back(interval);
      for (size_t d = 0; d < operand.access.size(); ++d) {
        if (moves(operand.access[d], search.axis))
          boxes[o].push_back(touched(operand.access[d], box, operand.type.shape[d]));
      }
    }
  }
  // With entangled axes a box can only be told by both: the axis alone then counts as moving it.
  for (size_t o = 0; o < region.operands.size(); ++o) {
    const size_t dims = boxes[o].size() / static_cast<size_t>(count);
    const bool mentions =
        std::binary_search(moved_by[o].begin(), moved_by[o].end(), search.axis);
    std::vector<bool> changes(static_cast<size_t>(count), false);
    bool any = false, all = true;
    for (size_t t = 0; t < changes.size(); ++t) {
      const size_t before = t == 0 ? changes.size() - 1 : t - 1;
      for (size_t d = 0; d < dims; ++d) {
        const Interval& a = boxes[o][before * dims + d];
        const Interval& b = boxes[o][t * dims + d];
        if (a.begin != b.begin || a.end != b.end) changes[t] = true;
      }
      if (entangled_[axis] && mentions && count > 1) changes[t] = true;
      any = any || changes[t];
      all = all && changes[t];
    }
    tiles.changes.push_back(std::move(changes));
    tiles.varies.push_back(any);
    tiles.always_changes.push_back(all);
  }
  known = std::move(tiles);
  return *known;
}

TileBox Problem::box(const std::vector<int>& classes) const {
  TileBox box = whole;
  for (size_t a = 0; a < axes.size(); ++a) box[at(axes[a].axis)] = representative(a, classes[a]);
  return box;
}

}  // namespace heddle
