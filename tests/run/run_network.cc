#include "run_network.h"

#include <gtest/gtest.h>

namespace heddle {
namespace fs = std::filesystem;

Soc load(const std::string& name) {
  Result<Soc> soc = load_soc(fs::path(HEDDLE_SOURCE_DIR) / "rules" / "soc" / (name + ".toml"));
  HEDDLE_CHECK(soc.ok(), format_diagnostics(soc.errors()));
  return std::move(*soc);
}

Result<EmittedRun> run_sanitized(const Compilation& compilation, const fs::path& folder,
                                 const std::vector<Sample>& samples) {
  constexpr const char* kSanitizers =
      "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all";
  for (const char* const variable : {"CFLAGS", "LDFLAGS"}) setenv(variable, kSanitizers, 1);
  Result<EmittedRun> run = run_emitted(compilation, folder, samples, {.memory_bytes = 0});
  for (const char* const variable : {"CFLAGS", "LDFLAGS"}) unsetenv(variable);
  return run;
}

void expect_exact(const Compilation& compiled, uint32_t seed, Exercised& seen) {
  const std::vector<Sample> samples = {random_inputs(compiled.graph, seed),
                                       random_inputs(compiled.graph, seed + 1)};
  Result<ReferenceRun> reference = run_reference(compiled.graph, samples);
  ASSERT_TRUE(reference.ok()) << format_diagnostics(reference.errors());
  const TemporaryFolder temporary;
  Result<EmittedRun> run = run_sanitized(compiled, temporary.path() / "bundle", samples);
  ASSERT_TRUE(run.ok()) << format_diagnostics(run.errors());
  const Comparison comparison = compare_emitted(compiled, *reference, *run);
  EXPECT_TRUE(comparison.ok()) << to_string(*comparison.first);

  for (size_t s = 0; s < compiled.schedule.steps.size(); ++s) {
    const Candidate& candidate = compiled.schedule.steps[s].candidate;
    if (!candidate.tiling) {
      ++seen.on_cpu;
      ++seen.cpu_rules[rule_of(compiled.soc, candidate.match).name];
      continue;
    }
    ++seen.accelerated;
    ++seen.rules[rule_of(compiled.soc, candidate.match).name];
    if (candidate.tiling->tiles() > 1) ++seen.tiled;
    EXPECT_EQ(run->accelerator_cycles[s], candidate.tiling->cost.compute)
        << compiled.schedule.steps[s].name;
  }
}

void run_against_reference(Compilation c, uint32_t seed, Exercised& seen) {
  const Status valid = verify_graph(c.graph);
  ASSERT_TRUE(valid.ok()) << format_diagnostics(valid.errors());
  Result<Compilation> compiled = compile_graph(std::move(c), {});
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  expect_exact(*compiled, seed, seen);
}

}  // namespace heddle
