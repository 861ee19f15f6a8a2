// The operands of a match: what they are, how they are accessed by the anchor's loops, and what a
// rule can get wrong.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/text.h"
#include "tiler/geometry.h"
#include "tiler/packing.h"

namespace heddle {
namespace {

struct Use {
  NodeId node;
  size_t input = 0;
};

// Which input of which matched node an operand is. Two operands may be one value (x + x): names
// decide first.
std::optional<Use> use_of(const Graph& graph, const Match& match, std::string_view name,
                          ValueId value) {
  for (const bool by_name : {true, false}) {
    for (const NodeId id : match.nodes) {
      const Node& node = graph.node(id);
      const OpDef& op = op_of(node);
      for (size_t i = 0; i < node.inputs.size() && i < op.operands.size(); ++i) {
        if (node.inputs[i] == value && (!by_name || op.operands[i].name == name)) return Use{id, i};
      }
    }
  }
  return std::nullopt;
}

// An operand of an operator after the anchor: its loops are those of the output's dimensions, which
// are the anchor's. nullopt if that operator does not walk its output element by element.
std::optional<Access> through_output(const LoopNest& anchor, const LoopNest& later,
                                     const Access& access) {
  Access composed;
  for (const DimAccess& dim : access) {
    DimAccess result{{}, dim.offset};
    for (const AffineTerm& term : dim.terms) {
      const auto walks = [&](const DimAccess& out) {
        return out.offset == 0 && out.terms.size() == 1 && out.terms[0].axis == term.axis &&
               out.terms[0].coefficient == 1;
      };
      const auto out = std::find_if(later.output.begin(), later.output.end(), walks);
      if (out == later.output.end()) return std::nullopt;
      const size_t d = static_cast<size_t>(out - later.output.begin());
      if (d >= anchor.output.size()) return std::nullopt;
      for (const AffineTerm& inner : anchor.output[d].terms) {
        result.terms.push_back({inner.axis, inner.coefficient * term.coefficient});
      }
      result.offset += anchor.output[d].offset * term.coefficient;
    }
    composed.push_back(std::move(result));
  }
  return composed;
}

LoopNest loops_of(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  return op_of(node).loops(OpView{graph, node});
}

// The rule cuts no axis: there is one tile, and every operand of it is whole.
bool is_whole(const Rule& rule) {
  return std::all_of(rule.domains.begin(), rule.domains.end(),
                     [](const TileDomain& domain) { return domain.full; });
}

// Every index, wherever the loops are.
Access whole_access(const Shape& shape) { return Access(shape.size(), DimAccess{{}, 0, 0}); }

std::optional<Access> access_of(const Graph& graph, const Match& match, const Rule& rule,
                                const LoopNest& nest, std::string_view name, ValueId value) {
  const Shape& shape = graph.value(value).type.shape;
  if (name == "y") {
    const Shape& anchor = graph.value(graph.node(match.anchor).output).type.shape;
    return shape != anchor && is_whole(rule) ? whole_access(shape) : nest.output;
  }
  const std::optional<Use> use = use_of(graph, match, name, value);
  if (!use) return std::nullopt;
  if (use->node == match.anchor) return nest.inputs[use->input];
  if (is_whole(rule)) return whole_access(shape);
  const LoopNest later = loops_of(graph, use->node);
  if (use->input >= later.inputs.size()) return std::nullopt;  // a view has no loops
  return through_output(nest, later, later.inputs[use->input]);
}

// The operator after the anchor whose elements are not those of the anchor's result, one from one;
// null if there is none.
const Node* first_of_other_elements(const Graph& graph, const Match& match, const LoopNest& nest) {
  for (size_t n = 1; n < match.nodes.size(); ++n) {
    const Node& node = graph.node(match.nodes[n]);
    const LoopNest later = loops_of(graph, match.nodes[n]);
    const ValueId before = graph.node(match.nodes[n - 1]).output;
    const size_t input = static_cast<size_t>(
        std::find(node.inputs.begin(), node.inputs.end(), before) - node.inputs.begin());
    if (input >= later.inputs.size() || later.output.size() != nest.output.size()) return &node;
    const std::optional<Access> spine = through_output(nest, later, later.inputs[input]);
    if (!spine || spine->size() != nest.output.size()) return &node;
    for (size_t d = 0; d < spine->size(); ++d) {
      const DimAccess &got = (*spine)[d], &wanted = nest.output[d];
      if (got.offset != wanted.offset || got.terms.size() != wanted.terms.size()) return &node;
      for (size_t t = 0; t < got.terms.size(); ++t) {
        if (got.terms[t].axis != wanted.terms[t].axis ||
            got.terms[t].coefficient != wanted.terms[t].coefficient)
          return &node;
      }
    }
  }
  return nullptr;
}

}  // namespace

const RegionOperand& Region::operand(std::string_view name) const {
  for (const RegionOperand& candidate : operands) {
    if (candidate.name == name) return candidate;
  }
  internal_error(__FILE__, __LINE__, "a region without the operand that was asked for");
}

int axis_index(const LoopNest& nest, std::string_view name) {
  for (size_t i = 0; i < nest.axes.size(); ++i) {
    if (nest.axes[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

Region region_of(const Graph& graph, const Soc& soc, const Match& match, const StorageOf& storage) {
  Region region{&graph, &soc, &match, &rule_of(soc, match), loops_of(graph, match.anchor), {}, {}};
  region.layer = layer_environment(graph, soc, match);
  for (const OperandPlacement& placement : region.rule->operands) {
    RegionOperand operand;
    operand.name = placement.operand;
    operand.memory = placement.memory;
    operand.packed = region.rule->packs(placement.operand);
    operand.in_place = soc.in_place(placement, operand.packed);
    if (!operand.packed) {
      operand.output = placement.operand == "y";
      operand.value = match.find(placement.operand);
      if (!operand.value.valid()) continue;  // of an optional operator that is not in this match
      const std::optional<Access> access =
          access_of(graph, match, *region.rule, region.nest, placement.operand, operand.value);
      HEDDLE_CHECK(access.has_value(), "a region that check_region would have refused");
      operand.access = *access;
      operand.type = graph.value(operand.value).type;
      const auto stored = storage.find(operand.value);
      HEDDLE_CHECK(stored != storage.end(), "an operand without a storage");
      operand.storage = stored->second;
      operand.resident = !operand.storage.memory.empty();
      HEDDLE_CHECK(!operand.resident || operand.storage.memory == operand.memory,
                   "a region that check_region would have refused");
      operand.in_place = operand.in_place || operand.resident;
    }
    region.operands.push_back(std::move(operand));
  }
  return region;
}

Status check_region(const Graph& graph, const Soc& soc, const Match& match,
                    const StorageOf& storage) {
  const Rule& rule = rule_of(soc, match);
  Diagnostics errors;
  const auto refuse = [&](std::string message, std::string remedy) {
    errors.push_back(error_at(rule.place, std::move(message), std::move(remedy)));
  };
  const LoopNest nest = loops_of(graph, match.anchor);
  const ValueId anchor_output = graph.node(match.anchor).output;
  const Shape& anchor_shape = graph.value(anchor_output).type.shape;
  const Shape& shape = graph.value(match.output(graph)).type.shape;
  if (!is_whole(rule)) {
    const Node* const other = first_of_other_elements(graph, match, nest);
    if (other != nullptr && shape == anchor_shape) {
      refuse(fmt::format("rule `{}` tiles the result of `{}`, from which `{}` does not compute element "
                         "by element",
                         rule.name, graph.node(match.anchor).op, other->op),
             "leave out `tile.dims`, or end the pattern before that operator");
    }
  }
  if (shape != anchor_shape && !is_whole(rule)) {
    refuse(
        fmt::format(
            "rule `{}` ends in a result of shape {}, but its tiles are those of `{}` with shape {}",
            rule.name, to_string(shape), graph.node(match.anchor).op, to_string(anchor_shape)),
        "leave out `tile.dims`, or end the pattern before the operator that changes the shape");
  }
  for (const OperandPlacement& placement : rule.operands) {
    const bool packed = rule.packs(placement.operand);
    const std::vector<Memory>& own = target_of(soc, match).memories;
    const auto named = [&](const Memory& memory) { return memory.name == placement.memory; };
    const bool is_own = std::any_of(own.begin(), own.end(), named);
    const ValueId value = packed ? ValueId{} : match.find(placement.operand);
    const auto stored = storage.find(value);
    const std::string home = stored == storage.end() ? "" : stored->second.memory;
    if (!home.empty() && (home != placement.memory || is_own || home == soc.main_memory)) {
      refuse(fmt::format("rule `{}` works on `{}` in memory `{}`, but `{}` is at home in `{}`",
                         rule.name, placement.operand, placement.memory,
                         terminal_text(graph.value(value).name), home),
             fmt::format("give it its home in main memory{}",
                         is_own ? "" : fmt::format(", or in `{}`", placement.memory)));
      continue;
    }
    const bool in_place = soc.in_place(placement, packed) || !home.empty();
    if (!in_place && !soc.dma) {
      refuse(fmt::format("soc `{}` has no DMA to fill memory `{}`", soc.name, placement.memory),
             "give the SoC a [dma] unit, or place the layer on the CPU");
      break;
    }
    if (!in_place &&
        (placement.memory == soc.main_memory || placement.memory == soc.constant_memory)) {
      refuse(
          fmt::format("rule `{}` wants tiles of `{}` in `{}`, which is the {} memory of soc `{}`",
                      rule.name, placement.operand, placement.memory, packed ? "main" : "constant",
                      soc.name),
          fmt::format("place the operand in `{}`, where it lies, or in another memory",
                      packed ? soc.constant_memory : soc.main_memory));
    }
    if (soc.find_memory(placement.memory) == nullptr && !is_own) {
      refuse(fmt::format("rule `{}` wants tiles of `{}` in memory `{}`, which neither soc `{}` nor "
                         "the accelerator has",
                         rule.name, placement.operand, placement.memory, soc.name),
             "add the memory to the SoC");
    }
    if (packed) continue;
    if (value.valid() && !access_of(graph, match, rule, nest, placement.operand, value)) {
      refuse(
          fmt::format("rule `{}`: operand `{}` is not walked element by element along the result",
                      rule.name, placement.operand),
          "bind only operands of the anchor and of elementwise operators");
    }
  }
  for (const TileDomain& domain : rule.domains) {
    const int axis = axis_index(nest, domain.axis);
    if (axis >= 0 && nest.axes[static_cast<size_t>(axis)].reduction && !domain.full) {
      refuse(fmt::format("rule `{}` tiles `{}`, over which `{}` sums", rule.name, domain.axis,
                         graph.node(match.anchor).op),
             "write `full`: a job must finish its sums");
    }
  }
  for (const Packing& packing : rule.packings) {
    const Diagnostics wrong = check_packing(graph, match, rule, nest, packing);
    for (const Diagnostic& each : wrong) refuse(each.message, each.remedy);
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

}  // namespace heddle
