#include "requantize/workspace.h"

#include <algorithm>
#include <cmath>

namespace heddle::requantizing {

std::vector<size_t> Workspace::all_samples() const {
  std::vector<size_t> all(reference.size());
  for (size_t s = 0; s < all.size(); ++s) all[s] = s;
  return all;
}

Reals Workspace::reals(const Target& target, const std::vector<size_t>& which) const {
  Reals all;
  const Channels channels = channels_of(shape(target.value));
  for (size_t s : which) {
    std::vector<double> numbers = numbers_of(reference[s][static_cast<size_t>(target.value.index)]);
    for (size_t i = 0; i < numbers.size(); ++i) {
      const size_t k = target.gain.size() == 1 ? 0 : channels.of(i);
      numbers[i] = numbers[i] * target.gain[k] + target.offset[k];
    }
    all.push_back(std::move(numbers));
  }
  return all;
}

Reals Workspace::searched_reals(ValueId id) const {
  Target target{id, {1}, {-zero(id)}};
  if (const auto found = network.factors.find(id); found != network.factors.end()) {
    target.offset.assign(found->second.size(), target.offset[0]);
    target.gain = found->second;
    for (size_t k = 0; k < target.gain.size(); ++k) {
      target.gain[k] = 1 / target.gain[k];
      target.offset[k] *= target.gain[k];
    }
  }
  return reals(target, searched());
}

Reals Workspace::made_reals(ValueId id) const {
  const IntegerTensor& x = tensor(id);
  Reals all;
  for (size_t s : searched()) {
    std::vector<double> numbers;
    for (int32_t q : x.data[s]) numbers.push_back(static_cast<double>(q - x.zero) * x.scale);
    all.push_back(std::move(numbers));
  }
  return all;
}

std::optional<double> Workspace::known_scale(ValueId id) const {
  const std::optional<double>& base = bases[groups.group_of.at(id)];
  return base ? std::optional<double>(*base * groups.member(id).ratio) : std::nullopt;
}

void Workspace::set_scale(ValueId id, double scale) {
  bases[groups.group_of.at(id)] = scale / groups.member(id).ratio;
}

std::vector<double> Workspace::scales_for(ValueId id, double lo, double hi,
                                          const Reals& targets) const {
  if (const std::optional<double> known = known_scale(id)) return {*known};
  // As a scale: what the greatest integer stands for.
  const auto unit = [&](double most, ValueId tensor) {
    return most / static_cast<double>(range_of(tensor).hi);
  };
  double largest = unit(largest_magnitude(targets, lo, hi), id);
  const double own = groups.member(id).ratio;
  for (const Member& m : groups.groups[groups.group_of.at(id)]) {
    if (m.tensor == id) continue;
    const Reals reals = searched_reals(m.tensor);
    const double other = unit(largest_magnitude(reals, -kInfinity, kInfinity), m.tensor);
    largest = std::max(largest, other * own / m.ratio);
  }
  if (largest == 0) return {1};
  return scale_candidates(largest);
}

double largest_magnitude(const Reals& reals, double lo, double hi) {
  double most = 0;
  for (const std::vector<double>& sample : reals) {
    for (double real : sample) most = std::max(most, std::abs(std::clamp(real, lo, hi)));
  }
  return most;
}

}  // namespace heddle::requantizing
