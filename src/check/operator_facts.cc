#include "check/operator_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rules/rules.h"

namespace heddle {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;  // checked_elements()
constexpr int64_t kMostOfWindow = int64_t{1} << 24;  // window_output()
constexpr int64_t kLarge = int64_t{1} << 62;
constexpr Bounds kInt32{INT32_MIN, INT32_MAX};

using Names = std::vector<std::string>;

bool has_attribute(const OpDef& op, std::string_view name) {
  return std::any_of(op.attributes.begin(), op.attributes.end(),
                     [&](const AttributeDef& attribute) { return attribute.name == name; });
}

// A window of its own attributes, with every dimension named.
bool slides(const OpDef& op) { return has_attribute(op, "stride_h"); }

// Operators whose names for sizes do not depend on the rank.
bool has_fixed_rank(const OpDef& op) { return slides(op) || op.name == "dense"; }

struct Template {
  std::string_view op;  // the anchor
  std::string_view text;
  std::string_view about;
};
// clang-format off
constexpr Template kAnchors[] = {
    {"conv2d", "g == conv2d.group and ic == c * conv2d.group", ""},
    {"conv2d", "x.elements == n * ic * iy * ix", "x.elements"},
    {"conv2d", "weights.elements == g * k * c * fy * fx", "weights.elements"},
    {"conv2d", "y.elements == n * g * k * oy * ox", "y.elements"},
    {"conv2d", "macs == n * g * k * oy * ox * c * fy * fx", "macs"},
    {"conv2d", "weights.rank == 4", "weights.rank"},
    {"depthwise_conv2d", "ic == k and c == 1", ""},
    {"depthwise_conv2d", "x.elements == n * k * iy * ix", "x.elements"},
    {"depthwise_conv2d", "weights.elements == k * fy * fx", "weights.elements"},
    {"depthwise_conv2d", "y.elements == n * k * oy * ox", "y.elements"},
    {"depthwise_conv2d", "macs == n * k * oy * ox * fy * fx", "macs"},
    {"depthwise_conv2d", "weights.rank == 4", "weights.rank"},
    {"dense", "x.elements == n * c", "x.elements"},
    {"dense", "weights.elements == k * c", "weights.elements"},
    {"dense", "y.elements == n * k", "y.elements"},
    {"dense", "macs == n * k * c", "macs"},
    {"dense", "x.rank == 2 and weights.rank == 2 and y.rank == 2", ".rank"},
    {"add", "y.rank != 4 or y.elements == n * k * oy * ox", "y.elements"},
    {"add", "x.elements <= y.elements", "x.elements"},
    {"add", "x.rank <= y.rank", "x.rank"},
    {"add", "x.dtype == 'float32' or (x.lo + residual.lo >= -2147483648 and "
            "x.hi + residual.hi <= 2147483647)", "x."},
};
// Of every window, $ being the operator.
constexpr std::string_view kWindow[] = {
    "inside.fy <= oy * fy", "inside.fx <= ox * fx", "x.rank == 4", "y.rank == 4"};
constexpr std::string_view kTypes[] = {
    "$.bits == 8 * ($.dtype in ['int8', 'uint8']) + 16 * ($.dtype in ['int16', 'uint16']) + "
    "32 * ($.dtype in ['int32', 'float32']) + 64 * ($.dtype == 'int64')",
    "$.signed == ($.dtype not in ['uint8', 'uint16'])",
    "$.lo <= $.hi",
    "$.dtype != 'int8' or ($.lo >= -128 and $.hi <= 127)",
    "$.dtype != 'uint8' or ($.lo >= 0 and $.hi <= 255)",
    "$.dtype != 'int16' or ($.lo >= -32768 and $.hi <= 32767)",
    "$.dtype != 'uint16' or ($.lo >= 0 and $.hi <= 65535)",
    "$.dtype not in ['int32'] or ($.lo >= -2147483648 and $.hi <= 2147483647)"};
// The narrowest type of numbers between $lo and $hi.
constexpr std::string_view kNarrowest[] = {
    "y.dtype != 'float32' and y.dtype != 'int64'",
    "(y.dtype == 'int8') == ($lo >= -128 and $hi <= 127)",
    "(y.dtype == 'uint8') == ($lo >= 0 and $hi > 127 and $hi <= 255)",
    "y.dtype != 'int16' or ($lo >= -32768 and $hi <= 32767)",
    "y.dtype != 'uint16' or ($lo >= 0 and $hi <= 65535)",
    "y.dtype != 'int32' or $lo < -32768 or $hi > 65535 or ($lo < 0 and $hi > 32767)"};
// clang-format on

Expr parsed(std::string text) {
  Result<Expr> expr = parse_expr(text, Place{});
  HEDDLE_CHECK(expr.ok(), "a fact about operators that cannot be read: " + text);
  return std::move(expr).value();
}

std::string filled(std::string text, std::string_view hole, std::string_view value) {
  for (size_t at = 0; (at = text.find(hole, at)) != std::string::npos; at += value.size())
    text.replace(at, hole.size(), value);
  return text;
}

class Facts {
 public:
  Facts(const Names& spine, const std::vector<BoundOperand>& operands)
      : spine_(spine), operands_(operands), anchor_(*find_op(spine.front())) {
    later_are_maps_ = std::all_of(spine.begin() + 1, spine.end(), [](const std::string& op) {
      return in_class(*find_op(op), "map");
    });
  }

