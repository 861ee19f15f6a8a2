#include "report/least_squares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/random.h"

namespace heddle {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

double loss(const std::vector<Equation>& equations, const std::vector<double>& x) {
  double sum = 0;
  for (const Equation& equation : equations) {
    double residual = equation.right;
    for (size_t j = 0; j < x.size(); ++j) residual -= equation.coefficients[j] * x[j];
    sum += residual * residual;
  }
  return sum;
}

TEST(LeastSquares, FindsWhatTheEquationsSay) {
  const std::vector<Equation> equations = {{{1, 0}, 3}, {{0, 2}, 8}, {{1, 1}, 7}};
  EXPECT_THAT(nonnegative_least_squares(equations, 2),
              ElementsAre(DoubleNear(3, 1e-9), DoubleNear(4, 1e-9)));
  EXPECT_THAT(standard_errors(equations, {3, 4}),
              ElementsAre(DoubleNear(0, 1e-9), DoubleNear(0, 1e-9)));
}

// Without the bound the second one would be -1.
TEST(LeastSquares, NoUnknownIsNegative) {
  const std::vector<Equation> equations = {{{1, 1}, 1}, {{1, 0}, 2}};
  EXPECT_THAT(nonnegative_least_squares(equations, 2),
              ElementsAre(DoubleNear(1.5, 1e-9), DoubleNear(0, 1e-12)));
}

// The optimum of a convex problem: no small step within the bounds is better.
TEST(LeastSquares, RandomProblemsAreSolvedToTheOptimum) {
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const size_t unknowns = static_cast<size_t>(random.between(1, 6));
    std::vector<Equation> equations;
    for (int64_t e = random.between(7, 20); e > 0; --e) {
      Equation equation{{}, static_cast<double>(random.between(-50, 50))};
      for (size_t j = 0; j < unknowns; ++j)
        equation.coefficients.push_back(static_cast<double>(random.between(-3, 9)));
      equations.push_back(std::move(equation));
    }
    const std::vector<bool> independent = independent_unknowns(equations, unknowns);
    if (std::count(independent.begin(), independent.end(), false) > 0) continue;
    const std::vector<double> x = nonnegative_least_squares(equations, unknowns);
    const double best = loss(equations, x);
    for (size_t j = 0; j < unknowns; ++j) {
      EXPECT_GE(x[j], 0);
      for (const double step : {-1e-3, 1e-3}) {
        std::vector<double> moved = x;
        moved[j] = std::max(0.0, moved[j] + step);
        EXPECT_GE(loss(equations, moved), best - 1e-9) << i;
      }
    }
  }
}

TEST(LeastSquares, DependentUnknownsAreTheLaterOnes) {
  const std::vector<Equation> equations = {{{1, 2, 0, 1}, 1}, {{2, 4, 0, 0}, 1}, {{3, 6, 0, 1}, 1}};
  EXPECT_THAT(independent_unknowns(equations, 4), ElementsAre(true, false, false, true));
  EXPECT_TRUE(standard_errors({{{1}, 1}}, {1}).empty());
}

}  // namespace
}  // namespace heddle
