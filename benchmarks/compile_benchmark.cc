// Time from a model file to the bundle's files in memory: import, matching, tiling with its Z3
// proofs, schedule, placement, golden vectors by the reference interpreter, C. Build in release
// mode: scripts/benchmark.
#include <benchmark/benchmark.h>

#include <filesystem>

#include "compile/compile.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

void compile_model(benchmark::State& state, const fs::path& model, const std::string& soc,
                   const std::string& last_stage) {
  CompileOptions options;
  options.model = model;
  options.soc = (fs::path(HEDDLE_SOURCE_DIR) / "rules" / "soc" / (soc + ".toml")).string();
  options.policy = (fs::path(HEDDLE_SOURCE_DIR) / "rules" / "policy" / "latency.toml").string();
  int64_t tiled = 0, proven = 0, checks = 0;
  for (auto _ : state) {
    Result<Compilation> compilation = compile_network(options, last_stage);
    if (!compilation.ok()) {
      state.SkipWithError(format_diagnostics(compilation.errors()).c_str());
      return;
    }
    tiled = proven = checks = 0;
    for (const Candidate& candidate : compilation->candidates.usable) {
      if (!candidate.tiling) continue;
      ++tiled;
      proven += candidate.tiling->proof.optimal;
      checks += candidate.tiling->proof.checks;
    }
    benchmark::DoNotOptimize(compilation->bundle);
  }
  state.counters["tilings"] = static_cast<double>(tiled);
  state.counters["proven"] = static_cast<double>(proven);
  state.counters["z3_checks"] = static_cast<double>(checks);
}

void register_all() {
  const fs::path source = HEDDLE_SOURCE_DIR;
  std::vector<std::pair<std::string, fs::path>> models = {
      {"digits", source / "models" / "digits" / "digits.onnx"}};
  for (const char* const name : {"ImageClassification", "KeywordSpotting", "AnomalyDetection"}) {
    const fs::path model =
        source.parent_path() / "shared" / "models" / "integer_onnx" / name / "network.onnx";
    if (fs::exists(model)) models.emplace_back(name, model);
  }
  for (const auto& [name, model] : models) {
    for (const char* const soc : {"diana", "cpu_only"}) {
      for (const char* const stage : {"memory", "bundle"}) {
        const std::string row = name + "/" + soc + "/" + stage;
        benchmark::RegisterBenchmark(row.c_str(), compile_model, model, soc, stage)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
}

}  // namespace
}  // namespace heddle

int main(int argc, char** argv) {
  heddle::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
