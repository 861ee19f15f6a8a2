// The generic kernel generator: one C function for a region on the CPU, from the operators' loop
// nests and C bodies.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "match/match.h"
#include "tiler/tiling.h"

namespace heddle {

// A pointer parameter. Inputs are `const T *`, the output is `T *`.
struct KernelArgument {
  std::string name;
  DType dtype = DType::int8;
  ValueId value;  // invalid only in make_copy()
  bool output = false;
};

struct Kernel {
  std::string text;                       // "static void function(...) {...}\n"
  std::vector<KernelArgument> arguments;  // the output is the last one
  bool uses_math = false;                 // calls functions of runtime/heddle_math.h
};

// An anchor with its loop nest, then map operators on the element while it is in a register. Values
// are read and written in main memory with the strides of `storage`; constants are dense tables;
// constants of one element become literals. Preconditions: a map operator after the anchor does not
// broadcast its spine; a view or a block operator stands alone.
// `in_place`: parts of a concat that were computed right into it.
Kernel make_kernel(const Graph& graph, const Match& match, const StorageOf& storage,
                   const std::string& function, const std::set<ValueId>& in_place = {});

// Copies all elements in row-major order between two storages; the shapes hold equally many.
Kernel make_copy(DType dtype, const Shape& from_shape, const Storage& from, const Shape& to_shape,
                 const Storage& to, const std::string& function);

// The function around a finished, indented body.
Kernel wrap_kernel(const std::string& function, const std::string& body,
                   std::vector<KernelArgument> arguments);

// Whether elements lie at their row-major positions (strides of dimensions of one element do not
// matter).
bool is_flat(const Shape& shape, const Storage& storage);

// Operators, for comments: "conv2d, bias_add, requant".
std::string operators_of(const Graph& graph, const Match& match);

}  // namespace heddle
