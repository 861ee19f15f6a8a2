// Z3's answers against evaluate() on every value of small domains.
#include "check/expr_z3.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/random.h"

namespace heddle {
namespace {

constexpr unsigned kResources = 5'000'000;

Expr parsed(const std::string& text) {
  Result<Expr> expr = parse_expr(text, Place{});
  HEDDLE_CHECK(expr.ok(), text + "\n" + format_diagnostics(expr.errors()));
  return *expr;
}

Variable number(std::string name, int64_t lo, int64_t hi) {
  return {std::move(name), Variable::Kind::integer, {lo, hi}, {}};
}
Variable text(std::string name, std::vector<std::string> texts) {
  return {std::move(name), Variable::Kind::text, {}, std::move(texts)};
}

bool as_wanted(const Wanted& wanted, const Environment& environment) {
  bool all = true;
  for (const Expr* expr : wanted.exprs) {
    const auto value = evaluate(*expr, environment);
    const ExprValue* const found = std::get_if<ExprValue>(&value);
    const int64_t* const integer = found == nullptr ? nullptr : std::get_if<int64_t>(found);
    all = all && (wanted.how == Wanted::How::evaluate ? found != nullptr
                                                      : integer != nullptr && *integer != 0);
  }
  return all != (wanted.how == Wanted::How::refuse);
}

bool possible_by_trying(const std::vector<Variable>& variables, const std::vector<Wanted>& wanted,
                        std::map<std::string, ExprValue>& values, size_t next = 0) {
  if (next == variables.size()) {
    const Environment environment = environment_of(values);
    return std::all_of(wanted.begin(), wanted.end(),
                       [&](const Wanted& each) { return as_wanted(each, environment); });
  }
  const Variable& variable = variables[next];
  if (variable.kind == Variable::Kind::text) {
    for (const std::string& each : variable.texts) {
      values[variable.name] = each;
      if (possible_by_trying(variables, wanted, values, next + 1)) return true;
    }
    return false;
  }
  for (int64_t v = variable.range.lo; v <= variable.range.hi; ++v) {
    values[variable.name] = v;
    if (possible_by_trying(variables, wanted, values, next + 1)) return true;
  }
  return false;
}

// Any expression, also such as have no value.
std::string random_expr(Random& random, int depth) {
  const auto inner = [&] { return random_expr(random, depth - 1); };
  if (depth == 0) {
    constexpr const char* kLeaves[] = {"a", "b", "c", "a", "b", "c", "t", "u", "'p'", "unknown"};
    const int64_t which = random.between(0, 15);
    if (which < 10) return kLeaves[which];
    return random.between(0, 30) == 0 ? "4611686018427387904" : fmt::format("{}", random.between(-4, 5));
  }
  constexpr const char* kInfix[] = {"+",  "-",  "*",  "/", "mod", "==", "!=", "<",
                                    "<=", ">", ">=", "and", "or", "*", "and", "=="};
  // Not as arguments of one call: those are drawn in the compiler's order.
  const int64_t kind = random.between(0, 11);
  const std::string last = inner();
  switch (kind) {
    case 0:
      return fmt::format("ceil_div({}, {})", inner(), last);
    case 1: {
      const std::string second = inner();
      return fmt::format("min({}, {}, {})", inner(), second, last);
    }
    case 2:
      return fmt::format("max({}, {})", inner(), last);
    case 3:
      return fmt::format("(not {})", last);
    case 4: {
      const int64_t low = random.between(-3, 3);
      return fmt::format("({} in [{}, {}])", last, low, random.between(0, 6));
    }
    case 5:
      return fmt::format("({} not in ['p', 'r'])", last);
    case 6:
      return fmt::format("(-{})", last);
    default: {
      const char* const infix = kInfix[random.between(0, 15)];
      return fmt::format("({} {} {})", inner(), infix, last);
    }
  }
}

TEST(ConditionSolver, AgreesWithEveryValueOfSmallDomains) {
  Random random(20);
  int possible = 0, impossible = 0;
  ConditionSolver solver;
  for (int round = 0; round < 1800; ++round) {
    std::vector<Variable> variables = {text("t", {"p", "q", "r"}), text("u", {"p", "s"})};
    for (const char* name : {"a", "b", "c"}) {
      const int64_t lo = random.between(-5, 4);
      variables.push_back(number(name, lo, lo + random.between(0, 11)));
    }
    std::vector<Expr> exprs;
    std::string shown;
    for (int64_t count = random.between(1, 4); count > 0; --count) {
      exprs.push_back(parsed(random_expr(random, static_cast<int>(random.between(1, 3)))));
      shown += print_text(exprs.back()) + "\n";
    }
    std::vector<Wanted> wanted;
    for (const Expr& expr : exprs) {
      const auto how = static_cast<Wanted::How>(random.between(0, 6) < 5 ? 0 : random.between(1, 2));
      if (!wanted.empty() && random.between(0, 2) == 0) {
        wanted.back().exprs.push_back(&expr);
      } else {
        wanted.push_back({{&expr}, how});
      }
      shown += fmt::format("{} ", static_cast<int>(wanted.back().how));
    }
    const Answer answer = solver.solve(variables, wanted, kResources);
    EXPECT_FALSE(answer.mismatch) << shown;
    ASSERT_NE(answer.kind, Answer::Kind::unknown) << shown;
    std::map<std::string, ExprValue> values;
    const bool truly = possible_by_trying(variables, wanted, values);
    ASSERT_EQ(answer.kind == Answer::Kind::possible, truly) << shown;
    ++(truly ? possible : impossible);
  }
  EXPECT_GT(possible, 200);
  EXPECT_GT(impossible, 200);
}

struct Case {
  std::string condition;
  Answer::Kind kind;
};

TEST(ConditionSolver, DecidesNumbersOfAnySize) {
  constexpr Answer::Kind kPossible = Answer::Kind::possible, kImpossible = Answer::Kind::impossible;
  const std::vector<Variable> variables = {number("k", 1, int64_t{1} << 40),
                                           number("c", 1, int64_t{1} << 40),
                                           number("z", INT64_MIN, INT64_MAX),
                                           text("t", {"int8", "int16"})};
  const Case cases[] = {
      {"k mod 16 == 3 and k mod 4 == 2", kImpossible},
      {"k mod 16 == 3 and k mod 4 == 3", kPossible},
      {"k * 16 == c and c mod 16 != 0", kImpossible},
      {"k / 16 == 1000000007", kPossible},
      {"ceil_div(k, 16) * 16 < k", kImpossible},
      {"z / -3 > 5 and z > 0", kImpossible},
      {"z mod -3 > 0", kImpossible},
      {"z + 1 < z", kImpossible},  // no value at all where it overflows
      {"z == 9223372036854775807 and z + 1 > 0", kImpossible},
      {"t == 'int32'", kImpossible},
      {"t < 'int8'", kPossible},
      {"t in [1, 2]", kImpossible},
      {"k > c and c > k", kImpossible},
      {"10 / (k - k) == 0", kImpossible},
      {"k == 1 or 10 / (k - 1) > 20", kPossible},
      {"k > 4 and 10 / (k - 1) > 2", kImpossible},
  };
  ConditionSolver solver;
  for (const Case& each : cases) {
    const Expr expr = parsed(each.condition);
    const Answer answer = solver.solve(variables, {{{&expr}, Wanted::How::hold}}, kResources);
    EXPECT_EQ(answer.kind, each.kind) << each.condition;
  }
}

TEST(ConditionSolver, KnowsTheEndsOfASet) {
  const std::vector<Variable> variables = {number("w.min", -128, 127), number("w.max", -128, 127),
                                           {"w.values", Variable::Kind::set, {}, {}}};
  const Expr ternary = parsed("w.values in [-1, 0, 1]"), large = parsed("w.max > 1");
  const Expr not_zero = parsed("w.values not in [0]"), zeros = parsed("w.min == 0");
  ConditionSolver solver;
  const auto kind = [&](const Expr& a, const Expr& b) {
    return solver.solve(variables, {{{&a, &b}, Wanted::How::hold}}, kResources).kind;
  };
  EXPECT_EQ(kind(ternary, large), Answer::Kind::impossible);
  EXPECT_EQ(kind(ternary, zeros), Answer::Kind::possible);
  EXPECT_EQ(kind(not_zero, zeros), Answer::Kind::impossible);
}

TEST(ConditionSolver, GivesUpWithinItsLimit) {
  const std::vector<Variable> variables = {number("a", 1, int64_t{1} << 40),
                                           number("b", 1, int64_t{1} << 40),
                                           number("c", 1, int64_t{1} << 40)};
  const Expr fermat = parsed("a * a * a + b * b * b == c * c * c and c < 1000000");
  ConditionSolver solver;
  EXPECT_EQ(solver.solve(variables, {{{&fermat}, Wanted::How::hold}}, 20'000).kind,
            Answer::Kind::unknown);
}

}  // namespace
}  // namespace heddle
