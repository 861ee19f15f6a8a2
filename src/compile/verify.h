// Holds implementations of one network against each other, bit for bit: expected outputs,
// reference, emitted C.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "compile/compile.h"
#include "import/npz.h"

namespace heddle {

// The first element that differs.
struct Divergence {
  std::string layer;  // or "output NAME"
  int64_t sample = 0;
  Shape index;
  int64_t expected = 0;
  int64_t got = 0;
};
std::string to_string(const Divergence& divergence);

// nullopt: equal. Shapes are flattened; a different number of elements diverges at index [] with
// the two counts.
std::optional<Divergence> compare(const std::string& layer, int64_t sample, const Tensor& expected,
                                  const Tensor& got);

// One implementation held against another over all samples.
struct Comparison {
  std::string what;  // "emitted C against the reference"
  int64_t samples = 0;
  int64_t exact = 0;
  std::optional<Divergence> first;
  bool ok() const { return exact == samples; }
};

// What the reference gives for every sample: one tensor per value of the graph.
using ReferenceRun = std::vector<std::vector<Tensor>>;
Result<ReferenceRun> run_reference(const Graph& graph, const std::vector<Sample>& samples);

Comparison compare_outputs(const Graph& graph, const ReferenceRun& reference,
                           const std::vector<Sample>& expected);

// Each array must equal some value of the reference's first sample, element by element; the shapes
// may differ by 1s.
struct ActivationCheck {
  int64_t arrays = 0;
  std::vector<std::string> unmatched;  // keys
};
ActivationCheck check_activations(const ReferenceRun& reference, const Arrays& arrays);

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

// Layers first, in execution order, so that `first` names the layer where the error began.
Comparison compare_emitted(const Compilation& compilation, const ReferenceRun& reference,
                           const EmittedRun& emitted);

}  // namespace heddle
