// Random networks in DIANA's dialect, firmware on the virtual SoC: bit-exact, and no hazard in what
// the compiler emits, whichever way its memories are cut into tiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "random_network.h"
#include "run_network.h"
#include "sim/child.h"

namespace heddle {
namespace {

constexpr int kShards = 2;
constexpr int kNetworksPerShard = 10;

bool has_compiler() { return run_process({"riscv64-unknown-elf-gcc", "--version"}, {}).ok(); }

sim::SimulateOptions options() {
  sim::SimulateOptions options;
  options.tool = HEDDLE_TOOL;
  options.process.memory_bytes = 0;
  return options;
}

struct Exercised {
  int accelerated = 0, tiled = 0, overlapping = 0;
};

void run_one(uint32_t seed, Exercised& exercised) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Compilation c;
  c.name = "random";
  c.graph = random_shift_network(random);
  c.soc = load("diana");
  enlarge_main_memory(c.soc);
  if (seed % 4 != 0) shrink_memories(c.soc, random);
  c.policy = {"first_match", "", Objective::first_match, {}};
  Result<Compilation> compiled = compile_graph(std::move(c), {});
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  const TemporaryFolder temporary;
  ASSERT_TRUE(write_folder(temporary.path() / "bundle", compiled->bundle).ok());
  const Result<sim::SimulationResult> result =
      sim::simulate_bundle(temporary.path() / "bundle", options());
  ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
  EXPECT_TRUE(result->passed()) << result->console
                                << (result->hazard
                                        ? format_diagnostic(diagnostic_of(*result->hazard))
                                        : "");
  ASSERT_FALSE(result->samples.empty());
  EXPECT_EQ(result->exact_samples, static_cast<int64_t>(result->samples.size()));
  for (const sim::LayerResult& layer : result->samples[0].layers) {
    if (layer.target == "cpu") continue;
    ++exercised.accelerated;
    if (layer.tiles == 1) continue;
    ++exercised.tiled;
    const uint64_t busy = use_of(*result, layer.split, sim::UnitKind::dma).cycles +
                          use_of(*result, layer.split, sim::UnitKind::accelerator).cycles;
    if (busy > layer.split.cycles) ++exercised.overlapping;
  }
}

class RandomNetworksOnTheSoc : public testing::TestWithParam<int> {};

TEST_P(RandomNetworksOnTheSoc, AreExactAndWithoutHazards) {
  if (!has_compiler()) GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  Exercised exercised;
  for (int i = 0; i < kNetworksPerShard; ++i)
    run_one(static_cast<uint32_t>(1000 + GetParam() * kNetworksPerShard + i), exercised);
  // The generator must keep exercising what it is for.
  EXPECT_GE(exercised.accelerated, 8);
  EXPECT_GE(exercised.tiled, 2);
  EXPECT_GE(exercised.overlapping, 1);
}
INSTANTIATE_TEST_SUITE_P(Shards, RandomNetworksOnTheSoc, testing::Range(0, kShards));

// A model that never comes back ends by the limit of CPU time, and is named.
TEST(ModelsOnTheSoc, ALoopInAModelIsNamed) {
  if (!has_compiler()) GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  CompileOptions compile;
  compile.model = std::filesystem::path(HEDDLE_SOURCE_DIR) / "models/digits/digits.onnx";
  compile.soc = (std::filesystem::path(HEDDLE_SOURCE_DIR) / "rules/soc/diana.toml").string();
  compile.policy =
      (std::filesystem::path(HEDDLE_SOURCE_DIR) / "rules/policy/latency.toml").string();
  Result<Compilation> compiled = compile_network(compile);
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  std::string& model = compiled->bundle["models/diana_digital/model.c"];
  const std::string job = "heddle_unit* unit = state;";  // the first line of what performs a job
  const size_t at = model.find(job);
  ASSERT_NE(at, std::string::npos);
  model.replace(at, job.size(), job + "\n  for (;;) *(volatile uint32_t*)&unit->error = 1u;");
  const TemporaryFolder temporary;
  ASSERT_TRUE(write_folder(temporary.path() / "bundle", compiled->bundle).ok());
  // The bundle builds within this too, if it was built before.
  ASSERT_EQ(run_process({"make", "-s", "build/firmware.elf", "build/models.so"},
                        temporary.path() / "bundle")
                ->exit_status,
            0);
  sim::SimulateOptions limited = options();
  limited.process.cpu_seconds = 2;
  const Result<sim::SimulationResult> result =
      sim::simulate_bundle(temporary.path() / "bundle", limited);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(
      format_diagnostics(result.errors()),
      testing::HasSubstr("the model of unit `diana_digital` ended the simulation: more than "
                         "2 s of CPU time"));
}

}  // namespace
}  // namespace heddle
