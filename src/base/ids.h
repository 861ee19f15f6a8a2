// Typed indices: a NodeId can not be used where a ValueId is wanted.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace heddle {

// An index into one vector, told apart from other indices by its Tag. -1 means "none".
template <class Tag>
struct Id {
  int32_t index = -1;
  constexpr bool valid() const { return index >= 0; }
  constexpr auto operator<=>(const Id&) const = default;
};

using NodeId = Id<struct NodeTag>;    // into Graph::nodes
using ValueId = Id<struct ValueTag>;  // into Graph::values

}  // namespace heddle
