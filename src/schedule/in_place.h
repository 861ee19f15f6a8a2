// Values that need no memory of their own: views that read their operand where it lies, and parts
// that are computed right into the concat that they belong to.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "match/match.h"
#include "tiler/tiling.h"

namespace heddle {

// The value lies inside `host` (which may itself lie inside another one), its first element this far
// from the host's. Its strides are those of StorageOf.
struct Alias {
  ValueId host;
  int64_t offset_bytes = 0;
};
using Aliases = std::map<ValueId, Alias>;

// The value whose memory it is in the end, and where in it.
Alias resolved(const Aliases& aliases, ValueId value);

// Strides of `to` over the same elements in row-major order; nothing where no strides say that.
std::optional<std::vector<int64_t>> reshaped_strides(const Shape& from,
                                                     const std::vector<int64_t>& strides,
                                                     const Shape& to);

// Decides for the steps of a schedule, in execution order, and sets the strides of every value that
// changes its place. What an accelerator reads or writes keeps the storage that it asked for, and
// rows of operators that compute whole rows stay contiguous.
Aliases place_in_others(const Graph& graph, const std::vector<const Match*>& steps,
                        StorageOf& storage);

// Where the last elements of a state's output lie, counted in elements from its first one, and how
// many bytes must be moved at the end of a run so that its input holds them; 0: they are there.
struct KeptPlace {
  int64_t first_element = 0;
  int64_t bytes_moved = 0;
};
KeptPlace kept_place(const Graph& graph, const Aliases& aliases, const StorageOf& storage,
                     const State& state);

// Whether the step has nothing left to do: a view that is read in place, a concat whose parts all
// lie there already.
bool needs_no_code(const Graph& graph, const Aliases& aliases, const Match& match);

}  // namespace heddle
