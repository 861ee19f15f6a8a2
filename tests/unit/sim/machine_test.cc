// Units in virtual time, and the account that the machine keeps. Every instruction costs one cycle
// here, so that cycles can be counted by hand.
#include <fmt/format.h>

#include "unit/sim/bench.h"

namespace heddle::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kT0 = 5, kT1 = 6, kT2 = 7, kSp = 2;
// li sp, call, move ra, call: when layer 0 starts.
constexpr uint64_t kEntry = 5;

const CycleSplit& split_of(const SimulationResult& result) {
  return result.samples.at(0).layers.at(0).split;
}

Segment data_at(uint32_t address, const std::string& content) {
  Segment segment;
  segment.address = address;
  segment.content = content;
  segment.bytes = content.size();
  return segment;
}

uint32_t word_at(Machine& machine, uint32_t address) {
  uint32_t word = 0;
  EXPECT_TRUE(machine.bus().read(address, &word, 4));
  return word;
}

TEST(Machine, PollingTakesTheTimeOfTheJob) {
  Bench bench;
  bench.elf.segments.push_back(data_at(kData, "0123456789abcdef"));
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).poll(kUnitA + kStatus).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  // The start is instruction 19, the polls are instructions 22, 24, ... 120; bnez and ret follow.
  const CycleSplit& split = split_of(result);
  EXPECT_EQ(split.cycles, 123u);
  EXPECT_EQ(split.waiting, 98u);
  EXPECT_EQ(split.driver, 25u);
  EXPECT_EQ(split.compute, 0u);
  EXPECT_EQ(split.instructions, 123u);
  EXPECT_THAT(split.units, ElementsAre(UnitUse{100, 1}, UnitUse{0, 0}));
  EXPECT_EQ(word_at(*bench.machine, kLocal + 12), 0x66656463u);
  const auto& sample = result.samples.at(0);
  EXPECT_EQ(sample.layers[0].start, kEntry);
  EXPECT_EQ(sample.outside.cycles, 4u);  // move, call, move, ret
  EXPECT_EQ(sample.total.cycles, 127u);
  EXPECT_EQ(sample.total.compute, 4u);
  EXPECT_EQ(result.setup_cycles, 3u);
  EXPECT_EQ(result.events, (std::vector<TimelineEvent>{
                               {EventKind::layer, -1, kEntry, kEntry + 123, 0, -1, "first"},
                               {EventKind::job, 0, kEntry + 19, kEntry + 119, 0, -1, "transfer"},
                               {EventKind::wait, -1, kEntry + 22, kEntry + 120, 0, -1, "wait"}}));
}

TEST(Machine, InALayerOfTheCpuTheRestIsCompute) {
  Bench bench;
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).poll(kUnitA + kStatus).ret());
  bench.description.layers[0].target = "cpu";
  const SimulationResult result = bench.run();
  EXPECT_EQ(split_of(result).compute, 25u);
  EXPECT_EQ(split_of(result).driver, 0u);
  EXPECT_EQ(split_of(result).waiting, 98u);
}

TEST(Machine, AWaitRegisterStallsUntilTheUnitIsIdle) {
  Bench bench;
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).load(kUnitA + kWait).ret());
  const SimulationResult result = bench.run();
  // The load is instruction 22 and stalls from there to cycle 119.
  EXPECT_EQ(split_of(result).cycles, 121u);
  EXPECT_EQ(split_of(result).waiting, 97u);
  EXPECT_EQ(split_of(result).instructions, 24u);
}

TEST(Machine, WfiSleepsUntilTheJobEnds) {
  Bench bench;
  bench.layer(
      Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).put(as::kWfi).load(kUnitA + kStatus).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  // wfi has retired at 21 and sleeps to 119.
  EXPECT_EQ(split_of(result).waiting, 98u);
  EXPECT_EQ(split_of(result).cycles, 123u);
  EXPECT_EQ(split_of(result).instructions, 25u);
}

