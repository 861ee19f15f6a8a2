// What is given up where main memory is short, and that what is said of it is so: two depthwise layers on
// DIANA, whose block-diagonal weights do not both fit.
#include "compile/fit_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compile/compile.h"
#include "schedule/policy.h"

namespace heddle {
namespace {

using testing::HasSubstr;

constexpr int64_t kPlenty = 524288;

// In an L2 of so many bytes.
Result<Compilation> compiled(int64_t bytes, const std::vector<std::string>& places = {}) {
  const std::filesystem::path folder = HEDDLE_SOURCE_DIR;
  CompileOptions options;
  Result<Graph> graph = import_model(folder / "tests/golden/why-short-memory/two_depthwise.onnx", {});
  if (!graph.ok()) return graph.errors();
  Result<Soc> soc = load_soc(folder / "rules/soc/diana_rv32.toml");
  if (!soc.ok()) return soc.errors();
  for (Memory& memory : soc->memories) {
    if (memory.name == soc->main_memory) memory.bytes = bytes;
  }
  Compilation c;
  c.name = "test";
  c.graph = std::move(*graph);
  c.soc = std::move(*soc);
  c.policy = {"latency", "", Objective::latency, {}};
  for (const std::string& place : places) c.policy.pins.push_back(*pin_of(place));
  if (!places.empty()) c.policy.avoid = {"diana_digital/depthwise_conv2d"};  // only the form is left
  return compile_graph(std::move(c), options, "memory");
}

std::string target_at(const Compilation& c, const std::string& layer) {
  for (const LayerReport& row : c.report.layers) {
    if (row.layer == layer && row.macs > 0) return row.where.substr(0, row.where.find('/'));
  }
  return "";
}

class FitMemory : public testing::Test {
 protected:
  // A little too small for both layers' weights.
  void SetUp() override {
    const Result<Compilation> all = compiled(kPlenty);
    ASSERT_TRUE(all.ok()) << format_diagnostics(all.errors());
    ASSERT_FALSE(all->candidates.short_memory);
    best_ = all->schedule.cycles;
    needed_ = all->plan.required_bytes;
  }
  int64_t best_ = 0, needed_ = 0;
};

TEST_F(FitMemory, OneByteLessIsSaidWithItsPrice) {
  const Result<Compilation> exact = compiled(needed_);
  ASSERT_TRUE(exact.ok());
  EXPECT_FALSE(exact->candidates.short_memory);
  EXPECT_EQ(exact->schedule.cycles, best_);

  const Result<Compilation> small = compiled(needed_ - 1);
  ASSERT_TRUE(small.ok()) << format_diagnostics(small.errors());
  ASSERT_TRUE(small->candidates.short_memory);
  const ShortMemory& memory = *small->candidates.short_memory;
  ASSERT_EQ(memory.jobs.size(), 1u);
  // The one job is all that is missing.
  for (const Unfit* unfit : {&memory.with_all, &memory.jobs[0].with}) {
    ASSERT_EQ(unfit->excesses.size(), 1u);
    EXPECT_EQ(unfit->excesses[0].memory, small->soc.main_memory);
    EXPECT_EQ(unfit->excesses[0].required_bytes, needed_);
    EXPECT_EQ(unfit->excesses[0].available_bytes, needed_ - 1);
    EXPECT_EQ(unfit->cycles, small->schedule.cycles - best_);
    EXPECT_EQ(unfit->arena_bytes + unfit->constant_bytes, needed_ - small->plan.required_bytes);
  }
  int said = 0;
  for (const Step& step : small->schedule.steps) said += step.why.find("memory is short: `l2` lacks 1 B") != std::string::npos;
  EXPECT_EQ(said, 1);
  EXPECT_THAT(report_text(small->report), HasSubstr("`l2` lacks 1 B"));
  EXPECT_THAT(report_json(small->report), HasSubstr("\"given_up\""));
}

// Each of the jobs needs exactly the bytes, and saves exactly the cycles, that are said of it.
TEST_F(FitMemory, WithTheBytesThatItLacksAJobComesBack) {
  const Result<Compilation> before = compiled(needed_ - 1);
  ASSERT_TRUE(before.ok());
  const Result<Compilation> small = compiled(before->plan.required_bytes - 1);
  ASSERT_TRUE(small.ok()) << format_diagnostics(small.errors());
  ASSERT_TRUE(small->candidates.short_memory);
  ASSERT_EQ(small->candidates.short_memory->jobs.size(), 2u);
  int64_t least = kPlenty;
  for (const GivenUp& gone : small->candidates.short_memory->jobs)
    least = std::min(least, gone.with.excesses[0].required_bytes);
  const Result<Compilation> grown = compiled(least);
  ASSERT_TRUE(grown.ok());
  ASSERT_EQ(grown->candidates.short_memory->jobs.size(), 1u);
  for (const GivenUp& gone : small->candidates.short_memory->jobs) {
    if (gone.candidate.covers == grown->candidates.short_memory->jobs[0].candidate.covers) continue;
    EXPECT_EQ(gone.with.cycles, small->schedule.cycles - grown->schedule.cycles);
  }
}

// A pin keeps a layer where it is: the other one is given up.
TEST_F(FitMemory, APinKeepsALayer) {
  for (const std::string kept : {"first", "second"}) {
    const Result<Compilation> pinned = compiled(needed_ - 1, {kept + "=diana_digital"});
    ASSERT_TRUE(pinned.ok()) << format_diagnostics(pinned.errors());
    EXPECT_EQ(target_at(*pinned, kept), "diana_digital");
    EXPECT_NE(target_at(*pinned, kept == "first" ? "second" : "first"), "diana_digital");
    EXPECT_TRUE(pinned->candidates.short_memory);
  }
}

TEST_F(FitMemory, WhatFitsInNoWayIsRefusedWithWhatWasGivenUp) {
  const Result<Compilation> none = compiled(66000);
  ASSERT_FALSE(none.ok());
  const std::string errors = format_diagnostics(none.errors());
  EXPECT_THAT(errors, HasSubstr("does not fit into memory `l2`"));
  EXPECT_THAT(errors, HasSubstr("were given up for it: `"));
}

}  // namespace
}  // namespace heddle
