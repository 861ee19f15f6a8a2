#include "tiler/formula.h"

#include <algorithm>

#include "base/checked.h"
#include "expr/arithmetic.h"

namespace heddle {

Formula::Formula(const Expr& expr, const std::function<int(std::string_view)>& slot) {
  add(expr, slot);
}

int Formula::add(const Expr& expr, const std::function<int(std::string_view)>& slot) {
  Step step{expr.op, expr.integer, -1, {}, {}};
  if (expr.op == ExprOp::name) step.slot = slot(expr.text);
  if (expr.op == ExprOp::set) {
    for (const Expr& child : expr.children) step.list.push_back(child.integer);
  } else {
    for (const Expr& child : expr.children) step.children.push_back(add(child, slot));
  }
  steps_.push_back(std::move(step));
  return static_cast<int>(steps_.size()) - 1;
}

std::optional<int64_t> Formula::evaluate(std::span<const int64_t> slots) const {
  return steps_.empty() ? std::optional<int64_t>(0) : evaluate(steps_.back(), slots);
}

std::optional<int64_t> Formula::evaluate(const Step& step, std::span<const int64_t> slots) const {
  const auto child = [&](size_t i) {
    return evaluate(steps_[static_cast<size_t>(step.children[i])], slots);
  };
  switch (step.op) {
    case ExprOp::integer:
      return step.integer;
    case ExprOp::name:
      if (step.slot < 0) return std::nullopt;
      return slots[static_cast<size_t>(step.slot)];
    case ExprOp::text:
    case ExprOp::set:
      return std::nullopt;
    case ExprOp::neg: {
      const std::optional<int64_t> value = child(0);
      return value ? checked_sub(0, *value) : std::nullopt;
    }
    case ExprOp::logical_not: {
      const std::optional<int64_t> value = child(0);
      return value && (*value == 0 || *value == 1) ? std::optional<int64_t>(1 - *value)
                                                   : std::nullopt;
    }
    case ExprOp::logical_and:
    case ExprOp::logical_or: {
      const int64_t decides = step.op == ExprOp::logical_or;
      for (size_t i = 0; i < step.children.size(); ++i) {
        const std::optional<int64_t> value = child(i);
        if (!value || (*value != 0 && *value != 1)) return std::nullopt;
        if (*value == decides) return decides;
      }
      return 1 - decides;
    }
    case ExprOp::in:
    case ExprOp::not_in: {
      const std::optional<int64_t> value = child(0);
      const Step& list = steps_[static_cast<size_t>(step.children[1])];
      if (!value || list.op != ExprOp::set) return std::nullopt;
      const bool found = std::find(list.list.begin(), list.list.end(), *value) != list.list.end();
      return found == (step.op == ExprOp::in);
    }
    default:
      break;
  }
  std::optional<int64_t> result = child(0);
  for (size_t i = 1; i < step.children.size() && result; ++i) {
    const std::optional<int64_t> right = child(i);
    if (!right) return std::nullopt;
    switch (step.op) {
      case ExprOp::eq:
        result = *result == *right;
        break;
      case ExprOp::ne:
        result = *result != *right;
        break;
      case ExprOp::lt:
        result = *result < *right;
        break;
      case ExprOp::le:
        result = *result <= *right;
        break;
      case ExprOp::gt:
        result = *result > *right;
        break;
      case ExprOp::ge:
        result = *result >= *right;
        break;
      default:
        result = apply(step.op, *result, *right);
        break;
    }
  }
  return result;
}

Expr fold(const Expr& expr, const Environment& constants,
          const std::function<bool(std::string_view)>& varies) {
  const std::vector<std::string> names = names_in(expr);
  if (expr.op == ExprOp::set || expr.op == ExprOp::text || expr.op == ExprOp::integer) return expr;
  if (std::none_of(names.begin(), names.end(), varies)) {
    const auto value = evaluate(expr, constants);
    const ExprValue* known = std::get_if<ExprValue>(&value);
    if (known == nullptr || !std::holds_alternative<int64_t>(*known)) return expr;
    Expr constant;
    constant.integer = std::get<int64_t>(*known);
    constant.column = expr.column;
    return constant;
  }
  Expr folded = expr;
  for (Expr& child : folded.children) child = fold(child, constants, varies);
  return folded;
}

}  // namespace heddle
