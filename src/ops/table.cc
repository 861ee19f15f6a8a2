#include <algorithm>

#include "base/checked.h"
#include "base/diagnostic.h"
#include "ops/op.h"

namespace heddle {

// src/ops/CMakeLists.txt lists every operator's file in table.inc as HEDDLE_OP(<name>), sorted.
#define HEDDLE_OP(name) const OpDef& name##_op();
#include "ops/table.inc"
#undef HEDDLE_OP

std::span<const OpDef* const> all_ops() {
  static const std::vector<const OpDef*> table = [] {
    std::vector<const OpDef*> ops;
#define HEDDLE_OP(name) ops.push_back(&name##_op());
#include "ops/table.inc"
#undef HEDDLE_OP
    std::sort(ops.begin(), ops.end(),
              [](const OpDef* a, const OpDef* b) { return a->name < b->name; });
    return ops;
  }();
  return table;
}

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : all_ops()) {
    if (op->name == name) return op;
  }
  return nullptr;
}

const OpDef& op_of(const Node& node) {
  const OpDef* op = find_op(node.op);
  HEDDLE_CHECK(op != nullptr, "a node whose operator is not in the table: " + node.op);
  return *op;
}

bool in_class(const OpDef& op, std::string_view cls) {
  return cls == "any" || std::find(op.classes.begin(), op.classes.end(), cls) != op.classes.end();
}

const Attribute& OpView::any_attribute(const std::string& name) const {
  const auto found = node.attributes.find(name);
  if (found != node.attributes.end()) return found->second;
  for (const AttributeDef& def : op_of(node).attributes) {
    if (def.name == name && def.otherwise) return *def.otherwise;
  }
  internal_error(__FILE__, __LINE__, node.op + " without the attribute " + name);
}

int64_t OpView::attribute(const std::string& name) const {
  const int64_t* number = std::get_if<int64_t>(&any_attribute(name));
  HEDDLE_CHECK(number != nullptr, node.op + " without the integer attribute " + name);
  return *number;
}

double OpView::real(const std::string& name) const {
  const Attribute& attribute = any_attribute(name);
  if (const int64_t* number = std::get_if<int64_t>(&attribute)) return static_cast<double>(*number);
  const double* number = std::get_if<double>(&attribute);
  HEDDLE_CHECK(number != nullptr, node.op + " without the real attribute " + name);
  return *number;
}

const std::string& OpView::text(const std::string& name) const {
  const std::string* text = std::get_if<std::string>(&any_attribute(name));
  HEDDLE_CHECK(text != nullptr, node.op + " without the text attribute " + name);
  return *text;
}

ClippedInterval touched(const DimAccess& access, std::span<const Interval> axes, int64_t extent) {
  if (access.operand >= 0) return {{0, extent}, 0, 0};
  int64_t least = access.offset;
  int64_t greatest = access.offset;
  for (const AffineTerm& term : access.terms) {
    const Interval& axis = axes[static_cast<size_t>(term.axis)];
    HEDDLE_CHECK(axis.begin < axis.end, "the box of an empty interval");
    const int64_t first = term.coefficient * axis.begin;
    const int64_t last = term.coefficient * (axis.end - 1);
    least += std::min(first, last);
    greatest += std::max(first, last);
  }
  ClippedInterval result;
  result.begin = std::clamp<int64_t>(least, 0, extent);
  result.end = std::clamp<int64_t>(greatest + 1, 0, extent);
  result.before = std::max<int64_t>(0, -least);
  result.after = std::max<int64_t>(0, greatest + 1 - extent);
  return result;
}

}  // namespace heddle