TEST(Machine, WfiBetweenPollsIsCountedOnce) {
  Bench bench;
  Code layer(kLayer0);
  layer.job(kUnitA, kData, kLocal, 16, 100).load(kUnitA + kStatus);
  layer.put(as::beq(kT1, 0, 16)).put(as::kWfi).put(as::lw(kT1, 0, kT0)).put(as::jal(0, -12)).ret();
  bench.layer(layer);
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  // From the first poll at 22 to the second, which follows the sleep, at 119.
  EXPECT_EQ(split_of(result).waiting, 97u);
  EXPECT_EQ(split_of(result).cycles, 123u);
  const auto& events = result.events;
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const TimelineEvent& e) { return e.kind == EventKind::wait; }),
            1);
}

// wfi waits for the units whose lines mie lets through.
TEST(Machine, WfiWaitsForTheUnitThatMieNames) {
  for (const bool only_b : {false, true}) {
    Bench bench;
    Code layer(kLayer0);
    if (only_b) layer.li(kT2, 1u << kInterruptB).put(as::csrrw(0, 0x304, kT2));
    layer.job(kUnitA, kData, kLocal, 16, 100).job(kUnitB, kData, kLocal + 64, 16, 300);
    bench.layer(layer.put(as::kWfi).ret());
    const SimulationResult result = bench.run();
    ASSERT_TRUE(result.passed()) << to_json(result);
    // The starts are instructions 19 and 39; three more instructions set mie.
    EXPECT_EQ(split_of(result).cycles, only_b ? 3 + 39 + 300 + 1 : 19 + 100 + 1) << only_b;
  }
}

// A line stays up from the end of a job until the status is read, or the next job starts.
TEST(Machine, AStatusReadAcknowledges) {
  for (const bool read : {false, true}) {
    Bench bench;
    Code layer(kLayer0);
    layer.job(kUnitA, kData, kLocal, 16, 5).nops(10);
    if (read) layer.load(kUnitA + kStatus);
    bench.layer(layer.put(as::kWfi).ret());
    const SimulationResult result = bench.run();
    EXPECT_EQ(result.passed(), !read);
    if (read) {
      EXPECT_EQ(result.hazard->kind, HazardKind::nothing_pending);
    }
  }
}

TEST(Machine, AnInterruptIsTakenWhenTheJobEnds) {
  constexpr uint32_t kMstatus = 0x300, kMie = 0x304, kMtvec = 0x305, kMcycle = 0xB00;
  Bench bench;
  Code layer(kLayer0);
  layer.li(kT2, kLayer1).put(as::csrrw(0, kMtvec, kT2));
  layer.li(kT2, 1u << kInterruptA).put(as::csrrw(0, kMie, kT2));
  layer.li(kT2, 8).put(as::csrrs(0, kMstatus, kT2));
  layer.job(kUnitA, kData, kLocal, 16, 100).nops(200).ret();
  bench.layer(layer);
  Code handler(kLayer1);
  handler.put(as::csrr(kT2, kMcycle)).load(kUnitA + kStatus).li(kT0, kData + 64);
  bench.add(handler.put(as::sw(kT2, 0, kT0)).put(as::kMret), "handler");
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  // 9 instructions, the start is the 20th after them; entering the handler costs a cycle.
  EXPECT_EQ(word_at(*bench.machine, kData + 64), kEntry + 9 + 19 + 100 + 1);
}

// A job ends when the time has come, whoever looks first.
TEST(Machine, TheOutputIsThereAfterTheJob) {
  Bench bench;
  bench.elf.segments.push_back(data_at(kData, "0123456789abcdef"));
  Code layer(kLayer0);
  layer.job(kUnitA, kData, kLocal, 16, 10).nops(10).load(kLocal).li(kT0, kData + 64);
  bench.layer(layer.put(as::sw(kT1, 0, kT0)).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  EXPECT_EQ(word_at(*bench.machine, kData + 64), 0x33323130u);
}

TEST(Machine, MemoryIsPoisonAtPowerOnAndWhileItIsWritten) {
  Bench bench;
  bench.elf.segments.push_back(data_at(kData, "0123456789abcdef"));
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 1000).poll(kUnitA).ret());
  Machine& machine = bench.make();
  EXPECT_EQ(word_at(machine, kLocal), 0xA5A5A5A5u);
  EXPECT_EQ(machine.resume(100), StopReason::instructions);
  EXPECT_EQ(word_at(machine, kLocal), 0xA5A5A5A5u);
  EXPECT_EQ(machine.resume(), std::nullopt);
  EXPECT_EQ(word_at(machine, kLocal), 0x33323130u);
}

