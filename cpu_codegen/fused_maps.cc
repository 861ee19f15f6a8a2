#include "cpu_codegen/fused_maps.h"

#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/kernel_builder.h"
#include "ops/check.h"

namespace heddle {

KernelBuilder::KernelBuilder(const Graph& graph, const Match& match, const StorageOf& storage,
                             std::vector<Axis> loops, Access output, UniqueNames names)
    : graph_(graph),
      match_(match),
      storage_(storage),
      anchor_(graph.node(match.nodes.front())),
      names_(std::move(names)) {
  nest_.axes = std::move(loops);
  nest_.output = std::move(output);
  for (size_t i = 0; i < nest_.axes.size(); ++i) {
    const Axis& axis = nest_.axes[i];
    HEDDLE_CHECK(!axis.reduction, "a reduction around the maps of an element");
    names_.take(axis.name);
    if (axis.extent != 1)
      loops_.push_back({static_cast<int>(i), "0", fmt::format("{}", axis.extent)});
  }
  parallel_ = loops_.size();
  names_.take("value");
  at_depth_.resize(loops_.size() + 1);
}

FusedMaps KernelBuilder::fuse(size_t first) {
  HEDDLE_CHECK(first > 0 && first <= match_.nodes.size(), "maps before their anchor");
  FusedMaps fused;
  ValueId spine = graph_.node(match_.nodes[first - 1]).output;
  for (size_t i = first; i < match_.nodes.size(); ++i) {
    const Node& node = graph_.node(match_.nodes[i]);
    add_map(node, spine, fused.statements);
    spine = node.output;
  }
  const std::string store = access(spine, nest_.output, "y", true, false);
  fused.store = fmt::format("{} = {};", store, cast(graph_.value(spine).type.dtype, value_));
  fused.arguments = std::move(arguments_);
  fused.at_depth.resize(nest_.axes.size() + 1);
  fused.at_depth[0] = at_depth_[0];
  for (size_t i = 0; i < loops_.size(); ++i)
    fused.at_depth[static_cast<size_t>(loops_[i].axis) + 1] = at_depth_[i + 1];
  return fused;
}

FusedMaps fuse_maps(const Graph& graph, const Match& match, const StorageOf& storage, size_t first,
                    const std::vector<Axis>& loops, const Access& output,
                    const UniqueNames& names) {
  return KernelBuilder(graph, match, storage, loops, output, names).fuse(first);
}

bool is_plane(const Graph& graph, const Match& match, const StorageOf& storage, size_t first) {
  const Shape& shape = graph.value(graph.node(match.nodes.front()).output).type.shape;
  HEDDLE_CHECK(shape.size() == 4 && shape[3] > 1, "a plane of something that is no image of rows");
  const auto contiguous = [&](ValueId id) {
    const Value& value = graph.value(id);
    const auto found = storage.find(id);
    const Storage stored = found == storage.end() ? dense_storage(value.type) : found->second;
    return shape[2] == 1 || stored.strides[2] == stored.strides[3] * shape[3];
  };
  for (size_t i = first; i < match.nodes.size(); ++i) {
    const Node& node = graph.node(match.nodes[i]);
    const LoopNest nest = op_of(node).loops({graph, node});
    for (size_t operand = 0; operand < node.inputs.size(); ++operand) {
      const ValueId id = node.inputs[operand];
      const bool on_spine = id == graph.node(match.nodes[i - 1]).output;
      if (!id.valid() || on_spine || operand >= nest.inputs.size()) continue;
      if (graph.value(id).type.shape == shape && contiguous(id)) continue;
      const Access& access = nest.inputs[operand];
      const bool varies = std::any_of(access.begin(), access.end(), [&](const DimAccess& dim) {
        return dim.operand >= 0 ||
               std::any_of(dim.terms.begin(), dim.terms.end(), [&](const AffineTerm& term) {
                 return term.axis >= 2 && shape[static_cast<size_t>(term.axis)] != 1;
               });
      });
      if (varies && elements_of(graph.value(id).type.shape) != 1) return false;
    }
  }
  return contiguous(match.output(graph));
}

}  // namespace heddle
