// Control flow, memory, devices and time of the core.
#include "sim/cpu/cpu.h"

#include <gmock/gmock.h>

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;
using testing::ElementsAre;

TEST(Cpu, RunsALoop) {
  Core core;
  // x6 = 10 + 9 + ... + 1
  core.run({addi(5, 0, 10), add(6, 6, 5), addi(5, 5, -1), bne(5, 0, -8)});
  EXPECT_EQ(core->reg(6), 55u);
  EXPECT_EQ(core->instret(), 31u);
  EXPECT_EQ(core->cycles(), 1u + 10 * 2 + 9 * 3 + 1);
  EXPECT_EQ(core->pc(), kRam + 16);
}

TEST(Cpu, NothingIsWrittenToX0) {
  Core core;
  core.run({addi(0, 0, 5), lui(0, 0x12345000), add(1, 0, 0), jal(0, 4), lui(2, kRam), lw(0, 0, 2),
            addi(3, 0, 0), csrr(0, 0xb00), addi(4, 0, 0)});
  for (const int reg : {0, 1, 3, 4}) EXPECT_EQ(core->reg(reg), 0u) << reg;
  core->set_reg(0, 7);
  EXPECT_EQ(core->reg(0), 0u);
}

TEST(Cpu, DevicesSeeTheExactClockAndStall) {
  Core core;
  core.run({lui(5, kRegisters), addi(6, 0, 21), sw(6, 8, 5), lw(7, 8, 5), addi(8, 0, 1),
            csrr(9, 0xb00)});
  EXPECT_THAT(core.access_times, ElementsAre(2, 3));
  EXPECT_EQ(core->reg(7), 42u);
  EXPECT_EQ(core->reg(9), 3u + 1 + 7 + 1);
  EXPECT_EQ(core->instret(), 6u);
}

TEST(Cpu, ADeviceStopsTheRun) {
  Core core;
  core.put(kRam, {lui(5, kRegisters), sw(5, 60, 5), addi(6, 0, 1), kEbreak});
  core->set_ebreak_stops(true);
  EXPECT_EQ(core->run(), StopReason::device);
  EXPECT_EQ(core->instret(), 2u);
  EXPECT_EQ(core->pc(), kRam + 8);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_EQ(core->reg(6), 1u);
}

TEST(Cpu, CostsByClass) {
  const Costs costs{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41};
  const auto cycles_of = [&](const std::vector<uint32_t>& program) {
    Core core({costs, {}});
    core->set_reg(6, kData);
    core.run(program);
    return core->cycles();
  };
  EXPECT_EQ(cycles_of({addi(5, 0, 1)}), 2u);
  EXPECT_EQ(cycles_of({lui(5, 0)}), 2u);
  EXPECT_EQ(cycles_of({lw(5, 0, 6)}), 3u);
  EXPECT_EQ(cycles_of({sw(5, 0, 6)}), 5u);
  EXPECT_EQ(cycles_of({mul(5, 6, 6)}), 7u);
  EXPECT_EQ(cycles_of({r(1, 6, 6, 1, 5)}), 11u);
  EXPECT_EQ(cycles_of({div(5, 6, 6)}), 13u);
  EXPECT_EQ(cycles_of({bne(6, 6, 8)}), 17u);
  EXPECT_EQ(cycles_of({beq(6, 6, 4)}), 19u);
  EXPECT_EQ(cycles_of({jal(1, 4)}), 23u);
  EXPECT_EQ(cycles_of({csrr(5, 0x340)}), 29u);
  EXPECT_EQ(cycles_of({0x0000000fu}), 31u);
  EXPECT_EQ(cycles_of({lw(5, 1, 6)}), 3u + 37);
  EXPECT_EQ(cycles_of({sh(5, 1, 6)}), 5u + 37);
  EXPECT_EQ(cycles_of({lw(5, 0, 6), addi(7, 5, 0)}), 3u + 41 + 2);  // used at once
  EXPECT_EQ(cycles_of({lw(5, 0, 6), addi(7, 6, 0), add(8, 5, 5)}), 3u + 2 + 2);
  EXPECT_EQ(cycles_of({lw(5, 0, 6), sw(5, 4, 6)}), 3u + 41 + 5);
  EXPECT_EQ(cycles_of({lw(5, 0, 6), bne(5, 5, 8)}), 3u + 41 + 17);
  EXPECT_EQ(cycles_of({lw(0, 0, 6), add(8, 0, 0)}), 3u + 2);
}

