#include "requantize/fit.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace heddle::requantizing {
namespace {

constexpr int64_t kMaxShift =
    24;                          // the least of what accelerators shift by is 31; sums have 24 bits
constexpr size_t kComputed = 4;  // candidates that are not only estimated
constexpr double kExactInFloat = 1 << 24;  // float32 counts exactly below

struct Candidate {
  double scale = 1;
  int64_t shift = 0;
  double estimate = 0;
};

class Fit {
 public:
  explicit Fit(const Fitting& fitting)
      : f_(fitting), searched_(search_samples(fitting.targets.size())) {
    geometry_.op = f_.layer.op;
    geometry_.attributes = f_.layer.attributes;
    geometry_.weight_shape = f_.layer.weight_shape;
    outputs_ = static_cast<size_t>(f_.layer.weight_shape[0]);
    length_ = f_.layer.weights.size() / outputs_;
    channels_ = {outputs_, f_.targets[0].size() / outputs_};  // one image
    for (size_t s : searched_) {
      targets_.push_back(f_.targets[s]);
      std::vector<double> sums = products(geometry_, f_.layer.weights, f_.x, s);
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] = sums[i] * f_.x.scale + f_.layer.bias[channels_.of(i)];
      reals_.push_back(std::move(sums));
    }
    for (double w : f_.layer.weights) largest_ = std::max(largest_, std::abs(w));
    measure_inputs();
  }

  IntegerLayer best() {
    std::vector<Candidate> candidates;
    for (double scale : f_.scales) {
      const int64_t most = exact_shift(scale);
      for (int64_t shift : {most, most + 1}) {
        if (shift < 1 || shift > kMaxShift) continue;
        candidates.push_back({scale, shift, 0});
      }
      if (most < 1) candidates.push_back({scale, 1, 0});
    }
    for (const Candidate& c : candidates) {
      if (c.scale != 1) continue;
      IntegerLayer own = made(c);
      if (counts_exactly(own) && values_of(own) == f_.results) return own;
    }
    for (Candidate& c : candidates) c.estimate = estimate(c);
    std::stable_sort(
        candidates.begin(), candidates.end(),
        [](const Candidate& a, const Candidate& b) { return a.estimate < b.estimate; });
    const std::vector<Candidate> computed(
        candidates.begin(), candidates.begin() + std::min(kComputed, candidates.size()));
    IntegerLayer best;
    double least = kInfinity;
    for (const Candidate& c : computed) {
      Candidate exact = c;
      IntegerLayer layer = made(exact);
      for (; !counts_exactly(layer) && exact.shift > 1; layer = made(exact)) --exact.shift;
      const double cost = f_.cost(c.scale, values_of(layer));
      if (cost >= least) continue;
      least = cost;
      best = std::move(layer);
    }
    return best;
  }

 private:
  // Whether float32 sums of the written file are exact in any order.
  bool counts_exactly(const IntegerLayer& layer) const {
    const double most = static_cast<double>(std::max(std::abs(f_.x.lo), std::abs(f_.x.hi)));
    for (size_t k = 0; k < outputs_; ++k) {
      double sum = 0, total = 0;
      for (size_t i = 0; i < length_; ++i) {
        const double w = static_cast<double>(layer.weights[k * length_ + i]);
        sum += std::abs(w) * most;
        total += w;
      }
      sum += std::abs(static_cast<double>(layer.bias[k]) - total * static_cast<double>(f_.x.zero));
      if (sum >= kExactInFloat) return false;
    }
    return true;
  }

  // The largest shift under which no weight exceeds 127.
  int64_t exact_shift(double scale) const {
    if (largest_ == 0) return 8;
    const double factor = 127.49 * scale / (largest_ * f_.x.scale);
    int exponent = 0;
    std::frexp(factor, &exponent);  // factor = m * 2^exponent with 1/2 <= m < 1
    return std::clamp<int64_t>(exponent - 1, 0, kMaxShift);
  }

  double factor_of(double scale, int64_t shift) const {
    return f_.x.scale / scale * std::ldexp(1.0, static_cast<int>(shift));
  }
  static double integer(double weight) {
    return std::clamp(std::floor(weight + 0.5), -127.0, 127.0);
  }

