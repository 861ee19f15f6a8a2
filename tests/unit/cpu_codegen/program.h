// One C program that runs many kernels and compares what they leave with what the reference says.
#pragma once

#include <string>
#include <string_view>

#include "cpu_codegen/kernel.h"
#include "unit/ops/helpers.h"

namespace heddle::test {

// Strides with random gaps after rows and planes; the innermost one stays 1.
Storage random_storage(Random& random, const TensorType& type);
// Random storages for graph inputs and outputs.
StorageOf random_storages(Random& random, const Graph& graph);

// As the images of networks lie in memory: rows and planes with or without gaps, or channels last;
// of matrices, column after column.
Storage image_storage(Random& random, const TensorType& type);
StorageOf image_storages(Random& random, const Graph& graph);

// Appends a node; its first input is the last node's output, unless `second` says that it is the
// second one.
void append(Graph& graph, const std::string& op, Attributes attributes, std::vector<Value> others,
            bool second = false);
// A random chain of elementwise operators after the first node, each keeping the range small enough
// for the next.
void append_random_maps(Random& r, Graph& graph);

// All nodes of the graph as one region on the CPU.
Match whole_match(const Graph& graph);

class Program {
 public:
  // Runs the generic kernel once on random inputs.
  void add(Random& random, const Graph& graph, const StorageOf& storage);
  // The same for a kernel of the whole graph, on these inputs.
  void add(const Kernel& kernel, const Graph& graph, const StorageOf& storage,
           const std::vector<Tensor>& inputs);
  std::string next_function() const;  // the name that the next kernel must have
  void add_copy(Random& random, DType dtype, const Shape& from, const Shape& to);
  // In both directions between a dense tensor and this storage.
  void add_boundary_copies(Random& random, const TensorType& type, const Storage& storage);
  // Compiled strictly, with AddressSanitizer and UBSan; what it prints about each difference, "" if
  // there is none.
  std::string run() const;
  int cases() const { return cases_; }

 private:
  std::string declare(const std::string& name, const Tensor& dense, const Storage& storage,
                      bool output);
  std::string compare(const std::string& name, const std::string& what, const Tensor& dense,
                      const Storage& storage);

  std::string functions_, main_;
  int cases_ = 0;
};

// Adds the generator's kernel for the whole graph, run on these inputs; "", or why it refuses.
std::string add_kernel(Program& program, Random& random, std::string_view generator,
                       const Graph& graph, const std::vector<Tensor>& inputs);

// Every element of the inputs at one end of its range.
std::vector<Tensor> extreme_inputs(const Graph& graph, bool highest);

// A conv2d in one group; strides, dilations, padding and ranges by chance, some of them 1x1.
Graph random_conv(Random& r);

}  // namespace heddle::test
