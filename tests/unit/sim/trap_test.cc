// Traps, interrupts, CSRs, wfi.
#include <gmock/gmock.h>

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;

constexpr uint32_t kMstatus = 0x300, kMisa = 0x301, kMie = 0x304, kMtvec = 0x305, kMscratch = 0x340,
                   kMepc = 0x341, kMcause = 0x342, kMtval = 0x343, kMip = 0x344, kMcycle = 0xb00,
                   kMinstret = 0xb02, kMcycleh = 0xb80, kMinstreth = 0xb82;

TEST(Traps, WithoutAHandlerTheRunEndsThere) {
  struct Case {
    std::vector<uint32_t> program;
    uint32_t cause, at, value;
  };
  const Case cases[] = {
      {{kNop, 0xffffffffu}, 2, 4, 0xffffffffu},
      {{kNop, 0x0000u}, 2, 4, 0},
      {{lui(5, 0x1000), lw(6, 4, 5)}, 5, 4, 0x1004},
      {{lui(5, 0x1000), sh(6, -2, 5)}, 7, 4, 0xffe},
      {{lui(5, kRegisters), lw(6, 64, 5)}, 5, 4, kRegisters + 64},  // behind the window
      {{lui(5, kRegisters), lw(6, 2, 5)}, 5, 4, kRegisters + 2},    // misaligned in it
      {{lui(5, kRegisters), sw(6, 62, 5)}, 7, 4, kRegisters + 62},
      {{addi(5, 0, -2), lh(6, 1, 5)}, 5, 4, 0xffffffffu},
      {{kEcall}, 11, 0, 0},
      {{kEbreak}, 3, 0, kRam},
      {{csrr(5, 0x123)}, 2, 0, csrr(5, 0x123)},
      {{csrrw(5, 0xc00, 6)}, 2, 0, csrrw(5, 0xc00, 6)},  // read-only
  };
  for (const Case& one : cases) {
    Core core;
    core.put(kRam, one.program);
    EXPECT_EQ(core->run(), StopReason::trap);
    EXPECT_EQ(core->trap().cause, one.cause);
    EXPECT_EQ(core->trap().pc, kRam + one.at);
    EXPECT_EQ(core->pc(), kRam + one.at);
    EXPECT_EQ(core->trap().value, one.value);
    EXPECT_EQ(core->instret(), one.at / 4);
    EXPECT_EQ(core->run(), StopReason::trap);  // it does not get lost
  }
}

TEST(Traps, JumpsToNowhere) {
  for (const uint32_t target : {0x1000u, kRegisters, kRam + 0x10000, 0xfffffffeu}) {
    Core core;
    core->set_reg(5, target);
    core.put(kRam, {addi(6, 0, 1), jalr(1, 0, 5)});
    EXPECT_EQ(core->run(), StopReason::trap);
    EXPECT_EQ(core->trap().cause, 1u);
    EXPECT_EQ(core->pc(), target);
    EXPECT_EQ(core->reg(1), kRam + 8);
    EXPECT_EQ(core->instret(), 2u);
  }
  // Falling off the end; half an instruction.
  Core core;
  core.put(kRam + 0xfffa, {kNop, 0x0001});  // c.nop
  core.bus.host(kRam + 0xfffe, 1)[0] = 0x13;
  core->set_pc(kRam + 0xfffa);
  EXPECT_EQ(core->run(), StopReason::trap);
  EXPECT_EQ(core->trap().cause, 1u);
  EXPECT_EQ(core->pc(), kRam + 0xfffe);
}

