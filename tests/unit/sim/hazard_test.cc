// Every hazard, injected: what each costs is a wrong result on silicon, so each must end the run
// and say where.
#include <functional>

#include "unit/sim/bench.h"

namespace heddle::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint32_t kT1 = 6, kT0 = 5, kSp = 2;
constexpr uint64_t kEntry = 5;  // when layer 0 starts

struct Case {
  const char* name;
  std::function<void(Code&)> program;  // of the layer
  HazardKind kind;
  const char* unit;
  uint64_t cycle;  // from the start of the layer
  Region region;
  const char* message;
};

// For the test's name.
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

void job_a(Code& code) { code.job(kUnitA, kData, kLocal, 64, 1000); }

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"StartWhileBusy",
       [](Code& c) {
         job_a(c);
         c.store(kUnitA + kStart, 5);
       },
       HazardKind::start_while_busy,
       "a",
       24,
       {},
       "hazard: start while busy: a register was written while the unit was busy; in layer "
       "`first`, cycle 29, unit a, pc 0x80002060 in net_layer_00_first\n"
       "  help: wait for the unit before this access"},
      {"TwoWriteTheSame",
       [](Code& c) {
         job_a(c);
         c.job(kUnitB, kData, kLocal + 32, 64, 10);
       },
       HazardKind::overlap,
       "b",
       39,
       {kLocal + 32, 32},
       "b starts a job that writes what a writes until cycle 1,024"},
      {"OneReadsWhatAnotherWrites",
       [](Code& c) {
         job_a(c);
         c.job(kUnitB, kLocal + 60, kLocal + 128, 8, 10);
       },
       HazardKind::overlap,
       "b",
       39,
       {kLocal + 60, 4},
       "b starts a job that reads what a writes"},
      {"OneWritesWhatAnotherReads",
       [](Code& c) {
         job_a(c);
         c.job(kUnitB, kLocal + 64, kData + 16, 16, 10);
       },
       HazardKind::overlap,
       "b",
       39,
       {kData + 16, 16},
       "b starts a job that writes what a reads"},
      {"TheCpuChangesAnInput",
       [](Code& c) {
         job_a(c);
         c.store(kData + 60, 1);
       },
       HazardKind::input_changed,
       "a",
       24,
       {kData + 60, 4},
       "the CPU writes what a reads until cycle 1,024"},
      {"TheCpuReadsABusyBuffer",
       [](Code& c) {
         job_a(c);
         c.load(kLocal + 8);
       },
       HazardKind::busy_buffer,
       "a",
       22,
       {kLocal + 8, 4},
       "the CPU reads what a writes until cycle 1,024"},
      {"TheCpuWritesABusyBuffer",
       [](Code& c) {
         job_a(c);
         c.li(kT0, kLocal + 63).put(as::sb(kT1, 0, kT0));
       },
       HazardKind::busy_buffer,
       "a",
       22,
       {kLocal + 63, 1},
       "the CPU writes what a writes until cycle 1,024"},
      {"OutsideTheMemories",
       [](Code& c) { c.job(kUnitA, kData, 0x50000000, 64, 10); },
       HazardKind::outside_memory,
       "a",
       19,
       {0x50000000, 4},
       "the transfer leaves the memories"},
      {"PastTheEndOfAMemory",
       [](Code& c) { c.job(kUnitA, kData, kLocal + kLocalBytes - 32, 64, 10); },
       HazardKind::memory_overflow,
       "a",
       19,
       {kLocal + kLocalBytes, 4},
       "hazard: memory overflow: the transfer leaves the memories"},
      {"AcrossTheEndOfAMemory",
       [](Code& c) { c.job(kUnitA, kLocal + kLocalBytes - 2, kData, 4, 10); },
       HazardKind::memory_overflow,
       "a",
       19,
       {kLocal + kLocalBytes - 2, 4},
       "hazard: memory overflow"},
      {"ARefusedJob",
       [](Code& c) { c.job(kUnitA, kData, kLocal, 6, 10); },
       HazardKind::refused,
       "a",
       19,
       {},
       "job refused: the bytes are not a multiple of 4"},
      {"SleepForEver",
       [](Code& c) { c.put(as::kWfi); },
       HazardKind::nothing_pending,
       "",
       1,
       {},
       "the CPU sleeps, and no unit works"},
      {"SleepThroughTheEndOfAJob",
       [](Code& c) {
         c.put(as::csrrw(0, 0x304, 0));  // mie
         job_a(c);
         c.put(as::kWfi);
       },
       HazardKind::nothing_pending,
       "",
       20 + 1000,
       {},
       "no unit works whose interrupt `mie` lets through"},
      {"ALoadFromNowhere",
       [](Code& c) { c.load(0x70000004); },
       HazardKind::bus_fault,
       "",
       2,
       {0x70000004, 1},
       "load access fault: nothing answers at 0x70000004"},
      {"AByteOfARegister",
       [](Code& c) { c.li(kT0, kUnitA).put(as::lb(kT1, 0, kT0)); },
       HazardKind::bus_fault,
       "",
       2,
       {kUnitA, 1},
       "(a, which refuses this access)"},
      {"AnInstructionThatIsNone",
       [](Code& c) { c.put(0xFFFFFFFF); },
       HazardKind::trap,
       "",
       0,
       {},
       "illegal instruction (mcause 2, mtval 0xffffffff)"},
      {"AStackThatIsTooDeep",
       [](Code& c) { c.put(as::addi(kSp, kSp, -272)).put(as::addi(kSp, kSp, 272)); },
       HazardKind::stack_overflow,
       "",
       3,
       {kStackEnd - 272, 16},
       "the stack has grown to 272 bytes, but it has 256"},
  };
  return all;
}

