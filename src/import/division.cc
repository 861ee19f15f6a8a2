#include "import/division.h"

#include <algorithm>
#include <limits>

namespace heddle {
namespace {

__extension__ using Wide = __int128;

constexpr int64_t kMaxShift = 62;

template <class Narrow>
bool fits(Wide value) {
  return std::numeric_limits<Narrow>::min() <= value && value <= std::numeric_limits<Narrow>::max();
}

Wide ceil_quotient(Wide a, Wide b) { return a / b + (a % b > 0 ? 1 : 0); }  // b > 0

int64_t at_channel(const std::vector<int64_t>& values, size_t k) {
  return values[values.size() == 1 ? 0 : k];
}

// Of one channel. With D the divisor and x * m + a = q * D + r, 0 <= r < D, let
//   M = ceil(m * 2^s / D), e = M * D - m * 2^s (so 0 <= e < D), C = B * D - a * 2^s. Then
//   (x * M + B) / 2^s - q = (r * 2^s + x * e + C) / (D * 2^s),
// and the floor of (x * M + B) / 2^s is q if that lies in [0, 1). As r is 0 to D - 1, it does if
//   0 <= x * e + C < 2^s for all x.
// B is the least that holds the left side; whether the right one holds then is checked. e >= 0, so
// the ends of the range decide. Numbers have 32 (x) and 63 bits at most, s is 62 at most: 128
// bits hold all of it.
enum class Found { exact, inexact, too_large };
struct Channel {
  int64_t mul = 0;
  int64_t add = 0;
};
Found multiply_channel(int64_t m, int64_t a, int64_t divisor, int64_t shift, const Range& x,
                       Channel* channel) {
  const Wide power = Wide{1} << shift;
  const Wide mul = ceil_quotient(m * power, divisor);
  if (!fits<int32_t>(mul)) return Found::too_large;  // and more so with greater shifts
  const Wide excess = mul * divisor - m * power;
  const Wide add = ceil_quotient(a * power - x.lo * excess, divisor);
  const Wide offset = add * divisor - a * power;
  if (x.hi * excess + offset >= power) return Found::inexact;
  if (!fits<int64_t>(add) || !fits<int64_t>(x.lo * mul + add) || !fits<int64_t>(x.hi * mul + add))
    return Found::too_large;
  *channel = {static_cast<int64_t>(mul), static_cast<int64_t>(add)};
  return Found::exact;
}

}  // namespace

std::optional<MultiplyShift> multiply_for(const Division& division, const Range& x) {
  if (!fits<int32_t>(x.lo) || !fits<int32_t>(x.hi)) return std::nullopt;
  const size_t channels = std::max(division.mul.size(), division.add.size());
  for (int64_t shift = 0; shift <= kMaxShift; ++shift) {
    MultiplyShift result{.mul = {}, .add = {}, .shift = shift};
    Found found = Found::exact;
    for (size_t k = 0; k < channels && found == Found::exact; ++k) {
      Channel channel;
      found = multiply_channel(at_channel(division.mul, k), at_channel(division.add, k),
                               division.divisor, shift, x, &channel);
      result.mul.push_back(channel.mul);
      result.add.push_back(channel.add);
    }
    if (found == Found::exact) return result;
    if (found == Found::too_large) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace heddle
