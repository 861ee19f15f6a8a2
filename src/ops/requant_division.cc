#include "ops/requant_division.h"

#include <algorithm>

#include "ops/requant_forms.h"

namespace heddle {

namespace {

constexpr int64_t kMostShift = 62;
constexpr int64_t kMostDivisor = int64_t{1} << 20;  // beyond, only powers of two are looked for

}  // namespace

// With e = D * m - 2^s and r = x mod D,
//   (x * m + a) / 2^s - floor(x / D) = (r * 2^s + x * e + a * D) / (D * 2^s),
// which must lie in [0, 1). For all x of one r that is linear in x: the least and the greatest decide.
std::optional<int64_t> division_of(const OpView& op) {
  using requant::at_channel;
  const std::string& rounding = op.text("rounding");
  if ((rounding != "shift" && rounding != "floor") || op.attribute("zero_point") != 0) return std::nullopt;
  for (const requant::Operand operand : {requant::MUL, requant::ADD, requant::SHIFTS}) {
    if (requant::per_channel(op, operand)) return std::nullopt;
  }
  const Range x = op.input(requant::X).range;
  const int64_t mul = at_channel(op, requant::MUL, 0, 1), add = at_channel(op, requant::ADD, 0, 0);
  const int64_t shift = requant::shift_of(op, 0);
  if (mul <= 0 || shift < 0 || shift > kMostShift) return std::nullopt;
  const int64_t power = int64_t{1} << shift;
  const auto divides_by = [&](int64_t divisor) {
    const Wide excess = Wide{divisor} * mul - power, offset = Wide{add} * divisor;
    const bool equal_steps = excess == 0;  // then x does not matter, but for r
    if (!equal_steps && divisor > kMostDivisor) return false;
    for (int64_t r = 0; r < (equal_steps ? 1 : std::min(divisor, x.hi - x.lo + 1)); ++r) {
      const int64_t least = x.lo + r, greatest = least + (x.hi - least) / divisor * divisor;
      const Wide residue = ((Wide{least} % divisor) + divisor) % divisor;
      for (const int64_t end : {least, greatest}) {
        const Wide above = (equal_steps ? 0 : residue * power) + Wide{end} * excess + offset;
        if (above < 0 || above >= (equal_steps ? Wide{power} : Wide{divisor} * power)) return false;
      }
    }
    return true;
  };
  for (const int64_t divisor : {power / mul, power / mul + 1}) {
    if (divisor > 0 && divides_by(divisor)) return divisor;
  }
  return std::nullopt;
}

}  // namespace heddle
