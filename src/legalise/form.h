// Builds one form of a layer from numbers that say how it differs.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "legalise/legalise.h"

namespace heddle {

struct FormPlan {
  bool dense = false;  // a dense layer becomes a 1x1 convolution
  int64_t merged = 1;  // so many groups (channels of a depthwise one) become one; divides their number
  int64_t more_inputs = 0, more_outputs = 0;  // channels; of groups: 1 only
  std::array<int64_t, 4> pads{};              // top, left, bottom, right: by an operator of their own
};

// nullopt: an operator behind the first one has no such form, or a proven range would change.
std::optional<Legalised> build_form(const Graph& graph, std::span<const NodeId> spine,
                                    const FormPlan& plan);

}  // namespace heddle
