// Evens out the ranges of weights between channels, which a shift alone cannot.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "requantize/meaning.h"

namespace heddle::requantizing {

// Channel k of a tensor between layers with weights is divided by e_k: in the weights and biases of
// the layer before, and multiplied back in those behind. A Relu lets positive factors through, so
// the network computes the same; e_k = sqrt(r1 / r2) makes the largest weights of both sides equal,
// r1 of the rows before and r2 of the columns behind (Nagel et al., Data-free quantization, 2019).
// Left alone: tensors that sums read, outputs, layers that are `fixed`, and tensors whose elements
// are cut at a bound other than 0 on more than one sample element in a thousand. Bounds that hardly
// cut are dropped. `reference`: [sample][source value]. Returns how many tensors were changed.
int equalise(RealNetwork& network, const Graph& source,
             const std::vector<std::vector<Tensor>>& reference, const std::set<std::string>& fixed);

}  // namespace heddle::requantizing
