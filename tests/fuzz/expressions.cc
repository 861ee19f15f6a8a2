// Expressions: parsed or refused; what is parsed prints and parses back to itself, and evaluates
// within its bounds.
#include <cstdlib>
#include <string_view>

#include "expr/bounds.h"
#include "expr/expr.h"

namespace heddle {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// A name is its length, or near it.
int64_t value_of(std::string_view name, int64_t step) {
  return static_cast<int64_t>(name.size()) + step;
}

void check_bounds(const Expr& expr) {
  const std::optional<Bounds> bounds = bounds_of(expr, [](std::string_view name) {
    return std::optional<Bounds>(Bounds{value_of(name, -1), value_of(name, 1)});
  });
  for (int64_t step = -1; step <= 1; ++step) {
    const auto value = evaluate(expr, [&](std::string_view name) {
      return std::optional<ExprValue>(value_of(name, step));
    });
    const ExprValue* result = std::get_if<ExprValue>(&value);
    const int64_t* number = result == nullptr ? nullptr : std::get_if<int64_t>(result);
    if (result != nullptr) (void)to_string(*result);
    if (!bounds) continue;
    // Bounds exist only where evaluation cannot fail.
    require(number != nullptr && bounds->lo <= *number && *number <= bounds->hi);
  }
}

}  // namespace
}  // namespace heddle

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<Expr> expr = parse_expr(text, Place{});
  if (!expr.ok()) {
    (void)format_diagnostics(expr.errors());
    return 0;
  }
  const std::string printed = print_text(*expr);
  const Result<Expr> again = parse_expr(printed, Place{});
  // Only the limits of length and nesting may refuse the printed form: "(-406)" is a level more
  // than
  // "-406", and blanks are gone.
  if (again.ok()) require(print_text(*again) == printed);
  if (!again.ok()) {
    const bool nested =
        format_diagnostics(again.errors()).find("levels of nesting") != std::string::npos;
    require(nested || printed.size() > text.size());
  }
  check_bounds(*expr);
  (void)names_in(*expr).size();
  if (has_c_form(*expr)) {
    (void)print_c(*expr, [](std::string_view) { return std::string("n"); }).size();
  }
  const Environment sets = [](std::string_view name) -> std::optional<ExprValue> {
    if (name.size() % 3 == 0) return ExprValue(IntSet{-3, 0, 7});
    if (name.size() % 3 == 1) return ExprValue(std::string("int8"));
    return std::nullopt;
  };
  (void)evaluate(*expr, sets);
  (void)evaluate_int(*expr, sets);
  return 0;
}
