// Turns real-valued nodes between `dequantize` and `quantize` into integer operators with ONNX
// Runtime's rounding: one pass over the nodes, one new graph.
//
// A float32 value that is an affine function of integers is carried as (integers, scale, zero
// point) instead of being computed: moves and pools act on the integers, products become
// accumulators, the next `quantize` becomes a requantisation with rounding 'float'. A function of
// one 8-bit tensor is carried as the table of its results, a sum of two quantised tensors as a
// pair. What reads such a value otherwise gets it from an explicit `dequantize`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace heddle {

// How the float32 constants of a model were dequantised: their scales, one or one a channel, by
// content. Importers fold and rearrange constants, which this survives: weights are found to be
// quantised where every element is its scale times an integer, exactly.
using QuantisedConstants = std::multimap<uint64_t, std::vector<float>>;
uint64_t content_key(const Tensor& reals);  // the same for every order and shape of the elements

// `rounding` as in ImportOptions: "" and "float" keep float multipliers; "half_up" and
// "tflite_double" replace them by 31-bit ones. `file` is for messages.
Result<Graph> integerise(const Graph& graph, const std::string& file,
                         const QuantisedConstants& constants, const std::string& rounding);

}  // namespace heddle