  // Mean square of what each weight multiplies: of each input channel, or of each feature.
  void measure_inputs() {
    const bool dense = f_.layer.op == "dense";
    const Channels channels = dense ? Channels{static_cast<size_t>(f_.layer.weight_shape[1]), 1}
                                    : channels_of(f_.x.shape);
    squares_.assign(channels.count, 0);
    double count = 0;
    for (size_t s : searched_) {
      const std::vector<int32_t>& q = f_.x.data[s];
      for (size_t i = 0; i < q.size(); ++i) {
        const double real = static_cast<double>(q[i] - f_.x.zero) * f_.x.scale;
        squares_[channels.of(i)] += real * real;
      }
      count += static_cast<double>(q.size()) / static_cast<double>(channels.count);
    }
    for (double& square : squares_) square /= std::max(count, 1.0);
  }

  double square_at(size_t k, size_t i) const {
    if (f_.layer.op == "dense") return squares_[i];
    const size_t taps = static_cast<size_t>(f_.layer.weight_shape[2] * f_.layer.weight_shape[3]);
    if (f_.layer.op == "depthwise_conv2d") return squares_[k];
    const size_t group = static_cast<size_t>(std::get<int64_t>(f_.layer.attributes.at("group")));
    return squares_[k / (outputs_ / group) * (length_ / taps) + i / taps];
  }

  // Rounding of the result, and of the weights as if their errors were independent.
  double estimate(const Candidate& c) const {
    const double factor = factor_of(c.scale, c.shift);
    double weights = 0;
    for (size_t k = 0; k < outputs_; ++k) {
      for (size_t i = 0; i < length_; ++i) {
        const double w = f_.layer.weights[k * length_ + i];
        const double error = w - integer(w * factor) / factor;
        weights += error * error * square_at(k, i);
      }
    }
    const Reals values = requantizing::rounded(reals_, f_.layer.lo, f_.layer.hi, c.scale, f_.range);
    return f_.cost(c.scale, values) + f_.noise_cost * weights / static_cast<double>(outputs_);
  }

  IntegerLayer made(const Candidate& c) const {
    IntegerLayer layer = geometry_;
    layer.kind = RealLayer::Kind::linear;
    layer.scale = c.scale;
    layer.shift = c.shift;
    const Range bounds = integer_bounds(f_.layer.lo, f_.layer.hi, c.scale, f_.range);
    layer.lo = bounds.lo;
    layer.hi = bounds.hi;
    const double factor = factor_of(c.scale, c.shift);
    int64_t clipped = 0;
    for (double w : f_.layer.weights) {
      layer.weights.push_back(static_cast<int64_t>(integer(w * factor)));
      clipped += std::abs(w * factor) >= 127.5;
    }
    layer.clipped = static_cast<double>(clipped) / static_cast<double>(f_.layer.weights.size());
    const double step = std::ldexp(c.scale, -static_cast<int>(c.shift));
    const std::vector<double> correction = corrections(layer, step);
    for (size_t k = 0; k < outputs_; ++k) {
      const double half = std::ldexp(1.0, static_cast<int>(c.shift) - 1);
      const double bias = std::floor((f_.layer.bias[k] + correction[k]) / step + half);
      layer.bias.push_back(static_cast<int64_t>(std::clamp(bias, -kExactInFloat, kExactInFloat)));
    }
    return layer;
  }

  // Mean of target - result of each channel, as far as the samples agree on it.
  std::vector<double> corrections(const IntegerLayer& layer, double step) const {
    const std::vector<double> weights(layer.weights.begin(), layer.weights.end());
    std::vector<double> sum(outputs_), squares(outputs_);
    for (size_t s : searched_) {
      const std::vector<double> sums = products(layer, weights, f_.x, s);
      std::vector<double> mean(outputs_);
      for (size_t i = 0; i < sums.size(); ++i) {
        const size_t k = channels_.of(i);
        mean[k] += f_.targets[s][i] - sums[i] * step - f_.layer.bias[k];
      }
      for (size_t k = 0; k < outputs_; ++k) {
        mean[k] /= static_cast<double>(channels_.inner);
        sum[k] += mean[k];
        squares[k] += mean[k] * mean[k];
      }
    }
    const double n = static_cast<double>(searched_.size());
    std::vector<double> correction(outputs_);
    for (size_t k = 0; k < outputs_ && n > 1; ++k) {
      const double mean = sum[k] / n;
      const double variance = std::max(0.0, squares[k] - n * mean * mean) / (n - 1);
      if (mean != 0) correction[k] = mean * std::max(0.0, 1 - variance / n / (mean * mean));
    }
    return correction;
  }

