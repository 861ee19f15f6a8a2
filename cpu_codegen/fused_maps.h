// The map operators behind an anchor whose loops a kernel generator writes itself, and the store of
// the result: the same statements as in generic kernels.
#pragma once

#include <string>
#include <vector>

#include "base/text.h"
#include "cpu_codegen/kernel.h"
#include "ops/op.h"

namespace heddle {

struct FusedMaps {
  // Declarations to print where the first d of the loops are open, for d from 0 to their number:
  // rows of operands, and elements that the loops inside do not change (a channel's multiplier).
  std::vector<std::vector<std::string>> at_depth;
  // On the variable `value`, which the kernel declares and sets: `int32_t value = ...;`.
  std::vector<std::string> statements;
  std::string store;                      // "y[ox] = (int8_t)value;"
  std::vector<KernelArgument> arguments;  // what these read; the output is the last one
};

// Operators nodes[first] ... of the match, on the element whose index `output` gives, one entry a
// dimension of the anchor's output, in terms of `loops`: the loops that are open around the
// statements, outermost first, each with the name of its variable. A loop of extent 1 need not be
// there; its variable is not named. The index may run over the end of a dimension into the next one
// (a plane as one row) where the strides of all operands of that shape allow it: see is_plane().
// `names` are those that the kernel uses already.
FusedMaps fuse_maps(const Graph& graph, const Match& match, const StorageOf& storage, size_t first,
                    const std::vector<Axis>& loops, const Access& output, const UniqueNames& names);

// Whether all values of the anchor's shape [n, k, oy, ox] that operators nodes[first] ... read or
// write, constants too, have rows that follow each other without a gap, and all others do not vary
// within a plane. Precondition: rows of more than one element; their dimension then holds the index.
bool is_plane(const Graph& graph, const Match& match, const StorageOf& storage, size_t first);

}  // namespace heddle
