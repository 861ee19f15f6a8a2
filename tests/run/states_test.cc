// A small Llama with its caches as states: several tokens, against caches that are fed by hand.
#include <gtest/gtest.h>

#include "compile/verify.h"
#include "import/import.h"
#include "ops/op.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = HEDDLE_SOURCE_DIR;
const fs::path kModel =
    kSource.parent_path() / "shared/models/integer_onnx/microLlama1/network.onnx";

const Tensor& value_of(const std::vector<Tensor>& values, ValueId id) {
  return values[static_cast<size_t>(id.index)];
}

TEST(States, MicroLlamaCarriesItsCaches) {
  if (!fs::exists(kModel)) GTEST_SKIP() << "no " << kModel;
  constexpr uint64_t kSteps = 4;
  CompileOptions options;
  options.import.states = {{"auto", ""}};
  Result<Graph> imported = import_model(kModel, options.import);
  ASSERT_TRUE(imported.ok()) << format_diagnostics(imported.errors());
  const Graph& graph = *imported;
  EXPECT_EQ(graph.states.size(), 16u);
  std::vector<Sample> samples;
  for (uint64_t s = 0; s < kSteps; ++s) samples.push_back(random_inputs(graph, s));
  const Result<ReferenceRun> carried = run_reference(graph, samples);
  ASSERT_TRUE(carried.ok()) << format_diagnostics(carried.errors());

  // The same network with all caches as inputs and outputs.
  Graph open = graph;
  open.states.clear();
  std::map<ValueId, Tensor> caches;
  for (const State& state : graph.states) caches[state.input] = initial_state(graph, state);
  for (size_t s = 0; s < kSteps; ++s) {
    std::vector<Tensor> inputs;
    size_t given = 0;
    for (const ValueId id : open.inputs)
      inputs.push_back(caches.contains(id) ? caches.at(id) : samples[s][given++]);
    const Result<std::vector<Tensor>> values = interpret(open, inputs);
    ASSERT_TRUE(values.ok()) << format_diagnostics(values.errors());
    for (const ValueId id : open.outputs)
      ASSERT_EQ(value_of(*values, id), value_of((*carried)[s], id)) << s;
    // [1, 16, 2, 4]: the second row of each head is what the next step knows.
    for (const State& state : graph.states) {
      const Tensor& grown = value_of(*values, state.output);
      Tensor& cache = caches.at(state.input);
      ASSERT_EQ(grown.shape(), (Shape{1, 16, 2, 4}));
      for (int64_t i = 0; i < cache.elements(); ++i) cache.set(i, grown.at(i / 4 * 8 + 4 + i % 4));
    }
  }

  Compilation c;
  c.name = "llama";
  c.graph = graph;
  Result<Soc> soc = load_soc(kSource / "rules/soc/cpu_only.toml");
  ASSERT_TRUE(soc.ok());
  c.soc = std::move(*soc);
  for (Memory& memory : c.soc.memories) memory.bytes = int64_t{16} << 20;
  const Result<Compilation> compiled = compile_graph(std::move(c), options);
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  int64_t moved = 0;
  for (const State& state : compiled->graph.states) {
    moved += kept_place(compiled->graph, compiled->schedule.aliases, compiled->schedule.storage, state)
                 .bytes_moved;
  }
  EXPECT_EQ(moved, 16 * 64);  // one row a head and cache: the new one becomes the old one
  const TemporaryFolder temporary;
  const Result<EmittedRun> run = run_emitted(*compiled, temporary.path() / "bundle", samples);
  ASSERT_TRUE(run.ok()) << format_diagnostics(run.errors());
  const Comparison comparison = compare_emitted(*compiled, *carried, *run);
  EXPECT_TRUE(comparison.ok()) << to_string(*comparison.first);
}

}  // namespace
}  // namespace heddle
