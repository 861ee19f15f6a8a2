#include <gtest/gtest.h>

#include "expr/expr.h"
#include "unit/expr/random_expr.h"

namespace heddle {
namespace {

Environment environment() {
  return environment_of({{"a", int64_t{7}},
                         {"b", int64_t{-3}},
                         {"zero", int64_t{0}},
                         {"one", int64_t{1}},
                         {"big", INT64_MAX},
                         {"small", INT64_MIN},
                         {"type", std::string("int8")},
                         {"few", IntSet{-1, 0, 1}},
                         {"none", IntSet{}},
                         {"many", IntSet{1, 2, 3, 4, 5, 6, 7, 8, 9}}});
}

// "42", "'int8'", or "error: ...".
std::string evaluated(const std::string& text) {
  const Result<Expr> expr = parse_expr(text, {});
  if (!expr.ok()) return "no parse: " + expr.errors()[0].message;
  const auto value = evaluate(*expr, environment());
  if (const auto* error = std::get_if<ExprError>(&value)) return "error: " + error->message;
  return to_string(std::get<ExprValue>(value));
}

struct Row {
  std::string in;
  std::string out;
};

TEST(Evaluate, Values) {
  const std::vector<Row> rows = {
      {"a + b", "4"},
      {"a - b", "10"},
      {"a * b", "-21"},
      {"a / b", "-3"},
      {"-7 / 2", "-4"},
      {"7 / 2", "3"},
      {"-7 mod 3", "2"},
      {"7 mod -3", "-2"},
      {"small mod -1", "0"},
      {"ceil_div(7, 2)", "4"},
      {"ceil_div(-7, 2)", "-3"},
      {"ceil_div(8, 2)", "4"},
      {"ceil_div(small, 2)", "-4611686018427387904"},
      {"min(a, b, 0)", "-3"},
      {"max(a, b, 9)", "9"},
      {"-a", "-7"},
      {"a == 7", "1"},
      {"a != 7", "0"},
      {"a > b and b < a", "1"},
      {"a >= 8", "0"},
      {"a <= 7", "1"},
      {"type", "'int8'"},
      {"type == 'int8'", "1"},
      {"type != 'uint8'", "1"},
      {"type in ['int8', 'uint8']", "1"},
      {"type not in ['int16']", "1"},
      {"a in [1, 7]", "1"},
      {"a not in [1, 7]", "0"},
      {"few in [-1, 0, 1, 2]", "1"},
      {"few in [-1, 0]", "0"},
      {"few not in [5]", "1"},
      {"few not in [1, 5]", "0"},  // 1 is in the list: not every value is outside it
      {"not few in [-1, 0]", "1"},
      {"none in [1]", "1"},
      {"none not in [1]", "1"},
      {"few", "{-1, 0, 1}"},
      {"none", "{}"},
      {"many", "{1, 2, 3, 4, 5, 6, 7, 8, ... 9 values}"},
      {"not zero", "1"},
      {"zero and 1 / zero", "0"},
      {"one or missing", "1"},
      {"zero or one", "1"},
      {"one and zero", "0"},
  };
  for (const Row& row : rows) EXPECT_EQ(evaluated(row.in), row.out) << row.in;
}

TEST(Evaluate, Errors) {
  const std::vector<Row> rows = {
      {"missing", "error: unknown name `missing`"},
      {"1 + missing", "error: unknown name `missing`"},
      {"a / zero", "error: division by zero: `a / zero` with 7 on the left"},
      {"a mod zero", "error: division by zero: `a mod zero` with 7 on the left"},
      {"ceil_div(a, 0)", "error: division by zero: `ceil_div(a, 0)` with 7 on the left"},
      {"big + 1", "error: `big + 1` leaves 64 bits, with 9223372036854775807 and 1"},
      {"small - 1", "error: `small - 1` leaves 64 bits, with -9223372036854775808 and 1"},
      {"big * 2", "error: `big * 2` leaves 64 bits, with 9223372036854775807 and 2"},
      {"small / -1", "error: `small / -1` leaves 64 bits, with -9223372036854775808 and -1"},
      {"-small", "error: `-small` leaves 64 bits, with -9223372036854775808"},
      {"type + 1", "error: `+` needs an integer, not a text: `type`, which is 'int8'"},
      {"-'x'", "error: `-` needs an integer, not a text: 'x'"},
      {"few + 1", "error: `+` needs an integer, not a set: `few`, which is {-1, 0, 1}"},
      {"few == 1",
       "error: `==` cannot compare a set with an integer: `few`, which is {-1, 0, 1} and 1"},
      {"few == few",
       "error: `==` cannot compare a set with a set: `few`, which is {-1, 0, 1} and `few`, which "
       "is {-1, 0, 1}"},
      {"type == 8",
       "error: `==` cannot compare a text with an integer: `type`, which is 'int8' and 8"},
      {"type in [1]",
       "error: `in` cannot look for a text in a list of integers: `type`, which is 'int8'"},
      {"a in ['x']", "error: `in` cannot look for an integer in a list of texts: `a`, which is 7"},
      {"a and one", "error: `and` needs a truth value (0 or 1), not `a`, which is 7"},
      {"zero or a", "error: `or` needs a truth value (0 or 1), not `a`, which is 7"},
      {"not a", "error: `not` needs a truth value (0 or 1), not `a`, which is 7"},
      {"not type", "error: `not` needs an integer, not a text: `type`, which is 'int8'"},
  };
  for (const Row& row : rows) EXPECT_EQ(evaluated(row.in), row.out) << row.in;
}

TEST(Evaluate, IntegersOnly) {
  const auto value = evaluate_int(parse_expr("a * 6", {}).value(), environment());
  EXPECT_EQ(std::get<int64_t>(value), 42);
  const auto text = evaluate_int(parse_expr("type", {}).value(), environment());
  EXPECT_EQ(std::get<ExprError>(text).message,
            "an integer is needed here, not a text: `type`, which is 'int8'");
}

TEST(Evaluate, NamesInOrder) {
  const Expr expr = parse_expr("b + a * b.c and x in [1] or min(z, a) > 0", {}).value();
  EXPECT_EQ(names_in(expr), (std::vector<std::string>{"a", "b", "b.c", "x", "z"}));
}

std::string in_c(const std::string& text) {
  return print_c(parse_expr(text, {}).value(), [](std::string_view name) {
    if (name == "shift") return std::string("-3");
    std::string result(name);
    for (char& c : result) c = c == '.' ? '_' : c;
    return result;
  });
}

TEST(PrintC, Texts) {
  const std::vector<Row> rows = {
      {"a + b * c", "a + b * c"},
      {"(a + b) * c", "(a + b) * c"},
      {"a - (b - c)", "a - (b - c)"},
      {"a mod 4 / 2", "a % 4 / 2"},
      {"x.pitch * oy", "x_pitch * oy"},
      {"min(a, b)", "(a < b ? a : b)"},
      {"max(a, b + 1)", "(a > b + 1 ? a : b + 1)"},
      {"min(a == b, c)", "((a == b) < c ? (a == b) : c)"},
      {"ceil_div(k, 16)", "((k + 16 - 1) / 16)"},
      {"ceil_div(k, a + b)", "((k + (a + b) - 1) / (a + b))"},
      {"not a == b", "!(a == b)"},
      {"not a", "!a"},
      {"not not a", "!(!a)"},
      {"a and b or c", "(a && b) || c"},
      {"a or b or c", "a || b || c"},
      {"a and (b or c)", "a && (b || c)"},
      {"(a == b) == c", "(a == b) == c"},
      {"a in [1, -2]", "(a == 1 || a == (-2))"},
      {"a not in [1, 2]", "(a != 1 && a != 2)"},
      {"-a", "-a"},
      {"-(-a)", "-(-a)"},
      {"-(5)", "-5"},
      {"--5", "-(-5)"},
      {"a - -5", "a - (-5)"},
      {"a - shift", "a - (-3)"},
      {"-9223372036854775808", "(-9223372036854775807 - 1)"},
      {"(not a) * 2", "!a * 2"},
  };
  for (const Row& row : rows) EXPECT_EQ(in_c(row.in), row.out) << row.in;
}

TEST(PrintC, KnowsWhatItCannot) {
  EXPECT_FALSE(has_c_form(parse_expr("a == 'x'", {}).value()));
  EXPECT_FALSE(has_c_form(parse_expr("a in ['x']", {}).value()));
  EXPECT_TRUE(has_c_form(parse_expr("min(a, b, c, d)", {}).value()));
  std::string deep = "a";
  for (int i = 0; i < 40; ++i) deep = "min(" + deep + ", 1)";
  EXPECT_FALSE(has_c_form(parse_expr(deep, {}).value()));
  std::string divided = "a";
  for (int i = 0; i < 40; ++i) divided = "ceil_div(1, " + divided + ")";
  EXPECT_FALSE(has_c_form(parse_expr(divided, {}).value()));
}

}  // namespace
}  // namespace heddle
