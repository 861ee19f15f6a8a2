#include "ops/sum_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/check.h"

namespace heddle {
namespace {

constexpr int64_t kMostPairs = 65536;
constexpr int64_t kTries = 2;  // numbers on either side of the nearest slope

// How one operand enters the sum: value * factor, or the high word of (value << left) * factor,
// which keeps more digits of the slope.
struct Term {
  int64_t factor = 0;
  int64_t left = -1;  // -1: no high word

  int64_t at(int64_t value) const {
    return left < 0 ? value * factor : (value * (int64_t{1} << left) * factor) >> 32;
  }
  std::string text(const std::string& value) const {
    if (left < 0) return fmt::format("{} * {}", value, c_literal(factor));
    return fmt::format("(int32_t)(((int64_t)({} * {}) * {}) >> 32)", value,
                       c_literal(int64_t{1} << left), c_literal(factor));
  }
};

struct Form {
  Term x, residual;
  int64_t addend = 0;
  int64_t shift = 0;
};

// Bits that all values can be shifted left by in int32.
int64_t room_of(const Range& range) {
  int64_t bits = 0;
  while (fits_int32(range.lo * (int64_t{2} << bits), range.hi * (int64_t{2} << bits))) ++bits;
  return bits;
}

std::optional<Term> term_of(double slope, int64_t shift, const Range& range, bool high,
                            int64_t offset) {
  const int64_t left = high ? std::min<int64_t>(room_of(range), 24) : -1;
  const double factor =
      std::round(std::ldexp(slope, static_cast<int>(shift + (high ? 32 - left : 0))));
  if (std::abs(factor) > 2147483000.0) return std::nullopt;
  const Term term{static_cast<int64_t>(factor) + offset, left};
  if (!high && !fits_int32(std::min(range.lo * term.factor, range.hi * term.factor),
                           std::max(range.lo * term.factor, range.hi * term.factor)))
    return std::nullopt;
  return term;
}

// All pairs with what they must give.
struct Pairs {
  std::vector<int64_t> y;  // clamped; x outside, residual inside
  Range x, residual, bounds;
};

// The addends c for which (terms + c) >> shift is right after the clamp are one interval: every
// pair narrows it.
std::optional<Form> with_addend(const Pairs& pairs, const Term& x, const Term& residual,
                                int64_t shift) {
  std::vector<int64_t> of_residual;
  for (int64_t r = pairs.residual.lo; r <= pairs.residual.hi; ++r)
    of_residual.push_back(residual.at(r));
  int64_t least = INT64_MIN, most = INT64_MAX;
  Range sums{INT32_MAX, INT32_MIN};
  size_t i = 0;
  for (int64_t v = pairs.x.lo; v <= pairs.x.hi; ++v) {
    const int64_t of_x = x.at(v);
    for (const int64_t r : of_residual) {
      const int64_t y = pairs.y[i++], terms = of_x + r;
      sums = {std::min(sums.lo, terms), std::max(sums.hi, terms)};
      if (y > pairs.bounds.lo) least = std::max(least, y * (int64_t{1} << shift) - terms);
      if (y < pairs.bounds.hi) most = std::min(most, (y + 1) * (int64_t{1} << shift) - 1 - terms);
      if (least > most) return std::nullopt;
    }
  }
  if (least == INT64_MIN || most == INT64_MAX) return std::nullopt;  // a constant, or nearly
  const int64_t addend = least + (most - least) / 2;
  if (!fits_int32(sums.lo, sums.hi) || !fits_int32(addend, addend) ||
      !fits_int32(sums.lo + addend, sums.hi + addend))
    return std::nullopt;
  return Form{x, residual, addend, shift};
}

std::optional<Form> find(const SmallSum& sum) {
  const int64_t x_count = sum.x.hi - sum.x.lo + 1;
  const int64_t residual_count = sum.residual.hi - sum.residual.lo + 1;
  if (x_count > kMostPairs || residual_count > kMostPairs || x_count * residual_count > kMostPairs)
    return std::nullopt;
  Pairs pairs{{}, sum.x, sum.residual, sum.bounds};
  for (int64_t x = sum.x.lo; x <= sum.x.hi; ++x) {
    for (int64_t r = sum.residual.lo; r <= sum.residual.hi; ++r)
      pairs.y.push_back(std::clamp(sum.y(x, r), sum.bounds.lo, sum.bounds.hi));
  }
  for (const bool high : {false, true}) {
    // The most digits that int32 has room for; one less where an intermediate sum has none.
    int64_t shift = 30;
    const auto reach = [&](const Range& range, double slope) {
      return std::max(std::abs(static_cast<double>(range.lo)),
                      std::abs(static_cast<double>(range.hi))) *
             std::abs(slope);
    };
    const double most = reach(sum.x, sum.x_slope) + reach(sum.residual, sum.residual_slope);
    while (shift > 1 && std::ldexp(most, static_cast<int>(shift)) > 2147483647.0) --shift;
    for (const int64_t s : {shift, shift - 1}) {
      for (int64_t i = 0; i < (2 * kTries + 1) * (2 * kTries + 1); ++i) {
        // 0, 1, -1, 2, -2
        const auto offset = [](int64_t n) { return n % 2 == 0 ? -n / 2 : n / 2 + 1; };
        const std::optional<Term> x =
            term_of(sum.x_slope, s, sum.x, high, offset(i / (2 * kTries + 1)));
        const std::optional<Term> residual =
            term_of(sum.residual_slope, s, sum.residual, high, offset(i % (2 * kTries + 1)));
        if (!x || !residual) continue;
        if (std::optional<Form> form = with_addend(pairs, *x, *residual, s)) return form;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> c_small_sum(const SmallSum& sum) {
  const std::optional<Form> form = find(sum);
  if (!form) return std::nullopt;
  const auto extremes = [](const Term& term, const Range& range) {
    const int64_t a = term.at(range.lo), b = term.at(range.hi);
    return Range{std::min(a, b), std::max(a, b)};
  };
  const Range x = extremes(form->x, sum.x), residual = extremes(form->residual, sum.residual);
  const Range known{(x.lo + residual.lo + form->addend) >> form->shift,
                    (x.hi + residual.hi + form->addend) >> form->shift};
  std::string text =
      fmt::format("$value = ({} + {}{}) >> {};", form->x.text("$value"),
                  form->residual.text("(int32_t)$residual"), c_plus(form->addend), form->shift);
  const std::string clamp = c_clamp("$value", known, sum.bounds);
  return clamp.empty() ? text : text + "\n" + clamp;
}

}  // namespace heddle
