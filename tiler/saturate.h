// Sums and products that stop at a huge value: bounds must not wrap around.
#pragma once

#include <algorithm>
#include <cstdint>

namespace heddle {

inline constexpr int64_t kHuge = int64_t{1} << 61;  // "no bound"; sums of two still fit

inline int64_t saturate(__int128 value) {
  return static_cast<int64_t>(
      std::clamp<__int128>(value, -static_cast<__int128>(kHuge), static_cast<__int128>(kHuge)));
}
inline int64_t times(int64_t a, int64_t b) { return saturate(static_cast<__int128>(a) * b); }
inline int64_t plus(int64_t a, int64_t b) { return saturate(static_cast<__int128>(a) + b); }

}  // namespace heddle