  Reals values_of(const IntegerLayer& layer) const {
    const std::vector<double> weights(layer.weights.begin(), layer.weights.end());
    Reals values;
    for (size_t s : searched_) {
      std::vector<double> sums = products(layer, weights, f_.x, s);
      for (size_t i = 0; i < sums.size(); ++i) {
        const int64_t q = result_of(layer, sums[i], channels_.of(i));
        sums[i] = static_cast<double>(q) * layer.scale;
      }
      values.push_back(std::move(sums));
    }
    return values;
  }

  const Fitting& f_;
  std::vector<size_t> searched_;
  IntegerLayer geometry_;
  size_t outputs_ = 0, length_ = 0;
  Channels channels_;
  Reals targets_;  // of the searched samples
  Reals reals_;    // of them, with the source's weights on the integers that are there
  std::vector<double> squares_;
  double largest_ = 0;
};

}  // namespace

IntegerLayer fit_linear(const Fitting& fitting) { return Fit(fitting).best(); }

Range integer_bounds(double lo, double hi, double scale, const Range& range) {
  const auto nearest = [&](double bound) {
    const double integer = std::floor(bound / scale + 0.5);
    return static_cast<int64_t>(
        std::clamp(integer, static_cast<double>(range.lo), static_cast<double>(range.hi)));
  };
  return {nearest(lo), nearest(hi)};
}

std::vector<double> scale_candidates(double largest) {
  std::vector<double> scales;
  // 2^(i/8); library functions differ in their last bits.
  static constexpr double kEighths[] = {1,
                                        1.0905077326652577,
                                        1.189207115002721,
                                        1.2968395546510096,
                                        1.4142135623730951,
                                        1.5422108254079407,
                                        1.681792830507429,
                                        1.8340080864093424};
  for (int eighth = 4; eighth >= -24; --eighth) {
    const int octave = eighth >= 0 ? 0 : (eighth - 7) / 8;
    scales.push_back(std::ldexp(largest * kEighths[eighth - 8 * octave], octave));
  }
  scales.push_back(1);
  return scales;
}

Reals rounded(const Reals& reals, double lo, double hi, double scale, const Range& range) {
  const Range bounds = integer_bounds(lo, hi, scale, range);
  const double least = static_cast<double>(bounds.lo), most = static_cast<double>(bounds.hi);
  Reals result = reals;
  for (std::vector<double>& sample : result) {
    for (double& real : sample)
      real = std::clamp(std::floor(std::clamp(real, lo, hi) / scale + 0.5), least, most) * scale;
  }
  return result;
}

double square_error(const Reals& a, const Reals& b, double lo, double hi) {
  double squares = 0, count = 0;
  for (size_t s = 0; s < a.size(); ++s) {
    for (size_t i = 0; i < a[s].size(); ++i) {
      const double error = a[s][i] - std::clamp(b[s][i], lo, hi);
      squares += error * error;
    }
    count += static_cast<double>(a[s].size());
  }
  return squares / std::max(count, 1.0);
}

double mean_square(const Reals& reals, double lo, double hi) {
  double squares = 0, count = 0;
  for (const std::vector<double>& sample : reals) {
    for (double real : sample) squares += std::clamp(real, lo, hi) * std::clamp(real, lo, hi);
    count += static_cast<double>(sample.size());
  }
  return squares / std::max(count, 1.0);
}

std::vector<size_t> search_samples(size_t count) {
  std::vector<size_t> chosen;
  const size_t wanted = std::min(count, kSearchSamples);
  for (size_t i = 0; i < wanted; ++i) chosen.push_back(i * count / wanted);
  return chosen;
}

}  // namespace heddle::requantizing
