#include "match/constant_facts.h"

#include <algorithm>

namespace heddle {

IntSet distinct_values(const Tensor& tensor) {
  constexpr uint64_t kMarks = uint64_t{1} << 20;
  std::vector<int64_t> values = tensor.to_ints();
  if (values.empty()) return {};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const int64_t lo = *least;
  const uint64_t width = static_cast<uint64_t>(*most) - static_cast<uint64_t>(lo);
  IntSet set;
  if (width < kMarks) {
    std::vector<uint8_t> seen(width + 1, 0);
    for (const int64_t value : values) seen[static_cast<size_t>(value - lo)] = 1;
    for (size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] != 0) set.insert(set.end(), lo + static_cast<int64_t>(i));
    }
    return set;
  }
  std::sort(values.begin(), values.end());
  for (const int64_t value : values) set.insert(set.end(), value);
  return set;
}

const Range& ConstantFacts::range(const Graph& graph, ValueId id) {
  const auto [entry, added] = ranges_.try_emplace(id.index);
  if (added) entry->second = graph.value(id).constant->min_max();
  return entry->second;
}

const IntSet& ConstantFacts::values(const Graph& graph, ValueId id) {
  const auto [entry, added] = values_.try_emplace(id.index);
  if (added) entry->second = distinct_values(*graph.value(id).constant);
  return entry->second;
}

}  // namespace heddle
