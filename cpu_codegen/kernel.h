// C functions for regions on the CPU. The generic generator makes one from the operators' loop
// nests and C bodies; a rule may name another one (cpu_codegen/generators.h).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "match/match.h"
#include "tiler/tiling.h"

namespace heddle {

// A pointer parameter. Inputs are `const T *`, the output is `T *`, scratch memory is `uint32_t *`.
struct KernelArgument {
  std::string name;
  DType dtype = DType::int8;
  ValueId value;  // invalid in make_copy(), and where one of the next two is set
  bool output = false;
  int table = -1;        // index into Kernel::tables
  bool scratch = false;  // Kernel::scratch_bytes in the arena, aligned to 16 bytes
};

// A constant that the generator made: weights in the order in which a kernel reads them. The
// originals are left out of the bundle where nothing else reads them.
struct KernelTable {
  std::string name;  // "weights"
  Tensor tensor;
};

struct Kernel {
  std::string text;                       // "static void function(...) {...}\n"
  std::vector<KernelArgument> arguments;  // the output is the last one
  std::vector<KernelTable> tables{};
  int64_t scratch_bytes = 0;           // holds nothing before and after a call
  std::vector<std::string> headers{};  // of kernel libraries (runtime.h): "heddle_math.h"
};

// An anchor with its loop nest, then map operators on the element while it is in a register. Values
// are read and written in main memory with the strides of `storage`; constants are dense tables;
// constants of one element become literals. Preconditions: a map operator after the anchor does not
// broadcast its spine; a view or a block operator stands alone.
// `in_place`: parts of a concat that were computed right into it.
Kernel make_kernel(const Graph& graph, const Match& match, const StorageOf& storage,
                   const std::string& function, const std::set<ValueId>& in_place = {});

// The same for elementwise operators only, two to five elements a turn of the innermost loop where
// its length is a multiple: a CPU without branch prediction pays for every turn.
Kernel make_unrolled_map(const Graph& graph, const Match& match, const StorageOf& storage,
                         const std::string& function);

// Copies all elements in row-major order between two storages; the shapes hold equally many.
Kernel make_copy(DType dtype, const Shape& from_shape, const Storage& from, const Shape& to_shape,
                 const Storage& to, const std::string& function);

// The function around a finished, indented body.
Kernel wrap_kernel(const std::string& function, const std::string& body,
                   std::vector<KernelArgument> arguments);

// Whether elements lie at their row-major positions (strides of dimensions of one element do not
// matter).
bool is_flat(const Shape& shape, const Storage& storage);

// Adds heddle_math.h to the headers of a kernel whose operators call its functions.
void add_math(const Graph& graph, const Match& match, Kernel& kernel);

// Operators, for comments: "conv2d, bias_add, requant".
std::string operators_of(const Graph& graph, const Match& match);

}  // namespace heddle
