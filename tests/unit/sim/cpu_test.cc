// Control flow, memory, devices and time of the core.
#include "sim/cpu/cpu.h"

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;

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
            addi(3, 0, 0)});
  EXPECT_EQ(core->reg(0), 0u);
  EXPECT_EQ(core->reg(1), 0u);
  EXPECT_EQ(core->reg(3), 0u);
}

TEST(Cpu, DevicesSeeTheExactClockAndStall) {
  Core core;
  core.run({lui(5, kRegisters), addi(6, 0, 21), sw(6, 8, 5), lw(7, 8, 5), addi(8, 0, 1),
            csrr(9, 0xb00)});
  EXPECT_EQ(core.access_times, (std::vector<uint64_t>{2, 3}));
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

}  // namespace
}  // namespace heddle::sim
