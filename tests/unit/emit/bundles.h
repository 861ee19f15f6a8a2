// Graphs to bundles to programs.
#pragma once

#include <string>

#include "emit/bundle.h"
#include "unit/ops/helpers.h"

namespace heddle::test {

// Grows a graph node by node; types are inferred.
class GraphBuilder {
 public:
  GraphBuilder() { graph.name = "test"; }
  ValueId input(const std::string& name, Shape shape, Range range = {-128, 127});
  ValueId constant(Value value) { return graph.add_value(std::move(value)); }
  ValueId node(const std::string& name, const std::string& op, Attributes attributes,
               std::vector<ValueId> inputs);
  void output(ValueId value) { graph.outputs.push_back(value); }
  // conv2d, bias_add and a `shift` requant: what DIANA's digital core takes.
  ValueId conv(Random& random, const std::string& name, ValueId x, int64_t k, int64_t kernel,
               int64_t stride, int64_t pad);

  Graph graph;
};

Soc load(const std::string& soc);  // of rules/soc

struct Compiled {
  Schedule schedule;
  MemoryPlan plan;
  FileSet files;
};
// Matches, schedules, plans and emits, with `vectors` random golden vectors.
Compiled compile(Random& random, const std::string& name, const Graph& graph, const Soc& soc,
                 int vectors = 2);
// One step for every node, all on the CPU, nothing in place; any storages.
Compiled compile_by_hand(Random& random, const std::string& name, const Graph& graph,
                         const Soc& soc);

// Runs `make` with these arguments in a folder with the files; what it printed, its exit status in
// front if not 0.
std::string make(const FileSet& files, const std::vector<std::string>& arguments,
                 std::vector<std::string> program = {});

bool has_program(const std::string& name);

}  // namespace heddle::test
