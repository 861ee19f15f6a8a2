// Views as strides: where a view's result lies in its operand's memory, and the other way round.
#pragma once

#include <optional>

#include "graph/graph.h"
#include "tiler/tiling.h"

namespace heddle {

// From the first element to the last, with these strides.
Storage strided(const TensorType& type, std::vector<int64_t> strides);
// Strides that differ along dimensions of 1 only.
bool same_places(const Shape& shape, const std::vector<int64_t>& a, const std::vector<int64_t>& b);

// Where the view's result lies if its operand is stored like this, its first element this far from
// the operand's; none where no strides say that.
struct Seen {
  Storage storage;
  int64_t offset_bytes = 0;
};
std::optional<Seen> seen_through(const Graph& graph, const Node& view, const Storage& x);

// How the view's operand must be stored so that its result lies like this, from the same place on.
// Slices have no such storage.
std::optional<Storage> wanted_behind(const Graph& graph, const Node& view, const Storage& y);

}  // namespace heddle
