// Time from a model file to the normalised, verified graph: real networks, and a synthetic one
// whose size doubles, which shows whether anything grows faster than the number of nodes.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "benchmarks/synthetic_tflite.h"
#include "import/import.h"
#include "unit/import/test_model.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

void import_file(benchmark::State& state, const fs::path& file) {
  int64_t nodes = 0;
  for (auto _ : state) {
    const Result<Graph> graph = import_model(file, {});
    if (!graph.ok()) {
      state.SkipWithError(format_diagnostics(graph.errors()).c_str());
      return;
    }
    nodes = static_cast<int64_t>(graph->nodes.size());
  }
  state.counters["nodes"] = static_cast<double>(nodes);
}

// Blocks of convolution, requantisation, Identity and Add with a skip from the block before.
std::string synthetic_integer(int64_t nodes) {
  test::TestModel model;
  model.inputs = {{"t0", {1, 4, 4, 4}, test::kInt8}};
  model.constants = {test::scalar("m", 3), test::scalar("a", 5)};
  std::string last = "t0", skip = "t0";
  for (int64_t i = 0; static_cast<int64_t>(model.nodes.size()) + 5 <= nodes; ++i) {
    const std::string n = std::to_string(i);
    model.constants.push_back({.name = "w" + n,
                               .dims = {4, 4, 1, 1},
                               .values = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8},
                               .type = test::kInt8});
    model.nodes.push_back({"Conv", {last, "w" + n}, {"c" + n}});
    model.nodes.push_back(test::requant_shift("c" + n, "m", "a", "r" + n, 256, 256, true));
    model.nodes.push_back({"Identity", {"r" + n}, {"i" + n}});
    model.nodes.push_back({"Add", {"i" + n, skip}, {"s" + n}});
    model.nodes.push_back(test::requant_shift("s" + n, "m", "a", "t" + n + "_", 8, 256, true));
    skip = last;
    last = "t" + n + "_";
  }
  model.outputs = {last};
  return test::serialise(model);
}

// The same in real numbers, quantised at every layer.
std::string synthetic_qdq(int64_t nodes) {
  test::TestModel model;
  model.inputs = {{"x", {1, 4, 4, 4}, test::kFloat}};
  model.constants = {test::scalar("s", 0.05),
                     {.name = "z", .dims = {}, .values = {3}, .type = test::kInt8},
                     {.name = "zw", .dims = {}, .values = {0}, .type = test::kInt8}};
  std::string last = "x";
  for (int64_t i = 0; static_cast<int64_t>(model.nodes.size()) + 5 <= nodes; ++i) {
    const std::string n = std::to_string(i);
    model.constants.push_back({.name = "w" + n,
                               .dims = {4, 4, 1, 1},
                               .values = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8},
                               .type = test::kInt8});
    model.nodes.push_back({"QuantizeLinear", {last, "s", "z"}, {"q" + n}});
    model.nodes.push_back({"DequantizeLinear", {"q" + n, "s", "z"}, {"d" + n}});
    model.nodes.push_back({"DequantizeLinear", {"w" + n, "s", "zw"}, {"v" + n}});
    model.nodes.push_back({"Conv", {"d" + n, "v" + n}, {"c" + n}});
    model.nodes.push_back({"Relu", {"c" + n}, {"r" + n}});
    last = "r" + n;
  }
  model.nodes.push_back({"QuantizeLinear", {last, "s", "z"}, {"q"}});
  model.outputs = {"q"};
  return test::serialise(model);
}

Result<Graph> import_onnx_bytes(const std::string& bytes) {
  return import_onnx(bytes, "synthetic.onnx", {});
}
Result<Graph> import_tflite_bytes(const std::string& bytes) {
  return import_tflite(bytes, "synthetic.tflite", {});
}

struct Synthetic {
  const char* name;
  std::string (*make)(int64_t nodes);
  Result<Graph> (*import)(const std::string& bytes);
};

void import_synthetic(benchmark::State& state, const Synthetic& synthetic) {
  const std::string bytes = synthetic.make(state.range(0));
  for (auto _ : state) {
    const Result<Graph> graph = synthetic.import(bytes);
    if (!graph.ok()) {
      state.SkipWithError(format_diagnostics(graph.errors()).substr(0, 400).c_str());
      return;
    }
    benchmark::DoNotOptimize(graph->nodes.data());
  }
  state.SetComplexityN(state.range(0));
}

void register_all() {
  const fs::path source = HEDDLE_SOURCE_DIR;
  std::vector<std::pair<std::string, fs::path>> models;
  for (const fs::path& folder :
       {source / "models", source.parent_path() / "shared" / "models" / "mlperf_tiny",
        source.parent_path() / "shared" / "models" / "integer_onnx"}) {
    if (!fs::exists(folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      const fs::path& file = entry.path();
      if (file.extension() != ".onnx" && file.extension() != ".tflite") continue;
      if (file.string().find("/kernels/") != std::string::npos) continue;
      models.emplace_back(fs::relative(file, folder.parent_path()).string(), file);
    }
  }
  std::sort(models.begin(), models.end());
  for (const auto& [name, file] : models) {
    benchmark::RegisterBenchmark(name.c_str(), import_file, file)->Unit(benchmark::kMillisecond);
  }
  const Synthetic all[] = {{"synthetic/integer", synthetic_integer, import_onnx_bytes},
                           {"synthetic/qdq", synthetic_qdq, import_onnx_bytes},
                           {"synthetic/tflite", synthetic_tflite, import_tflite_bytes}};
  for (const Synthetic& synthetic : all) {
    // Google Benchmark computes the complexity of what ran, and of nothing badly.
    if (const Result<Graph> graph = synthetic.import(synthetic.make(10)); !graph.ok()) {
      fmt::print(stderr, "{}", format_diagnostics(graph.errors()));
      continue;
    }
    benchmark::RegisterBenchmark(synthetic.name, import_synthetic, synthetic)
        ->Arg(1250)
        ->Arg(2500)
        ->Arg(5000)
        ->Arg(10000)
        ->Unit(benchmark::kMillisecond)
        ->Complexity(benchmark::oN);
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
