// Random networks in DIANA's digital dialect, and machines with less memory, for whole-network
// tests.
#pragma once

#include <random>

#include "graph/graph.h"
#include "rules/rules.h"

namespace heddle {

// One to four blocks of conv2d, depthwise_conv2d, add, max_pool and dense, each requantised by a
// right shift. Kernels, strides, pads, channel counts and clips vary; some blocks are what no
// accelerator takes (uneven pads, large kernels).
Graph random_shift_network(std::mt19937& random);

// The same behind a convolution; most convolutions have SAME padding, uneven for even kernels,
// stride 1, and many a zero point.
Graph random_same_network(std::mt19937& random);

// One to three blocks of ternary convolutions behind a clip to 7 bits, each with a 6-bit converter and
// a batch norm, some with a residual.
Graph random_analog_network(std::mt19937& random);

// The SoC with a random fraction of its L1 and private memories, so that layers must be tiled.
void shrink_memories(Soc& soc, std::mt19937& random);

// Random networks are no networks for a microcontroller: their weights and activations may need
// some MB.
void enlarge_main_memory(Soc& soc);

}  // namespace heddle