TEST(Machine, WhatABusyUnitAcceptsIsDoneNext) {
  Bench bench;
  bench.layer(Code(kLayer0)
                  .job(kUnitA, kData, kLocal, 16, 50)
                  .store(kUnitA + kNext, 70)
                  .poll(kUnitA + kStatus)
                  .ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  EXPECT_EQ(split_of(result).units[0], (UnitUse{120, 2}));
  // 27 + 2 n is the first poll at or after 19 + 120.
  EXPECT_EQ(split_of(result).waiting, 112u);
}

TEST(Machine, AReadMayStartAJob) {
  Bench bench;
  bench.layer(Code(kLayer0).load(kUnitA + kStartOnRead).poll(kUnitA + kStatus).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  EXPECT_EQ(split_of(result).units[0], (UnitUse{10, 1}));
}

TEST(Machine, AJobOfNoCyclesIsDoneAtOnce) {
  Bench bench;
  bench.elf.segments.push_back(data_at(kData, "0123456789abcdef"));
  Code layer(kLayer0);
  layer.job(kUnitA, kData, kLocal, 16, 0).load(kLocal).li(kT0, kData + 64);
  bench.layer(layer.put(as::sw(kT1, 0, kT0)).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  EXPECT_EQ(split_of(result).units[0], (UnitUse{0, 1}));
  EXPECT_EQ(word_at(*bench.machine, kData + 64), 0x33323130u);
}

// Of a job of 100 cycles nothing is left but what the CPU does for it; the data are the same.
TEST(Machine, FreeUnitsTakeNoTime) {
  Bench bench;
  bench.elf.segments.push_back(data_at(kData, "0123456789abcdef"));
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).poll(kUnitA + kStatus).ret());
  MachineLimits limits{1'000'000, 1'000'000};
  limits.free_units = true;
  const SimulationResult result = bench.run(limits);
  ASSERT_TRUE(result.passed()) << to_json(result);
  const CycleSplit& split = split_of(result);
  EXPECT_EQ(split.units[0], (UnitUse{0, 1}));
  EXPECT_EQ(split.cycles, 25u);  // 20 instructions to the start, one round of polling, ret
  EXPECT_EQ(split.waiting, 0u);
  EXPECT_EQ(word_at(*bench.machine, kLocal + 12), 0x66656463u);
}

// Two buffers each: load 0; { start t; load t + 1; wait }; stores of what the jobs have written.
TEST(Machine, DoubleBufferingOverlapsAndTilesAreNamed) {
  constexpr uint32_t x0 = kLocal, x1 = kLocal + 64, y0 = kLocal + 128, y1 = kLocal + 192;
  Bench bench;
  Code layer(kLayer0);
  layer.job(kUnitA, kData, x0, 64, 200).poll(kUnitA);
  layer.job(kUnitB, x0, y0, 64, 400).job(kUnitA, kData + 64, x1, 64, 200).poll(kUnitB);
  layer.job(kUnitB, x1, y1, 64, 400).job(kUnitA, y0, kData + 256, 64, 200).poll(kUnitB);
  layer.job(kUnitA, y1, kData + 320, 64, 200).poll(kUnitA).ret();
  bench.layer(layer);
  bench.description.layers[0].buffers = {
      {"x", {x0, 64}}, {"x", {x1, 64}}, {"y", {y0, 64}}, {"y", {y1, 64}}};
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  std::vector<std::string> jobs;
  for (const TimelineEvent& event : result.events) {
    if (event.kind == EventKind::job)
      jobs.push_back(fmt::format("{} {}: {}", event.unit, event.tile, event.label));
  }
  EXPECT_THAT(jobs, ElementsAre("0 0: load x", "1 0: copy", "0 1: load x", "1 1: copy",
                                "0 0: store y", "0 1: store y"));
  const CycleSplit& split = split_of(result);
  EXPECT_EQ(use_of(result, split, UnitKind::dma), (UnitUse{800, 4}));
  EXPECT_EQ(use_of(result, split, UnitKind::accelerator), (UnitUse{800, 2}));
  EXPECT_LT(split.cycles, 1600u);
  EXPECT_GT(split.cycles, 1200u);  // two transfers and both jobs follow each other
}

TEST(Machine, TwoCallsAreTwoSamplesAndOneTimeline) {
  Bench bench;
  Code main(kRam);
  main.li(kSp, kStackEnd).call(kRun).call(kRun);
  for (const char c : std::string("sample 0: exact, a\nsample 1: 3 of 4 elements differ\n"))
    main.li(kT0, kUart).put(as::addi(kT1, 0, c)).put(as::sb(kT1, 0, kT0));
  bench.add(main.store(kFinisher, 0x00073333), "main");
  bench.add(Code(kRun).put(as::addi(8, 1, 0)).call(kLayer0).put(as::jalr(0, 0, 8)), "net_run");
  bench.add(Code(kLayer0).nops(7).ret(), "net_layer_00_first.constprop.0");
  bench.description.layers.resize(2);
  bench.description.layers[1].function = "";
  const SimulationResult result = bench.run();
  EXPECT_EQ(result.end, RunEnd::failed);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_FALSE(result.passed());
  EXPECT_EQ(result.exact_samples, 1);
  EXPECT_EQ(result.console, "sample 0: exact, a\nsample 1: 3 of 4 elements differ\n");
  ASSERT_EQ(result.samples.size(), 2u);
  EXPECT_EQ(result.samples[0].total, result.samples[1].total);
  EXPECT_EQ(result.samples[1].layers[0].split.cycles, 8u);
  EXPECT_EQ(result.samples[1].layers[1].split.cycles, 0u);
  EXPECT_EQ(result.events.size(), 1u);
}

TEST(Machine, ARunThatDoesNotEndEnds) {
  Bench bench;
  bench.layer(Code(kLayer0).put(as::jal(0, 0)));
  SimulationResult result = bench.run({1000, 1'000'000});
  EXPECT_EQ(result.end, RunEnd::limit);
  EXPECT_EQ(result.cycles, 1000u);
  result = bench.run({1'000'000, 500});
  EXPECT_EQ(result.end, RunEnd::limit);
  EXPECT_EQ(result.instructions, 500u);
}

TEST(Machine, TheStackIsMeasured) {
  Bench bench;
  bench.layer(Code(kLayer0).put(as::addi(kSp, kSp, -208)).put(as::addi(kSp, kSp, 208)).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.passed()) << to_json(result);
  EXPECT_EQ(result.footprint.stack_peak, 208u);
  EXPECT_EQ(result.footprint.stack_reserved, 256u);
}

TEST(Machine, EnergyIsThatOfTheSocsFile) {
  Bench bench;
  bench.description.energy = EnergyDescription{"a data sheet", 10, {{"a", 1000}}};
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).load(kUnitA + kWait).ret());
  const SimulationResult result = bench.run();
  EXPECT_EQ(split_of(result).cycles, 121u);
  EXPECT_DOUBLE_EQ(microjoules(result, split_of(result)).value(), (1210 + 100'000) / 1e6);
}

TEST(Machine, TheResultGoesThroughJsonUnchanged) {
  Bench bench;
  bench.description.energy = EnergyDescription{"a data sheet", 10.5, {{"a", 1000}}};
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 16, 100).load(kLocal).ret());
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.hazard.has_value());
  const std::string json = to_json(result);
  const Result<SimulationResult> read = result_from_json(json, "result.json");
  ASSERT_TRUE(read.ok()) << format_diagnostics(read.errors());
  EXPECT_EQ(to_json(*read), json);
  EXPECT_EQ(read->samples, result.samples);
  EXPECT_EQ(read->events, result.events);
  EXPECT_EQ(read->footprint, result.footprint);
  const Result<SimulationResult> broken =
      result_from_json(R"({"schema": 1, "samples": [3], "end": "never"})", "result.json");
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(format_diagnostics(broken.errors()),
              HasSubstr("`samples[0]` is 3, but an object stands here"));
}

}  // namespace
}  // namespace heddle::sim