TEST(Cpu, MemoriesCostExtra) {
  Memory slow{"flash", kRam, 0x10000, 5, 7, 2};
  Core core({}, slow);
  core->set_reg(6, kData);
  core.run({lw(5, 0, 6), sw(8, 4, 6), addi(7, 0, 1), beq(0, 0, 4)});
  EXPECT_EQ(core->cycles(), (2u + 1 + 5) + 2 /* fetch */ + (1 + 7) + 2 + 1 + 2 + 3);
}

TEST(Cpu, MisalignedAccessesWork) {
  Core core;
  core->set_reg(6, kData);
  core->set_reg(7, 0x11223344);
  core.run({sw(7, 1, 6), lw(8, 1, 6), lhu(9, 3, 6), lw(10, 0, 6), sh(7, 4095, 6), lh(11, 4095, 6)});
  EXPECT_EQ(core->reg(8), 0x11223344u);
  EXPECT_EQ(core->reg(9), 0x1122u);
  EXPECT_EQ(core->reg(10), 0x22334400u);
  EXPECT_EQ(core->reg(11), 0x3344u);  // over the edge of a page
  EXPECT_EQ(core->cycles(), 6u + 5);
}

TEST(Cpu, UntilIsExact) {
  // The instruction at which the clock passes `until` is the last one, whatever segments there are.
  for (uint64_t until = 0; until < 60; ++until) {
    Core core({}, {"ram", kRam, 0x10000, 3, 0, 0});
    core->set_reg(6, kData);
    core.put(kRam, {addi(5, 0, 4), lw(7, 0, 6), lw(8, 4, 6), add(9, 9, 5), addi(5, 5, -1),
                    bne(5, 0, -16), kEbreak});
    core->set_ebreak_stops(true);
    Core steps({}, {"ram", kRam, 0x10000, 3, 0, 0});
    steps->set_reg(6, kData);
    steps.put(kRam, {addi(5, 0, 4), lw(7, 0, 6), lw(8, 4, 6), add(9, 9, 5), addi(5, 5, -1),
                     bne(5, 0, -16), kEbreak});
    const StopReason reason = core->run(until);
    while (steps->cycles() < until && steps->pc() != kRam + 24)
      ASSERT_EQ(steps->step(), StopReason::instructions);
    EXPECT_EQ(core->cycles(), steps->cycles()) << until;
    EXPECT_EQ(core->instret(), steps->instret()) << until;
    EXPECT_EQ(core->pc(), steps->pc()) << until;
    EXPECT_EQ(reason, core->pc() == kRam + 24 && core->cycles() < until ? StopReason::breakpoint
                                                                        : StopReason::until);
  }
}

TEST(Cpu, CountsInstructionsExactly) {
  for (uint64_t n = 0; n < 40; ++n) {
    Core core;
    core.put(kRam, {addi(5, 5, 1), mul(6, 5, 5), div(7, 6, 5), jal(0, -12)});
    EXPECT_EQ(core->run(Cpu::kForever, n), StopReason::instructions);
    EXPECT_EQ(core->instret(), n);
    EXPECT_EQ(core->reg(5), (n + 3) / 4);
  }
}

