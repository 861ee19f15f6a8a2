// Tables of the functions that TFLite's 8-bit kernels compute, entry by entry as those do it.
#pragma once

#include <functional>

#include "graph/tensor.h"
#include "import/tflite/quantisation.h"

namespace heddle::tflite {

// y for every x of the 8-bit type: the function in float32 between dequantisation and quantisation.
Tensor function_table(DType x, DType y, const Scale& x_scale, const Scale& y_scale,
                      const std::function<float(float)>& function);
// y for every x, by a function of integers; clamped to `bounds`.
Tensor integer_table(DType x, DType y, const Range& bounds,
                     const std::function<int64_t(int64_t)>& function);

// exp(-scale * beta * (255 - i)), i from 0 to 255.
Tensor exponential_table(float scale, float beta);

// The fixed-point HARD_SWISH of one element.
int64_t hard_swish(int64_t x, const Scale& x_scale, const Scale& y_scale);

// In float32, the same on every machine.
float exp_of(float x);
float sigmoid_of(float x);
float tanh_of(float x);
float elu_of(float x);
float gelu_of(float x);
float gelu_tanh_of(float x);

}  // namespace heddle::tflite