  std::vector<Fact> all() {
    for (const Template& fact : kAnchors) {
      const bool result = fact.about == "y.elements" || fact.about == "macs" || fact.about == ".rank";
      if (fact.op == anchor_.name && (later_are_maps_ || !result))
        add(std::string(fact.text), std::string(fact.about == ".rank" ? "" : fact.about));
    }
    if (slides(anchor_)) add_window();
    for (const BoundOperand& operand : operands_) add_operand(operand);
    add_numbers();
    add_integers();
    if (once("requant")) add_requant();
    if (once("bias_add") && later_are_maps_) add("bias_add.axis < y.rank", "bias_add.axis");
    add_result();
    return std::move(facts_);
  }

 private:
  bool once(std::string_view op) const { return std::count(spine_.begin(), spine_.end(), op) == 1; }
  void add(std::string text, std::string about = "") {
    facts_.push_back({parsed(std::move(text)), std::move(about), false});
  }

  void add_window() {
    const std::string op(anchor_.name);
    const bool dilated = has_attribute(anchor_, "dilation_h");
    for (const auto& [i, o, f, d, before, after] :
         {std::array<std::string, 6>{"iy", "oy", "fy", "_h", "top", "bottom"},
          std::array<std::string, 6>{"ix", "ox", "fx", "_w", "left", "right"}}) {
      const std::string reach =
          dilated ? fmt::format("{}.dilation{} * ({} - 1)", op, d, f) : fmt::format("({} - 1)", f);
      const std::string space = fmt::format("{1} + {0}.pad_{2} + {0}.pad_{3} - {4} - 1", op, i, before,
                                            after, reach);
      add(space + " >= 0");
      add(fmt::format("{} == ({}) / {}.stride{} + 1", o, space, op, d));
      if (dilated) continue;
      add(fmt::format("{} == {}.kernel{}", f, op, d));
      add(fmt::format("{}.pad_{} < {}", op, before, f));  // no window wholly in the padding
      add(fmt::format("({} - 1) * {}.stride{} - {}.pad_{} < {}", o, op, d, op, before, i));
    }
    for (const std::string_view text : kWindow) {
      if (text.starts_with("y") && !later_are_maps_) continue;
      add(std::string(text), std::string(text.substr(0, text.find(' '))));
    }
  }

  void add_operand(const BoundOperand& operand) {
    const std::string& name = operand.name;
    for (const std::string_view text : kTypes) add(filled(std::string(text), "$", name), name + ".");
    add(filled("$.bytes == $.elements * ($.bits / 8)", "$", name), name + ".bytes");
    add(filled("$.elements <= $.bytes", "$", name), name + ".bytes");
    for (const char* end : {".min", ".max", ".values"})
      add(filled("$.min <= $.max and $.lo <= $.min and $.max <= $.hi", "$", name), name + end);
    if (operand.record == nullptr) return;
    if (operand.record->constant) add(name + ".constant == 1", name + ".constant");
    if (operand.record->numbers == Numbers::integers)
      add(name + ".dtype != 'float32'", name + ".");
    if (operand.record->numbers == Numbers::reals) add(name + ".dtype == 'float32'", name + ".");
  }

  // All operands of the anchor are float32, or none is.
  void add_numbers() {
    for (const BoundOperand& operand : operands_) {
      const bool of_anchor = std::any_of(
          anchor_.operands.begin(), anchor_.operands.end(),
          [&](const OperandDef& record) { return &record == operand.record; });
      if (!of_anchor || operand.anchor_input || operand.optional) continue;
      if (operand.record->numbers != Numbers::either) continue;
      add(fmt::format("(x.dtype == 'float32') == ({}.dtype == 'float32')", operand.name),
          operand.name + ".");
    }
  }