TEST(Cpu, CodeMayChange) {
  Core core;
  // The loop body is overwritten in its first round: x5 grows by 1, then by 16.
  core->set_reg(6, kRam + 4);
  core->set_reg(7, addi(5, 5, 16));
  core->set_reg(8, 3);
  core.run({kNop, addi(5, 5, 1), sw(7, 0, 6), addi(8, 8, -1), bne(8, 0, -12)});
  EXPECT_EQ(core->reg(5), 1u + 16 + 16);
  // By the machine, between runs.
  core.put(kRam + 4, {addi(5, 5, 2)});
  core->set_pc(kRam + 4);
  core->step();
  EXPECT_EQ(core->reg(5), 35u);
  // Through a pointer, with fence.i.
  core.put(kRam, {kFenceI, addi(5, 0, 1)});
  core->set_pc(kRam);
  core->run(Cpu::kForever, 2);
  const uint32_t other = addi(5, 0, 9);
  std::memcpy(core.bus.host(kRam + 4, 4), &other, 4);
  core->set_pc(kRam);
  core->run(Cpu::kForever, 2);
  EXPECT_EQ(core->reg(5), 9u);
}

TEST(Cpu, CodeBesideDataIsNotTranslatedAgain) {
  // A store into a page with code that hits none keeps what is translated, and is exact.
  Core core;
  core->set_reg(6, kRam + 0x800);
  core.run({addi(5, 0, 100), sw(5, 0, 6), addi(5, 5, -1), bne(5, 0, -8)});
  EXPECT_EQ(core.word(kRam + 0x800), 1u);
  EXPECT_EQ(core->cycles(), 1u + 200 + 99 * 3 + 1);
}

TEST(Cpu, TheLowestStackPointer) {
  Core core;
  core->set_reg(2, kRam + 0x1000);
  core->reset_lowest_sp();
  core.run({addi(2, 2, -64), addi(2, 2, -16), addi(2, 2, 80), addi(5, 2, -512)});
  EXPECT_EQ(core->lowest_sp(), kRam + 0x1000 - 80);
  core->set_pc(kRam);
  for (int i = 0; i < 3; ++i) core->step();
  EXPECT_EQ(core->lowest_sp(), kRam + 0x1000 - 80);
}

// --- probes, breakpoints, watches ---

struct Seen {
  std::vector<std::pair<uint32_t, uint64_t>> probes;  // tag, clock
  std::vector<std::string> watches;
  Cpu* cpu = nullptr;
  Bus* bus = nullptr;
  bool go_on = true;
  BusAnswer answer = BusAnswer::ok;

  static bool reached(void* seen, uint32_t, uint32_t tag) {
    Seen& s = *static_cast<Seen*>(seen);
    s.probes.emplace_back(tag, s.cpu->cycles());
    return s.go_on;
  }
  static BusAnswer touched(void* seen, const Watch& watch, Access access, uint32_t address,
                           int size, uint64_t now) {
    Seen& s = *static_cast<Seen*>(seen);
    s.watches.push_back((access == Access::load ? "load " : "store ") + std::to_string(size) +
                        " at +" + std::to_string(address - kData) + " of " +
                        std::to_string(watch.tag) + " at " + std::to_string(now));
    if (s.bus != nullptr) s.bus->unwatch(watch.tag);
    return s.answer;
  }
};

TEST(Cpu, ProbesCostNothing) {
  Core core;
  Seen seen;
  seen.cpu = &*core;
  core->set_probe_handler({&seen, Seen::reached});
  core->add_probe(kRam + 4, 1);
  core->add_probe(kRam + 4, 2);
  core->add_probe(kRam + 12, 3);
  core.run({addi(5, 0, 2), add(6, 6, 5), addi(5, 5, -1), bne(5, 0, -8)});
  EXPECT_THAT(seen.probes, ElementsAre(std::pair(1, 1), std::pair(2, 1), std::pair(3, 3),
                                       std::pair(1, 6), std::pair(2, 6), std::pair(3, 8)));
  EXPECT_EQ(core->cycles(), 1u + 4 + 3 + 1);
  EXPECT_EQ(core->instret(), 7u);
  core->remove_probes(1);
  core->remove_probes(3);
  seen.probes.clear();
  core->set_pc(kRam);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_THAT(seen.probes, ElementsAre(std::pair(2, 10), std::pair(2, 15)));
}

