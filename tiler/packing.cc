// Packing of constants. A block is a run of values of the block axis; within it the parts follow
// each other, each one a walk over axes, outermost first, that may split an axis ("c/16", "c%16")
// or walk the bytes of an element ("byte"). Axes that the rule tiles one by one repeat all blocks.
#include "tiler/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/checked.h"
#include "tiler/geometry.h"

namespace heddle {
namespace {

// One level of a part's walk: `count` steps, each of which moves `axis` by `step` (or selects the
// next byte).
struct Walk {
  int axis = -1;  // -1: bytes
  int64_t step = 1;
  int64_t count = 1;
};

struct SplitName {
  std::string_view axis;
  char kind = 0;  // '/', '%', '>' or 0
  int64_t size = 1;
};

SplitName split_name(std::string_view text) {
  const size_t at = text.find_first_of("/%>");
  if (at == std::string_view::npos) return {text, 0, 1};
  SplitName split{text.substr(0, at), text[at], 0};
  const std::string_view number = text.substr(std::min(at + (text[at] == '>' ? 2 : 1), text.size()));
  std::from_chars(number.data(), number.data() + number.size(), split.size);
  return split;
}

// nullopt: an axis that the nest does not have, or a split without a size.
std::optional<std::vector<Walk>> walks_of(const LoopNest& nest, const Packing& packing,
                                          const PackPart& part) {
  std::vector<Walk> walks;
  for (const std::string& text : part.order) {
    if (text == "byte") {
      walks.push_back({-1, 1, part.element_bytes});
      continue;
    }
    const SplitName split = split_name(text);
    const int axis = axis_index(nest, split.axis);
    if (axis < 0 || split.size <= 0) return std::nullopt;
    const bool block = split.axis == packing.block_axis;
    const int64_t extent = block ? packing.block_pad : nest.axes[static_cast<size_t>(axis)].extent;
    if (split.kind == '/') {
      walks.push_back({axis, split.size, ceil_div(extent, split.size)});
    } else if (split.kind == '>') {
      walks.push_back({axis, 1, std::max(extent, split.size)});
    } else {
      walks.push_back({axis, 1, split.kind == '%' ? split.size : extent});
    }
  }
  return walks;
}

int64_t part_bytes(const std::vector<Walk>& walks, const PackPart& part) {
  int64_t steps = 1;
  bool by_byte = false;
  for (const Walk& walk : walks) {
    steps *= walk.count;
    by_byte = by_byte || walk.axis < 0;
  }
  return round_up(by_byte ? steps : ceil_div(steps * part.bits(), 8), part.fill_bytes);
}

int64_t block_bytes(const LoopNest& nest, const Packing& packing) {
  int64_t bytes = 0;
  for (const PackPart& part : packing.parts)
    bytes += part_bytes(*walks_of(nest, packing, part), part);
  return bytes;
}

// The axes other than the block axis whose every index is a tile of its own, so that each has blocks
// of its own.
std::vector<int> repeated_axes(const Rule& rule, const LoopNest& nest, const Packing& packing) {
  std::vector<int> axes;
  for (const TileDomain& domain : rule.domains) {
    const int axis = axis_index(nest, domain.axis);
    if (domain.one && axis >= 0 && domain.axis != packing.block_axis &&
        nest.axes[static_cast<size_t>(axis)].extent > 1)
      axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

// Where a constant's elements are: by the anchor's access, or, for a constant of a later operator,
// along the block axis.
struct Source {
  const Tensor* tensor = nullptr;  // null: absent, packs as PackPart::absent
  Access access;
  std::vector<int64_t> strides;
};

Source source_of(const Graph& graph, const Match& match, const LoopNest& nest,
                 const Packing& packing, std::string_view operand) {
  const ValueId id = match.find(operand);
  if (!id.valid() || !graph.value(id).constant) return {};
  const Tensor& tensor = *graph.value(id).constant;
  Source source{&tensor, {}, dense_storage({tensor.dtype(), tensor.shape(), {}}).strides};
  const Node& anchor = graph.node(match.anchor);
  const OpDef& op = op_of(anchor);
  for (size_t i = 0; i < anchor.inputs.size() && i < op.operands.size(); ++i) {
    if (anchor.inputs[i] == id && op.operands[i].name == operand) source.access = nest.inputs[i];
  }
  if (source.access.empty() && tensor.shape().size() == 1 && tensor.elements() > 1) {
    // Its index is that of the output's dimension that the blocks run along.
    const int block = axis_index(nest, packing.block_axis);
    source.access = {{{{block, 1}}, 0}};
    for (const DimAccess& dim : nest.output) {
      const auto is_block = [&](const AffineTerm& term) { return term.axis == block; };
      if (std::any_of(dim.terms.begin(), dim.terms.end(), is_block)) source.access = {dim};
    }
  }
  return source;
}

// The element at these axis values; 0 outside the constant (the padding of blocks and splits).
int64_t element_at(const Source& source, const PackPart& part, const std::vector<int64_t>& axes) {
  if (source.tensor == nullptr) return part.absent;
  int64_t flat = 0;
  for (size_t d = 0; d < source.access.size(); ++d) {
    int64_t index = source.access[d].offset;
    for (const AffineTerm& term : source.access[d].terms)
      index += term.coefficient * axes[static_cast<size_t>(term.axis)];
    if (index < 0 || index >= source.tensor->shape()[d]) return 0;
    flat += index * source.strides[d];
  }
  if (source.tensor->dtype() == DType::float32)
    return std::bit_cast<int32_t>(source.tensor->float_at(flat));
  return source.tensor->at(flat);
}

void append_element(std::vector<std::byte>& bytes, int64_t value, int64_t first_byte,
                    int64_t count) {
  for (int64_t b = first_byte; b < first_byte + count; ++b) {
    bytes.push_back(static_cast<std::byte>(
        (static_cast<uint64_t>(value) >> (8 * std::min<int64_t>(b, 7))) & 0xff));
  }
}

// Element `index` of a part that began when there were `begin` bytes.
void append_bits(std::vector<std::byte>& bytes, size_t begin, int64_t value, int64_t index,
                 int64_t bits) {
  const int64_t at = index * bits;
  const size_t byte = begin + static_cast<size_t>(at / 8);
  if (byte == bytes.size()) bytes.push_back(std::byte{0});
  const uint64_t low = static_cast<uint64_t>(value) & ((uint64_t{1} << bits) - 1);
  bytes[byte] |= static_cast<std::byte>(low << (at % 8));
}

// `begin`: the first index of the block on every axis.
void pack_part(const LoopNest& nest, const Packing& packing, const PackPart& part,
               const Source& source, const std::vector<int64_t>& begin,
               std::vector<std::byte>& bytes) {
  const std::vector<Walk> walks = *walks_of(nest, packing, part);
  const int block_axis = axis_index(nest, packing.block_axis);
  std::vector<int64_t> steps(walks.size(), 0);
  const size_t first = bytes.size();
  for (int64_t index = 0;; ++index) {
    std::vector<int64_t> axes = begin;
    int64_t byte = -1;
    for (size_t w = 0; w < walks.size(); ++w) {
      if (walks[w].axis < 0) {
        byte = steps[w];
      } else {
        axes[static_cast<size_t>(walks[w].axis)] += steps[w] * walks[w].step;
      }
    }
    bool inside = axes[static_cast<size_t>(block_axis)] <
                  begin[static_cast<size_t>(block_axis)] + packing.block_size;
    for (size_t a = 0; a < axes.size(); ++a) inside = inside && axes[a] < nest.axes[a].extent;
    const int64_t value = inside ? element_at(source, part, axes) : 0;
    if (part.element_bits > 0) {
      append_bits(bytes, first, value, index, part.element_bits);
    } else {
      append_element(bytes, value, byte < 0 ? 0 : byte, byte < 0 ? part.element_bytes : 1);
    }
    size_t w = walks.size();
    while (w > 0 && ++steps[w - 1] == walks[w - 1].count) steps[--w] = 0;
    if (w == 0) break;
  }
  bytes.resize(first + static_cast<size_t>(part_bytes(walks, part)));
}

}  // namespace

Diagnostics check_packing(const Graph& graph, const Match& match, const Rule& rule,
                          const LoopNest& nest, const Packing& packing) {
  Diagnostics wrong;
  const std::vector<int> repeated = repeated_axes(rule, nest, packing);
  const auto refuse = [&](std::string message, std::string remedy) {
    wrong.push_back(
        error_at({}, fmt::format("packing `{}`: {}", packing.name, message), std::move(remedy)));
  };
  const std::string op = graph.node(match.anchor).op;
  if (axis_index(nest, packing.block_axis) < 0) {
    refuse(fmt::format("`{}` has no axis `{}`", op, packing.block_axis),
           "name a loop axis of the anchor");
    return wrong;
  }
  for (const PackPart& part : packing.parts) {
    const std::optional<std::vector<Walk>> walks = walks_of(nest, packing, part);
    if (!walks) {
      refuse(
          fmt::format("the order of `{}` names an axis that `{}` does not have", part.operand, op),
          "name loop axes of the anchor, `byte`, or parts of axes such as `c/16`, `c%16` and "
             "`c>=16`");
      continue;
    }
    const Source source = source_of(graph, match, nest, packing, part.operand);
    if (source.tensor == nullptr) continue;
    for (const DimAccess& dim : source.access) {
      for (const AffineTerm& term : dim.terms) {
        const Axis& axis = nest.axes[static_cast<size_t>(term.axis)];
        const bool walked = std::any_of(walks->begin(), walks->end(),
                                        [&](const Walk& w) { return w.axis == term.axis; });
        if (walked || axis.extent == 1 || axis.name == packing.block_axis ||
            std::find(repeated.begin(), repeated.end(), term.axis) != repeated.end())
          continue;
        refuse(fmt::format("the order of `{}` leaves out axis `{}` of extent {}", part.operand,
                           axis.name, axis.extent),
               "add the axis to the order, or tile it by `one`");
      }
    }
    if (source.tensor->dtype() == DType::float32) {
      if (part.bits() == 32) continue;
      const std::string size = part.element_bits > 0 ? fmt::format("{} bits", part.element_bits)
                                                     : fmt::format("{} bytes", part.element_bytes);
      refuse(fmt::format("`{}` is float32, which {} do not hold", part.operand, size),
             "write `element_bytes = 4`: the words of IEEE 754");
      continue;
    }
    const Range range = source.tensor->min_max();
    const int64_t bits = std::min<int64_t>(part.bits(), 63);
    const int64_t half = int64_t{1} << (bits - 1);
    if (part.bits() < 64 &&
        (range.lo < -half || range.hi > (range.lo < 0 ? half - 1 : 2 * half - 1))) {
      refuse(fmt::format("`{}` holds values from {} to {}, which {} bits cannot", part.operand,
                         range.lo, range.hi, part.bits()),
             "pack wider elements, or refuse such constants in `when`");
    }
  }
  return wrong;
}

const Packing& packing_of(const Region& region, const RegionOperand& operand) {
  for (const Packing& packing : region.rule->packings) {
    if (packing.name == operand.name) return packing;
  }
  internal_error(__FILE__, __LINE__, "a packed operand without its packing");
}

std::vector<int> packed_axes(const Region& region, const Packing& packing) {
  std::vector<int> axes = repeated_axes(*region.rule, region.nest, packing);
  axes.push_back(axis_index(region.nest, packing.block_axis));
  return axes;
}

std::vector<std::byte> pack(const Region& region, const Packing& packing) {
  const std::vector<int> axes = packed_axes(region, packing);
  std::vector<Source> sources;
  for (const PackPart& part : packing.parts) {
    sources.push_back(
        source_of(*region.graph, *region.match, region.nest, packing, part.operand));
  }
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<size_t>(packed_bytes(region, packing)));
  std::vector<int64_t> begin(region.nest.axes.size(), 0);
  for (;;) {
    for (size_t p = 0; p < packing.parts.size(); ++p)
      pack_part(region.nest, packing, packing.parts[p], sources[p], begin, bytes);
    size_t a = axes.size();
    while (a > 0) {
      const size_t axis = static_cast<size_t>(axes[a - 1]);
      begin[axis] += a == axes.size() ? packing.block_size : 1;
      if (begin[axis] < region.nest.axes[axis].extent) break;
      begin[axis] = 0;
      --a;
    }
    if (a == 0) return bytes;
  }
}

int64_t packed_bytes(const Region& region, const Packing& packing) {
  const std::vector<int> axes = packed_axes(region, packing);
  int64_t bytes = packed_bytes(region, packing, 0,
                               region.nest.axes[static_cast<size_t>(axes.back())].extent);
  for (size_t i = 0; i + 1 < axes.size(); ++i)
    bytes *= region.nest.axes[static_cast<size_t>(axes[i])].extent;
  return bytes;
}

int64_t packed_bytes(const Region& region, const Packing& packing, int64_t begin, int64_t end) {
  HEDDLE_CHECK(begin % packing.block_size == 0,
               "a tile of packed constants that begins inside a block");
  return ceil_div(end - begin, packing.block_size) * block_bytes(region.nest, packing);
}

}  // namespace heddle
