// `quantize` with two results, as binary networks have behind every layer: a comparison of integers
// with a threshold for each channel.
#include <algorithm>
#include <cmath>

#include "import/integerise_pass.h"

namespace heddle::integerising {
namespace {

float at(const std::vector<float>& values, size_t k) { return values[values.size() == 1 ? 0 : k]; }

// The greater of the two results, as the float32 nodes would compute it from the integer.
bool is_upper(const Real& real, const Quantiser& to, size_t k, int64_t x) {
  float value = static_cast<float>(x - real.zero_point) * at(real.scale, k);
  if (!real.addend.empty()) value += at(real.addend, k);
  value = std::min(std::max(value, real.lo), real.hi);
  return std::floor(value / at(to.scale, k)) + static_cast<float>(to.zero_point) >=
         static_cast<float>(to.hi);
}

// The least integer for which is_upper() holds, which it does for all greater ones: every step of
// it is monotone. One above the range where it never holds.
int64_t threshold(const Real& real, const Quantiser& to, size_t k, const Range& range) {
  int64_t low = range.lo, high = range.hi + 1;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    is_upper(real, to, k, middle) ? high = middle : low = middle + 1;
  }
  return low;
}

}  // namespace

ValueId quantise_sign(Pass& pass, const Real& real, const Quantiser& to, const Node& named) {
  if (real.kind != Real::Kind::linear || to.hi - to.lo != 1) return {};
  // A negative scale makes the comparison fall where the integers rise.
  const auto positive = [](float scale) { return scale > 0 && scale < kInfinity; };
  if (!std::all_of(real.scale.begin(), real.scale.end(), positive) ||
      !std::all_of(to.scale.begin(), to.scale.end(), positive)) {
    return {};
  }
  const size_t own = std::max(real.scale.size(), real.addend.size());
  if (own > 1 && to.scale.size() > 1 && real.axis != to.axis) return {};
  const TensorType x = type_of(pass.rebuild.to, real.integers);
  // y = max(lo, min(hi, x - threshold + hi))
  const size_t channels = std::max(own, to.scale.size());
  std::vector<int64_t> add;
  for (size_t k = 0; k < channels; ++k) {
    add.push_back(-threshold(real, to, k, x.range));
    if (add.back() < INT32_MIN || add.back() > INT32_MAX) return {};
  }
  const int64_t count = static_cast<int64_t>(channels);
  NewNode node = named_after(pass, named, "requant");
  node.inputs = {real.integers, add_int32_constant(pass.rebuild.to, node.name + "_mul", {1}, {1}),
                 add_int32_constant(pass.rebuild.to, node.name + "_add", {count}, add)};
  node.attributes = {{"axis", own > 1 ? real.axis : to.axis},
                     {"shift", int64_t{0}},
                     {"zero_point", to.hi},
                     {"lo", to.lo},
                     {"hi", to.hi},
                     {"rounding", std::string("floor")}};
  return try_operator(pass, std::move(node));
}

}  // namespace heddle::integerising
