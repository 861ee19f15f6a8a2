// The order of dimensions in memory: BufferLayout::order as indices.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "rules/rules.h"

namespace heddle {

// The dimensions of a value of this rank, outermost first. `channels_last` moves the second one to
// the end; matrices and vectors have no channels.
std::vector<size_t> order_in_memory(size_t rank, const std::optional<BufferLayout>& layout);

}  // namespace heddle
