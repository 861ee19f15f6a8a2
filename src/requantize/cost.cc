// What a scale costs, wherever the tensor is read.
#include <algorithm>
#include <cmath>
#include <memory>

#include "requantize/workspace.h"

namespace heddle::requantizing {
namespace {

constexpr int kMostSumShift = 3;  // of the sums that are tried for a scale of their operands

// Layers that read a tensor.
struct Reading {
  bool other = false;  // by weights or moves, or as an output
  std::vector<const RealLayer*> sums;
};

Reading readers_of(const RealNetwork& network, ValueId id) {
  Reading reading;
  reading.other =
      std::find(network.outputs.begin(), network.outputs.end(), id) != network.outputs.end();
  for (const RealLayer& layer : network.layers) {
    if (std::find(layer.inputs.begin(), layer.inputs.end(), id) == layer.inputs.end()) continue;
    if (layer.kind == RealLayer::Kind::sum) {
      reading.sums.push_back(&layer);
    } else {
      reading.other = true;
    }
  }
  return reading;
}

bool makes_numbers(const RealNetwork& network, ValueId id) {
  return std::any_of(network.layers.begin(), network.layers.end(), [&](const RealLayer& layer) {
    return layer.output == id && layer.kind != RealLayer::Kind::same;
  });
}

double in_relation(double noise, double signal) { return signal > 0 ? noise / signal : 0; }

// A sum that reads the layer's result beside a partner.
struct Sum {
  const RealLayer* layer = nullptr;
  Reals partner;  // integers times scale where they are made, else the source's
  bool made = false;
  double partner_ratio = 1;  // of scales
  double factor = 1, partner_factor = 1;
  Reals result;
  double signal = 0;
  Range partner_range{}, range{};  // of integers
};

// Another tensor whose scale is this one's times a ratio.
struct Other {
  Reals reals;
  double ratio = 1, signal = 0;
  Range range{};
};

struct Cost {
  const RealLayer& layer;
  Reals targets;
  double signal = 0;
  bool direct = false;  // the result's own noise counts
  std::vector<Sum> sums{};
  std::vector<Other> others{};

  double of_sum(const Sum& sum, double scale, const Reals& values) const {
    const double unit = scale * sum.partner_ratio;
    Reals added = sum.made ? sum.partner
                           : rounded(sum.partner, -kInfinity, kInfinity, unit, sum.partner_range);
    for (size_t s = 0; s < added.size(); ++s) {
      for (size_t i = 0; i < added[s].size(); ++i) {
        added[s][i] =
            added[s][i] * sum.partner_factor + values[s][i] * sum.factor + sum.layer->bias[0];
      }
    }
    double least = kInfinity;
    for (int shift = 1; shift <= kMostSumShift; ++shift) {
      const double result_scale = std::ldexp(scale * sum.factor, shift);
      const Reals nearest = rounded(added, sum.layer->lo, sum.layer->hi, result_scale, sum.range);
      least = std::min(least, square_error(nearest, sum.result, -kInfinity, kInfinity));
    }
    return in_relation(least, sum.signal);
  }

  double operator()(double scale, const Reals& values) const {
    double cost = 0;
    if (direct) cost += in_relation(square_error(values, targets, layer.lo, layer.hi), signal);
    for (const Other& other : others) {
      const Reals nearest =
          rounded(other.reals, -kInfinity, kInfinity, scale * other.ratio, other.range);
      cost += in_relation(square_error(nearest, other.reals, -kInfinity, kInfinity), other.signal);
    }
    for (const Sum& sum : sums) cost += of_sum(sum, scale, values);
    return cost;
  }
};

}  // namespace

void set_cost(const Workspace& w, const RealLayer& layer, const Reals& targets, Fitting& fitting) {
  const Reading reading = readers_of(w.network, layer.output);
  const double own = w.groups.member(layer.output).ratio;
  const auto cost =
      std::make_shared<Cost>(Cost{layer, targets, mean_square(targets, layer.lo, layer.hi), true});
  for (const RealLayer* reader : reading.sums) {
    const bool second = reader->inputs[0] != layer.output;
    const ValueId partner = reader->inputs[second ? 0 : 1];
    Sum sum;
    sum.layer = reader;
    sum.made = w.tensors.contains(partner);
    sum.partner = sum.made ? w.made_reals(partner) : w.searched_reals(partner);
    sum.partner_ratio = w.groups.member(partner).ratio / own;
    sum.factor = reader->factors[second ? 1 : 0];
    sum.partner_factor = reader->factors[second ? 0 : 1];
    sum.result = w.searched_reals(reader->output);
    sum.signal = mean_square(sum.result, -kInfinity, kInfinity);
    sum.partner_range = w.range_of(partner);
    sum.range = w.range_of(reader->output);
    cost->sums.push_back(std::move(sum));
  }
  if (!w.known_scale(layer.output)) {
    for (const Member& m : w.groups.groups[w.groups.group_of.at(layer.output)]) {
      const bool counts = m.tensor != layer.output && makes_numbers(w.network, m.tensor) &&
                          readers_of(w.network, m.tensor).other;
      if (!counts) continue;
      Other other{w.searched_reals(m.tensor), m.ratio / own, 0, w.range_of(m.tensor)};
      other.signal = mean_square(other.reals, -kInfinity, kInfinity);
      cost->others.push_back(std::move(other));
    }
  }
  cost->direct = reading.other || cost->sums.empty();
  fitting.noise_cost = cost->direct ? in_relation(1, cost->signal) : 0;
  for (const Sum& sum : cost->sums)
    fitting.noise_cost += in_relation(sum.factor * sum.factor, sum.signal);
  fitting.cost = [cost](double scale, const Reals& values) { return (*cost)(scale, values); };
}

}  // namespace heddle::requantizing
