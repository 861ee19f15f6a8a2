// Time of the tiler's search, of the one by Z3 alone, and of their exhaustive oracle, for layers of the MLPerf Tiny networks
// on DIANA's digital core with an L1 of 4 to 256 kB. A row is one layer with all seven sizes of L1;
// those that no tile fits are counted, too.
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>

#include "tests/unit/tiler/layers.h"
#include "tiler/search.h"

namespace heddle {
namespace {

using Make = std::function<std::unique_ptr<Layer>(const Soc&)>;
using Solve = Result<Tiling> (*)(const Graph&, const Soc&, const Match&, const StorageOf&,
                                const Taken&);

struct Case {
  std::string name;
  Make make;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto conv = [&](const std::string& name, ConvShape shape) {
    all.push_back({name, [shape](const Soc& soc) { return conv_layer(shape, soc); }});
  };
  const auto depthwise = [&](const std::string& name, ConvShape shape) {
    all.push_back({name, [shape](const Soc& soc) { return depthwise_layer(shape, soc); }});
  };
  conv("resnet/first", {.c = 3, .k = 16, .iy = 32, .ix = 32});
  conv("resnet/16x16", {.c = 16, .k = 16, .iy = 32, .ix = 32});
  conv("resnet/stride2", {.c = 16, .k = 32, .iy = 32, .ix = 32, .stride = 2});
  conv("resnet/32x32", {.c = 32, .k = 32, .iy = 16, .ix = 16});
  conv("resnet/64x64", {.c = 64, .k = 64, .iy = 8, .ix = 8});
  conv("mobilenet/first", {.c = 3, .k = 8, .iy = 96, .ix = 96, .stride = 2});
  conv("mobilenet/pointwise_early",
       {.c = 16, .k = 32, .iy = 24, .ix = 24, .fy = 1, .fx = 1, .pad = 0});
  conv("mobilenet/pointwise_late",
       {.c = 256, .k = 256, .iy = 3, .ix = 3, .fy = 1, .fx = 1, .pad = 0});
  depthwise("mobilenet/depthwise_early", {.c = 8, .k = 8, .iy = 48, .ix = 48});
  depthwise("mobilenet/depthwise_late", {.c = 128, .k = 128, .iy = 6, .ix = 6});
  conv("dscnn/pointwise", {.c = 64, .k = 64, .iy = 25, .ix = 5, .fy = 1, .fx = 1, .pad = 0});
  depthwise("dscnn/depthwise", {.c = 64, .k = 64, .iy = 25, .ix = 5});
  all.push_back({"toyadmos/640x128", [](const Soc& soc) { return dense_layer(640, 128, soc); }});
  all.push_back({"resnet/add", [](const Soc& soc) { return add_layer(16, 32, 32, soc); }});
  conv("large/128x128", {.c = 128, .k = 128, .iy = 64, .ix = 64});
  return all;
}

void solve_all_budgets(benchmark::State& state, const Make& make, Solve solve) {
  std::vector<std::unique_ptr<Layer>> layers;
  for (int64_t kilobytes = 4; kilobytes <= 256; kilobytes *= 2)
    layers.push_back(make(diana_with(kilobytes * 1024)));
  int64_t feasible = 0, proven = 0, checks = 0;
  for (auto _ : state) {
    feasible = proven = checks = 0;
    for (const std::unique_ptr<Layer>& layer : layers) {
      const Result<Tiling> tiling = solve(layer->graph, layer->soc, layer->match, layer->storage, {});
      if (!tiling.ok()) continue;
      ++feasible;
      proven += tiling->proof.optimal;
      checks += tiling->proof.checks;
    }
  }
  state.counters["L1_sizes"] = static_cast<double>(layers.size());
  state.counters["feasible"] = static_cast<double>(feasible);
  state.counters["proven"] = static_cast<double>(proven);
  state.counters["z3_checks"] = static_cast<double>(checks);
}

}  // namespace
}  // namespace heddle

int main(int argc, char** argv) {
  for (const heddle::Case& each : heddle::cases()) {
    for (const auto& [how, solve] :
         {std::pair<const char*, heddle::Solve>{"/boxes", heddle::solve_tiling},
          {"/z3", heddle::solve_tiling_by_z3},
          {"/exhaustive", heddle::solve_tiling_exhaustively}}) {
      benchmark::RegisterBenchmark((each.name + how).c_str(), heddle::solve_all_budgets, each.make,
                                   solve)
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
