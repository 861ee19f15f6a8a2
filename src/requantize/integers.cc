#include "requantize/integers.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "import/builder.h"
#include "ops/op.h"

namespace heddle::requantizing {
namespace {

int64_t attribute(const IntegerLayer& layer, const char* name) {
  return std::get<int64_t>(layer.attributes.at(name));
}

std::vector<double> dense(const IntegerLayer& layer, const std::vector<double>& weights,
                          const IntegerTensor& x, size_t sample) {
  const size_t outputs = static_cast<size_t>(layer.weight_shape[0]);
  const size_t length = static_cast<size_t>(layer.weight_shape[1]);
  const std::vector<int32_t>& q = x.data[sample];
  const size_t rows = q.size() / length;
  std::vector<double> y(rows * outputs);
  for (size_t n = 0; n < rows; ++n) {
    for (size_t k = 0; k < outputs; ++k) {
      double sum = 0;
      for (size_t c = 0; c < length; ++c)
        sum += weights[k * length + c] * static_cast<double>(q[n * length + c] - x.zero);
      y[n * outputs + k] = sum;
    }
  }
  return y;
}

int64_t windows(int64_t extent, int64_t before, int64_t after, int64_t kernel, int64_t dilation,
                int64_t stride) {
  return (extent + before + after - (kernel - 1) * dilation - 1) / stride + 1;
}

std::vector<double> convolution(const IntegerLayer& layer, const std::vector<double>& weights,
                                const IntegerTensor& x, size_t sample) {
  const Shape& w = layer.weight_shape;
  const int64_t height = x.shape[2], width = x.shape[3];
  const int64_t sy = attribute(layer, "stride_h"), sx = attribute(layer, "stride_w");
  const int64_t dy = attribute(layer, "dilation_h"), dx = attribute(layer, "dilation_w");
  const int64_t top = attribute(layer, "pad_top"), left = attribute(layer, "pad_left");
  const int64_t rows = windows(height, top, attribute(layer, "pad_bottom"), w[2], dy, sy);
  const int64_t columns = windows(width, left, attribute(layer, "pad_right"), w[3], dx, sx);
  const bool depthwise = layer.op == "depthwise_conv2d";
  const int64_t group = depthwise ? w[0] : attribute(layer, "group");
  const int64_t group_outputs = w[0] / group;
  const std::vector<int32_t>& q = x.data[sample];
  std::vector<double> centred(q.size());
  for (size_t i = 0; i < q.size(); ++i) centred[i] = static_cast<double>(q[i] - x.zero);

  std::vector<double> y(static_cast<size_t>(x.shape[0] * w[0] * rows * columns));
  const int64_t taps = w[1] * w[2] * w[3];
  for (int64_t nk = 0; nk < x.shape[0] * w[0]; ++nk) {
    const int64_t n = nk / w[0], k = nk % w[0];
    double* const plane = y.data() + nk * rows * columns;
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t fx = tap % w[3], fy = tap / w[3] % w[2];
      const int64_t c = k / group_outputs * w[1] + tap / w[3] / w[2];
      const double weight = weights[static_cast<size_t>(k * taps + tap)];
      if (weight == 0) continue;
      const int64_t shift = fx * dx - left;  // columns with 0 <= ox * sx + shift < width
      const int64_t first = std::max<int64_t>(0, ceil_div(-shift, sx));
      const int64_t last = std::min(columns - 1, floor_div(width - 1 - shift, sx));
      for (int64_t oy = 0; oy < rows; ++oy) {
        const int64_t iy = oy * sy + fy * dy - top;
        if (iy < 0 || iy >= height) continue;
        const double* const row = centred.data() + ((n * x.shape[1] + c) * height + iy) * width;
        double* const to = plane + oy * columns;
        for (int64_t ox = first; ox <= last; ++ox) to[ox] += weight * row[ox * sx + shift];
      }
    }
  }
  return y;
}

std::vector<int32_t> run_linear(const IntegerLayer& layer, const std::vector<double>& weights,
                                const IntegerTensor& x, size_t sample, const Channels& channels) {
  const std::vector<double> sums = products(layer, weights, x, sample);
  std::vector<int32_t> y(sums.size());
  for (size_t i = 0; i < sums.size(); ++i)
    y[i] = static_cast<int32_t>(result_of(layer, sums[i], channels.of(i)));
  return y;
}

// Moves, pools and joins: by the operator's own reference, on 8-bit integers.
std::vector<int32_t> run_move(const IntegerLayer& layer,
                              const std::vector<const IntegerTensor*>& inputs, size_t sample) {
  Builder builder;
  NewNode node{layer.op, layer.name, "y", {}, layer.attributes};
  std::vector<Tensor> given;
  for (const IntegerTensor* x : inputs) {
    const ValueId id =
        builder.graph.add_value(new_value("x", {DType::int8, x->shape, {-128, 127}}));
    builder.graph.inputs.push_back(id);
    node.inputs.push_back(id);
    given.emplace_back(DType::int8, x->shape);
    for (int64_t i = 0; i < given.back().elements(); ++i)
      given.back().set(i, x->data[sample][static_cast<size_t>(i)]);
  }
  const ValueId y = add_operator(builder, std::move(node));
  HEDDLE_CHECK(y.valid(), "a move of the source is none of integers");
  builder.graph.outputs = {y};
  const Result<std::vector<Tensor>> values = interpret(builder.graph, given);
  HEDDLE_CHECK(values.ok(), "a move of integers fails");
  const Tensor& result = (*values)[static_cast<size_t>(y.index)];
  std::vector<int32_t> elements(static_cast<size_t>(result.elements()));
  for (size_t i = 0; i < elements.size(); ++i)
    elements[i] = static_cast<int32_t>(result.at(static_cast<int64_t>(i)));
  return elements;
}

}  // namespace

