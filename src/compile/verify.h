// Runs a network every way there is, and holds the results against each other: reference, stored
// activations, emitted C.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "compile/compare.h"
#include "compile/compile.h"
#include "import/npz.h"

namespace heddle {

// What the reference gives for every sample: one tensor per value of the graph.
using ReferenceRun = std::vector<std::vector<Tensor>>;
Result<ReferenceRun> run_reference(const Graph& graph, const std::vector<Sample>& samples);

// [sample][output] of a run.
std::vector<std::vector<Tensor>> outputs_of(const Graph& graph, const ReferenceRun& run);

// Stored inner tensors against the reference's first sample; shapes may differ by 1s. An array
// whose key is the name of a value with as many elements is held against that value, any other one
// must equal some value. With a tolerance, |a - b| <= tolerance * max|b| will do for float32
// values.
struct ActivationCheck {
  int64_t arrays = 0;
  int64_t named = 0;                   // of them
  std::vector<std::string> unmatched;  // keys
  std::optional<Divergence> first;     // of the named ones, in execution order
};
ActivationCheck check_activations(const Graph& graph, const ReferenceRun& reference,
                                  const Arrays& arrays, std::optional<double> tolerance = {});

// The emitted C on this host, accelerators and DMA as their models, run on all samples.
struct EmittedRun {
  std::vector<std::vector<Tensor>> outputs;  // [sample][output]
  std::vector<std::vector<Tensor>> layers;   // [sample][step], dense
  // [step] of one inference, as the models count them; 0 on the CPU.
  std::vector<int64_t> accelerator_cycles;
};
// Writes the bundle to `folder` (it must be absent or a bundle), builds it with `make` and runs it
// in a child process under these limits. CC, CFLAGS and LDFLAGS of the environment are obeyed.
Result<EmittedRun> run_emitted(const Compilation& compilation, const std::filesystem::path& folder,
                               const std::vector<Sample>& samples,
                               const ProcessLimits& limits = {});
// The two halves of it: a bundle that is built once may run many times. `settings` are made before
// the first sample; those of units that the network does not use say nothing.
Status build_emitted(const Compilation& compilation, const std::filesystem::path& folder,
                     const ProcessLimits& limits = {});
Result<EmittedRun> run_built(const Compilation& compilation, const std::filesystem::path& folder,
                             const std::vector<Sample>& samples,
                             const std::vector<UnitSetting>& settings = {},
                             const ProcessLimits& limits = {});

// Bit for bit. Layers first, in execution order, so that `first` names the layer where the error
// began.
Comparison compare_emitted(const Compilation& compilation, const ReferenceRun& reference,
                           const EmittedRun& emitted);

}  // namespace heddle
