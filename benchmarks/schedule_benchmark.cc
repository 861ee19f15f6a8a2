// Time of each step of dispatch: match every rule everywhere; tile all candidates, those in other forms
// too; choose the schedule once everything is tiled, which is the exact problem of covers, storages, residents
// and conversions. Networks on DIANA, and random problems by the number of values that live at once. Build in
// release mode: scripts/benchmark.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <numeric>
#include <random>

#include "compile/compile.h"
#include "cpu_codegen/generators.h"
#include "schedule/legalised.h"
#include "schedule/model.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

void count(benchmark::State& state, const AssignProblem& problem, const Assignment& found) {
  state.counters["nodes"] = problem.nodes;
  state.counters["items"] = static_cast<double>(problem.items.size());
  state.counters["states"] = static_cast<double>(found.states);
  state.counters["proven"] = found.optimal;
  state.counters["gap_percent"] =
      found.cost.cost == 0 ? 0
                           : 100.0 * static_cast<double>(found.cost.cost - found.lower_bound) /
                                 static_cast<double>(found.cost.cost);
}

// Everything up to the candidates; the state says why if that fails.
std::optional<Compilation> compiled(benchmark::State& state, const fs::path& model, const std::string& soc) {
  CompileOptions options;
  options.model = model;
  options.soc = (fs::path(HEDDLE_SOURCE_DIR) / "rules" / "soc" / (soc + ".toml")).string();
  options.policy = (fs::path(HEDDLE_SOURCE_DIR) / "rules" / "policy" / "latency.toml").string();
  Result<Compilation> c = compile_network(options, "candidates");
  if (c.ok()) return std::move(*c);
  state.SkipWithError(format_diagnostics(c.errors()).c_str());
  return std::nullopt;
}

void match_model(benchmark::State& state, const fs::path& model, const std::string& soc) {
  const std::optional<Compilation> c = compiled(state, model, soc);
  if (!c) return;
  for (auto _ : state) benchmark::DoNotOptimize(match_rules(c->graph, c->soc, c->policy));
  state.counters["accepted"] = static_cast<double>(c->matches.accepted.size());
  state.counters["refused"] = static_cast<double>(c->matches.refused.size());
}

void tile_model(benchmark::State& state, const fs::path& model, const std::string& soc) {
  const std::optional<Compilation> c = compiled(state, model, soc);
  if (!c) return;
  for (auto _ : state) {
    Result<Candidates> candidates = make_candidates(c->graph, c->soc, c->matches);
    candidates = with_legalised(c->graph, c->soc, c->policy, c->matches, std::move(*candidates), refuse_kernels);
    benchmark::DoNotOptimize(candidates);
  }
  state.counters["candidates"] = static_cast<double>(c->candidates.usable.size());
}

void schedule_model(benchmark::State& state, const fs::path& model, const std::string& soc) {
  const std::optional<Compilation> c = compiled(state, model, soc);
  if (!c) return;
  std::vector<int> usable(c->candidates.usable.size());
  std::iota(usable.begin(), usable.end(), 0);
  TileMemo memo;
  const ScheduleModel problem(c->graph, c->soc, c->policy, c->candidates, usable, true, memo);
  Assignment found = solve_assignment(problem.problem);  // tiles
  const int64_t tiled = memo.solved();
  for (auto _ : state) {
    found = solve_assignment(problem.problem);
    benchmark::DoNotOptimize(found);
  }
  count(state, problem.problem, found);
  state.counters["tilings"] = static_cast<double>(tiled);
}

// A chain of 100 layers, each of which reads the last `width` values; half of them may be resident.
void random_problem(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  std::mt19937 random(1);
  AssignProblem p;
  p.nodes = 100;
  p.memory_bytes = {100};
  for (int v = 0; v <= p.nodes; ++v) {
    AssignValue value{{{}, {}}, {}, v == 0};
    if (v % 2 == 1) value.forms.push_back({0, 10 + static_cast<int64_t>(random() % 40)});
    for (int n = v; n < std::min(v + width, p.nodes); ++n) value.consumers.push_back(n);
    p.values.push_back(std::move(value));
  }
  for (int n = 0; n < p.nodes; ++n) {
    for (int variant = 0; variant < 2; ++variant) {
      AssignItem item{{n}, {}, {n + 1, {0, 1}, variant == 0}, n, 2 * n + variant, variant, 0};
      for (int v = std::max(0, n + 1 - width); v <= n; ++v) {
        item.reads.push_back({v, {0, 1}, variant == 0 || v + 1 < n});
        if (variant == 1 && v % 2 == 1 && !item.reads.back().any) item.reads.back().forms.push_back(2);
      }
      if (variant == 1 && n % 2 == 0) item.result.forms.push_back(2);
      p.items.push_back(std::move(item));
    }
  }
  std::vector<int64_t> costs;
  for (int i = 0; i < 1024; ++i) costs.push_back(static_cast<int64_t>(random() % 1000));
  p.cost = [costs](const AssignChoice& choice, const std::vector<int64_t>&) {
    size_t key = static_cast<size_t>(choice.item * 5 + choice.result + 1);
    for (const int read : choice.reads) key = key * 7 + static_cast<size_t>(read + 1);
    return std::optional<int64_t>(costs[key % costs.size()]);
  };
  p.convert = [](int, int, int) { return std::optional<int64_t>(50); };
  Assignment found;
  for (auto _ : state) {
    found = solve_assignment(p);
    benchmark::DoNotOptimize(found);
  }
  count(state, p, found);
}
BENCHMARK(random_problem)->DenseRange(1, 8)->Unit(benchmark::kMillisecond);

void register_all() {
  const fs::path models = fs::path(HEDDLE_SOURCE_DIR) / "models";
  std::vector<std::pair<std::string, fs::path>> rows = {{"digits", models / "digits/digits.onnx"}};
  for (const char* const name : {"ad", "ic", "kws", "vww"}) {
    rows.emplace_back(std::string("diana/") + name, models / "diana" / (std::string(name) + ".onnx"));
    rows.emplace_back(std::string("mlperf_tiny/") + name + "_int8",
                      models / "mlperf_tiny" / (std::string(name) + "_int8.tflite"));
    rows.emplace_back(std::string("mlperf_tiny/") + name + "_qdq",
                      models / "mlperf_tiny" / (std::string(name) + "_qdq.onnx"));
  }
  for (const auto& [name, model] : rows) {
    for (const auto& [stage, measure] : {std::pair{"match", &match_model}, std::pair{"tile", &tile_model},
                                         std::pair{"schedule", &schedule_model}}) {
      benchmark::RegisterBenchmark((name + "/diana/" + stage).c_str(), measure, model, "diana")
          ->Unit(benchmark::kMillisecond);
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