  // An operator of integers only, reached through such that change no type.
  void add_integers() {
    const auto numbers = [](const std::string& op) {
      const OpDef& record = *find_op(op);
      return record.operands.empty() ? Numbers::any : record.operands[0].numbers;
    };
    for (size_t i = 0; i < spine_.size(); ++i) {
      if (i > 0 && numbers(spine_[i]) == Numbers::integers) add("x.dtype != 'float32'", "x.");
      if (numbers(spine_[i]) != Numbers::either) break;
    }
  }

  void add_requant() {
    add("requant.lo <= requant.hi", "requant.");
    add("requant.rounding not in ['shift', 'floor', 'half_up'] or (requant.shift >= 0 and "
        "requant.shift <= 62)",
        "requant.shift");
    add("requant.rounding == 'float' or requant.x_zero_point == 0", "requant.x_zero_point");
    for (const char* name : {"mul", "add"}) {
      if (std::none_of(operands_.begin(), operands_.end(),
                       [&](const BoundOperand& operand) { return operand.name == name && operand.optional; }))
        continue;
      if (once(name)) continue;  // an operator of this name: it is that one's presence
      add(fmt::format("requant.rounding != 'shift' or {}.present == 0", name),
          fmt::format("{}.present", name));
      add(fmt::format("requant.rounding == 'float' or {}.dtype != 'float32'", name),
          fmt::format("{}.", name));
    }
  }

  void add_result() {
    const std::string& last = spine_.back();
    if (last == "requant" && once("requant")) {
      add("y.lo >= requant.lo and y.hi <= requant.hi", "y.");
      add_narrowest("requant.lo", "requant.hi");
    } else if (last == "relu") {
      // Of float32 it is float32; of integers at least 0.
      const bool integers = once("requant") && spine_.size() > 1 && spine_[spine_.size() - 2] == "requant";
      if (!integers) return;
      add("y.lo >= 0 and y.hi <= max(0, requant.hi)", "y.");
      add_narrowest("y.lo", "y.hi");
    } else if (last == "bias_add" || last == "conv2d" || last == "depthwise_conv2d" ||
               last == "dense") {
      add("y.dtype in ['int32', 'float32']", "y.");
      if (spine_.size() == 1) add("(x.dtype == 'float32') == (y.dtype == 'float32')", "y.");
    }
    if (last != spine_.front() || spine_.size() > 1 || find_op(last)->operands.size() != 0)
      add("y.constant == 0", "y.constant");
  }
  void add_narrowest(const std::string& lo, const std::string& hi) {
    for (const std::string_view text : kNarrowest)
      add(filled(filled(std::string(text), "$lo", lo), "$hi", hi), "y.");
  }

