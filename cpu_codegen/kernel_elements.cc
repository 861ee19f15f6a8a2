// Elements of operands as C text: parameters, pointers to rows, indices.
#include <fmt/format.h>

#include <algorithm>

#include "cpu_codegen/kernel_builder.h"
#include "ops/check.h"

namespace heddle {
namespace {

bool uses(const DimAccess& index, int axis) {
  return std::any_of(index.terms.begin(), index.terms.end(),
                     [&](const AffineTerm& term) { return term.axis == axis; });
}

}  // namespace

Storage KernelBuilder::storage_of(ValueId value) const {
  const auto found = storage_.find(value);
  return found == storage_.end() ? dense_storage(graph_.value(value).type) : found->second;
}

// The number of loops that are open around the body of the loop over `axis`, less one: its index in
// loops_.
int KernelBuilder::depth_of(int axis) const {
  for (size_t i = 0; i < loops_.size(); ++i) {
    if (loops_[i].axis == axis) return static_cast<int>(i);
  }
  internal_error(__FILE__, __LINE__, "an index depends on an axis without a loop");
}

int KernelBuilder::deepest(const DimAccess& index) const {
  int deepest = -1;
  for (const AffineTerm& term : index.terms) deepest = std::max(deepest, depth_of(term.axis));
  return deepest;
}

// Declares the parameter and gives the text of the element at the current indices.
std::string KernelBuilder::access(ValueId value, const Access& index, std::string_view name,
                                  bool output, bool guarded) {
  const Value& v = graph_.value(value);
  HEDDLE_CHECK(index.size() == v.type.shape.size(), "an access of another rank than its operand");
  if (!output && v.constant && v.constant->elements() == 1) {
    const bool real = v.type.dtype == DType::float32;
    const std::string literal =
        real ? c_literal(v.constant->float_at(0)) : c_literal(v.constant->at(0));
    return literal.starts_with('-') ? "(" + literal + ")" : literal;
  }
  const Storage storage = storage_of(value);
  Element element{names_.take(name), std::string(c_name_of(v.type.dtype)), {}, guarded, output};
  if (!output) element.c_type = "const " + element.c_type;
  arguments_.push_back({element.pointer, v.type.dtype, value, output});
  for (size_t d = 0; d < index.size(); ++d) {
    if (v.type.shape[d] == 1) continue;
    if (index[d].operand >= 0) {
      element.looked_up = look_up(static_cast<size_t>(index[d].operand), v.type.shape[d]);
      if (storage.strides[d] != 1) element.looked_up += fmt::format(" * {}", storage.strides[d]);
      continue;
    }
    element.dims.push_back({simplified(index[d], nest_.axes), storage.strides[d]});
  }
  return reference(element);
}

// Declares the parameter; the body indexes it itself.
std::string KernelBuilder::array(ValueId value, std::string_view name) {
  const TensorType& type = graph_.value(value).type;
  HEDDLE_CHECK(storage_of(value).strides == dense_storage(type).strides, "a table with gaps");
  const std::string pointer = names_.take(name);
  arguments_.push_back({pointer, type.dtype, value, false});
  return pointer;
}

// Declares a variable with the element of the anchor's operand, an index of a dimension of this
// extent, where the loops that it depends on are open; gives its name.
std::string KernelBuilder::look_up(size_t operand, int64_t extent) {
  const ValueId indices = anchor_.inputs[operand];
  const Access& access = nest_.inputs[operand];
  const std::string name(op_of(anchor_).operands[operand].name);
  const std::string element = operand_hole(name);
  int innermost = -1;
  for (const DimAccess& dim : access)
    innermost = std::max(innermost, deepest(simplified(dim, nest_.axes)));
  const std::string at = names_.take("at");
  std::vector<std::string>& lines = at_depth_[static_cast<size_t>(innermost + 1)];
  const bool negative = graph_.value(indices).type.range.lo < 0;
  lines.push_back(fmt::format("{}int32_t {} = {};", negative ? "" : "const ", at, element));
  if (negative) lines.push_back(fmt::format("if ({0} < 0) {0} += {1};", at, extent));
  return at;
}

// An element that is the same for a whole loop over the output is read in front of it: y may alias
// anything, so no compiler can know that.
std::string KernelBuilder::hoisted(const Element& element, int innermost, const std::string& text) {
  const bool same = !element.output && !element.guarded && element.looked_up.empty() &&
                    innermost + 1 < static_cast<int>(parallel_);
  if (!same) return text;
  const std::string name = names_.take(element.pointer + "_value");
  at_depth_[static_cast<size_t>(innermost + 1)].push_back(
      fmt::format("{} {} = {};", element.c_type, name, text));
  return name;
}

// Splits the index where its deepest loop opens: what is constant in that loop goes into a pointer
// in front of it. Dimensions are whole on one side or the other, so that the pointer never leaves
// the operand.
std::string KernelBuilder::reference(const Element& element) {
  int innermost = -1;
  for (const StridedIndex& dim : element.dims) innermost = std::max(innermost, deepest(dim.index));
  std::vector<StridedIndex> outer, inner;
  const bool whole = element.guarded || !element.looked_up.empty();
  for (const StridedIndex& dim : element.dims) {
    const bool in_row =
        whole || innermost < 0 || uses(dim.index, loops_[static_cast<size_t>(innermost)].axis);
    (in_row ? inner : outer).push_back(dim);
  }
  const bool varies = std::any_of(outer.begin(), outer.end(),
                                  [](const StridedIndex& dim) { return !dim.index.terms.empty(); });
  if (!varies) {
    std::string index = print_index(element.dims, nest_.axes);
    if (!element.looked_up.empty())
      index = index == "0" ? element.looked_up : element.looked_up + " + " + index;
    return hoisted(element, innermost, fmt::format("{}[{}]", element.pointer, index));
  }
  const std::string row = names_.take(element.pointer + "_row");
  at_depth_[static_cast<size_t>(innermost)].push_back(fmt::format(
      "{} *{} = {} + {};", element.c_type, row, element.pointer, print_index(outer, nest_.axes)));
  return hoisted(element, innermost, fmt::format("{}[{}]", row, print_index(inner, nest_.axes)));
}

std::string KernelBuilder::operand_hole(const std::string& name) {
  const OpDef& op = op_of(anchor_);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    if (op.operands[i].name != name) continue;
    HEDDLE_CHECK(i < nest_.inputs.size() && i < anchor_.inputs.size() && anchor_.inputs[i].valid(),
                 "a body reads an absent operand: " + name);
    if (!operands_.contains(i)) {
      operands_[i] = access(anchor_.inputs[i], nest_.inputs[i], name, false, !guards_.empty());
    }
    return operands_[i];
  }
  internal_error(__FILE__, __LINE__, "a body has an unknown hole: " + name);
}

}  // namespace heddle
