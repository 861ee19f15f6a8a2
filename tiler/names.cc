// The names that expressions see for one tile.
#include <algorithm>
#include <array>

#include "base/checked.h"
#include "tiler/geometry.h"
#include "tiler/order.h"

namespace heddle {
namespace {

size_t at(int index) { return static_cast<size_t>(index); }

const Access& access_at(const Region& region, const TileName& name) {
  return name.operand < 0 ? region.nest.output : region.nest.inputs[at(name.operand)];
}

int64_t extent_at(const Region& region, const TileName& name) {
  const Node& anchor = region.graph->node(region.match->anchor);
  const ValueId value = name.operand < 0 ? anchor.output : anchor.inputs[at(name.operand)];
  return region.graph->value(value).type.shape[at(name.dim)];
}

// Sizes of the anchor's operands and result: `iy`, `ix`, `ic`.
std::optional<TileName> dim_name(const Region& region, std::string_view name) {
  const Node& anchor = region.graph->node(region.match->anchor);
  const OpDef& op = op_of(anchor);
  const auto find = [&](const std::vector<std::string_view>& dims, size_t rank) {
    const auto found = std::find(dims.begin(), dims.end(), name);
    const size_t d = static_cast<size_t>(found - dims.begin());
    return d < std::min(dims.size(), rank) ? static_cast<int>(d) : -1;
  };
  for (size_t i = 0; i < op.operands.size() && i < anchor.inputs.size(); ++i) {
    if (!anchor.inputs[i].valid()) continue;
    const int d = find(op.operands[i].dims, region.nest.inputs[i].size());
    if (d >= 0) return TileName{TileName::Kind::dim, -1, static_cast<int>(i), d, -1};
  }
  const int d = find(op.output_dims, region.nest.output.size());
  if (d >= 0) return TileName{TileName::Kind::dim, -1, -1, d, -1};
  return std::nullopt;
}

// `inside.fy`: the dimension of an input along which this reduction axis and one parallel axis
// move.
std::optional<TileName> inside_name(const Region& region, int reduction) {
  if (reduction < 0 || !region.nest.axes[at(reduction)].reduction) return std::nullopt;
  for (size_t i = 0; i < region.nest.inputs.size(); ++i) {
    for (size_t d = 0; d < region.nest.inputs[i].size(); ++d) {
      const std::vector<AffineTerm>& terms = region.nest.inputs[i][d].terms;
      if (terms.size() != 2) continue;
      for (const size_t r : {size_t{0}, size_t{1}}) {
        const int parallel = terms[1 - r].axis;
        if (terms[r].axis != reduction || region.nest.axes[at(parallel)].reduction) continue;
        return TileName{TileName::Kind::inside, parallel, static_cast<int>(i), static_cast<int>(d),
                        reduction};
      }
    }
  }
  return std::nullopt;
}

int64_t inside(const Region& region, const TileName& name, const TileBox& box) {
  const DimAccess& dim = access_at(region, name)[at(name.dim)];
  const int64_t extent = extent_at(region, name);
  int64_t step = 0, stride = 0;  // coefficients of the reduction and the parallel axis
  for (const AffineTerm& term : dim.terms)
    (term.axis == name.reduction ? step : stride) = term.coefficient;
  const Interval reduction = box[at(name.reduction)];
  int64_t count = 0;
  for (int64_t p = box[at(name.axis)].begin; p < box[at(name.axis)].end; ++p) {
    // How many r have 0 <= base + step * r < extent; operators have positive steps.
    const int64_t base = dim.offset + stride * p;
    const int64_t first = std::max(reduction.begin, ceil_div(-base, step));
    const int64_t end = std::min(reduction.end, ceil_div(extent - base, step));
    count += std::max<int64_t>(0, end - first);
  }
  return count;
}

// Padding is that of the anchor's first input: its last dimension left and right, the one before
// top and bottom.
std::optional<TileName> pad_name(const Region& region, std::string_view side) {
  constexpr std::array<std::string_view, 4> kSides = {"top", "left", "bottom", "right"};
  const size_t which =
      static_cast<size_t>(std::find(kSides.begin(), kSides.end(), side) - kSides.begin());
  const size_t from_end = which % 2 == 0 ? 2 : 1;
  if (which == kSides.size() || region.nest.inputs.empty() ||
      region.nest.inputs[0].size() < from_end)
    return std::nullopt;
  const int dim = static_cast<int>(region.nest.inputs[0].size() - from_end);
  return TileName{which < 2 ? TileName::Kind::pad_before : TileName::Kind::pad_after, -1, 0, dim,
                  -1};
}

std::optional<TileName> operand_name(const Region& region, std::string_view operand,
                                     std::string_view property) {
  for (size_t i = 0; i < region.operands.size(); ++i) {
    if (region.operands[i].name != operand) continue;
    TileName name{TileName::Kind::bytes, -1, static_cast<int>(i), -1, -1};
    if (property == "bytes") return name;
    if (region.operands[i].packed) return std::nullopt;
    if (property == "pitch") return name.kind = TileName::Kind::pitch, name;
    if (property == "plane") return name.kind = TileName::Kind::plane, name;
    if (property == "elements") return name.kind = TileName::Kind::elements, name;
  }
  return std::nullopt;
}

void add_axes(const DimAccess& dim, std::vector<int>& axes) {
  for (const AffineTerm& term : dim.terms) axes.push_back(term.axis);
}

std::vector<int> sorted(std::vector<int> axes) {
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  return axes;
}

}  // namespace

std::optional<TileName> tile_name(const Region& region, std::string_view name) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) {
    const int axis = axis_index(region.nest, name);
    if (axis >= 0) return TileName{TileName::Kind::axis, axis, -1, -1, -1};
    if (name == "macs") return TileName{TileName::Kind::macs, -1, -1, -1, -1};
    return dim_name(region, name);
  }
  const std::string_view head = name.substr(0, dot);
  const std::string_view tail = name.substr(dot + 1);
  if (head == "inside") return inside_name(region, axis_index(region.nest, tail));
  if (head == "pad") return pad_name(region, tail);
  if (head == "last") {
    const int axis = axis_index(region.nest, tail);
    if (axis >= 0) return TileName{TileName::Kind::last, axis, -1, -1, -1};
    return std::nullopt;
  }
  return operand_name(region, head, tail);
}

