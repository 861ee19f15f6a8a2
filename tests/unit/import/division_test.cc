// Divisions by what is no power of two: the multiplication and shift in their place, for every x.
#include "import/division.h"

#include <gtest/gtest.h>

#include "base/checked.h"
#include "ops/op.h"
#include "unit/import/test_model.h"

namespace heddle::test {
namespace {

void expect_equal(const Division& division, const Range& range) {
  const std::optional<MultiplyShift> found = multiply_for(division, range);
  ASSERT_TRUE(found) << "/ " << division.divisor << " on [" << range.lo << ", " << range.hi << "]";
  for (size_t k = 0; k < found->mul.size(); ++k) {
    const int64_t m = division.mul[division.mul.size() == 1 ? 0 : k];
    const int64_t a = division.add[division.add.size() == 1 ? 0 : k];
    for (int64_t x = range.lo; x <= range.hi; ++x) {
      ASSERT_EQ((x * found->mul[k] + found->add[k]) >> found->shift,
                floor_div(x * m + a, division.divisor))
          << "(" << x << " * " << m << " + " << a << ") / " << division.divisor;
    }
  }
}

TEST(Division, IsExactForEveryValue) {
  for (int64_t divisor = 1; divisor <= 130; ++divisor) {
    expect_equal({.divisor = divisor}, {-1100, 1300});
    expect_equal({.mul = {3, -7, 12, 0}, .add = {-5, 1000, 0, 9}, .divisor = divisor}, {-300, 200});
  }
  for (int64_t divisor : {3, 12, 1000, 65535, 65537, 1000003})
    expect_equal({.divisor = divisor}, {-70000, 70000});
  expect_equal({.divisor = 12}, {-900, -500});
  expect_equal({.divisor = 12}, {500, 900});
  expect_equal({.add = {int64_t{1} << 40}, .divisor = 12}, {-300, 300});
}

TEST(Division, HasTheLeastShift) {
  for (int64_t divisor : {3, 5, 12, 100}) {
    const Range range{-128, 127};
    const MultiplyShift found = *multiply_for({.divisor = divisor}, range);
    for (int64_t shift = 0; shift < found.shift; ++shift) {
      const int64_t mul = ceil_div(int64_t{1} << shift, divisor);
      for (int64_t add = -(int64_t{1} << shift); add <= int64_t{1} << shift; ++add) {
        bool exact = true;
        for (int64_t x = range.lo; x <= range.hi; ++x)
          exact = exact && (x * mul + add) >> shift == floor_div(x, divisor);
        EXPECT_FALSE(exact) << "/ " << divisor << ": (x * " << mul << " + " << add << ") >> "
                            << shift;
      }
    }
  }
}

TEST(Division, IsRefusedWhereThirtyTwoBitsDoNotSuffice) {
  EXPECT_TRUE(multiply_for({.divisor = 3}, {-(1 << 20), 1 << 20}));
  EXPECT_FALSE(multiply_for({.mul = {1 << 20}, .divisor = 3}, {-(1 << 20), 1 << 20}));
  EXPECT_FALSE(multiply_for({.divisor = 3}, {0, int64_t{1} << 32}));
}

// floor((x * mul - 11) / d + 2)
TEST(Division, IsImportedFromOnnx) {
  for (const int64_t divisor : {3, 12, 100, 1000}) {
    for (const int64_t mul : {1, 7}) {
      TestModel model{.inputs = {{"x", {1, 1, 16, 16}, kInt8}},
                      .outputs = {"y"},
                      .constants = {scalar("m", static_cast<double>(mul)), scalar("a", -11),
                                    scalar("d", static_cast<double>(divisor)), scalar("b", 2)},
                      .nodes = {{"Mul", {"x", "m"}, {"p"}},
                                {"Add", {"p", "a"}, {"q"}},
                                {"Div", {"q", "d"}, {"r"}},
                                {"Add", {"r", "b"}, {"s"}},
                                {"Floor", {"s"}, {"y"}}}};
      const Graph graph = must_import(model);
      Tensor x(DType::int8, {1, 1, 16, 16});
      std::vector<int64_t> expected;
      for (int64_t i = 0; i < 256; ++i) {
        x.set(i, i - 128);
        expected.push_back(floor_div((i - 128) * mul - 11, divisor) + 2);
      }
      const std::vector<Tensor> inputs{x};
      const Result<std::vector<Tensor>> values = interpret(graph, inputs);
      ASSERT_TRUE(values.ok()) << format_diagnostics(values.errors());
      EXPECT_EQ((*values)[static_cast<size_t>(graph.outputs[0].index)].to_ints(), expected)
          << "(x * " << mul << " - 11) / " << divisor << "\n"
          << sketch(graph);
    }
  }
}

}  // namespace
}  // namespace heddle::test