TEST(Traps, AHandlerGetsThemAndReturns) {
  Core core;
  constexpr uint32_t handler = kRam + 0x100;
  // Skips the instruction that trapped, after noting what it was.
  core.put(handler, {csrr(20, kMcause), csrr(21, kMepc), csrr(22, kMtval), csrr(23, kMstatus),
                     csrr(24, kMcycle), addi(25, 21, 4), csrrw(0, kMepc, 25), kMret});
  core->write_csr(kMtvec, handler);
  core->set_reg(5, 0x1000);
  core.run({i(kMstatus, 8, 6, 0, 0x73), lw(6, 8, 5), csrr(7, kMstatus)});
  EXPECT_EQ(core->reg(20), 5u);
  EXPECT_EQ(core->reg(21), kRam + 4);
  EXPECT_EQ(core->reg(22), 0x1008u);
  EXPECT_EQ(core->reg(23), 0x1880u);  // MPP machine, MPIE as MIE was, MIE off
  EXPECT_EQ(core->reg(7), 0x1888u);
  EXPECT_EQ(core->reg(24), 1u + 1 + 4);  // csrrsi, the load that trapped, four csrr
}

TEST(Traps, DebuggersSeeEbreak) {
  Core core;
  core->write_csr(kMtvec, kRam + 0x100);
  core.put(kRam, {kNop, kEbreak});
  core->set_ebreak_stops(true);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_EQ(core->pc(), kRam + 4);
}

TEST(Csrs, ReadWriteSetClear) {
  Core core;
  core->set_reg(5, 0xf0f0);
  core->set_reg(6, 0x00ff);
  core.run({csrrw(7, kMscratch, 5), csrrs(8, kMscratch, 6), i(kMscratch, 6, 3, 9, 0x73),
            i(kMscratch, 21, 5, 10, 0x73), i(kMscratch, 10, 6, 11, 0x73),
            i(kMscratch, 1, 7, 12, 0x73), csrr(13, kMscratch)});
  EXPECT_EQ(core->reg(7), 0u);
  EXPECT_EQ(core->reg(8), 0xf0f0u);
  EXPECT_EQ(core->reg(9), 0xf0ffu);
  EXPECT_EQ(core->reg(10), 0xf000u);
  EXPECT_EQ(core->reg(11), 21u);
  EXPECT_EQ(core->reg(12), 31u);
  EXPECT_EQ(core->reg(13), 30u);
}

TEST(Csrs, CountersCountAndCanBeWritten) {
  Core core;
  core->set_reg(5, 1000);
  core->set_reg(6, 7);
  core.run({kNop, csrr(10, kMcycle), csrr(11, kMinstret), csrrw(0, kMcycle, 5), csrr(12, kMcycle),
            csrrw(0, kMinstret, 5), csrr(13, kMinstret), csrrw(0, kMcycleh, 6), csrr(14, kMcycleh),
            csrr(15, kMcycle), csrrw(0, kMinstreth, 6), csrr(16, kMinstreth), csrr(17, 0xc82),
            csrr(18, 0xc02)});
  EXPECT_EQ(core->reg(10), 1u);
  EXPECT_EQ(core->reg(11), 2u);
  EXPECT_EQ(core->reg(12), 1000u);
  EXPECT_EQ(core->reg(13), 1000u);
  EXPECT_EQ(core->reg(14), 7u);
  EXPECT_EQ(core->reg(15), 1005u);
  EXPECT_EQ(core->reg(16), 7u);
  EXPECT_EQ(core->reg(17), 7u);
  EXPECT_EQ(core->reg(18), 1007u);
  EXPECT_EQ(core->instret(), 14u);  // the simulator's own counts go on
}

TEST(Csrs, Identity) {
  Core core;
  core.run({csrr(5, kMisa), csrr(6, 0xf14), csrrw(0, kMisa, 0), csrr(7, kMisa)});
  EXPECT_EQ(core->reg(5), 0x40001104u);  // 32 bits, C, I, M
  EXPECT_EQ(core->reg(6), 0u);
  EXPECT_EQ(core->reg(7), 0x40001104u);
}

