// Neighbouring loops that are one: what lies as a line is walked as a line.
#include <algorithm>

#include "cpu_codegen/kernel_builder.h"

namespace heddle {
namespace {

// How many elements lie between two neighbours along each axis.
using Steps = std::vector<int64_t>;

// False for the axes of an index that is a sum, or that may lie outside: those keep their loops.
void keep_loops(const DimAccess& index, std::vector<bool>& movable) {
  for (const AffineTerm& term : index.terms) movable[static_cast<size_t>(term.axis)] = false;
}

Steps steps_of(const Access& access, const Shape& shape, const Storage& storage,
               const std::vector<Axis>& axes, std::vector<bool>& movable) {
  Steps steps(axes.size(), 0);
  for (size_t d = 0; d < access.size(); ++d) {
    if (access[d].operand >= 0) continue;  // the element there has an access of its own
    const DimAccess index = simplified(access[d], axes);
    const Range range = index_range(index, axes);
    const bool inside = range.lo >= 0 && range.hi < shape[d];
    if (!inside || index.terms.size() > 1) keep_loops(index, movable);
    for (const AffineTerm& term : index.terms)
      steps[static_cast<size_t>(term.axis)] += term.coefficient * storage.strides[d];
  }
  return steps;
}

}  // namespace

// The axes (n, k, oy, ox) of a sum of two dense tensors are one: an outer axis joins the one inside
// it where its step is, for every operand, what the whole inner axis covers.
void KernelBuilder::merge_axes() {
  std::vector<Axis>& axes = nest_.axes;
  std::vector<bool> movable(axes.size(), true);
  std::vector<Steps> operands;
  const auto add = [&](ValueId value, const Access& access) {
    const Value& v = graph_.value(value);
    if (v.constant && v.constant->elements() == 1) return;
    operands.push_back(steps_of(access, v.type.shape, storage_of(value), axes, movable));
  };
  for (const NodeId id : match_.nodes) {
    const Node& node = graph_.node(id);
    const OpDef& op = op_of(node);
    const LoopNest nest = op.loops({graph_, node});
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].valid()) continue;
      const NodeId producer = graph_.value(node.inputs[i]).producer;
      const bool in_register =
          producer.valid() && std::count(match_.nodes.begin(), match_.nodes.end(), producer) != 0;
      const bool whole = op.operands[std::min(i, op.operands.size() - 1)].whole;
      if (in_register || whole) continue;
      Access access = nest.inputs[i];
      if (id != match_.nodes.front()) {
        for (DimAccess& dim : access) dim = composed(dim, nest_.output);
      }
      add(node.inputs[i], access);
    }
  }
  add(match_.output(graph_), nest_.output);

  for (size_t outer = 0; outer < axes.size(); ++outer) {
    if (axes[outer].extent == 1 || !movable[outer]) continue;
    size_t inner = outer + 1;
    while (inner < axes.size() && axes[inner].extent == 1) ++inner;
    if (inner == axes.size() || !movable[inner] || axes[outer].reduction != axes[inner].reduction)
      continue;
    const bool line = std::all_of(operands.begin(), operands.end(), [&](const Steps& steps) {
      return steps[outer] == steps[inner] * axes[inner].extent;
    });
    if (!line) continue;
    axes[inner].extent *= axes[outer].extent;
    axes[inner].name = axes[inner].reduction ? "j" : "i";
    joined_.insert(static_cast<int>(inner));
    axes[outer] = {"", 1, axes[outer].reduction};
  }
}

}  // namespace heddle
