// The whole compiler: model -> Graph -> Matches -> Candidates -> Schedule -> MemoryPlan -> Bundle.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "emit/bundle.h"
#include "import/import.h"
#include "report/report.h"

namespace heddle {

struct CompileOptions {
  std::filesystem::path model;
  std::string soc = "cpu_only";    // a file, or a name in rules/soc
  std::string policy = "latency";  // a file, or a name in rules/policy
  std::vector<std::string> places;  // more pins of the policy: "REGEX=TARGET"
  ImportOptions import;
  std::string name;                                      // C prefix; empty: the model file's stem
  std::vector<std::filesystem::path> accelerators;       // folders to look for accelerators in
  std::vector<std::vector<Tensor>> vectors;              // golden inputs; empty: three random ones
  std::function<void(std::string_view stage)> progress;  // called before every stage
  // May drop matches before candidates are made of them: `heddle check` pins a layer to a rule.
  std::function<void(Matches&)> narrow{};
};

struct Compilation {
  std::string name;
  Graph graph;
  Soc soc;
  Policy policy;
  Matches matches;
  Candidates candidates;
  Schedule schedule;
  MemoryPlan plan;
  Report report;
  FileSet bundle;  // empty unless asked for
};

// The stages a dump can be had of, in order: "import", "match", "candidates", "schedule", "memory",
// "bundle".
const std::vector<std::string>& stage_names();
std::string dump(const Compilation& compilation, const std::string& stage);

// Everything up to `last_stage` ("bundle" for the files too).
Result<Compilation> compile_network(const CompileOptions& options,
                                    const std::string& last_stage = "bundle");

// The stages after the import, for a compilation whose name, graph, SoC and policy are set.
Result<Compilation> compile_graph(Compilation c, const CompileOptions& options,
                                  const std::string& last_stage = "bundle");

// Random inputs within the proven ranges, or in [-2, 2) for float32, from a fixed generator: the same on every machine.
std::vector<Tensor> random_inputs(const Graph& graph, uint64_t seed);

}  // namespace heddle
