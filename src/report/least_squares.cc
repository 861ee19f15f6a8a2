#include "report/least_squares.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/diagnostic.h"

namespace heddle {
namespace {

using Matrix = std::vector<std::vector<double>>;

// A^T A and A^T b.
struct Normal {
  Matrix matrix;
  std::vector<double> right;
};

Normal normal_equations(const std::vector<Equation>& equations, size_t unknowns) {
  Normal normal{Matrix(unknowns, std::vector<double>(unknowns, 0)),
                std::vector<double>(unknowns, 0)};
  for (const Equation& equation : equations) {
    for (size_t i = 0; i < unknowns; ++i) {
      for (size_t j = 0; j < unknowns; ++j)
        normal.matrix[i][j] += equation.coefficients[i] * equation.coefficients[j];
      normal.right[i] += equation.coefficients[i] * equation.right;
    }
  }
  return normal;
}

// Solves a symmetric positive definite system by elimination with pivots on the diagonal, after
// scaling it to a diagonal of ones. Nothing if it is singular.
std::optional<std::vector<double>> solve(Matrix matrix, std::vector<double> right) {
  const size_t n = right.size();
  std::vector<double> scale(n);
  for (size_t i = 0; i < n; ++i) {
    if (!(matrix[i][i] > 0)) return std::nullopt;
    scale[i] = 1 / std::sqrt(matrix[i][i]);
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) matrix[i][j] *= scale[i] * scale[j];
    right[i] *= scale[i];
  }
  for (size_t k = 0; k < n; ++k) {
    if (!(matrix[k][k] > 1e-12)) return std::nullopt;
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = matrix[i][k] / matrix[k][k];
      for (size_t j = k; j < n; ++j) matrix[i][j] -= factor * matrix[k][j];
      right[i] -= factor * right[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) right[k] -= matrix[k][j] * right[j];
    right[k] /= matrix[k][k];
  }
  for (size_t i = 0; i < n; ++i) right[i] *= scale[i];
  return right;
}

// The unconstrained solution over the passive unknowns, the others zero.
std::vector<double> passive_solution(const Normal& normal, const std::vector<bool>& passive) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < passive.size(); ++i)
    if (passive[i]) chosen.push_back(i);
  Matrix matrix;
  std::vector<double> right;
  for (const size_t i : chosen) {
    matrix.emplace_back();
    for (const size_t j : chosen) matrix.back().push_back(normal.matrix[i][j]);
    right.push_back(normal.right[i]);
  }
  const std::optional<std::vector<double>> solved = solve(std::move(matrix), std::move(right));
  HEDDLE_CHECK(solved.has_value(), "least squares over unknowns that depend on each other");
  std::vector<double> x(passive.size(), 0);
  for (size_t i = 0; i < chosen.size(); ++i) x[chosen[i]] = (*solved)[i];
  return x;
}

}  // namespace

std::vector<double> nonnegative_least_squares(const std::vector<Equation>& equations,
                                              size_t unknowns) {
  const Normal normal = normal_equations(equations, unknowns);
  std::vector<double> x(unknowns, 0);
  std::vector<bool> passive(unknowns, false);
  // Each round lets one more unknown leave zero; the method ends after finitely many, in practice
  // after about as many as there are unknowns. The bound is against rounding that makes it cycle.
  for (size_t round = 0; round < 10 * unknowns; ++round) {
    // The steepest descent among those at zero, in units of what each could at most gain.
    std::optional<size_t> next;
    double steepest = 0;
    for (size_t i = 0; i < unknowns; ++i) {
      if (passive[i] || !(normal.matrix[i][i] > 0)) continue;
      double gradient = normal.right[i];
      for (size_t j = 0; j < unknowns; ++j) gradient -= normal.matrix[i][j] * x[j];
      gradient /= std::sqrt(normal.matrix[i][i]);
      if (gradient > steepest + 1e-10) {
        steepest = gradient;
        next = i;
      }
    }
    if (!next) break;
    passive[*next] = true;
    for (;;) {
      const std::vector<double> target = passive_solution(normal, passive);
      // As far towards it as all stay positive.
      double step = 1;
      for (size_t i = 0; i < unknowns; ++i) {
        if (passive[i] && target[i] <= 0) step = std::min(step, x[i] / (x[i] - target[i]));
      }
      bool all_positive = true;
      for (size_t i = 0; i < unknowns; ++i) {
        if (!passive[i]) continue;
        const bool gone = target[i] <= 0 && x[i] + step * (target[i] - x[i]) <= 1e-12;
        x[i] = gone ? 0 : x[i] + step * (target[i] - x[i]);
        if (gone) passive[i] = false;
        all_positive = all_positive && target[i] > 0;
      }
      if (all_positive) break;
    }
  }
  return x;
}

std::vector<bool> independent_unknowns(const std::vector<Equation>& equations, size_t unknowns) {
  constexpr double kNearlyNothing = 1e-3;
  std::vector<bool> independent(unknowns, false);
  std::vector<std::vector<double>> basis;  // orthonormal
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  for (size_t j = 0; j < unknowns; ++j) {
    std::vector<double> column;
    for (const Equation& equation : equations) column.push_back(equation.coefficients[j]);
    const double length = std::sqrt(dot(column, column));
    for (int pass = 0; pass < 2; ++pass) {  // twice: rounding
      for (const std::vector<double>& each : basis) {
        const double part = dot(column, each);
        for (size_t i = 0; i < column.size(); ++i) column[i] -= part * each[i];
      }
    }
    const double rest = std::sqrt(dot(column, column));
    independent[j] = length > 0 && rest > kNearlyNothing * length;
    if (!independent[j]) continue;
    for (double& each : column) each /= rest;
    basis.push_back(std::move(column));
  }
  return independent;
}

std::vector<double> standard_errors(const std::vector<Equation>& equations,
                                    const std::vector<double>& x) {
  const size_t unknowns = x.size();
  if (equations.size() <= unknowns) return {};
  double squares = 0;
  for (const Equation& equation : equations) {
    double residual = equation.right;
    for (size_t j = 0; j < unknowns; ++j) residual -= equation.coefficients[j] * x[j];
    squares += residual * residual;
  }
  const double variance = squares / static_cast<double>(equations.size() - unknowns);
  const Normal normal = normal_equations(equations, unknowns);
  std::vector<double> errors;
  for (size_t j = 0; j < unknowns; ++j) {
    std::vector<double> unit(unknowns, 0);
    unit[j] = 1;
    const std::optional<std::vector<double>> column = solve(normal.matrix, std::move(unit));
    HEDDLE_CHECK(column.has_value(), "standard errors of unknowns that depend on each other");
    errors.push_back(std::sqrt(std::max(0.0, variance * (*column)[j])));
  }
  return errors;
}

}  // namespace heddle
