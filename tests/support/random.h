// Numbers that are the same on every machine (xorshift64, Marsaglia 2003).
#pragma once

#include <cstdint>

namespace heddle::support {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435761u + 88172645463325252u) {}
  // Both bounds inclusive.
  int64_t between(int64_t lo, int64_t hi) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return lo + static_cast<int64_t>(state_ % static_cast<uint64_t>(hi - lo + 1));
  }

 private:
  uint64_t state_;
};

}  // namespace heddle::support

namespace heddle {
using support::Random;  // check/random.h has one of its own
}