  const Names& spine_;
  const std::vector<BoundOperand>& operands_;
  const OpDef& anchor_;
  bool later_are_maps_ = false;
  std::vector<Fact> facts_;
};

NameFacts integer(int64_t lo, int64_t hi, bool small = false, bool optional = false) {
  return {{"", Variable::Kind::integer, {lo, hi}, {}}, small, optional};
}
NameFacts text(std::set<std::string> texts, bool open, bool optional = false) {
  if (open) texts.insert("another");
  return {{"", Variable::Kind::text, {}, {texts.begin(), texts.end()}}, false, optional};
}

NameFacts attribute_facts(std::string_view op, const AttributeDef& attribute,
                          const std::set<std::string>& texts) {
  const std::string_view name = attribute.name;
  if (attribute.text) {
    if (op == "requant") return text({"shift", "floor", "half_up", "tflite_double", "float"}, false);
    return text(texts, true);
  }
  if (attribute.number) return integer(-kLarge, kLarge, false, true);
  if (name.starts_with("stride_") || name.starts_with("kernel_") || name.starts_with("dilation_"))
    return integer(1, kMostOfWindow, true);
  if (name.starts_with("pad_") && has_attribute(*find_op(op), "stride_h"))
    return integer(0, kMostOfWindow, true);
  if (name == "group") return integer(1, kMostElements, true);
  if (op == "requant" && (name == "lo" || name == "hi")) return integer(kInt32.lo, kInt32.hi);
  const bool product = op == "conv2d" || op == "depthwise_conv2d" || op == "dense";
  if ((op == "requant" && name.ends_with("zero_point")) || (product && name == "x_zero_point"))
    return integer(-65536, 65536, true);
  if (op == "bias_add" && name == "axis") return integer(0, 7, true);
  return integer(-kLarge, kLarge, true);
}

std::optional<NameFacts> operand_facts(const BoundOperand& operand, std::string_view property) {
  const bool wide = operand.record != nullptr && operand.record->wide;
  const Bounds range = wide ? Bounds{INT64_MIN, INT64_MAX} : kInt32;
  std::optional<NameFacts> facts;
  if (property == "bits") facts = integer(8, 64);
  if (property == "signed" || property == "constant") facts = integer(0, 1);
  if (property == "lo" || property == "hi") facts = integer(range.lo, range.hi);
  if (property == "elements") facts = integer(1, kMostElements);
  if (property == "bytes") facts = integer(1, 8 * kMostElements);
  if (property == "rank") facts = integer(0, 8);
  if (property == "dtype")
    facts = text({"int8", "uint8", "int16", "uint16", "int32", "int64", "float32"}, false);
  // Only constants of integers have them.
  if (property == "min" || property == "max") facts = integer(range.lo, range.hi, false, true);
  if (property == "values") facts = NameFacts{{"", Variable::Kind::set, {}, {}}, false, true};
  if (property.size() == 2 && property[0] == 'd' && property[1] >= '0' && property[1] <= '7')
    facts = integer(1, kMostElements, true, true);
  if (facts && operand.optional) facts->optional = true;
  return facts;
}

std::optional<NameFacts> size_facts(const OpDef& anchor, std::string_view name) {
  const auto has = [&](const std::vector<std::string_view>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const bool fixed = has_fixed_rank(anchor);
  bool known = has(anchor.axes) || has(anchor.output_dims);
  for (const OperandDef& operand : anchor.operands) known = known || has(operand.dims);
  if (!known && fixed) return std::nullopt;
  return integer(1, kMostElements, true, !fixed);
}

}  // namespace

std::vector<Fact> facts_of(const Names& spine, const std::vector<BoundOperand>& operands) {
  return Facts(spine, operands).all();
}

std::string without_number(const std::string& name) {
  const size_t bar = name.rfind('_');
  if (bar == std::string::npos || bar + 1 == name.size()) return name;
  const bool number = std::all_of(name.begin() + static_cast<std::ptrdiff_t>(bar) + 1, name.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  return number ? name.substr(0, bar) : name;
}

bool has_result_facts(std::string_view op) {
  constexpr std::string_view kOps[] = {"requant", "relu",   "bias_add",
                                       "conv2d",  "dense", "depthwise_conv2d"};
  return std::find(std::begin(kOps), std::end(kOps), op) != std::end(kOps);
}

std::optional<NameFacts> name_facts(const Names& spine, const std::vector<BoundOperand>& operands,
                                    const std::string& name, const std::set<std::string>& texts) {
  const OpDef& anchor = *find_op(spine.front());
  const size_t dot = name.find('.');
  if (name == "macs") return integer(0, kLarge);
  if (dot == std::string::npos) return size_facts(anchor, name);
  const std::string head = name.substr(0, dot), tail = name.substr(dot + 1);
  if (head == "memory" && tail.ends_with(".present")) return integer(0, 1);
  if (head == "memory") return integer(0, int64_t{1} << 32, false, true);
  if (name == "cpu.isa") return text({kIsaNames.begin(), kIsaNames.end()}, false);
  if (head == "cpu" || head == "unit") return integer(-kLarge, kLarge);
  if (name == "soc.name") return text(texts, true);
  if (head == "soc") return integer(-kLarge, kLarge);
  // Each rule has its own.
  if (name == "layout.order") return text({"channels_first", "channels_last"}, false, true);
  if (head == "layout") return integer(1, kMostElements, false, true);
  if (head == "inside") {
    const bool window = slides(anchor) && (tail == "fy" || tail == "fx");
    return window ? integer(0, kMostElements) : integer(0, kMostElements, false, true);
  }
  const std::string plain = find_op(head) != nullptr ? head : without_number(head);
  const bool numbered = plain != head;
  const bool present = std::find(spine.begin(), spine.end(), plain) != spine.end();
  const auto operand = std::find_if(operands.begin(), operands.end(),
                                    [&](const BoundOperand& bound) { return bound.name == head; });
  if (tail == "present") {
    if (numbered && operand == operands.end()) return integer(0, 1);
    const bool bound = operand != operands.end();
    const bool sure = present || (bound && !operand->optional);
    return integer(sure, sure || bound);
  }
  if (const OpDef* const op = find_op(plain); op != nullptr && present) {
    for (const AttributeDef& attribute : op->attributes) {
      if (attribute.name != tail || attribute.vector || attribute.real) continue;
      NameFacts facts = attribute_facts(plain, attribute, texts);
      facts.optional = facts.optional || numbered;
      return facts;
    }
  }
  if (operand != operands.end()) return operand_facts(*operand, tail);
  return std::nullopt;
}

}  // namespace heddle