int64_t result_of(const IntegerLayer& layer, double sum, size_t k) {
  const int64_t bias = layer.bias.empty() ? 0 : layer.bias[k];
  int64_t q = (static_cast<int64_t>(sum) + bias) >> layer.shift;
  if (layer.converter) {
    const Converter& c = *layer.converter;
    q = (std::clamp<int64_t>(q, -32, 31) * c.mul[k] + c.add[k]) >> c.shift;
  }
  return std::clamp(q, layer.lo, layer.hi);
}

Channels channels_of(const Shape& shape) {
  Channels channels;
  if (shape.size() < 2) return channels;
  channels.count = static_cast<size_t>(shape[1]);
  for (size_t d = 2; d < shape.size(); ++d) channels.inner *= static_cast<size_t>(shape[d]);
  return channels;
}

std::vector<double> products(const IntegerLayer& geometry, const std::vector<double>& weights,
                             const IntegerTensor& x, size_t sample) {
  return geometry.op == "dense" ? dense(geometry, weights, x, sample)
                                : convolution(geometry, weights, x, sample);
}

Data run_layer(const IntegerLayer& layer, const std::vector<const IntegerTensor*>& inputs,
               const Shape& output) {
  Data data;
  const Channels channels = channels_of(output);
  const std::vector<double> weights(layer.weights.begin(), layer.weights.end());
  for (size_t s = 0; s < inputs[0]->data.size(); ++s) {
    std::vector<int32_t> y;
    if (layer.kind == RealLayer::Kind::linear) {
      y = run_linear(layer, weights, *inputs[0], s, channels);
    } else if (layer.kind == RealLayer::Kind::sum) {
      y = inputs[0]->data[s];
      for (size_t i = 0; i < y.size(); ++i)
        y[i] = static_cast<int32_t>(
            result_of(layer, static_cast<double>(y[i] + inputs[1]->data[s][i]), 0));
    } else {
      y = layer.op.empty() ? inputs[0]->data[s] : run_move(layer, inputs, s);
      for (int32_t& q : y) {
        q = static_cast<int32_t>(std::clamp<int64_t>(q, layer.lo, layer.hi));
      }
    }
    data.push_back(std::move(y));
  }
  return data;
}

}  // namespace heddle::requantizing
