#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/text.h"
#include "expr/arithmetic.h"
#include "expr/expr.h"

namespace heddle {
namespace {

using Evaluated = std::variant<ExprValue, ExprError>;

const ExprError* error_of(const Evaluated& evaluated) { return std::get_if<ExprError>(&evaluated); }
const ExprValue& value_of(const Evaluated& evaluated) {
  return *std::get_if<ExprValue>(&evaluated);
}

std::string_view symbol_of(ExprOp op) {
  switch (op) {
    case ExprOp::add:
      return "+";
    case ExprOp::sub:
    case ExprOp::neg:
      return "-";
    case ExprOp::mul:
      return "*";
    case ExprOp::div:
      return "/";
    case ExprOp::mod:
      return "mod";
    case ExprOp::min:
      return "min";
    case ExprOp::max:
      return "max";
    case ExprOp::ceil_div:
      return "ceil_div";
    case ExprOp::eq:
      return "==";
    case ExprOp::ne:
      return "!=";
    case ExprOp::lt:
      return "<";
    case ExprOp::le:
      return "<=";
    case ExprOp::gt:
      return ">";
    case ExprOp::ge:
      return ">=";
    case ExprOp::in:
      return "in";
    case ExprOp::not_in:
      return "not in";
    case ExprOp::logical_and:
      return "and";
    case ExprOp::logical_or:
      return "or";
    case ExprOp::logical_not:
      return "not";
    case ExprOp::integer:
    case ExprOp::text:
    case ExprOp::name:
    case ExprOp::set:
      break;
  }
  return "?";
}

std::string kind_of(const ExprValue& value) {
  if (std::holds_alternative<int64_t>(value)) return "an integer";
  if (std::holds_alternative<std::string>(value)) return "a text";
  return "a set";
}

// "`x.dtype` is 'int8'", or just the value of a constant.
std::string with_value(const Expr& expr, const ExprValue& value) {
  const std::string text = print_text(expr);
  const std::string shown = to_string(value);
  return text == shown ? shown : fmt::format("`{}`, which is {}", terminal_text(text), shown);
}

ExprError integer_needed(const Expr& parent, const Expr& child, const ExprValue& value) {
  return {fmt::format("`{}` needs an integer, not {}: {}", symbol_of(parent.op), kind_of(value),
                      with_value(child, value))};
}

Evaluated truth(bool value) { return ExprValue(int64_t{value ? 1 : 0}); }

// The integer value of a child, or the error.
std::variant<int64_t, ExprError> integer_child(const Expr& parent, const Expr& child,
                                               const Environment& environment) {
  Evaluated evaluated = evaluate(child, environment);
  if (const ExprError* error = error_of(evaluated)) return *error;
  if (const int64_t* integer = std::get_if<int64_t>(&value_of(evaluated))) return *integer;
  return integer_needed(parent, child, value_of(evaluated));
}

Evaluated evaluate_arithmetic(const Expr& expr, const Environment& environment) {
  std::vector<int64_t> values;
  for (const Expr& child : expr.children) {
    const auto value = integer_child(expr, child, environment);
    if (const auto* error = std::get_if<ExprError>(&value)) return *error;
    values.push_back(*std::get_if<int64_t>(&value));
  }
  const bool divides =
      expr.op == ExprOp::div || expr.op == ExprOp::mod || expr.op == ExprOp::ceil_div;
  if (divides && values[1] == 0) {
    return ExprError{fmt::format("division by zero: `{}` with {} on the left",
                                 terminal_text(print_text(expr)), values[0])};
  }
  std::optional<int64_t> result = values[0];
  if (expr.op == ExprOp::neg) result = checked_sub(0, values[0]);
  for (size_t i = 1; i < values.size() && result; ++i) result = apply(expr.op, *result, values[i]);
  if (result) return ExprValue(*result);
  std::string operands;
  for (const int64_t value : values) {
    operands += fmt::format("{}{}", operands.empty() ? "" : " and ", value);
  }
  return ExprError{
      fmt::format("`{}` leaves 64 bits, with {}", terminal_text(print_text(expr)), operands)};
}

Evaluated evaluate_comparison(const Expr& expr, const Environment& environment) {
  const Evaluated left = evaluate(expr.children[0], environment);
  if (error_of(left)) return left;
  const Evaluated right = evaluate(expr.children[1], environment);
  if (error_of(right)) return right;
  const ExprValue& a = value_of(left);
  const ExprValue& b = value_of(right);
  if (a.index() != b.index() || std::holds_alternative<IntSet>(a)) {
    return ExprError{fmt::format("`{}` cannot compare {} with {}: {} and {}", symbol_of(expr.op),
                                 kind_of(a), kind_of(b), with_value(expr.children[0], a),
                                 with_value(expr.children[1], b))};
  }
  switch (expr.op) {
    case ExprOp::eq:
      return truth(a == b);
    case ExprOp::ne:
      return truth(a != b);
    case ExprOp::lt:
      return truth(a < b);
    case ExprOp::le:
      return truth(a <= b);
    case ExprOp::gt:
      return truth(a > b);
    default:
      return truth(a >= b);
  }
}

bool lists(const Expr& list, int64_t value) {
  return std::any_of(list.children.begin(), list.children.end(),
                     [&](const Expr& constant) { return constant.integer == value; });
}

Evaluated evaluate_membership(const Expr& expr, const Environment& environment) {
  const Evaluated left = evaluate(expr.children[0], environment);
  if (error_of(left)) return left;
  const ExprValue& value = value_of(left);
  const Expr& list = expr.children[1];
  const bool wanted = expr.op == ExprOp::in;
  const bool texts = !list.children.empty() && list.children[0].op == ExprOp::text;
  if (texts != std::holds_alternative<std::string>(value)) {
    return ExprError{fmt::format("`{}` cannot look for {} in a list of {}: {}", symbol_of(expr.op),
                                 kind_of(value), texts ? "texts" : "integers",
                                 with_value(expr.children[0], value))};
  }
  if (const std::string* text = std::get_if<std::string>(&value)) {
    const bool found = std::any_of(list.children.begin(), list.children.end(),
                                   [&](const Expr& constant) { return constant.text == *text; });
    return truth(found == wanted);
  }
  if (const int64_t* integer = std::get_if<int64_t>(&value)) {
    return truth(lists(list, *integer) == wanted);
  }
  const IntSet& set = *std::get_if<IntSet>(&value);
  return truth(std::all_of(set.begin(), set.end(),
                           [&](int64_t element) { return lists(list, element) == wanted; }));
}

// `and` and `or` look at their right side only if the left one does not decide.
Evaluated evaluate_logic(const Expr& expr, const Environment& environment) {
  bool value = false;
  for (const Expr& child : expr.children) {
    const auto evaluated = integer_child(expr, child, environment);
    if (const auto* error = std::get_if<ExprError>(&evaluated)) return *error;
    const int64_t integer = *std::get_if<int64_t>(&evaluated);
    if (integer != 0 && integer != 1) {
      return ExprError{fmt::format("`{}` needs a truth value (0 or 1), not {}", symbol_of(expr.op),
                                   with_value(child, integer))};
    }
    value = integer == 1;
    if (expr.op == ExprOp::logical_or && value) break;
    if (expr.op == ExprOp::logical_and && !value) break;
  }
  return truth(expr.op == ExprOp::logical_not ? !value : value);
}

void collect_names(const Expr& expr, std::set<std::string>& names) {
  if (expr.op == ExprOp::name) names.insert(expr.text);
  for (const Expr& child : expr.children) collect_names(child, names);
}

}  // namespace

std::string to_string(const ExprValue& value) {
  if (const int64_t* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const std::string* text = std::get_if<std::string>(&value)) {
    return fmt::format("'{}'", terminal_text(*text));
  }
  constexpr size_t kShown = 8;
  const IntSet& set = *std::get_if<IntSet>(&value);
  std::string text;
  size_t count = 0;
  for (const int64_t element : set) {
    if (count == kShown) break;
    text += fmt::format("{}{}", count == 0 ? "" : ", ", element);
    ++count;
  }
  if (set.size() > kShown) text += fmt::format(", ... {} values", set.size());
  return fmt::format("{{{}}}", text);
}

Environment environment_of(const std::map<std::string, ExprValue>& values) {
  return [values](std::string_view name) -> std::optional<ExprValue> {
    const auto found = values.find(std::string(name));
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

std::variant<ExprValue, ExprError> evaluate(const Expr& expr, const Environment& environment) {
  switch (expr.op) {
    case ExprOp::integer:
      return ExprValue(expr.integer);
    case ExprOp::text:
      return ExprValue(expr.text);
    case ExprOp::name: {
      std::optional<ExprValue> value = environment(expr.text);
      if (value) return *std::move(value);
      return ExprError{fmt::format("unknown name `{}`", terminal_text(expr.text))};
    }
    case ExprOp::set:
      return ExprError{"a list stands only right of `in`"};
    case ExprOp::add:
    case ExprOp::sub:
    case ExprOp::mul:
    case ExprOp::div:
    case ExprOp::mod:
    case ExprOp::neg:
    case ExprOp::min:
    case ExprOp::max:
    case ExprOp::ceil_div:
      return evaluate_arithmetic(expr, environment);
    case ExprOp::eq:
    case ExprOp::ne:
    case ExprOp::lt:
    case ExprOp::le:
    case ExprOp::gt:
    case ExprOp::ge:
      return evaluate_comparison(expr, environment);
    case ExprOp::in:
    case ExprOp::not_in:
      return evaluate_membership(expr, environment);
    case ExprOp::logical_and:
    case ExprOp::logical_or:
    case ExprOp::logical_not:
      return evaluate_logic(expr, environment);
  }
  internal_error(__FILE__, __LINE__, "an expression of no kind");
}

std::variant<int64_t, ExprError> evaluate_int(const Expr& expr, const Environment& environment) {
  const Evaluated evaluated = evaluate(expr, environment);
  if (const ExprError* error = error_of(evaluated)) return *error;
  if (const int64_t* integer = std::get_if<int64_t>(&value_of(evaluated))) return *integer;
  return ExprError{fmt::format("an integer is needed here, not {}: {}",
                               kind_of(value_of(evaluated)),
                               with_value(expr, value_of(evaluated)))};
}

std::vector<std::string> names_in(const Expr& expr) {
  std::set<std::string> names;
  collect_names(expr, names);
  return {names.begin(), names.end()};
}

}  // namespace heddle
