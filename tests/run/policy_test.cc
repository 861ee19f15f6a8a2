// Pins and an order of execution change where and when layers run, and not a bit of what they compute.
#include "schedule/policy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "random_network.h"
#include "run_network.h"

namespace heddle {
namespace {

// Names of layers that the first accelerator has a candidate for.
std::vector<std::string> accepted(const Compilation& c) {
  std::vector<std::string> names;
  for (const NodeId layer : layers_of(c.graph, c.matches)) {
    for (const Candidate& candidate : c.candidates.usable) {
      if (candidate.match.target != 0 || candidate.covers.front() != layer) continue;
      names.push_back(c.graph.node(layer).name);
      break;
    }
  }
  return names;
}

// Every second layer that the accelerator accepts is pinned to it, the others to the CPU, by their
// numbers.
TEST(PinnedNetworks, EmittedCEqualsTheReference) {
  int pinned = 0;
  Exercised seen;
  for (uint32_t seed = 300; seed < 306; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Compilation c;
    c.name = "random";
    c.graph = random_shift_network(random);
    for (size_t n = 0; n < c.graph.nodes.size(); ++n) c.graph.nodes[n].name = "n" + std::to_string(n);
    c.soc = load("diana");
    enlarge_main_memory(c.soc);
    c.policy = {"pinned", "", Objective::latency, {}};
    const Result<Compilation> free = compile_graph(c, {}, "candidates");
    ASSERT_TRUE(free.ok()) << format_diagnostics(free.errors());
    const std::string& name = c.soc.accelerators[0].target.name;
    const std::vector<std::string> layers = accepted(*free);
    for (size_t i = 0; i < layers.size(); ++i) {
      c.policy.pins.push_back({{"", "", name, std::to_string(i)}, i % 2 == 0 ? name : "cpu", "", {}});
    }
    const Result<Compilation> compiled = compile_graph(c, {}, "schedule");
    ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
    for (const Step& step : compiled->schedule.steps) {
      const auto found = std::find(layers.begin(), layers.end(), step.name);
      if (found == layers.end()) continue;
      ++pinned;
      EXPECT_EQ(step.candidate.match.target, (found - layers.begin()) % 2 == 0 ? 0 : -1) << step.name;
    }
    run_against_reference(std::move(c), seed, seen);
  }
  EXPECT_GE(pinned, 10);
  EXPECT_GE(seen.accelerated, 6);
}

// All nodes in the opposite order, which the dataflow allows for branches.
TEST(OrderedNetworks, EmittedCEqualsTheReference) {
  CompileOptions options;
  options.model = std::filesystem::path(HEDDLE_SOURCE_DIR) / "models/tflite/branches.tflite";
  Result<Compilation> c = compile_network(options, "import");
  ASSERT_TRUE(c.ok()) << format_diagnostics(c.errors());
  for (size_t n = c->graph.nodes.size(); n-- > 0;)
    c->policy.execution_order.push_back("\\Q" + c->graph.nodes[n].name + "\\E");
  const Result<Graph> ordered = order_execution(c->graph, c->policy);
  ASSERT_TRUE(ordered.ok()) << format_diagnostics(ordered.errors());
  int moved = 0;
  for (size_t n = 0; n < c->graph.nodes.size(); ++n)
    moved += ordered->nodes[n].name != c->graph.nodes[n].name;
  EXPECT_GE(moved, 4);
  Exercised seen;
  run_against_reference(std::move(*c), 1, seen);
}

// The analog core's images have blocks of 64 channels, so the fastest schedule of a network whose first
// images have 8 wants 985 kB of main memory. It is given up layer by layer, and only as far as needed.
TEST(Memory, AScheduleThatFitsIsFoundWhereTheFastestDoesNot) {
  CompileOptions options;
  options.model = std::filesystem::path(HEDDLE_SOURCE_DIR) / "models/diana/vww_analog.onnx";
  options.soc = "diana_rv32";
  options.policy = "diana_mixed";  // its pins are optional
  const Result<Compilation> c = compile_network(options, "memory");
  ASSERT_TRUE(c.ok()) << format_diagnostics(c.errors());
  EXPECT_LE(c->plan.required_bytes, c->plan.available_bytes);
  int64_t accelerated = 0, all = 0;
  for (const Step& step : c->schedule.steps) {
    all += step.macs;
    accelerated += step.candidate.match.target >= 0 ? step.macs : 0;
  }
  EXPECT_GT(accelerated, all / 2);
}

}  // namespace
}  // namespace heddle
