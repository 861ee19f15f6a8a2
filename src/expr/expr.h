// The one expression language of all rule files. 64-bit integers with checked overflow, quoted
// strings, sets of constants; `+ - * / mod min(...) max(...) ceil_div(a, b)` where `/` and `mod`
// floor; `== != < <= > >= in not in`; `and or not` (short-circuit); dotted names. A truth value is
// the integer 0 or 1; there is no other implicit conversion. A set left of `in` means every one of
// its values; of `not in`, that none of them is in the list.
//
// Four readers: evaluate (below), bounds.h (intervals, for the tiler), print_c, print_text.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace heddle {

using IntSet = std::set<int64_t>;
// An IntSet holds all values of a constant tensor.
using ExprValue = std::variant<int64_t, std::string, IntSet>;
// Sets are cut after 8 elements: "{-3, -1, 0, ... 61 values}".
std::string to_string(const ExprValue& value);

enum class ExprOp : uint8_t {
  // clang-format off
  integer, text, name, set,  // leaves; `set` has constants as children: [1, 2], ['int8', 'uint8']
  add, sub, mul, div, mod, neg, min, max, ceil_div,
  eq, ne, lt, le, gt, ge, in, not_in,
  logical_and, logical_or, logical_not,
  // clang-format on
};

struct Expr {
  ExprOp op = ExprOp::integer;
  int64_t integer = 0;  // ExprOp::integer
  std::string text;     // ExprOp::text, ExprOp::name ("conv2d.stride_h")
  std::vector<Expr> children;
  int column = 1;  // 1-based, in the expression's own text
};

// `place` is where the text starts in its file (its column is that of the expression's first
// character). Errors point into the text with a caret. At most 2,000 characters and 64 levels of
// nesting.
Result<Expr> parse_expr(std::string_view text, const Place& place);

// Names to values. Returns nullopt for a name it does not know.
using Environment = std::function<std::optional<ExprValue>(std::string_view name)>;
Environment environment_of(const std::map<std::string, ExprValue>& values);  // keeps a copy

// Errors (as text, with the values involved): unknown name, overflow, division by zero, a type
// clash.
struct ExprError {
  std::string message;
};
std::variant<ExprValue, ExprError> evaluate(const Expr& expr, const Environment& environment);
// The integer result, for cost, size and job expressions.
std::variant<int64_t, ExprError> evaluate_int(const Expr& expr, const Environment& environment);

std::vector<std::string> names_in(const Expr& expr);  // sorted, distinct
// Fully determined by the tree; parses back to the same tree.
std::string print_text(const Expr& expr);
// Whether print_c can: no texts, and no `min`, `max` or `ceil_div` nested so deeply that its copies
// of operands explode.
bool has_c_form(const Expr& expr);
// C99 on int32_t/int64_t operands; `name` gives the C text of a name (a variable or a literal).
// `/`, `mod` and ceil_div print as plain C operators: the caller guarantees non-negative operands
// there (sizes and counts).
std::string print_c(const Expr& expr, const std::function<std::string(std::string_view)>& name);

}  // namespace heddle
