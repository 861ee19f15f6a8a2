// Values at home in L1 on random networks: emitted C equals the reference in every layer, and the
// firmware runs on the virtual SoC without a hazard; with a sabotaged plan it has one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "random_network.h"
#include "residents.h"
#include "run_network.h"
#include "sim/child.h"

namespace heddle {
namespace {

constexpr int kShards = 2;
constexpr int kNetworksPerShard = 6;

bool has_compiler() { return run_process({"riscv64-unknown-elf-gcc", "--version"}, {}).ok(); }

Compilation scheduled(uint32_t seed, std::mt19937& random) {
  Compilation c;
  c.name = "random";
  c.graph = seed % 2 == 0 ? random_shift_network(random) : random_same_network(random);
  c.soc = load("diana");
  enlarge_main_memory(c.soc);
  if (seed % 3 != 0) shrink_memories(c.soc, random);
  c.policy = {"first_match", "", Objective::first_match, {}};
  Result<Compilation> compiled = compile_graph(std::move(c), {}, "schedule");
  HEDDLE_CHECK(compiled.ok(), format_diagnostics(compiled.errors()));
  return std::move(*compiled);
}

Result<sim::SimulationResult> simulate(const FileSet& bundle, bool free_units) {
  sim::SimulateOptions options;
  options.tool = HEDDLE_TOOL;
  options.process.memory_bytes = 0;
  options.limits.free_units = free_units;
  const TemporaryFolder temporary;
  if (Status written = write_folder(temporary.path() / "bundle", bundle); !written.ok())
    return written.errors();
  return sim::simulate_bundle(temporary.path() / "bundle", options);
}

class ResidentNetworks : public testing::TestWithParam<int> {};

TEST_P(ResidentNetworks, AreExactOnTheHostAndOnTheSoc) {
  Exercised seen;
  int residents = 0;
  for (int i = 0; i < kNetworksPerShard; ++i) {
    const uint32_t seed = static_cast<uint32_t>(5000 + GetParam() * kNetworksPerShard + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Compilation c = scheduled(seed, random);
    residents += settle_residents(c, random, i % 2 == 0 ? 100 : 60);
    expect_exact(c, seed, seen);
    if (!has_compiler()) continue;
    for (const bool free_units : {false, true}) {
      const Result<sim::SimulationResult> result = simulate(c.bundle, free_units);
      ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
      EXPECT_TRUE(result->passed())
          << result->console
          << (result->hazard ? format_diagnostic(diagnostic_of(*result->hazard)) : "");
      EXPECT_EQ(result->exact_samples, static_cast<int64_t>(result->samples.size()));
    }
  }
  EXPECT_GE(seen.accelerated, 5);
  EXPECT_GE(seen.on_cpu, 3);
  EXPECT_GE(residents, 15);
}
INSTANTIATE_TEST_SUITE_P(Shards, ResidentNetworks, testing::Range(0, kShards));

// Replaces one line of the emitted C that holds `name = OFFSET,`.
void move_constant(FileSet& bundle, const std::string& name, int64_t offset) {
  std::string& source = bundle.at("src/random.c");
  const size_t at = source.find("  " + name + " = ");
  ASSERT_NE(at, std::string::npos) << name;
  const size_t begin = at + name.size() + 5;
  source.replace(begin, source.find(',', begin) - begin, std::to_string(offset));
}

// A resident is overwritten by a later layer's tile, and one is read that its layer has put elsewhere.
TEST(ResidentHazards, AreFoundWhereThePlanIsWrong) {
  if (!has_compiler()) GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  int overwritten = 0, unwritten = 0;
  for (uint32_t seed = 6000; seed < 6080 && (overwritten < 2 || unwritten < 2); ++seed) {
    std::mt19937 random(seed);
    Compilation c = scheduled(seed, random);
    if (settle_residents(c, random, 70) == 0) continue;
    const SharedMemory* const l1 = c.plan.find_shared("l1");
    ASSERT_NE(l1, nullptr);
    for (const Buffer& victim : l1->placement.buffers) {
      if (!victim.value.valid() || victim.first == victim.last) continue;
      for (size_t s = static_cast<size_t>(victim.first) + 1;
           s <= static_cast<size_t>(victim.last) && overwritten < 2; ++s) {
        const Candidate& candidate = c.schedule.steps[s].candidate;
        if (!candidate.tiling) continue;
        for (const TileBuffer& buffer : candidate.tiling->buffers) {
          if (buffer.memory != "l1" || overwritten == 2) continue;
          FileSet bundle = c.bundle;
          std::string operand = buffer.operand;
          for (char& each : operand) each = static_cast<char>(std::toupper(each));
          move_constant(bundle, "LAYER_" + std::string(s < 10 ? "0" : "") + std::to_string(s) + "_" + operand,
                        victim.offset);
          const Result<sim::SimulationResult> result = simulate(bundle, overwritten == 1);
          ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
          ASSERT_TRUE(result->hazard.has_value());
          // The unit itself refuses operands of one job that overlap.
          if (result->hazard->kind == sim::HazardKind::refused) continue;
          EXPECT_EQ(result->hazard->kind, sim::HazardKind::overwritten)
              << format_diagnostic(diagnostic_of(*result->hazard));
          ++overwritten;
        }
      }
      // The layer that makes it is not called.
      const size_t maker = static_cast<size_t>(victim.first);
      const bool made = c.schedule.steps[maker].candidate.match.output(c.schedule.graph) == victim.value;
      if (!made || unwritten == 2) continue;
      FileSet bundle = c.bundle;
      std::string& source = bundle.at("src/random.c");
      const std::string function = "random_layer_" + std::string(maker < 10 ? "0" : "") + std::to_string(maker);
      const size_t call = source.rfind("\n  " + function);
      ASSERT_NE(call, std::string::npos);
      source.insert(call + 3, "if ((const void*)arena == (const void*)outputs) ");
      const Result<sim::SimulationResult> result = simulate(bundle, unwritten == 1);
      ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
      ASSERT_TRUE(result->hazard.has_value()) << result->console;
      EXPECT_EQ(result->hazard->kind, sim::HazardKind::unwritten)
          << format_diagnostic(diagnostic_of(*result->hazard));
      ++unwritten;
    }
  }
  EXPECT_EQ(overwritten, 2);
  EXPECT_EQ(unwritten, 2);
}

}  // namespace
}  // namespace heddle
