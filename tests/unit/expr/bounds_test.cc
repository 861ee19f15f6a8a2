#include "expr/bounds.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "unit/expr/random_expr.h"

namespace heddle {
namespace {

using Intervals = std::map<std::string, Bounds, std::less<>>;

BoundsEnvironment environment_of_intervals(const Intervals& intervals) {
  return [&intervals](std::string_view name) -> std::optional<Bounds> {
    const auto found = intervals.find(name);
    if (found == intervals.end()) return std::nullopt;
    return found->second;
  };
}

std::string bounded(const std::string& text) {
  static const Intervals intervals = {{"k", {1, 64}}, {"s", {-5, 5}},    {"z", {0, 3}},
                                      {"p", {7, 7}},  {"b", {0, 1}},     {"t", {1, 1}},
                                      {"f", {0, 0}},  {"neg", {-9, -2}}, {"huge", {1, INT64_MAX}},
                                      {"odd", {5, 4}}};
  const auto bounds = bounds_of(parse_expr(text, {}).value(), environment_of_intervals(intervals));
  return bounds ? fmt::format("{}..{}", bounds->lo, bounds->hi) : "unknown";
}

TEST(Bounds, Table) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"5", "5..5"},
      {"k", "1..64"},
      {"missing", "unknown"},
      {"odd", "unknown"},
      {"'x'", "unknown"},
      {"k + s", "-4..69"},
      {"k - k", "-63..63"},
      {"k * s", "-320..320"},
      {"-s", "-5..5"},
      {"k / 16", "0..4"},
      {"k / z", "unknown"},
      {"s / neg", "-3..2"},
      {"ceil_div(k, 16)", "1..4"},
      {"ceil_div(s, 2)", "-2..3"},
      {"k mod 16", "0..15"},
      {"k mod 100", "1..64"},
      {"z mod 16", "0..3"},
      {"p mod 4", "3..3"},
      {"s mod 4", "0..3"},
      {"s mod neg", "-8..0"},
      {"k mod z", "unknown"},
      {"min(k, 16)", "1..16"},
      {"max(k, s, 3)", "3..64"},
      {"huge + 1", "unknown"},
      {"huge * 2", "unknown"},
      {"k == p", "0..1"},
      {"p == 7", "1..1"},
      {"p != 7", "0..0"},
      {"k > 64", "0..0"},
      {"k >= 1", "1..1"},
      {"k < 1", "0..0"},
      {"k <= 64", "1..1"},
      {"s < k", "0..1"},
      {"p in [1, 7]", "1..1"},
      {"z in [0, 1, 2, 3]", "1..1"},
      {"z in [4, 5]", "0..0"},
      {"z not in [4, 5]", "1..1"},
      {"k in [1, 2]", "0..1"},
      {"k in ['x']", "unknown"},
      {"t and b", "0..1"},
      {"f and missing", "0..0"},
      {"t or missing", "1..1"},
      {"b and missing", "unknown"},
      {"b or t", "1..1"},
      {"not b", "0..1"},
      {"not f", "1..1"},
      {"k and b", "unknown"},
      {"not k", "unknown"},
  };
  for (const auto& [in, out] : rows) EXPECT_EQ(bounded(in), out) << in;
}

// Whatever the tree and the intervals are: where bounds_of answers, evaluation succeeds and stays
// inside.
TEST(Bounds, AreSound) {
  RandomExprs exprs(3);
  exprs.texts = false;
  exprs.largest = 12;
  int64_t answered = 0;
  for (int round = 0; round < 20000; ++round) {
    const Expr expr = exprs.tree(1 + round % 4);
    Intervals intervals;
    for (const std::string& name : names_in(expr)) {
      const int64_t lo = exprs.below(41) - 20;
      const bool truth = exprs.below(3) == 0;
      intervals[name] = truth ? Bounds{exprs.below(2), 1} : Bounds{lo, lo + exprs.below(12)};
    }
    const std::optional<Bounds> bounds = bounds_of(expr, environment_of_intervals(intervals));
    if (!bounds) continue;
    ++answered;
    ASSERT_LE(bounds->lo, bounds->hi) << print_text(expr);
    for (int sample = 0; sample < 12; ++sample) {
      std::map<std::string, ExprValue> point;
      for (const auto& [name, interval] : intervals) {
        const int64_t width = interval.hi - interval.lo + 1;
        // The ends of the intervals are where bounds break.
        const int64_t pick = sample == 0 ? 0 : sample == 1 ? width - 1 : exprs.below(width);
        point[name] = interval.lo + pick;
      }
      const auto value = evaluate_int(expr, environment_of(point));
      ASSERT_TRUE(std::holds_alternative<int64_t>(value))
          << print_text(expr) << ": " << std::get<ExprError>(value).message;
      ASSERT_GE(std::get<int64_t>(value), bounds->lo) << print_text(expr);
      ASSERT_LE(std::get<int64_t>(value), bounds->hi) << print_text(expr);
    }
  }
  EXPECT_GT(answered, 4000);
}

// Ends of 64 bits: nothing wraps, nothing traps.
TEST(Bounds, SurviveTheEndsOfTheIntegers) {
  RandomExprs exprs(4);
  for (int round = 0; round < 20000; ++round) {
    const Expr expr = exprs.tree(1 + round % 3);
    Intervals intervals;
    std::map<std::string, ExprValue> point;
    for (const std::string& name : names_in(expr)) {
      const int64_t ends[] = {INT64_MIN, INT64_MAX, -1, 0, 1};
      const int64_t a = ends[exprs.below(5)];
      const int64_t b = ends[exprs.below(5)];
      intervals[name] = {std::min(a, b), std::max(a, b)};
      point[name] = exprs.below(2) == 0 ? a : b;
    }
    const std::optional<Bounds> bounds = bounds_of(expr, environment_of_intervals(intervals));
    const auto value = evaluate(expr, environment_of(point));
    if (!bounds) continue;
    ASSERT_TRUE(std::holds_alternative<ExprValue>(value)) << print_text(expr);
    const int64_t* integer = std::get_if<int64_t>(&std::get<ExprValue>(value));
    ASSERT_NE(integer, nullptr);
    ASSERT_TRUE(*integer >= bounds->lo && *integer <= bounds->hi) << print_text(expr);
  }
}

}  // namespace
}  // namespace heddle
