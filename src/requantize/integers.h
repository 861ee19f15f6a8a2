// The requantised network on its way: integer tensors with their scales, layers of integers, and
// their exact arithmetic on calibration samples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "requantize/meaning.h"

namespace heddle::requantizing {

// Integers of a tensor, one vector a calibration sample.
using Data = std::vector<std::vector<int32_t>>;

// real = (integer - zero) * scale; the real numbers are those of meaning.h.
struct IntegerTensor {
  Shape shape;
  double scale = 1;
  int64_t zero = 0;  // of graph inputs and what is moved or chosen from them; else 0
  int64_t lo = -128, hi = 127;
  Data data;
};

// Behind the sums of an analog array: clip((clip(sum >> layer.shift, -32, 31) * mul + add) >>
// shift).
struct Converter {
  std::vector<int64_t> mul, add;  // one a channel: [-128, 127] and [-32768, 32767]
  int64_t shift = 0;              // 0 to 15
};

// y = clip((sum of weights * x + bias) >> shift, lo, hi) or the same of a + b; `same` moves or
// clips only.
struct IntegerLayer {
  RealLayer::Kind kind = RealLayer::Kind::same;
  std::string name;
  std::string op;
  Attributes attributes{};
  std::vector<ValueId> inputs;  // source values
  ValueId output;
  Shape weight_shape{};
  std::vector<int64_t> weights{};
  // Of integers whose zero is taken off: what is written also has the zero's products.
  std::vector<int64_t> bias{};
  int64_t shift = 0;
  int64_t lo = -128, hi = 127;
  std::optional<Converter> converter{};  // of ternary layers, whose bias is 0
  // What became of it, for the report.
  double scale = 1;    // of its result, in steps of the source's tensor
  double noise = 0;    // mean square error against the source on the calibration data
  double signal = 0;   // mean square of the source's real numbers there
  double clipped = 0;  // share of weights beyond 8 bits
};

// Sums of weights * (x - zero) of one sample, in the order of the output; all exact below 2^53.
std::vector<double> products(const IntegerLayer& geometry, const std::vector<double>& weights,
                             const IntegerTensor& x, size_t sample);

// The layer's result for a sum of products (or of operands) and the bias of channel k.
int64_t result_of(const IntegerLayer& layer, double sum, size_t k);

// The layer's result on every sample.
Data run_layer(const IntegerLayer& layer, const std::vector<const IntegerTensor*>& inputs,
               const Shape& output);

// Elements between one channel and the next, and the number of channels (dimension 1).
struct Channels {
  size_t count = 1, inner = 1;
  size_t of(size_t flat) const { return flat / inner % count; }
};
Channels channels_of(const Shape& shape);

}  // namespace heddle::requantizing