class Hazards : public testing::TestWithParam<Case> {};

TEST_P(Hazards, EndTheRunAndSayWhere) {
  const Case& c = GetParam();
  Bench bench;
  Code layer(kLayer0);
  c.program(layer);
  bench.layer(layer.ret());
  const SimulationResult result = bench.run();
  EXPECT_EQ(result.end, RunEnd::hazard);
  EXPECT_FALSE(result.passed());
  ASSERT_TRUE(result.hazard.has_value());
  const Hazard& hazard = *result.hazard;
  EXPECT_EQ(name_of(hazard.kind), name_of(c.kind));
  EXPECT_EQ(hazard.layer, "first");
  EXPECT_EQ(hazard.unit, c.unit);
  EXPECT_EQ(hazard.cycle, kEntry + c.cycle);
  EXPECT_EQ(hazard.region, c.region);
  EXPECT_FALSE(hazard.remedy.empty());
  const std::string message = format_diagnostic(diagnostic_of(hazard));
  EXPECT_THAT(message, HasSubstr(c.message));
  EXPECT_THAT(message,
              HasSubstr(c.region.bytes > 0 ? ", " + to_string(c.region) + ", pc 0x" : ", pc 0x"));
}

INSTANTIATE_TEST_SUITE_P(Injected, Hazards, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

// What is allowed beside a running job: the same pages, other bytes; reading what it reads.
TEST(NoHazard, NeighboursOfABusyBuffer) {
  Bench bench;
  Code layer(kLayer0);
  layer.job(kUnitA, kData, kLocal, 64, 1000).store(kLocal + 64, 7).load(kData).load(kLocal + 64);
  layer.job(kUnitB, kData, kLocal + 128, 64, 10).poll(kUnitB).store(kData + 64, 1);
  bench.layer(layer.poll(kUnitA).ret());
  const SimulationResult result = bench.run();
  EXPECT_TRUE(result.passed()) << to_json(result);
}

// Whoever changes the input: the hash of what was read is another one at the end of the job.
TEST(HazardTest, AnInputThatChangesBehindTheCpusBack) {
  Bench bench;
  bench.layer(Code(kLayer0).job(kUnitA, kData, kLocal, 64, 1000).poll(kUnitA).ret());
  Machine& machine = bench.make();
  EXPECT_EQ(machine.resume(100), StopReason::instructions);
  *machine.bus().host(kData + 17, 1) ^= 0x40;
  EXPECT_EQ(machine.resume(), std::nullopt);
  const SimulationResult result = machine.finish();
  ASSERT_TRUE(result.hazard.has_value());
  EXPECT_EQ(name_of(result.hazard->kind), name_of(HazardKind::input_changed));
  EXPECT_EQ(result.hazard->cycle, kEntry + 19 + 1000);
  EXPECT_EQ(result.hazard->region, (Region{kData, 64}));
}

// With a handler of firmware's own: the bench's, which prints; or none, when mtvec is 0.
TEST(HazardTest, ATrapThatTheBenchReports) {
  constexpr uint32_t kMtvec = 0x305, kMcause = 0x342, kMepc = 0x341, kMtval = 0x343;
  Bench bench;
  Code layer(kLayer0);
  layer.li(kT0, kLayer1).put(as::csrrw(0, kMtvec, kT0)).load(0x70000004);
  bench.layer(layer.ret());
  Code entry(kLayer1);
  entry.put(as::csrr(10, kMcause)).put(as::csrr(11, kMepc)).put(as::csrr(12, kMtval));
  bench.add(entry.put(as::jal(0, 0x100 - 12)), "trap_entry");
  bench.add(Code(kLayer1 + 0x100).store(kFinisher, 0x13333), "heddle_bench_trap");
  const SimulationResult result = bench.run();
  ASSERT_TRUE(result.hazard.has_value());
  EXPECT_EQ(name_of(result.hazard->kind), name_of(HazardKind::bus_fault));
  EXPECT_EQ(result.hazard->pc, kLayer0 + 20);
  EXPECT_EQ(result.hazard->function, "net_layer_00_first");
  EXPECT_EQ(result.hazard->region.address, 0x70000004u);
}

TEST(HazardTest, FirmwareThatTheMemoriesDoNotHold) {
  const auto errors_of = [](uint32_t address, uint64_t bytes) {
    Bench bench;
    bench.layer(Code(kLayer0).ret());
    Segment segment;
    segment.address = address;
    segment.bytes = bytes;
    bench.elf.segments.push_back(segment);
    const auto made = Machine::make(bench.description, bench.elf, {&copy_model, &copy_model});
    return made.ok() ? "" : format_diagnostics(made.errors());
  };
  EXPECT_THAT(errors_of(kLocal + 0x1000, 0x1001),
              HasSubstr("4,097 bytes from 0x10001000 on are more than the memory `local` holds"));
  EXPECT_THAT(errors_of(0x50000000, 16),
              HasSubstr("16 bytes are to lie at 0x50000000, where the SoC has no memory"));
  EXPECT_EQ(errors_of(kLocal, kLocalBytes), "");
}

TEST(HazardTest, WhatCannotBeSimulatedIsRefused) {
  const auto errors_of = [](const std::function<void(Bench&)>& change, const heddle_model* model) {
    Bench bench;
    bench.layer(Code(kLayer0).ret());
    change(bench);
    const auto made = Machine::make(bench.description, bench.elf, {&copy_model, model});
    return made.ok() ? "" : format_diagnostics(made.errors());
  };
  const auto nothing = [](Bench&) {};
  EXPECT_EQ(errors_of(nothing, &copy_model), "");
  heddle_model model = copy_model;
  model.version = 2;
  EXPECT_THAT(errors_of(nothing, &model),
              HasSubstr("the model of unit `b` is of version 2, but this is 1"));
  model = copy_model;
  model.step = nullptr;
  EXPECT_THAT(errors_of(nothing, &model), HasSubstr("lacks one of its functions"));
  model = copy_model;
  model.state_bytes = size_t{65} << 20;
  EXPECT_THAT(errors_of(nothing, &model), HasSubstr("wants 68157440 bytes of state"));
  EXPECT_THAT(errors_of(nothing, nullptr), HasSubstr("is missing"));
  EXPECT_THAT(errors_of([](Bench& b) { b.description.isa = "cortex-m4"; }, &copy_model),
              HasSubstr("the CPU is a cortex-m4, but the virtual SoC executes RV32IMC"));
  EXPECT_THAT(errors_of([](Bench& b) { b.description.cpu_cycles[0].second = 0; }, &copy_model),
              HasSubstr("`cpu.cycles.alu` is 0, but 1 to 10000 is right"));
  EXPECT_THAT(errors_of([](Bench& b) { b.description.cpu_cycles[0].first = "fma"; }, &copy_model),
              HasSubstr("`cpu.cycles.fma` is no class of instructions"));
  EXPECT_THAT(errors_of([](Bench& b) { b.description.run = "other"; }, &copy_model),
              HasSubstr("there is no function `other`"));
  EXPECT_THAT(errors_of([](Bench& b) { b.description.uart = kUnitA; }, &copy_model),
              AllOf(HasSubstr("uart"), HasSubstr("overlaps a")));
}

}  // namespace
}  // namespace heddle::sim
