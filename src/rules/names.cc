#include "rules/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "ops/op.h"

namespace heddle {
namespace {

constexpr std::array kLayerProperties = {"bits", "signed", "lo",     "hi",  "bytes", "elements",
                                         "rank", "dtype",  "values", "min", "max",   "constant",
                                         "present"};
constexpr std::array kSocNames = {"soc.clock_hz", "soc.name"};
constexpr std::array kLayoutNames = {"layout.order", "layout.plane", "layout.row"};
constexpr std::array kTileProperties = {"pitch", "plane"};
constexpr std::array kPads = {"pad.top", "pad.left", "pad.bottom", "pad.right"};
constexpr std::array kTransferNames = {"destination",
                                       "destination_plane_stride",
                                       "destination_row_stride",
                                       "planes",
                                       "row_bytes",
                                       "rows",
                                       "source",
                                       "source_plane_stride",
                                       "source_row_stride"};
constexpr int kMaxRank = 8;

bool is_meant(const OpDef& op, const PatternItem& item) {
  return std::any_of(
      item.alternatives.begin(), item.alternatives.end(),
      [&](const std::string& name) { return name == op.name || in_class(op, name); });
}

bool names_it(const PatternItem& item, std::string_view op) {
  return std::find(item.alternatives.begin(), item.alternatives.end(), op) !=
         item.alternatives.end();
}

bool has_operand(const OpDef& op, std::string_view operand) {
  return std::any_of(op.operands.begin(), op.operands.end(),
                     [&](const OperandDef& def) { return def.name == operand; });
}

// `name` where this item is the first for which `counts` holds, else `name_2` ... Items that name
// an operator go before those that mean a class of it.
template <class Counts>
std::string numbered(const Pattern& pattern, size_t item, std::string_view name, Counts counts) {
  for (const bool by_name : {true, false}) {
    int before = 0;
    bool any = false, itself = false;
    for (size_t i = 0; i < pattern.items.size(); ++i) {
      if (pattern.items[i].repeat == PatternItem::Repeat::star) continue;
      if (!counts(pattern.items[i], by_name)) continue;
      any = true;
      itself |= i == item;
      before += i < item;
    }
    if (any) return itself && before > 0 ? fmt::format("{}_{}", name, before + 1) : std::string(name);
  }
  return std::string(name);
}

bool has_attribute(const OpDef& op, std::string_view name) {
  return std::any_of(op.attributes.begin(), op.attributes.end(),
                     [&](const AttributeDef& attribute) { return attribute.name == name; });
}

// Axes and the dimensions of operands. An operator's record gives its loop nest only for a node, so
// the reduction axes that no operand has as a dimension follow from the attributes that make them.
void add_sizes(const OpDef& op, std::set<std::string>& sizes, std::set<std::string>& axes) {
  axes.insert(op.output_dims.begin(), op.output_dims.end());
  for (const OperandDef& operand : op.operands)
    sizes.insert(operand.dims.begin(), operand.dims.end());
  // Of an operator of any rank (matmul) only the names of its loops are known.
  sizes.insert(op.axes.begin(), op.axes.end());
  if (op.output_dims.empty()) axes.insert(op.axes.begin(), op.axes.end());
  if (has_attribute(op, "group")) axes.insert("g");
  if (has_attribute(op, "kernel_h")) sizes.insert({"fy", "fx"});
  if (in_class(op, "pool")) sizes.insert({"iy", "ix"});
  // Elementwise operators take any rank; dimensions of a rank above four are d0, d1, ...
  if (in_class(op, "map") || in_class(op, "view")) {
    axes.insert({"n", "k", "oy", "ox"});
    for (int d = 0; d < kMaxRank; ++d) axes.insert(fmt::format("d{}", d));
  }
  sizes.insert(axes.begin(), axes.end());
}

// Operators that a spine of this pattern may start with.
size_t first_items(const Pattern& pattern) {
  size_t count = 0;
  while (count < pattern.items.size() && pattern.items[count].repeat != PatternItem::Repeat::once) {
    ++count;
  }
  return std::min(count + 1, pattern.items.size());
}

// Names and where each stands first.
void collect(const Expr& expr, std::map<std::string, int>& columns) {
  if (expr.op == ExprOp::name) columns.emplace(expr.text, expr.column);
  for (const Expr& child : expr.children) collect(child, columns);
}

// "weights" for "memory.weights.bytes".
std::string memory_of(std::string_view name) {
  constexpr std::string_view kPrefix = "memory.";
  constexpr std::string_view kSuffix = ".bytes";
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return "";
  if (name.size() <= kPrefix.size() + kSuffix.size()) return "";
  const std::string_view inner =
      name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  return inner.find('.') == std::string_view::npos ? std::string(inner) : "";
}

// `memory.l1.present` is 0 or 1 whatever the SoC has.
bool asks_for_memory(std::string_view name) {
  constexpr std::string_view kSuffix = ".present";
  if (!name.ends_with(kSuffix)) return false;
  return !memory_of(std::string(name.substr(0, name.size() - kSuffix.size())) + ".bytes").empty();
}

// "mac_x10" for "cpu.mac_x10".
std::string constant_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() == prefix.size()) return "";
  const std::string_view key = name.substr(prefix.size());
  return key.find('.') == std::string_view::npos ? std::string(key) : "";
}

