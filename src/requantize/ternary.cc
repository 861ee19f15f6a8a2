#include "requantize/ternary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace heddle::requantizing {
namespace {

constexpr double kConverterLo = -32, kConverterHi = 31;
constexpr int64_t kMostShift = 15;
constexpr double kMostMul = 127, kMostAdd = 32767;
constexpr int kRounds = 4;  // of fitting a line to what is let through

// The signs of the weights that are kept: the prefix of the descending magnitudes that lies nearest
// to a multiple of the weights, i.e. has the largest (sum of magnitudes)^2 / length.
void keep_largest(const double* weights, size_t length, int64_t* signs) {
  std::vector<size_t> order(length);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(weights[a]) > std::abs(weights[b]); });
  double sum = 0, best = 0;
  size_t kept = 0;
  for (size_t i = 0; i < length; ++i) {
    sum += std::abs(weights[order[i]]);
    const double gain = sum * sum / static_cast<double>(i + 1);
    if (gain <= best) continue;
    best = gain;
    kept = i + 1;
  }
  for (size_t i = 0; i < kept; ++i) signs[order[i]] = weights[order[i]] < 0 ? -1 : 1;
}

struct Line {
  std::vector<double> gain, offset;  // by channel
  double noise = 0;
};

class Fit {
 public:
  explicit Fit(const Fitting& fitting) : f_(fitting) {
    layer_.kind = RealLayer::Kind::linear;
    layer_.op = f_.layer.op;
    layer_.attributes = f_.layer.attributes;
    layer_.weight_shape = f_.layer.weight_shape;
    const size_t outputs = static_cast<size_t>(f_.layer.weight_shape[0]);
    const size_t length = f_.layer.weights.size() / outputs;
    layer_.weights.assign(f_.layer.weights.size(), 0);
    layer_.bias.assign(outputs, 0);
    for (size_t k = 0; k < outputs; ++k)
      keep_largest(&f_.layer.weights[k * length], length, &layer_.weights[k * length]);
    channels_ = {outputs, f_.targets[0].size() / outputs};
    const std::vector<double> weights(layer_.weights.begin(), layer_.weights.end());
    for (size_t s : search_samples(f_.targets.size())) {
      sums_.push_back(products(layer_, weights, f_.x, s));
      targets_.push_back(f_.targets[s]);
    }
  }

  IntegerLayer best() {
    Line line;
    line.noise = kInfinity;
    for (int64_t shift = 0; shift <= kMostShift; ++shift) {
      Line tried = line_behind(shift);
      if (tried.noise >= line.noise) continue;
      line = std::move(tried);
      layer_.shift = shift;
    }
    IntegerLayer best;
    double least = kInfinity;
    for (double scale : f_.scales) {
      IntegerLayer tried = made(line, scale);
      const double cost = f_.cost(scale, values_of(tried));
      if (cost >= least && !best.weights.empty()) continue;
      least = cost;
      best = std::move(tried);
    }
    return best;
  }

 private:
  static double converted(double sum, int64_t shift) {
    const double steps = std::floor(std::ldexp(sum, -static_cast<int>(shift)));
    return std::clamp(steps, kConverterLo, kConverterHi);
  }
  double clamped(double real) const { return std::clamp(real, f_.layer.lo, f_.layer.hi); }

  // Least squares for each channel; again with the elements only that the clamp lets through, of
  // the source or of the line.
  Line line_behind(int64_t shift) const {
    const size_t count = channels_.count;
    Line line{std::vector<double>(count), std::vector<double>(count), 0};
    for (int round = 0; round < kRounds; ++round) {
      std::vector<double> n(count), x(count), y(count), xx(count), xy(count);
      for (size_t s = 0; s < sums_.size(); ++s) {
        for (size_t i = 0; i < sums_[s].size(); ++i) {
          const size_t k = channels_.of(i);
          const double step = converted(sums_[s][i], shift), target = targets_[s][i];
          const double real = line.gain[k] * step + line.offset[k];
          const bool passes = clamped(target) == target || clamped(real) == real;
          if (round > 0 && !passes) continue;
          // What is cut on one side only shall reach the bound, not what lies beyond.
          const double wanted = round > 0 ? clamped(target) : target;
          n[k] += 1;
          x[k] += step;
          y[k] += wanted;
          xx[k] += step * step;
          xy[k] += step * wanted;
        }
      }
      for (size_t k = 0; k < count; ++k) {
        if (n[k] == 0) continue;
        const double spread = xx[k] - x[k] * x[k] / n[k];
        const double slope = spread > 0 ? (xy[k] - x[k] * y[k] / n[k]) / spread : 0;
        line.gain[k] = std::max(slope, 0.0);
        line.offset[k] = (y[k] - line.gain[k] * x[k]) / n[k];
      }
    }
    for (size_t s = 0; s < sums_.size(); ++s) {
      for (size_t i = 0; i < sums_[s].size(); ++i) {
        const size_t k = channels_.of(i);
        const double real = line.gain[k] * converted(sums_[s][i], shift) + line.offset[k];
        const double error = clamped(real) - clamped(targets_[s][i]);
        line.noise += error * error;
      }
    }
    return line;
  }

  IntegerLayer made(const Line& line, double scale) const {
    IntegerLayer layer = layer_;
    layer.scale = scale;
    const Range bounds = integer_bounds(f_.layer.lo, f_.layer.hi, scale, f_.range);
    layer.lo = bounds.lo;
    layer.hi = bounds.hi;
    double gain = 0, offset = 0;
    for (double g : line.gain) gain = std::max(gain, std::abs(g) / scale);
    for (double o : line.offset) offset = std::max(offset, std::abs(o) / scale + 1);
    Converter converter;
    while (converter.shift < kMostShift &&
           std::ldexp(gain, static_cast<int>(converter.shift) + 1) <= kMostMul &&
           std::ldexp(offset, static_cast<int>(converter.shift) + 1) <= kMostAdd) {
      ++converter.shift;
    }
    const double unit = std::ldexp(1.0, static_cast<int>(converter.shift));
    for (size_t k = 0; k < channels_.count; ++k) {
      const double mul = std::floor(line.gain[k] / scale * unit + 0.5);
      const double add = std::floor((line.offset[k] / scale + 0.5) * unit);
      converter.mul.push_back(static_cast<int64_t>(std::clamp(mul, -kMostMul, kMostMul)));
      converter.add.push_back(static_cast<int64_t>(std::clamp(add, -kMostAdd, kMostAdd)));
    }
    layer.converter = std::move(converter);
    return layer;
  }

  Reals values_of(const IntegerLayer& layer) const {
    Reals values = sums_;
    for (std::vector<double>& sample : values) {
      for (size_t i = 0; i < sample.size(); ++i) {
        const int64_t q = result_of(layer, sample[i], channels_.of(i));
        sample[i] = static_cast<double>(q) * layer.scale;
      }
    }
    return values;
  }

  const Fitting& f_;
  IntegerLayer layer_;
  Channels channels_;
  Reals sums_, targets_;  // of the searched samples
};

}  // namespace

IntegerLayer fit_ternary(const Fitting& fitting) { return Fit(fitting).best(); }

}  // namespace heddle::requantizing
