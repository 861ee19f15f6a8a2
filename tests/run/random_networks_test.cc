// Random `shift` networks on DIANA, with the whole and with a fraction of its memories: reference =
// emitted C with drivers and accelerator models, every layer bit for bit, and the schedule's cycles
// = what the models count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emit/names.h"
#include "ops/op.h"
#include "random_network.h"
#include "run_network.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

constexpr int kShards = 8;
constexpr int kNetworksPerShard = 26;  // 208 networks in all

Soc diana() { return load("diana"); }

// On random shapes the CPU is often faster: HTVM's policy offloads whatever a rule accepts.
Policy first_match() { return {"first_match", "", Objective::first_match, {}}; }

void run_one(uint32_t seed, Exercised& seen) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Compilation c;
  c.name = "random";
  c.graph = random_shift_network(random);
  c.soc = diana();
  enlarge_main_memory(c.soc);
  if (seed % 2 == 1) shrink_memories(c.soc, random);
  c.policy = first_match();
  run_against_reference(std::move(c), seed, seen);
}

// Names come from strangers: whatever they are, the C compiles without a warning and computes the
// same.
TEST(HostileNames, AreHarmlessInEveryFile) {
  const std::vector<std::string> names = {"*/ int x; /*",
                                          "a\nb\r\n#error",
                                          "../../etc/passwd",
                                          "\"; system(\"x\"); \"",
                                          "$(touch owned)",
                                          std::string(10000, 'n'),
                                          "same",
                                          "same",
                                          "int",
                                          "",
                                          "\\",
                                          "?"
                                          "?/",
                                          "%s%n",
                                          "`id`",
                                          "\xff\xfe"};
  std::mt19937 random(3);
  Compilation c;
  c.name = network_prefix("*/ $(x)\n../evil");
  c.graph = random_shift_network(random);
  size_t next = 0;
  c.graph.name = names[0];
  for (Value& value : c.graph.values) value.name = names[next++ % names.size()];
  for (Node& node : c.graph.nodes) node.name = names[next++ % names.size()];
  c.soc = diana();
  enlarge_main_memory(c.soc);
  c.policy = first_match();
  Result<Compilation> compiled = compile_graph(std::move(c), {});
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  for (const auto& [path, content] : compiled->bundle) {
    EXPECT_EQ(path.find(".."), std::string::npos) << path;
    EXPECT_EQ(content.find(std::string(200, 'n')), std::string::npos)
        << path << " holds a name of 10,000 characters";
  }
  const std::vector<Sample> samples = {random_inputs(compiled->graph, 1)};
  const TemporaryFolder temporary;
  Result<EmittedRun> run = run_sanitized(*compiled, temporary.path() / "bundle", samples);
  ASSERT_TRUE(run.ok()) << format_diagnostics(run.errors());
  Result<ReferenceRun> reference = run_reference(compiled->graph, samples);
  ASSERT_TRUE(reference.ok());
  EXPECT_TRUE(compare_emitted(*compiled, *reference, *run).ok());
  EXPECT_FALSE(fs::exists(temporary.path() / "bundle" / "owned"));
}

// A check that cannot fail is none: a wrong shift in the emitted C must be found, and in its layer.
TEST(Sabotage, TheFirstWrongLayerIsNamed) {
  CompileOptions options;
  options.model = fs::path(HEDDLE_SOURCE_DIR) / "models/digits/digits.onnx";
  options.soc = (fs::path(HEDDLE_SOURCE_DIR) / "rules/soc/diana.toml").string();
  options.policy = (fs::path(HEDDLE_SOURCE_DIR) / "rules/policy/latency.toml").string();
  Result<Compilation> compiled = compile_network(options);
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  std::string& source = compiled->bundle["src/digits.c"];
  const size_t at = source.find(".shift = 7,");  // conv2's
  ASSERT_NE(at, std::string::npos);
  source.replace(at, 11, ".shift = 6,");
  const std::vector<Sample> samples = {random_inputs(compiled->graph, 0)};
  Result<ReferenceRun> reference = run_reference(compiled->graph, samples);
  ASSERT_TRUE(reference.ok());
  const TemporaryFolder temporary;
  Result<EmittedRun> run = run_sanitized(*compiled, temporary.path() / "bundle", samples);
  ASSERT_TRUE(run.ok()) << format_diagnostics(run.errors());
  const Comparison comparison = compare_emitted(*compiled, *reference, *run);
  EXPECT_EQ(comparison.exact, 0);
  ASSERT_TRUE(comparison.first.has_value());
  EXPECT_EQ(comparison.first->layer, "layer conv2 on diana_digital");
}