int64_t value_of(const Region& region, const TileName& name, const TileBox& box) {
  switch (name.kind) {
    case TileName::Kind::axis:
      return box[at(name.axis)].size();
    case TileName::Kind::last:
      return box[at(name.axis)].end == region.nest.axes[at(name.axis)].extent;
    case TileName::Kind::inside:
      return inside(region, name, box);
    case TileName::Kind::dim:
      return touched(access_at(region, name)[at(name.dim)], box, extent_at(region, name)).size();
    case TileName::Kind::pad_before:
      return touched(access_at(region, name)[at(name.dim)], box, extent_at(region, name)).before;
    case TileName::Kind::pad_after:
      return touched(access_at(region, name)[at(name.dim)], box, extent_at(region, name)).after;
    case TileName::Kind::macs: {
      int64_t tile = 1, whole = 1;  // operators do the same work at every point of their loops
      for (size_t a = 0; a < box.size(); ++a) {
        tile *= box[a].size();
        whole *= region.nest.axes[a].extent;
      }
      return whole == 0 ? 0 : region.nest.macs / whole * tile;
    }
    default:
      break;
  }
  const OperandTile tile = tile_of(region, region.operands[at(name.operand)], box);
  const size_t rank = tile.dims.size();
  if (name.kind == TileName::Kind::bytes) return tile.storage.bytes;
  if (name.kind == TileName::Kind::elements) {
    int64_t elements = 1;
    for (const ClippedInterval& dim : tile.dims) elements *= dim.size();
    return elements;
  }
  // Of a matrix the pitch is that of its rows; of a vector, and for the plane of a matrix, the
  // whole of it.
  const size_t from_end = name.kind == TileName::Kind::pitch ? 2 : 3;
  const std::vector<size_t> order = order_in_memory(rank, region.rule->layout);
  if (rank < from_end) return tile.storage.bytes;
  return tile.storage.strides[order[rank - from_end]] *
         bytes_of(region.operands[at(name.operand)].type.dtype);
}

std::vector<int> axes_of(const Region& region, const RegionOperand& operand) {
  std::vector<int> axes;
  if (operand.packed) return sorted(packed_axes(region, packing_of(region, operand)));
  for (const DimAccess& dim : operand.access) add_axes(dim, axes);
  return sorted(axes);
}

std::vector<int> axes_in(const Region& region, const TileName& name) {
  std::vector<int> axes;
  switch (name.kind) {
    case TileName::Kind::axis:
    case TileName::Kind::last:
      return {name.axis};
    case TileName::Kind::inside:
      return sorted({name.axis, name.reduction});
    case TileName::Kind::dim:
    case TileName::Kind::pad_before:
    case TileName::Kind::pad_after:
      add_axes(access_at(region, name)[at(name.dim)], axes);
      return sorted(axes);
    case TileName::Kind::macs:
      for (size_t a = 0; a < region.nest.axes.size(); ++a) axes.push_back(static_cast<int>(a));
      return axes;
    default:
      break;
  }
  const RegionOperand& operand = region.operands[at(name.operand)];
  if (operand.packed || name.kind == TileName::Kind::bytes ||
      name.kind == TileName::Kind::elements) {
    return axes_of(region, operand);
  }
  const size_t from_end = name.kind == TileName::Kind::pitch ? 1 : 2;
  const size_t rank = operand.access.size();
  const std::vector<size_t> order = order_in_memory(rank, region.rule->layout);
  for (size_t p = rank > from_end ? rank - from_end : 0; p < rank; ++p)
    add_axes(operand.access[order[p]], axes);
  return sorted(axes);
}

Environment tile_environment(const Region& region, const TileBox& box) {
  const Region* const of = &region;
  return [of, box](std::string_view name) -> std::optional<ExprValue> {
    if (const std::optional<TileName> tile = tile_name(*of, name)) return value_of(*of, *tile, box);
    if (name.starts_with("layer.")) return of->layer(name.substr(6));
    return of->layer(name);
  };
}

}  // namespace heddle