std::string remedy_for(const std::string& name, const RuleNames& names, Scope scope) {
  const size_t dot = name.find('.');
  const std::string head = name.substr(0, dot);
  const std::string tail = dot == std::string::npos ? "" : name.substr(dot + 1);
  if (head == "memory")
    return "a memory has `memory.<name>.bytes`, and `memory.<name>.present` says whether there is one";
  if (scope == Scope::transfer)
    return fmt::format("a transfer has {}", [] {
      std::string text;
      for (const char* known : kTransferNames)
        text += fmt::format("{}`{}`", text.empty() ? "" : ", ", known);
      return text;
    }());
  if (names.operands.contains(head) && (tail == "address" || tail == "pitch" || tail == "plane")) {
    if (scope == Scope::layer) return "a layer as a whole is in no memory of the unit; a tile is";
    if (tail == "address" && scope == Scope::tile)
      return "addresses are known to `job.fields` only";
    if (!names.placed.contains(head)) return fmt::format("`operands` gives `{}` no memory", head);
    return fmt::format("`{}` is packed: it has an address, but neither pitch nor plane", head);
  }
  return "";
}

}  // namespace

std::string operator_name(const Pattern& pattern, size_t item, std::string_view op) {
  return numbered(pattern, item, op, [&](const PatternItem& other, bool by_name) {
    return by_name ? names_it(other, op) : is_meant(*find_op(op), other);
  });
}

std::string operand_name(const Pattern& pattern, size_t item, std::string_view operand) {
  return numbered(pattern, item, operand, [&](const PatternItem& other, bool by_name) {
    const std::span<const OpDef* const> ops = all_ops();
    return std::any_of(ops.begin(), ops.end(), [&](const OpDef* op) {
      return has_operand(*op, operand) && (by_name ? names_it(other, op->name) : is_meant(*op, other));
    });
  });
}

RuleNames names_of(const Pattern& pattern) {
  RuleNames names;
  const size_t anchors = first_items(pattern);
  std::set<std::string> variable;  // operands that some operator computes
  for (const OpDef* op : all_ops()) {
    for (size_t i = 0; i < pattern.items.size(); ++i) {
      if (!is_meant(*op, pattern.items[i])) continue;
      if (i < anchors) add_sizes(*op, names.sizes, names.axes);
      const std::string called = operator_name(pattern, i, op->name);
      for (const AttributeDef& attribute : op->attributes) {
        names.attributes.insert(fmt::format("{}.{}", called, attribute.name));
      }
      names.attributes.insert(called + ".present");
      for (const OperandDef& operand : op->operands) {
        const std::string name = operand.name == "x" ? "x" : operand_name(pattern, i, operand.name);
        names.operands.insert(name);
        if (!operand.constant) variable.insert(name);
      }
      const std::string& bound = pattern.items[i].bound;
      if (!bound.empty() && op->operands.size() > 1 && !op->operands[1].constant)
        variable.insert(bound);
    }
  }
  names.required = {"x", "y"};
  for (const PatternItem& item : pattern.items) {
    if (item.bound.empty()) continue;
    names.operands.insert(item.bound);
    // An operator that may be absent leaves its operand unbound.
    if (item.repeat == PatternItem::Repeat::once && variable.contains(item.bound)) {
      names.required.insert(item.bound);
    }
  }
  names.operands.insert({"x", "y"});
  for (const std::string& operand : names.operands) {
    if (operand != "y" && operand != "x" && !variable.contains(operand))
      names.constants.insert(operand);
  }
  return names;
}

std::vector<std::string> known_names(const RuleNames& names, Scope scope) {
  if (scope == Scope::transfer) return {kTransferNames.begin(), kTransferNames.end()};
  std::set<std::string> known = names.sizes;
  known.insert(names.attributes.begin(), names.attributes.end());
  known.insert({"macs", "cpu.isa"});
  known.insert(kSocNames.begin(), kSocNames.end());
  if (names.layout) known.insert(kLayoutNames.begin(), kLayoutNames.end());
  std::set<std::string> operands = names.operands;
  operands.insert(names.packed.begin(), names.packed.end());
  for (const std::string& operand : operands) {
    for (const char* property : kLayerProperties) known.insert(operand + "." + property);
    for (int d = 0; d < kMaxRank; ++d) known.insert(fmt::format("{}.d{}", operand, d));
  }
  for (const std::string& size : names.sizes) known.insert("inside." + size);
  if (scope != Scope::layer) {
    known.insert(kPads.begin(), kPads.end());
    for (const std::string& size : names.sizes)
      known.insert({"layer." + size, "last." + size});
    for (const std::string& operand : names.placed) {
      if (scope == Scope::job) known.insert(operand + ".address");
      if (names.packed.contains(operand)) continue;
      for (const char* property : kTileProperties) known.insert(operand + "." + property);
    }
  }
  return {known.begin(), known.end()};
}

void check_names(const Expr& expr, std::string_view text, const Place& start,
                 const RuleNames& names, Scope scope, Diagnostics& errors,
                 std::vector<OutsideName>& outside) {
  std::map<std::string, int> columns;
  collect(expr, columns);
  const std::vector<std::string> known = known_names(names, scope);
  for (const auto& [name, column] : columns) {
    if (std::binary_search(known.begin(), known.end(), name)) continue;
    const Place place = place_within(start, text, static_cast<size_t>(column - 1));
    if (const std::string constant = constant_of(name, "unit."); !constant.empty()) {
      outside.push_back({OutsideName::Kind::unit_constant, constant, name, place});
      continue;
    }
    if (scope != Scope::transfer) {
      if (asks_for_memory(name)) continue;
      const std::string memory = memory_of(name);
      const std::string constant = constant_of(name, "cpu.");
      if (!memory.empty()) {
        outside.push_back({OutsideName::Kind::memory, memory, name, place});
        continue;
      }
      if (!constant.empty()) {
        outside.push_back({OutsideName::Kind::cpu_constant, constant, name, place});
        continue;
      }
    }
    errors.push_back(error_at(
        place, fmt::format("unknown name `{}`{}", terminal_text(name), did_you_mean(name, known)),
        remedy_for(name, names, scope)));
  }
}

}  // namespace heddle
