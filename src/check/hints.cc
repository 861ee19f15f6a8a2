#include "check/hints.h"

#include <algorithm>
#include <set>

namespace heddle {
namespace {

void collect_integers(const Expr& expr, std::set<int64_t>& integers) {
  if (expr.op == ExprOp::integer) integers.insert(expr.integer);
  if (expr.op == ExprOp::neg && expr.children[0].op == ExprOp::integer)
    integers.insert(-expr.children[0].integer);
  for (const Expr& child : expr.children) collect_integers(child, integers);
}

// Parts that must all hold.
void conjuncts(const Expr& expr, std::vector<const Expr*>& parts) {
  if (expr.op != ExprOp::logical_and) return parts.push_back(&expr);
  for (const Expr& child : expr.children) conjuncts(child, parts);
}

ExprOp mirrored(ExprOp op) {
  switch (op) {
    case ExprOp::lt:
      return ExprOp::gt;
    case ExprOp::le:
      return ExprOp::ge;
    case ExprOp::gt:
      return ExprOp::lt;
    case ExprOp::ge:
      return ExprOp::le;
    default:
      return op;
  }
}

// `mul.present == 0`, `not mul.present`
bool is_absence(const Expr& expr) {
  const bool equals_0 = expr.op == ExprOp::eq && expr.children[1].op == ExprOp::integer && expr.children[1].integer == 0;
  if (!equals_0 && expr.op != ExprOp::logical_not) return false;
  const Expr& name = expr.children[0];
  return name.op == ExprOp::name && name.text.ends_with(".present");
}

class Collector {
 public:
  Collector(const Environment& machine, Hints& hints) : machine_(machine), hints_(hints) {}

  void add(const Expr& part) {
    if (part.op == ExprOp::name) return only(part.text, {ExprValue(int64_t{1})});
    if (part.op == ExprOp::logical_not && part.children[0].op == ExprOp::name)
      return only(part.children[0].text, {ExprValue(int64_t{0})});
    if (part.children.size() != 2) return;
    const Expr& a = part.children[0];
    const Expr& b = part.children[1];
    if (part.op == ExprOp::logical_or && is_absence(a)) {  // where there is one, it is like this
      std::vector<const Expr*> parts;
      conjuncts(b, parts);
      for (const Expr* const each : parts) add(*each);
      return;
    }
    if (part.op == ExprOp::in && a.op == ExprOp::name) {
      if (const std::optional<std::vector<ExprValue>> items = constants(b)) only(a.text, *items);
      return;
    }
    if (part.op == ExprOp::eq && a.op == ExprOp::name && b.op == ExprOp::name) one_value(a.text, b.text);
    if (a.op == ExprOp::name) compare(a.text, part.op, b);
    if (b.op == ExprOp::name) compare(b.text, mirrored(part.op), a);
  }

 private:
  std::optional<ExprValue> constant(const Expr& expr) const {
    const std::variant<ExprValue, ExprError> value = evaluate(expr, machine_);
    if (const ExprValue* const known = std::get_if<ExprValue>(&value)) return *known;
    return std::nullopt;
  }

  std::optional<std::vector<ExprValue>> constants(const Expr& set) const {
    std::vector<ExprValue> items;
    for (const Expr& child : set.children) {
      const std::optional<ExprValue> item = constant(child);
      if (!item) return std::nullopt;
      items.push_back(*item);
    }
    if (items.empty()) return std::nullopt;
    return items;
  }

  void only(const std::string& name, const std::vector<ExprValue>& items) {
    constexpr std::string_view kValues = ".values";
    if (name.ends_with(kValues)) {
      std::vector<int64_t>& palette = hints_.palettes[name.substr(0, name.size() - kValues.size())];
      for (const ExprValue& item : items)
        if (const int64_t* const integer = std::get_if<int64_t>(&item)) palette.push_back(*integer);
      return;
    }
    std::optional<std::vector<ExprValue>>& any_of = hints_.wanted[name].any_of;
    if (!any_of) {
      any_of = items;
      return;
    }
    std::vector<ExprValue> both;
    for (const ExprValue& item : *any_of)
      if (std::count(items.begin(), items.end(), item) > 0) both.push_back(item);
    if (!both.empty()) any_of = both;  // else the conditions contradict each other
  }