TEST(Sabotage, CThatDoesNotCompileIsReportedInOneLine) {
  std::mt19937 random(1);
  Compilation c;
  c.name = "random";
  c.graph = random_shift_network(random);
  c.soc = diana();
  enlarge_main_memory(c.soc);
  c.policy = first_match();
  Result<Compilation> compiled = compile_graph(std::move(c), {});
  ASSERT_TRUE(compiled.ok()) << format_diagnostics(compiled.errors());
  compiled->bundle["src/random.c"] += "#error broken on purpose\n";
  const std::vector<Sample> samples = {random_inputs(compiled->graph, 0)};
  const TemporaryFolder temporary;
  Result<EmittedRun> run = run_emitted(*compiled, temporary.path() / "bundle", samples);
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.errors()[0].message,
              testing::AllOf(testing::StartsWith("exit status 2: src/random.c:"),
                             testing::HasSubstr("broken on purpose"),
                             testing::Not(testing::HasSubstr("\n"))));
}

class RandomNetworks : public testing::TestWithParam<int> {};

TEST_P(RandomNetworks, EmittedCEqualsTheReference) {
  Exercised seen;
  for (int i = 0; i < kNetworksPerShard; ++i)
    run_one(static_cast<uint32_t>(GetParam() * kNetworksPerShard + i), seen);
  // The generator must keep exercising what it is for.
  EXPECT_GE(seen.accelerated, 15);
  EXPECT_GE(seen.tiled, 2);
  EXPECT_GE(seen.on_cpu, 5);
  EXPECT_GE(seen.rules.size(), 3u) << testing::PrintToString(seen.rules);
}

// Layers for DIANA's analog core, on the whole and on a fraction of its memories; the digital core must not
// take what it could.
TEST(RandomAnalogNetworks, EmittedCEqualsTheReference) {
  Exercised seen;
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Compilation c;
    c.name = "random";
    c.graph = random_analog_network(random);
    c.soc = diana();
    enlarge_main_memory(c.soc);
    if (seed % 2 == 1) shrink_memories(c.soc, random);
    c.policy = first_match();
    c.policy.avoid = {"diana_digital"};
    run_against_reference(std::move(c), seed, seen);
  }
  EXPECT_GE(seen.accelerated, 20);
  EXPECT_GE(seen.tiled, 5);
  EXPECT_GE(seen.rules["conv2d"], 15) << testing::PrintToString(seen.rules);
  EXPECT_GE(seen.rules["conv2d_add"], 3) << testing::PrintToString(seen.rules);
  EXPECT_GE(seen.rules.size(), 2u);
}

// The same networks on CPUs whose flavour has kernels of its own.
Exercised run_on_cpu(const char* soc) {
  Exercised seen;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Compilation c;
    c.name = "random";
    c.graph = random_shift_network(random);
    c.soc = load(soc);
    enlarge_main_memory(c.soc);
    c.policy = {"latency", "", Objective::latency, {}};
    run_against_reference(std::move(c), seed, seen);
  }
  return seen;
}

TEST(RandomNetworksOnRv32, EmittedCEqualsTheReference) {
  Exercised seen = run_on_cpu("cpu_only_rv32");
  EXPECT_GE(seen.cpu_rules["conv_pairs"], 20) << testing::PrintToString(seen.cpu_rules);
  EXPECT_GE(seen.cpu_rules["depthwise_rows"], 10) << testing::PrintToString(seen.cpu_rules);
  EXPECT_EQ(seen.cpu_rules["conv2d_xpulp"], 0);
}

TEST(RandomNetworksOnRv32, EmittedCForXpulpEqualsTheReference) {
  Exercised seen = run_on_cpu("pulp_rv32");
  EXPECT_GE(seen.cpu_rules["conv2d_xpulp"], 20) << testing::PrintToString(seen.cpu_rules);
}

INSTANTIATE_TEST_SUITE_P(Shards, RandomNetworks, testing::Range(0, kShards));

}  // namespace
}  // namespace heddle
