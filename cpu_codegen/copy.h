// Loops that copy elements between two storages; what a view that moves, a concat and the copies at
// the network's boundary are made of.
#pragma once

#include <string>

#include "cpu_codegen/kernel.h"
#include "cpu_codegen/writer.h"

namespace heddle {

// The elements of a C array that one side of a copy touches.
struct CopySide {
  std::string pointer;
  DType dtype = DType::int8;
  Shape shape;
  Storage storage;
  int64_t offset = 0;  // of its first element, in elements
};

// All elements in row-major order; both sides hold equally many, of one type, or of types that hold
// the same values.
void print_copy(CWriter& out, const CopySide& source, const CopySide& target_side);

// Between a caller's dense tensor and the arena (schedule/boundary.h): runs by heddle_copy(), which the
// kernel's headers then name. `in`: into the arena.
Kernel make_boundary_copy(const TensorType& type, const Storage& stored, bool in,
                          const std::string& function);

// One value in all elements.
void print_fill(CWriter& out, const CopySide& target, const std::string& literal);

// The parts of a concat, one after the other, but for those that lie there already. One node.
Kernel make_concat(const Graph& graph, const Node& node, const StorageOf& storage,
                   const std::string& function, const std::set<ValueId>& in_place);

}  // namespace heddle
