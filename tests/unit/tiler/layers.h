// One-layer networks for the tests of the tiler: a graph, DIANA with memories of any size, and the
// match of its digital core.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "support/random.h"
#include "tiler/geometry.h"

namespace heddle {

struct Layer {
  Graph graph;
  Soc soc;
  Match match;
  StorageOf storage;  // padded as the rule wants it
  std::string text;   // what it is, for messages

  Region region() const { return region_of(graph, soc, match, storage); }
};

const Soc& diana();
Soc diana_with(int64_t l1_bytes, int64_t weight_bytes = 65536);

struct ConvShape {
  int64_t c = 16, k = 16, iy = 16, ix = 16, fy = 3, fx = 3, stride = 1, pad = 1;
  int64_t group = 1;  // of conv2d; divides c and k
};
// On the heap: a match's environment refers to the graph.
std::unique_ptr<Layer> conv_layer(const ConvShape& shape, const Soc& soc);
std::unique_ptr<Layer> depthwise_layer(const ConvShape& shape, const Soc& soc);
std::unique_ptr<Layer> dense_layer(int64_t c, int64_t k, const Soc& soc);
std::unique_ptr<Layer> add_layer(int64_t k, int64_t oy, int64_t ox, const Soc& soc);
std::unique_ptr<Layer> random_layer(Random& random, const Soc& soc, int64_t largest);
// A conv2d in two groups or more.
std::unique_ptr<Layer> random_groups(Random& random, const Soc& soc, int64_t largest);

}  // namespace heddle