TEST(Cpu, AProbeMayStopTheRunAndAddOthers) {
  Core core;
  Seen seen;
  seen.cpu = &*core;
  seen.go_on = false;
  core->set_probe_handler({&seen, Seen::reached});
  core.put(kRam, {addi(5, 0, 2), add(6, 6, 5), addi(5, 5, -1), bne(5, 0, -8), kEbreak});
  core->set_ebreak_stops(true);
  core->add_probe(kRam + 4, 7);
  EXPECT_EQ(core->run(), StopReason::probe);
  EXPECT_EQ(core->pc(), kRam + 4);
  EXPECT_EQ(core->instret(), 1u);
  core->add_probe(kRam + 8, 8);  // in the segment that is about to run
  EXPECT_EQ(core->run(), StopReason::probe);
  EXPECT_EQ(core->pc(), kRam + 8);
  EXPECT_EQ(core->step(), StopReason::instructions);
  EXPECT_EQ(core->pc(), kRam + 12);
  EXPECT_EQ(core->run(), StopReason::probe);
  EXPECT_EQ(core->pc(), kRam + 4);
  EXPECT_EQ(seen.probes.size(), 3u);
}

TEST(Cpu, Breakpoints) {
  Core core;
  core.put(kRam, {addi(5, 0, 2), add(6, 6, 5), addi(5, 5, -1), bne(5, 0, -8), kEbreak});
  core->set_ebreak_stops(true);
  core->add_breakpoint(kRam + 8);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(core->run(), StopReason::breakpoint);
    EXPECT_EQ(core->pc(), kRam + 8);
  }
  core->remove_breakpoint(kRam + 8);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_EQ(core->pc(), kRam + 16);
}

TEST(Cpu, WatchesSeeTheirExactRange) {
  Core core;
  Seen seen;
  core.bus.set_watch_handler({&seen, Seen::touched});
  core.bus.watch({kData + 4, 4, true, false, 1});
  core.bus.watch({kData + 6, 4, false, true, 2});
  core->set_reg(6, kData);
  core.run({lw(5, 0, 6), lb(5, 7, 6), sw(5, 0, 6), sb(5, 5, 6), sw(5, 4, 6), lw(5, 5, 6),
            sh(5, 10, 6), lw(5, 8, 6)});
  EXPECT_THAT(seen.watches, ElementsAre("load 1 at +7 of 1 at 1", "store 4 at +4 of 2 at 5",
                                        "load 4 at +5 of 1 at 6"));
  EXPECT_EQ(core->cycles(), 8u + 1 + 2);  // as without: one is misaligned, two are used at once
  core.bus.unwatch(1);
  core.bus.unwatch(2);
  seen.watches.clear();
  core->set_pc(kRam);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_TRUE(seen.watches.empty());
}

TEST(Cpu, AWatchMayRefuse) {
  Core core;
  Seen seen;
  seen.answer = BusAnswer::refused;
  core.bus.set_watch_handler({&seen, Seen::touched});
  core.bus.watch({kData, 64, true, true, 9});
  core->set_reg(6, kData);
  core.put(kRam, {addi(5, 0, 1), sw(5, 0, 6), addi(5, 0, 2), kEbreak});
  core->set_ebreak_stops(true);
  EXPECT_EQ(core->run(), StopReason::watch);
  EXPECT_EQ(core->pc(), kRam + 4);
  EXPECT_EQ(core->instret(), 1u);
  EXPECT_EQ(core.word(kData), 0u);
  seen.answer = BusAnswer::ok;
  seen.bus = &core.bus;  // takes the watch away when asked
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_EQ(core.word(kData), 1u);
  EXPECT_EQ(seen.watches.size(), 2u);
}

}  // namespace
}  // namespace heddle::sim
