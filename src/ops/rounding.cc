#include "ops/rounding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace heddle {

std::optional<Rounding> find_rounding(const std::string& name) {
  static constexpr std::pair<std::string_view, Rounding> kKnown[] = {
      {"half_even", Rounding::half_even},
      {"half_away", Rounding::half_away},
      {"floor", Rounding::floor},
      {"ceil", Rounding::ceil},
      {"truncate", Rounding::truncate}};
  for (const auto& [known, rounding] : kKnown) {
    if (known == name) return rounding;
  }
  return std::nullopt;
}

Status check_rounded_bounds(const OpView& op, const Range& bounds) {
  constexpr int64_t kMost = int64_t{1} << 22;
  if (bounds.lo >= -kMost && bounds.hi <= kMost) return Unit{};
  return node_error(op, fmt::format("rounding float32 to [{}, {}] is not exact beyond 2^22",
                                    bounds.lo, bounds.hi));
}

int64_t round_clamped(float value, Rounding rounding, const Range& bounds) {
  const float lo = static_cast<float>(bounds.lo), hi = static_cast<float>(bounds.hi);
  if (!(value >= lo)) return bounds.lo;
  if (value > hi) return bounds.hi;
  if (rounding == Rounding::half_away) return std::lround(value);
  if (rounding == Rounding::floor) return static_cast<int64_t>(std::floor(value));
  if (rounding == Rounding::ceil) return static_cast<int64_t>(std::ceil(value));
  if (rounding == Rounding::truncate) return static_cast<int64_t>(std::trunc(value));
  const float below = std::floor(value);
  const float rest = value - below;
  const int64_t lower = static_cast<int64_t>(below);
  if (rest != 0.5f) return lower + (rest > 0.5f);
  return lower % 2 == 0 ? lower : lower + 1;
}

std::string c_clamp_real(std::string_view name, const Range& bounds, std::string_view indent) {
  return fmt::format("{0}if (!({1} >= {2})) {1} = {2};\n{0}if ({1} > {3}) {1} = {3};\n", indent,
                     name, c_literal(static_cast<float>(bounds.lo)),
                     c_literal(static_cast<float>(bounds.hi)));
}

std::string c_rounded(std::string_view name, Rounding rounding) {
  const auto text = [&](const char* form) { return fmt::format(fmt::runtime(form), name); };
  // At 1.5 * 2^23 the distance of float32 numbers is one: the sum rounds to nearest even.
  if (rounding == Rounding::half_even) return text("(int32_t)(({0} + 12582912.0f) - 12582912.0f)");
  if (rounding == Rounding::floor) return text("(int32_t){0} - ({0} < (float)(int32_t){0})");
  if (rounding == Rounding::ceil) return text("(int32_t){0} + ({0} > (float)(int32_t){0})");
  if (rounding == Rounding::truncate) return text("(int32_t){0}");
  return text(
      "(int32_t){0} + ({0} - (float)(int32_t){0} >= 0.5f) - ({0} - (float)(int32_t){0} <= -0.5f)");
}

}  // namespace heddle
