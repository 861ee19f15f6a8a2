#include "graph/quantise.h"

#include <algorithm>
#include <cmath>

namespace heddle {

int64_t quantise(float real, const Quantisation& quantisation, const Range& range) {
  const float steps = std::round(real / static_cast<float>(quantisation.scale));
  const double integer = static_cast<double>(steps) + static_cast<double>(quantisation.zero_point);
  // Compared as doubles: infinity and what int64 cannot hold are clipped too.
  if (integer <= static_cast<double>(range.lo)) return range.lo;
  if (integer >= static_cast<double>(range.hi)) return range.hi;
  return static_cast<int64_t>(integer);
}

double real_value(int64_t integer, const Quantisation& quantisation) {
  return static_cast<double>(integer - quantisation.zero_point) * quantisation.scale;
}

}  // namespace heddle
