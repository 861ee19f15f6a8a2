// Chooses integers for one layer: the scale of its result, the shift, weights and biases, such that
// what comes out on the calibration samples is nearest to the source's real numbers.
#pragma once

#include <functional>
#include <vector>

#include "requantize/integers.h"

namespace heddle::requantizing {

using Reals = std::vector<std::vector<double>>;  // one vector a sample

struct Fitting {
  const RealLayer& layer;
  const IntegerTensor& x;
  const Reals& targets;               // what the source clamps, element by element
  const Reals& results;               // what it then has, of the searched samples
  const std::vector<double>& scales;  // candidates for the result's, in steps of the source's
  // What the layer's result costs, as noise in relation to signal wherever it is read: `values` are
  // its integers times the scale, of the searched samples.
  std::function<double(double scale, const Reals& values)> cost;
  double noise_cost = 1;   // of a mean square error of 1 in the result, about
  Range range{-128, 127};  // of the result's integers
};

// With scale s, shift n and the input's scale t: integers w = round(W * t / s * 2^n) within 8 bits,
// b = floor((B + d) / s * 2^n + 2^(n-1)): both roundings down together are one to nearest. d
// corrects the mean error of each channel on the samples, times 1 - (variance / samples) / d^2
// where that is positive: a mean that the samples are too few to know is not corrected. Where the
// source's own step gives all of its results exactly, it is taken: a network that is in the dialect
// already stays what it is. Else each scale is tried with the largest shift that clips no weight
// and with one more; the best by an estimate are computed.
IntegerLayer fit_linear(const Fitting& fitting);

// The bounds of the layer as integers of this scale.
Range integer_bounds(double lo, double hi, double scale, const Range& range);

// 2^(1/2) to 2^-3 times `largest` in eighths of an octave, and 1: the source's own step.
std::vector<double> scale_candidates(double largest);

// Every real number clamped, and then the nearest integer in range, times the scale.
Reals rounded(const Reals& reals, double lo, double hi, double scale, const Range& range);
// Mean of (a - clamp(b))^2.
double square_error(const Reals& a, const Reals& b, double lo, double hi);
double mean_square(const Reals& reals, double lo, double hi);

// Evenly spread ones of `count` samples, at most kSearchSamples: what a search looks at.
inline constexpr size_t kSearchSamples = 32;
std::vector<size_t> search_samples(size_t count);

}  // namespace heddle::requantizing
