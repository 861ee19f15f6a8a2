#include "requantize/equalise.h"

#include <algorithm>
#include <cmath>

#include "requantize/integers.h"

namespace heddle::requantizing {
namespace {

constexpr int kRounds = 4;           // chains of layers settle in a few
constexpr double kMostFactor = 16;   // of one round
constexpr double kRarelyCut = 1e-3;  // share of elements

// A layer that reads channels of the tensor; `inner` features of a dense layer are one channel.
struct Reader {
  RealLayer* layer;
  size_t inner;
};

struct Place {
  std::vector<Reader> readers;
  std::vector<std::pair<ValueId, size_t>> tensors;  // the same numbers, moved; features a channel
  bool open = true;                                 // nothing else reads them
};

class Equaliser {
 public:
  Equaliser(RealNetwork& network, const Graph& source,
            const std::vector<std::vector<Tensor>>& reference, const std::set<std::string>& fixed)
      : network_(network), source_(source), reference_(reference), fixed_(fixed) {}

  int run() {
    int changed = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (RealLayer& layer : network_.layers) {
        const bool changes = layer.kind == RealLayer::Kind::linear && even_out(layer);
        if (round == 0) changed += changes;
      }
    }
    return changed;
  }

 private:
  const Shape& shape(ValueId id) const { return source_.value(id).type.shape; }

  void follow(ValueId id, size_t inner, Place& place) {
    place.tensors.emplace_back(id, inner);
    for (ValueId output : network_.outputs) place.open = place.open && output != id;
    for (RealLayer& layer : network_.layers) {
      if (std::find(layer.inputs.begin(), layer.inputs.end(), id) == layer.inputs.end()) continue;
      const bool in_place = layer.op.empty() || layer.op == "max_pool" || layer.op == "pad";
      if (layer.kind == RealLayer::Kind::linear && !fixed_.contains(layer.name)) {
        place.readers.push_back({&layer, inner});
      } else if (layer.kind == RealLayer::Kind::same && in_place && passes(layer, layer.output)) {
        follow(layer.output, inner, place);
      } else if (layer.kind == RealLayer::Kind::same && layer.op == "flatten" &&
                 shape(id).size() == 4) {
        follow(layer.output, inner * static_cast<size_t>(shape(id)[2] * shape(id)[3]), place);
      } else {
        place.open = false;
      }
    }
  }

  // Whether factors go through the layer's bounds: they are 0, or hardly ever reached.
  bool passes(const RealLayer& layer, ValueId output) const {
    if (layer.lo == 0 && layer.hi == kInfinity) return true;
    const double zero = network_.zeros[static_cast<size_t>(output.index)];
    double cut = 0, count = 0;
    for (const std::vector<Tensor>& sample : reference_) {
      for (double element : numbers_of(sample[static_cast<size_t>(output.index)])) {
        const double real = element - zero;
        cut += real >= layer.hi - 0.5 || (layer.lo != 0 && real <= layer.lo + 0.5);
        ++count;
      }
    }
    return cut <= kRarelyCut * count;
  }

  bool even_out(RealLayer& layer) {
    if (fixed_.contains(layer.name) || !passes(layer, layer.output)) return false;
    Place place;
    follow(layer.output, 1, place);
    if (!place.open || place.readers.empty()) return false;
    const size_t count = static_cast<size_t>(layer.weight_shape[0]);
    const size_t length = layer.weights.size() / count;
    std::vector<double> before(count), behind(count), factor(count, 1);
    for (size_t i = 0; i < layer.weights.size(); ++i)
      before[i / length] = std::max(before[i / length], std::abs(layer.weights[i]));
    for (const Reader& reader : place.readers) {
      for_columns(reader,
                  [&](size_t k, double& w) { behind[k] = std::max(behind[k], std::abs(w)); });
    }
    for (size_t k = 0; k < count; ++k) {
      if (before[k] > 0 && behind[k] > 0) factor[k] = std::sqrt(before[k] / behind[k]);
    }
    // Around 1, so that real numbers stay what they are on average.
    double mean = 0;
    for (double f : factor) mean += std::log(f) / static_cast<double>(count);
    for (double& f : factor) f = std::clamp(f / std::exp(mean), 1 / kMostFactor, kMostFactor);
    apply(layer, place, factor);
    return true;
  }

  // Calls visit(channel, weight) for every weight of the reader.
  template <class Visit>
  static void for_columns(const Reader& reader, const Visit& visit) {
    RealLayer& layer = *reader.layer;
    const Shape& w = layer.weight_shape;
    const size_t outputs = static_cast<size_t>(w[0]);
    const size_t length = layer.weights.size() / outputs;
    for (size_t i = 0; i < layer.weights.size(); ++i) {
      size_t channel = i / length;  // depthwise
      if (layer.op == "dense") channel = i % length / reader.inner;
      if (layer.op == "conv2d") {
        const size_t taps = static_cast<size_t>(w[2] * w[3]), inputs = static_cast<size_t>(w[1]);
        const size_t groups = static_cast<size_t>(std::get<int64_t>(layer.attributes.at("group")));
        channel = i / length / (outputs / groups) * inputs + i % length / taps;
      }
      visit(channel, layer.weights[i]);
    }
  }

  void apply(RealLayer& layer, const Place& place, const std::vector<double>& factor) {
    const size_t count = factor.size(), length = layer.weights.size() / count;
    if (layer.target.gain.size() == 1) {
      layer.target.gain.assign(count, layer.target.gain[0]);
      layer.target.offset.assign(count, layer.target.offset[0]);
    }
    for (size_t i = 0; i < layer.weights.size(); ++i) layer.weights[i] /= factor[i / length];
    for (size_t k = 0; k < count; ++k) {
      layer.bias[k] /= factor[k];
      layer.target.gain[k] /= factor[k];
      layer.target.offset[k] /= factor[k];
    }
    drop_bounds(layer);
    for (const Reader& reader : place.readers)
      for_columns(reader, [&](size_t k, double& w) { w *= factor[k]; });
    for (const auto& [id, inner] : place.tensors) {
      std::vector<double>& all = network_.factors[id];
      all.resize(count * inner, 1);
      for (size_t i = 0; i < all.size(); ++i) all[i] *= factor[i / inner];
      for (RealLayer& moved : network_.layers) {
        if (moved.output == id && moved.kind == RealLayer::Kind::same) drop_bounds(moved);
      }
    }
  }
  static void drop_bounds(RealLayer& layer) {
    if (layer.lo != 0) layer.lo = -kInfinity;
    layer.hi = kInfinity;
  }

  RealNetwork& network_;
  const Graph& source_;
  const std::vector<std::vector<Tensor>>& reference_;
  const std::set<std::string>& fixed_;
};

}  // namespace

int equalise(RealNetwork& network, const Graph& source,
             const std::vector<std::vector<Tensor>>& reference,
             const std::set<std::string>& fixed) {
  return Equaliser(network, source, reference, fixed).run();
}

}  // namespace heddle::requantizing
