// What the rv32 kernels of conv2d and dense share: an anchor that sums products of 8-bit weights,
// the bias behind it, and the operators that follow.
#pragma once

#include <string_view>
#include <vector>

#include "cpu_codegen/fused_maps.h"
#include "cpu_codegen/generators.h"
#include "ops/window.h"

namespace heddle::rv32 {

// The sums that a kernel computes: bias[k] + sum of weights[k] * (x - offset), which is the
// anchor's result and the bias_add behind it, if there is one: zero points are part of the bias.
// All modulo 2^32; the result is proven to be an int32.
struct Int8Sums {
  int64_t offset = 0;  // subtracted from every element of x so that it is small
  Range x;             // after that; with the zero point if the anchor pads
  std::vector<int64_t> bias;
  size_t first_map = 1;  // into Match::nodes: what comes behind the bias
};

// Preconditions: refusals_of_sums() has none. The channel is dimension 1 of the result.
Int8Sums int8_sums(const Graph& graph, const Match& match);

std::vector<FailedCondition> refusals_of_sums(const Graph& graph, const Match& match,
                                              std::string_view op);

// As int32, modulo 2^32.
std::vector<int64_t> wrapped(std::vector<int64_t> values);

// Whether a plane is one row: 1x1 with stride 1 over planes without gaps. Precondition: rows of the
// output have more than one pixel.
bool runs_over_rows(const Graph& graph, const Match& match, const StorageOf& storage,
                    const Window& w, size_t first_map);

Storage stored_as(const Graph& graph, const StorageOf& storage, ValueId value);

}  // namespace heddle::rv32
