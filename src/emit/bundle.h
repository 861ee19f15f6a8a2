// The C project that comes out. See docs/bundle.md for its files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "graph/graph.h"
#include "memory/plan.h"
#include "rules/rules.h"
#include "schedule/schedule.h"

namespace heddle {

// One golden vector: inputs in graph order, and what the reference interpreter says.
struct GoldenVector {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
};

// Everything in the bundle but the report; byte-identical for equal arguments. `name` is the
// network's C prefix.
Result<FileSet> emit_bundle(const std::string& name, const Graph& graph, const Soc& soc,
                            const Schedule& schedule, const MemoryPlan& plan,
                            std::span<const GoldenVector> golden);

// heddle-manifest.json: the network, the SoC, and every file but itself with its size. For callers
// that add files.
std::string make_manifest(const std::string& name, const Soc& soc, const FileSet& files);

}  // namespace heddle