  void one_value(const std::string& a, const std::string& b) {
    const std::string operand = a.substr(0, a.find('.'));
    const std::string least = operand + ".min", most = operand + ".max";
    if ((a == least && b == most) || (a == most && b == least)) hints_.uniform.insert(operand);
  }

  void compare(const std::string& name, ExprOp op, const Expr& other) {
    const std::optional<ExprValue> value = constant(other);
    if (!value) return;
    if (op == ExprOp::eq) return only(name, {*value});
    const int64_t* const integer = std::get_if<int64_t>(&*value);
    if (integer == nullptr || *integer == INT64_MIN || *integer == INT64_MAX) return;
    AllowedValues& wanted = hints_.wanted[name];
    const auto at_least = [&](int64_t bound) {
      wanted.least = std::max(wanted.least.value_or(bound), bound);
    };
    const auto at_most = [&](int64_t bound) {
      wanted.most = std::min(wanted.most.value_or(bound), bound);
    };
    if (op == ExprOp::ge) at_least(*integer);
    if (op == ExprOp::gt) at_least(*integer + 1);
    if (op == ExprOp::le) at_most(*integer);
    if (op == ExprOp::lt) at_most(*integer - 1);
  }

  const Environment& machine_;
  Hints& hints_;
};

}  // namespace

bool AllowedValues::accepts(int64_t value) const {
  if (any_of && std::count(any_of->begin(), any_of->end(), ExprValue(value)) == 0) return false;
  return (!least || value >= *least) && (!most || value <= *most);
}

const AllowedValues& Hints::of(const std::string& name) const {
  static const AllowedValues nothing;
  const auto found = wanted.find(name);
  return found == wanted.end() ? nothing : found->second;
}

std::vector<int64_t> integers_in(const Expr& expr) {
  std::set<int64_t> integers;
  collect_integers(expr, integers);
  return {integers.begin(), integers.end()};
}

Environment machine_environment(const Soc& soc, const Target& target) {
  std::map<std::string, ExprValue> names;
  for (const std::vector<Memory>* memories : {&soc.memories, &target.memories})
    for (const Memory& memory : *memories) names["memory." + memory.name + ".bytes"] = memory.bytes;
  for (const auto& [name, memory] : target.uses) {
    if (const Memory* const meant = soc.find_memory(memory))
      names["memory." + name + ".bytes"] = meant->bytes;
  }
  for (const auto& [key, value] : soc.cpu_constants) names["cpu." + key] = value;
  names["cpu.isa"] = std::string(name_of(soc.isa));
  for (const auto& [key, value] : target.constants) names["unit." + key] = value;
  return environment_of(names);
}

Hints hints_of(const Rule& rule, const Environment& machine) {
  Hints hints;
  Collector collector(machine, hints);
  std::set<int64_t> widths;
  const auto look_at = [&](const Expr& expr) { collect_integers(expr, widths); };
  for (const Condition& condition : rule.when) {
    std::vector<const Expr*> parts;
    conjuncts(condition.expr, parts);
    for (const Expr* const part : parts) collector.add(*part);
    look_at(condition.expr);
  }
  look_at(rule.launch);
  look_at(rule.compute);
  for (const Condition& condition : rule.require) look_at(condition.expr);
  for (const Preference& preference : rule.prefer) look_at(preference.expr);
  for (const TileDomain& domain : rule.domains) widths.insert(domain.multiple_of);
  for (const Packing& packing : rule.packings) widths.insert(packing.block_size);
  if (rule.layout) widths.insert(rule.layout->row);
  for (const int64_t width : widths)
    if (width >= 2 && width <= 64) hints.widths.push_back(width);
  return hints;
}

}  // namespace heddle
