// Small least-squares problems with unknowns that cannot be negative, in doubles and in a fixed
// order of operations.
#pragma once

#include <cstddef>
#include <vector>

namespace heddle {

// One equation: sum of coefficients[j] * x[j] = right, as nearly as it goes.
struct Equation {
  std::vector<double> coefficients;  // one for each unknown
  double right = 0;
};

// The x >= 0 with the least sum of squared residuals: the active-set method of Lawson and Hanson on
// the normal equations. The unknowns must be independent (see independent_unknowns); at most a few
// dozen of them.
std::vector<double> nonnegative_least_squares(const std::vector<Equation>& equations,
                                              size_t unknowns);

// Which unknowns the equations tell apart, in their order: one whose column is, to a thousandth of
// its length, a combination of the columns before it (or zero) is not among them.
std::vector<bool> independent_unknowns(const std::vector<Equation>& equations, size_t unknowns);

// Standard errors of the unknowns at x: sqrt(residual variance * diagonal of the inverse normal
// matrix). Empty where there are no more equations than unknowns. The unknowns must be independent.
std::vector<double> standard_errors(const std::vector<Equation>& equations,
                                    const std::vector<double>& x);

}  // namespace heddle