TEST(Interrupts, AreTakenWhenEnabled) {
  for (const bool vectored : {false, true}) {
    Core core;
    constexpr uint32_t table = kRam + 0x100;
    core->write_csr(kMtvec, table | (vectored ? 1 : 0));
    const uint32_t entry = table + (vectored ? 4 * kExternalInterrupt : 0);
    core.put(entry, {csrr(20, kMcause), csrr(21, kMepc), csrrw(0, kMie, 0), kMret});
    core.put(kRam, {addi(5, 5, 1), addi(5, 5, 1), addi(5, 5, 1), kEbreak});
    core->set_ebreak_stops(true);
    EXPECT_EQ(core->run(2), StopReason::until);
    core->set_interrupt(kExternalInterrupt, true);
    EXPECT_EQ(core->run(3), StopReason::until);  // not enabled
    EXPECT_EQ(core->pc(), kRam + 12);
    core->write_csr(kMie, 1u << kExternalInterrupt);
    core->write_csr(kMstatus, 8);
    core->set_pc(kRam + 4);
    EXPECT_EQ(core->run(), StopReason::breakpoint);
    EXPECT_EQ(core->reg(20), 0x8000000bu);
    EXPECT_EQ(core->reg(21), kRam + 4);
    EXPECT_EQ(core->reg(5), 5u);
    EXPECT_EQ(core->instret(), 3u + 4 + 2);
  }
}

TEST(Interrupts, RaisedByADeviceComeRightAfterTheAccess) {
  Bus bus;
  struct Raising {
    Cpu* cpu = nullptr;
  } raising;
  ASSERT_TRUE(bus.add(Memory{"ram", kRam, 0x1000}).ok());
  ASSERT_TRUE(bus.add(Device{"unit", kRegisters, 4, &raising, nullptr,
                             [](void* unit, uint32_t, int, uint64_t, uint32_t value, uint64_t*) {
                               static_cast<Raising*>(unit)->cpu->set_interrupt(16, value != 0);
                               return BusAnswer::ok;
                             }})
                  .ok());
  Cpu cpu(bus, {});
  raising.cpu = &cpu;
  const uint32_t program[] = {lui(5, kRegisters), addi(6, 0, 1), sw(6, 0, 5), kNop, kEbreak};
  const uint32_t handler[] = {csrr(21, kMepc), sw(0, 0, 5), kMret};
  ASSERT_TRUE(bus.write(kRam, program, sizeof program));
  ASSERT_TRUE(bus.write(kRam + 0x100, handler, sizeof handler));
  cpu.set_pc(kRam);
  cpu.write_csr(kMtvec, kRam + 0x100);
  cpu.write_csr(kMie, 1u << 16);
  cpu.write_csr(kMstatus, 8);
  cpu.set_ebreak_stops(true);
  EXPECT_EQ(cpu.run(), StopReason::breakpoint);
  EXPECT_EQ(cpu.reg(21), kRam + 12);
  EXPECT_EQ(cpu.instret(), 4u + 3);
}

TEST(Interrupts, WfiWaits) {
  Core core;
  core.put(kRam, {kWfi, addi(5, 5, 1), kWfi, addi(5, 5, 1), kEbreak});
  core->set_ebreak_stops(true);
  EXPECT_EQ(core->run(), StopReason::wfi);
  EXPECT_EQ(core->pc(), kRam + 4);
  core->add_cycles(1000);
  core->write_csr(kMie, 1u << kExternalInterrupt);
  core->set_interrupt(kExternalInterrupt, true);  // pending and enabled: the second goes on at once
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  EXPECT_EQ(core->reg(5), 2u);
  EXPECT_EQ(core->cycles(), 1004u);
}

TEST(Interrupts, DueEventsAreAskedForBeforeMipIsRead) {
  Core core;
  core->set_sync_handler({&*core, [](void* cpu, uint64_t now) {
                            static_cast<Cpu*>(cpu)->set_interrupt(kExternalInterrupt, now >= 2);
                          }});
  core->write_csr(kMie, 1u << kExternalInterrupt);
  core.run({csrr(5, kMip), kNop, csrr(6, kMip), kWfi});
  EXPECT_EQ(core->reg(5), 0u);
  EXPECT_EQ(core->reg(6), 1u << kExternalInterrupt);
}

}  // namespace
}  // namespace heddle::sim
