#include <gtest/gtest.h>

#include "base/text.h"
#include "expr/expr.h"
#include "unit/expr/random_expr.h"

namespace heddle {
namespace {

Place start() {
  Place place;
  place.file = "a.toml";
  place.line = 7;
  place.column = 11;
  return place;
}

// The tree in prefix form: the grammar shows, the printer is not trusted.
std::string prefix(const Expr& expr) {
  static const char* const names[] = {
      "int",      "text", "name", "list", "+",  "-", "*",  "/",  "mod",    "neg", "min", "max",
      "ceil_div", "==",   "!=",   "<",    "<=", ">", ">=", "in", "not_in", "and", "or",  "not"};
  if (expr.op == ExprOp::integer) return std::to_string(expr.integer);
  if (expr.op == ExprOp::text) return "'" + expr.text + "'";
  if (expr.op == ExprOp::name) return expr.text;
  std::string text = std::string("(") + names[static_cast<int>(expr.op)];
  for (const Expr& child : expr.children) text += " " + prefix(child);
  return text + ")";
}

struct Row {
  std::string in;
  std::string out;
};

TEST(Parse, Trees) {
  const std::vector<Row> rows = {
      {"1", "1"},
      {"0x10", "16"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775807", "9223372036854775807"},
      {"a + b * c", "(+ a (* b c))"},
      {"a - b - c", "(- (- a b) c)"},
      {"a * b mod c / d", "(/ (mod (* a b) c) d)"},
      {"-a * b", "(* (neg a) b)"},
      {"- 5", "-5"},
      {"a - -5", "(- a -5)"},
      {"-(5)", "(neg 5)"},
      {"--5", "(neg -5)"},
      {"a or b and c", "(or a (and b c))"},
      {"a and b and c", "(and (and a b) c)"},
      {"not a == b", "(not (== a b))"},
      {"not not a", "(not (not a))"},
      {"a not in [1]", "(not_in a (list 1))"},
      {"not a in [1, -2]", "(not (in a (list 1 -2)))"},
      {"x.dtype in ['int8', \"uint8\"]", "(in x.dtype (list 'int8' 'uint8'))"},
      {"a + 1 <= b * 2", "(<= (+ a 1) (* b 2))"},
      {"(a or b) and c", "(and (or a b) c)"},
      {"min(a, b, 3)", "(min a b 3)"},
      {"ceil_div(k, 16) * max(1, oy)", "(* (ceil_div k 16) (max 1 oy))"},
      {"weights.min", "weights.min"},
      {"min", "min"},  // only a bracket makes it a function
      {" a\n+\tb ", "(+ a b)"},
      {"oy == layer.oy or oy * y.pitch mod 32 == 0",
       "(or (== oy layer.oy) (== (mod (* oy y.pitch) 32) 0))"},
  };
  for (const Row& row : rows) {
    const Result<Expr> expr = parse_expr(row.in, start());
    ASSERT_TRUE(expr.ok()) << row.in << "\n" << format_diagnostics(expr.errors());
    EXPECT_EQ(prefix(*expr), row.out) << row.in;
  }
}

struct Bad {
  std::string in;
  int column;  // within the expression
  std::string message;
};

TEST(Parse, Messages) {
  const std::vector<Bad> rows = {
      {"", 1, "the expression is empty"},
      {"   ", 1, "the expression is empty"},
      {"a +", 4, "expected a number, a name, a text or `(`, found the end of the expression"},
      {"a b", 3, "expected an operator or the end of the expression, found `b`"},
      {"a 'b'", 3, "expected an operator or the end of the expression, found the text `b`"},
      {"(a", 3, "expected `)`, found the end of the expression"},
      {"a)", 2, "`)` closes nothing"},
      {"a]", 2, "`]` closes nothing"},
      {"* a", 1, "expected a number, a name, a text or `(`, found `*`"},
      {"a && b", 3, "`&&` is not an operator here"},
      {"a || b", 3, "`||` is not an operator here"},
      {"a % b", 3, "`%` is not an operator here"},
      {"!a", 1, "`!` is not an operator here"},
      {"a = b", 3, "`=` is not an operator here"},
      {"a < b < c", 7, "comparisons cannot be chained"},
      {"a in [1] in [2]", 10, "comparisons cannot be chained"},
      {"a in b", 6, "expected a list right of `in`, like `[1, 2]`, found `b`"},
      {"a in []", 7, "expected a constant (a number or a text) in the list, found `]`"},
      {"a in [1, b]", 10, "expected a constant (a number or a text) in the list, found `b`"},
      {"a in [1, 'b']", 10, "a list holds either numbers or texts, not both"},
      {"a in [1", 8, "expected `]`, found the end of the expression"},
      {"[1, 2]", 1, "a list stands only right of `in`"},
      {"a not b", 7, "expected `in` after `not`, found `b`"},
      {"1.5", 1, "there are no fractions, only integers"},
      {"12k", 1, "`12k` is not an integer"},
      {"0x", 1, "`0x` is not an integer"},
      {"9223372036854775808", 1, "`9223372036854775808` does not fit into 64 bits"},
      {"-9223372036854775809", 2, "`9223372036854775809` does not fit into 64 bits"},
      {"x. + 1", 2, "a name cannot end with a dot: `x.`"},
      {"'abc", 1, "this text has no closing '"},
      {"a @ b", 3, "unexpected character `@`"},
      {"a \xC3\x97 b", 3, "unexpected character `\xC3\x97`"},
      {"ceildiv(a, b)", 1, "unknown function `ceildiv`; did you mean `ceil_div`?"},
      {"abs(a)", 1, "unknown function `abs`"},
      {"ceil_div(a)", 1, "`ceil_div` takes 2 arguments, here are 1"},
      {"min(a)", 1, "`min` takes 2 to 8 arguments, here are 1"},
      {"min()", 1, "`min` takes 2 to 8 arguments, here are 0"},
      {"min(a,)", 7, "expected a number, a name, a text or `(`, found `)`"},
      {std::string(2001, '1'), 1, "the expression has 2,001 characters, at most 2,000 are allowed"},
      {std::string(65, '(') + "1" + std::string(65, ')'), 66, "more than 64 levels of nesting"},
      {std::string(130, '-') + "a", 66, "more than 64 levels of nesting"},
  };
  for (const Bad& row : rows) {
    const Result<Expr> expr = parse_expr(row.in, start());
    ASSERT_FALSE(expr.ok()) << row.in;
    ASSERT_EQ(expr.errors().size(), 1u) << row.in;
    const Diagnostic& error = expr.errors()[0];
    EXPECT_EQ(error.message, row.message) << row.in;
    EXPECT_EQ(error.place.column, 10 + row.column) << row.in;
    EXPECT_EQ(error.place.line, 7) << row.in;
    EXPECT_EQ(error.place.file, "a.toml");
  }
}

TEST(Parse, AtTheLimits) {
  EXPECT_TRUE(parse_expr(std::string(64, '(') + "1" + std::string(64, ')'), start()).ok());
  std::string longest = "1";
  while (longest.size() + 2 <= 2000) longest += "+1";
  EXPECT_TRUE(parse_expr(longest, start()).ok());
}

TEST(Parse, ErrorsOnALaterLine) {
  const Result<Expr> expr = parse_expr("a +\n  b c", start());
  ASSERT_FALSE(expr.ok());
  EXPECT_EQ(expr.errors()[0].place.line, 8);
  EXPECT_EQ(expr.errors()[0].place.column, 5);
  EXPECT_EQ(expr.errors()[0].place.source_line, "  b c");
}

TEST(Parse, ColumnsOfLeavesAndOperators) {
  const Expr expr = parse_expr("ab + min(c, -7)", start()).value();
  EXPECT_EQ(expr.column, 4);
  EXPECT_EQ(expr.children[0].column, 1);
  EXPECT_EQ(expr.children[1].column, 6);
  EXPECT_EQ(expr.children[1].children[0].column, 10);
  EXPECT_EQ(expr.children[1].children[1].column, 13);
}

TEST(Print, IsShortAndParsesBack) {
  for (const char* text : {"a + b * c", "(a + b) * c", "a - (b - c)", "a - b - c", "-(5)", "-(-5)",
                           "-a", "-(a + b)", "not a and b", "not (a and b)", "(not a) == 1",
                           "a in [1, -2]", "not a in [1]", "a not in ['x', 'y']", "min(a, b + 1)",
                           "(a == b) == c", "a or b and (c or d)", "\"it's\" == x"}) {
    const Expr expr = parse_expr(text, start()).value();
    EXPECT_EQ(print_text(expr), text);
  }
}

TEST(Print, RandomTreesRoundTrip) {
  RandomExprs exprs(11);
  for (int i = 0; i < 20000; ++i) {
    const Expr expr = exprs.tree(1 + i % 4);
    const std::string text = print_text(expr);
    if (text.size() > 2000) continue;
    const Result<Expr> back = parse_expr(text, start());
    ASSERT_TRUE(back.ok()) << text << "\n" << format_diagnostics(back.errors());
    ASSERT_TRUE(same_tree(expr, *back)) << text << "\n" << prefix(expr) << "\n" << prefix(*back);
    ASSERT_EQ(print_text(*back), text);
  }
}

// Tokens in random order: never a crash, always a tree or one error within the text.
TEST(Parse, RandomTokens) {
  std::mt19937 random(5);
  const std::vector<std::string> tokens = {
      "a",  "x.y", "1",   "-",   "+",  "(",   ")",    "[",        "]",
      ",",  "in",  "not", "and", "or", "'s'", "min",  "mod",      "<",
      "==", "*",   "0x",  "\"",  ".",  "\n",  "\xFF", "ceil_div", "9999999999999999999"};
  int good = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = random() % 9; n > 0; --n)
      text += tokens[random() % tokens.size()] + (random() % 2 == 0 ? " " : "");
    const Result<Expr> expr = parse_expr(text, start());
    if (expr.ok()) {
      ++good;
      EXPECT_TRUE(parse_expr(print_text(*expr), start()).ok()) << text;
    } else {
      EXPECT_EQ(expr.errors().size(), 1u);
      EXPECT_FALSE(expr.errors()[0].message.empty());
    }
  }
  EXPECT_GT(good, 100);
}

}  // namespace
}  // namespace heddle
