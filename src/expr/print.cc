// The two printers. Both set brackets by the same levels; C's own differ (`!` binds tighter, `&&`
// within `||` draws a warning), and there brackets are added.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "expr/expr.h"

namespace heddle {
namespace {

enum Level { kOr = 1, kAnd, kNot, kComparison, kSum, kProduct, kUnary, kPrimary };

Level level_of(ExprOp op) {
  switch (op) {
    case ExprOp::logical_or:
      return kOr;
    case ExprOp::logical_and:
      return kAnd;
    case ExprOp::logical_not:
      return kNot;
    case ExprOp::eq:
    case ExprOp::ne:
    case ExprOp::lt:
    case ExprOp::le:
    case ExprOp::gt:
    case ExprOp::ge:
    case ExprOp::in:
    case ExprOp::not_in:
      return kComparison;
    case ExprOp::add:
    case ExprOp::sub:
      return kSum;
    case ExprOp::mul:
    case ExprOp::div:
    case ExprOp::mod:
      return kProduct;
    case ExprOp::neg:
      return kUnary;
    case ExprOp::integer:
    case ExprOp::text:
    case ExprOp::name:
    case ExprOp::set:
    case ExprOp::min:
    case ExprOp::max:
    case ExprOp::ceil_div:
      return kPrimary;
  }
  return kPrimary;
}

std::string in_brackets_if(bool wanted, std::string text) {
  return wanted ? fmt::format("({})", text) : text;
}

struct Symbol {
  std::string_view text;
  std::string_view c;
};

Symbol symbol_of(ExprOp op) {
  switch (op) {
    case ExprOp::logical_or:
      return {"or", "||"};
    case ExprOp::logical_and:
      return {"and", "&&"};
    case ExprOp::eq:
      return {"==", "=="};
    case ExprOp::ne:
      return {"!=", "!="};
    case ExprOp::lt:
      return {"<", "<"};
    case ExprOp::le:
      return {"<=", "<="};
    case ExprOp::gt:
      return {">", ">"};
    case ExprOp::ge:
      return {">=", ">="};
    case ExprOp::add:
      return {"+", "+"};
    case ExprOp::sub:
      return {"-", "-"};
    case ExprOp::mul:
      return {"*", "*"};
    case ExprOp::div:
      return {"/", "/"};
    case ExprOp::mod:
      return {"mod", "%"};
    default:
      internal_error(__FILE__, __LINE__, "no binary operator");
  }
}

std::string text_of(const Expr& expr, int least_level);

std::string text_of_list(const std::vector<Expr>& items) {
  std::string text;
  for (const Expr& item : items) {
    if (!text.empty()) text += ", ";
    text += text_of(item, kOr);
  }
  return text;
}

std::string text_of_tree(const Expr& expr) {
  const std::vector<Expr>& children = expr.children;
  const int level = level_of(expr.op);
  switch (expr.op) {
    case ExprOp::integer:
      return std::to_string(expr.integer);
    case ExprOp::name:
      return expr.text;
    case ExprOp::text: {
      const std::string_view quote = expr.text.find('\'') == std::string::npos ? "'" : "\"";
      return fmt::format("{}{}{}", quote, expr.text, quote);
    }
    case ExprOp::set:
      return fmt::format("[{}]", text_of_list(children));
    case ExprOp::min:
      return fmt::format("min({})", text_of_list(children));
    case ExprOp::max:
      return fmt::format("max({})", text_of_list(children));
    case ExprOp::ceil_div:
      return fmt::format("ceil_div({})", text_of_list(children));
    // "-5" is a constant: the negation of a constant 5 needs brackets to stay one.
    case ExprOp::neg:
      return fmt::format(
          "-{}", in_brackets_if(children[0].op == ExprOp::integer, text_of(children[0], kUnary)));
    case ExprOp::logical_not:
      return fmt::format("not {}", text_of(children[0], kNot));
    case ExprOp::in:
    case ExprOp::not_in:
      return fmt::format("{} {} {}", text_of(children[0], kSum),
                         expr.op == ExprOp::in ? "in" : "not in", text_of(children[1], kPrimary));
    default:
      break;
  }
  // Binary operators group to the left; comparisons do not chain.
  return fmt::format("{} {} {}", text_of(children[0], level == kComparison ? kSum : level),
                     symbol_of(expr.op).text, text_of(children[1], level + 1));
}

std::string text_of(const Expr& expr, int least_level) {
  return in_brackets_if(level_of(expr.op) < least_level, text_of_tree(expr));
}

constexpr int64_t kMaxLeaves = 1000;

// How many names and numbers the C text has, saturated just above kMaxLeaves; texts count as too
// many.
int64_t c_leaves(const Expr& expr) {
  const auto capped = [](int64_t count) { return std::min(count, kMaxLeaves + 1); };
  if (expr.op == ExprOp::text) return kMaxLeaves + 1;
  if (expr.children.empty()) return 1;
  const int64_t first = c_leaves(expr.children[0]);
  if (expr.op == ExprOp::in || expr.op == ExprOp::not_in) {
    return capped((first + 1) * c_leaves(expr.children[1]));
  }
  const bool choice = expr.op == ExprOp::min || expr.op == ExprOp::max;
  int64_t count = first;
  for (size_t i = 1; i < expr.children.size(); ++i) {
    const int64_t other = c_leaves(expr.children[i]);
    count = choice ? capped(2 * (count + other)) : capped(count + other);
    if (expr.op == ExprOp::ceil_div) count = capped(count + other);
  }
  return count;
}

using NameInC = std::function<std::string(std::string_view)>;

std::string c_of(const Expr& expr, const NameInC& name, int least_level);

std::string c_of_integer(int64_t value) {
  if (value == std::numeric_limits<int64_t>::min()) return "(-9223372036854775807 - 1)";
  return in_brackets_if(value < 0, std::to_string(value));
}

// min and max of two; more nest. Operands are evaluated twice: they have no side effects.
std::string c_of_choice(std::string_view symbol, const std::vector<Expr>& items,
                        const NameInC& name) {
  std::string best = c_of(items[0], name, kSum);
  for (size_t i = 1; i < items.size(); ++i) {
    const std::string other = c_of(items[i], name, kSum);
    best = fmt::format("({} {} {} ? {} : {})", best, symbol, other, best, other);
  }
  return best;
}

std::string c_of_tree(const Expr& expr, const NameInC& name) {
  const std::vector<Expr>& children = expr.children;
  const int level = level_of(expr.op);
  switch (expr.op) {
    case ExprOp::integer:
      return c_of_integer(expr.integer);
    case ExprOp::name: {
      const std::string text = name(expr.text);
      return in_brackets_if(text.starts_with('-'), text);
    }
    case ExprOp::text:
    case ExprOp::set:
      internal_error(__FILE__, __LINE__, "texts and lists have no form in C");
    case ExprOp::min:
      return c_of_choice("<", children, name);
    case ExprOp::max:
      return c_of_choice(">", children, name);
    case ExprOp::ceil_div: {
      const std::string divisor = c_of(children[1], name, kPrimary);
      return fmt::format("(({} + {} - 1) / {})", c_of(children[0], name, kSum), divisor, divisor);
    }
    case ExprOp::neg:
      return fmt::format("-{}", c_of(children[0], name, kPrimary));
    case ExprOp::logical_not:
      return fmt::format("!{}", c_of(children[0], name, kPrimary));
    case ExprOp::in:
    case ExprOp::not_in: {
      const std::string left = c_of(children[0], name, kSum);
      const bool wanted = expr.op == ExprOp::in;
      std::string text;
      for (const Expr& constant : children[1].children) {
        HEDDLE_CHECK(constant.op == ExprOp::integer, "texts have no form in C");
        if (!text.empty()) text += wanted ? " || " : " && ";
        text += fmt::format("{} {} {}", left, wanted ? "==" : "!=", c_of_integer(constant.integer));
      }
      return fmt::format("({})", text);
    }
    // gcc wants brackets around `&&` within `||`.
    case ExprOp::logical_or: {
      const int within = children[0].op == ExprOp::logical_or ? kOr : kNot;
      return fmt::format("{} || {}", c_of(children[0], name, within),
                         c_of(children[1], name, kNot));
    }
    default:
      break;
  }
  return fmt::format("{} {} {}", c_of(children[0], name, level == kComparison ? kSum : level),
                     symbol_of(expr.op).c, c_of(children[1], name, level + 1));
}

std::string c_of(const Expr& expr, const NameInC& name, int least_level) {
  // In C these are unary, or already in brackets.
  const bool tight =
      expr.op == ExprOp::logical_not || expr.op == ExprOp::in || expr.op == ExprOp::not_in;
  const int level = expr.op == ExprOp::logical_not ? kUnary : tight ? kPrimary : level_of(expr.op);
  return in_brackets_if(level < least_level, c_of_tree(expr, name));
}

}  // namespace

std::string print_text(const Expr& expr) { return text_of(expr, kOr); }

bool has_c_form(const Expr& expr) { return c_leaves(expr) <= kMaxLeaves; }

std::string print_c(const Expr& expr, const std::function<std::string(std::string_view)>& name) {
  HEDDLE_CHECK(has_c_form(expr), "an expression without a form in C");
  return c_of(expr, name, kOr);
}

}  // namespace heddle
