#include "cpu_codegen/rv32/dot_program.h"

#include <algorithm>

#include "base/diagnostic.h"
#include "ops/product.h"

namespace heddle::rv32 {
namespace {

constexpr Range kHalf{-32768, 32767};

Range sum(const Range& a, const Range& b) { return {a.lo + b.lo, a.hi + b.hi}; }

// The number as int32, modulo 2^32.
int64_t wrapped(int64_t value) { return static_cast<int32_t>(static_cast<uint32_t>(value)); }

// Taps from `begin` whose sums fit a half in both channels.
int64_t run_length(const std::vector<int64_t>& first, const std::vector<int64_t>& second,
                   size_t begin, const Range& x) {
  Range a, b;
  size_t end = begin;
  for (; end < first.size() && end - begin < kLongestRun; ++end) {
    a = sum(a, product_range({first[end], first[end]}, x));
    b = sum(b, product_range({second[end], second[end]}, x));
    if (!kHalf.contains(a) || !kHalf.contains(b)) break;
  }
  HEDDLE_CHECK(end > begin, "a product that does not fit 16 bits");
  return static_cast<int64_t>(end - begin);
}

}  // namespace

bool fits_half(int64_t weight, const Range& x) {
  return Range{-128, 127}.contains(Range{weight, weight}) &&
         kHalf.contains(product_range({weight, weight}, x));
}

DotProgram make_dot_program(const std::vector<std::vector<int64_t>>& weights,
                            const std::vector<int64_t>& bias, const Range& x) {
  HEDDLE_CHECK(weights.size() == bias.size(), "a bias for each channel");
  DotProgram result;
  const std::vector<int64_t> nothing(weights.empty() ? 0 : weights[0].size(), 0);
  for (size_t k = 0; k < weights.size(); k += 2) {
    const bool alone = k + 1 == weights.size();
    const std::vector<int64_t>& first = weights[k];
    const std::vector<int64_t>& second = alone ? nothing : weights[k + 1];
    HEDDLE_CHECK(!first.empty() && first.size() == second.size(), "channels of equal taps");
    int64_t runs = 0;
    for (size_t tap = 0; tap < first.size(); ++runs) {
      const int64_t length = run_length(first, second, tap, x);
      result.program.push_back(length);
      for (const size_t end = tap + static_cast<size_t>(length); tap < end; ++tap) {
        result.program.push_back(first[tap]);
        result.program.push_back(second[tap]);
      }
    }
    result.program.push_back(0);
    result.runs += runs;
    for (const int64_t b : {bias[k], alone ? 0 : bias[k + 1]}) {
      const int64_t start = wrapped(b);
      result.start.push_back(wrapped(start * 65537 - runs * 32768));
      result.start.push_back(start);
    }
  }
  return result;
}

}  // namespace heddle::rv32
