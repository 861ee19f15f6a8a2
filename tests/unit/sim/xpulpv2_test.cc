// The XpulpV2 subset: post-increment, dot products, clips, hardware loops.
#include <gmock/gmock.h>

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;

constexpr uint32_t kSdotsp = 0x5c, kSdotup = 0x50, kSdotusp = 0x54;

// lp.setupi l, count, instructions and halves: the offset of the last instruction in half-words.
uint32_t lp_setupi(uint32_t loop, int32_t count, uint32_t halves) {
  return i(count, halves, 5, loop, 0x7b);
}
uint32_t lp_setup(uint32_t loop, uint32_t rs1, int32_t halves) {
  return i(halves, rs1, 4, loop, 0x7b);
}
uint32_t lp_starti(uint32_t loop, int32_t halves) { return i(halves, 0, 0, loop, 0x7b); }
uint32_t lp_endi(uint32_t loop, int32_t halves) { return i(halves, 0, 1, loop, 0x7b); }
uint32_t lp_count(uint32_t loop, uint32_t rs1) { return i(0, rs1, 2, loop, 0x7b); }
uint32_t lp_counti(uint32_t loop, int32_t count) { return i(count, 0, 3, loop, 0x7b); }

class Pulp : public Core {
 public:
  Pulp() : Core({{}, {true}}) {
    (*this)->set_reg(6, kData);
    for (uint32_t at = 0; at < 256; at += 4)
      put(kData + at, {(at | 0x80) << 24 | at << 16 | 0x8003u | at << 8});
  }
};

TEST(XpulpV2, PostIncrementLoads) {
  struct Case {
    uint32_t funct3, funct7;
    int bytes;
    bool sign;
  };
  for (const Case& one : {Case{0, 0, 1, true},
                          {1, 8, 2, true},
                          {2, 16, 4, false},
                          {4, 32, 1, false},
                          {5, 40, 2, false}}) {
    Pulp core;
    core->set_reg(7, 12);
    core->set_reg(12, kData);
    core->set_reg(13, kData);
    core->set_reg(14, kData);
    core.run({i(20, 12, one.funct3, 20, 0x0b),    // p.l rd, 20(x12!)
              r(one.funct7, 7, 13, 7, 21, 0x0b),  // p.l rd, x7(x13!)
              r(one.funct7, 7, 14, 7, 22, 0x03),  // p.l rd, x7(x14)
              i(-4, 12, one.funct3, 23, 0x0b)});
    const auto expected = [&](uint32_t at) {
      uint32_t value = core.word(kData + at) & (one.bytes == 4 ? ~0u : (1u << 8 * one.bytes) - 1);
      if (one.sign && value >> (8 * one.bytes - 1)) value |= ~0u << 8 * one.bytes;
      return value;
    };
    EXPECT_EQ(core->reg(20), expected(0));
    EXPECT_EQ(core->reg(12), kData + 16);
    EXPECT_EQ(core->reg(21), expected(0));
    EXPECT_EQ(core->reg(13), kData + 12);
    EXPECT_EQ(core->reg(22), expected(12));
    EXPECT_EQ(core->reg(14), kData);
    EXPECT_EQ(core->reg(23), expected(20));
    EXPECT_EQ(core->cycles(), 4u);
  }
}

TEST(XpulpV2, PostIncrementStores) {
  for (const uint32_t size : {0u, 1u, 2u}) {
    Pulp core;
    const uint32_t mask = size == 2 ? ~0u : (1u << (8 << size)) - 1;
    core->set_reg(5, 0xa1b2c3d4u);
    core->set_reg(7, 8);
    core->set_reg(12, kData);
    core->set_reg(13, kData + 64);
    core->set_reg(14, kData + 128);
    const uint32_t before = core.word(kData), before_13 = core.word(kData + 64),
                   before_14 = core.word(kData + 136);
    core.run({(s(-4, 5, 12, size) & ~0x7fu) | 0x2b,  // p.s x5, -4(x12!)
              r(0, 5, 13, 4 + size, 7, 0x2b),        // p.s x5, x7(x13!)
              r(0, 5, 14, 4 + size, 7, 0x23)});      // p.s x5, x7(x14)
    EXPECT_EQ(core.word(kData), (before & ~mask) | (0xa1b2c3d4u & mask));
    EXPECT_EQ(core.word(kData + 64), (before_13 & ~mask) | (0xa1b2c3d4u & mask));
    EXPECT_EQ(core.word(kData + 136), (before_14 & ~mask) | (0xa1b2c3d4u & mask));
    EXPECT_EQ(core->reg(12), kData - 4);
    EXPECT_EQ(core->reg(13), kData + 72);
    EXPECT_EQ(core->reg(14), kData + 128);
  }
}

// Devices and misaligned addresses take the slow path, with the same result.
TEST(XpulpV2, PostIncrementOfDevicesAndMisaligned) {
  Pulp core;
  core->set_reg(12, kRegisters + 4);
  core->set_reg(13, kData + 1);
  core->set_reg(14, kRegisters + 8);
  core->set_reg(7, 4);
  core.registers[1] = 50;
  core.run({i(4, 12, 2, 20, 0x0b), i(3, 13, 2, 21, 0x0b), r(0, 7, 14, 6, 7, 0x2b),
            i(0, 0, 2, 22, 0x0b) | 4 << 20 | 12 << 15});
  EXPECT_EQ(core->reg(20), 100u);
  EXPECT_EQ(core->reg(12), kRegisters + 12);
  uint32_t misaligned;
  ASSERT_TRUE(core.bus.read(kData + 1, &misaligned, 4));
  EXPECT_EQ(core->reg(21), misaligned);
  EXPECT_EQ(core->reg(13), kData + 4);
  EXPECT_EQ(core.registers[2], 4u);
  EXPECT_EQ(core->reg(14), kRegisters + 12);
  EXPECT_EQ(core->reg(22), 8u);
  // The loaded value wins over the increment; x0 as a base stays 0.
  Pulp same;
  same->set_reg(12, kData);
  same.run({i(4, 12, 2, 12, 0x0b), addi(5, 0, 0)});
  EXPECT_EQ(same->reg(12), same.word(kData));
}

TEST(XpulpV2, DotProducts) {
  Pulp core;
  core->set_reg(10, 0x80ff7f02u);  // 2, 127, -1 or 255, -128 or 128
  core->set_reg(11, 0x7f80ff03u);  // 3, -1 or 255, -128 or 128, 127
  for (const int reg : {20, 21, 22}) core->set_reg(reg, 1000);
  core.run({r(kSdotsp, 11, 10, 1, 20, 0x57), r(kSdotup, 11, 10, 1, 21, 0x57),
            r(kSdotusp, 11, 10, 1, 22, 0x57)});
  EXPECT_EQ(core->reg(20), static_cast<uint32_t>(1000 + 6 - 127 + 128 - 128 * 127));
  EXPECT_EQ(core->reg(21), 1000u + 6 + 127 * 255 + 255 * 128 + 128 * 127);
  EXPECT_EQ(core->reg(22), static_cast<uint32_t>(1000 + 6 - 127 - 255 * 128 + 128 * 127));
}

TEST(XpulpV2, ArithmeticAndClips) {
  const auto one = [](uint32_t instruction, uint32_t a, uint32_t b = 0, uint32_t before = 0) {
    Pulp core;
    core->set_reg(10, a);
    core->set_reg(11, b);
    core->set_reg(20, before);
    core.run({instruction});
    return core->reg(20);
  };
  const auto op = [](uint32_t funct7, uint32_t funct3) { return r(funct7, 11, 10, funct3, 20); };
  const auto unary = [](uint32_t funct7, uint32_t funct3, uint32_t n = 0) {
    return r(funct7, n, 10, funct3, 20);
  };
  EXPECT_EQ(one(op(0x21, 0), 7, 0xfffffffe, 100), 86u);   // p.mac
  EXPECT_EQ(one(op(0x21, 1), 7, 0xfffffffe, 100), 114u);  // p.msu
  EXPECT_EQ(one(op(2, 4), 0xffffffff, 1), 0xffffffffu);   // p.min
  EXPECT_EQ(one(op(2, 5), 0xffffffff, 1), 1u);            // p.minu
  EXPECT_EQ(one(op(2, 6), 0xffffffff, 1), 1u);            // p.max
  EXPECT_EQ(one(op(2, 7), 0xffffffff, 1), 0xffffffffu);   // p.maxu
  EXPECT_EQ(one(unary(2, 0), 0xfffffffb), 5u);            // p.abs
  EXPECT_EQ(one(unary(2, 0), 0x80000000), 0x80000000u);
  EXPECT_EQ(one(unary(8, 4), 0x12348001), 0xffff8001u);  // p.exths
  EXPECT_EQ(one(unary(8, 5), 0x12348001), 0x8001u);
  EXPECT_EQ(one(unary(8, 6), 0x12348081), 0xffffff81u);
  EXPECT_EQ(one(unary(8, 7), 0x12348081), 0x81u);
  const auto clip = [&](uint32_t n, int32_t v) {
    return static_cast<int32_t>(one(unary(10, 1, n), static_cast<uint32_t>(v)));
  };
  const auto clipu = [&](uint32_t n, int32_t v) {
    return static_cast<int32_t>(one(unary(10, 2, n), static_cast<uint32_t>(v)));
  };
  EXPECT_EQ(clip(8, 1000), 127);
  EXPECT_EQ(clip(8, -1000), -128);
  EXPECT_EQ(clip(8, -5), -5);
  EXPECT_EQ(clip(1, 9), 0);
  EXPECT_EQ(clip(0, 9), 0);
  EXPECT_EQ(clip(0, -9), -1);
  EXPECT_EQ(clip(31, INT32_MIN), -(1 << 30));
  EXPECT_EQ(clipu(9, 1000), 255);
  EXPECT_EQ(clipu(9, -1), 0);
  EXPECT_EQ(clipu(9, 17), 17);
  EXPECT_EQ(clipu(0, 17), 0);
  EXPECT_EQ(one(op(10, 5), static_cast<uint32_t>(-50), 40), static_cast<uint32_t>(-41));  // p.clipr
  EXPECT_EQ(one(op(10, 5), 50, 40), 40u);
  EXPECT_EQ(one(op(10, 6), static_cast<uint32_t>(-50), 40), 0u);  // p.clipur
  EXPECT_EQ(one(op(10, 6), 50, 40), 40u);
}

TEST(XpulpV2, HardwareLoops) {
  Pulp core;
  core.run({lp_setupi(0, 10, 4), addi(5, 5, 1), addi(7, 7, 2), addi(8, 8, 1)});
  EXPECT_EQ(core->reg(5), 10u);
  EXPECT_EQ(core->reg(7), 20u);
  EXPECT_EQ(core->reg(8), 1u);
  EXPECT_EQ(core->cycles(), 1u + 20 + 1);  // no overhead
  EXPECT_EQ(core->instret(), 22u);
}

TEST(XpulpV2, NestedHardwareLoops) {
  Pulp core;
  core->set_reg(9, 3);
  core.run({lp_setup(1, 9, 10), lp_setupi(0, 5, 4), addi(5, 5, 1), addi(7, 7, 1), addi(8, 8, 1),
            addi(8, 8, 1), addi(20, 0, 1)});
  EXPECT_EQ(core->reg(5), 15u);
  EXPECT_EQ(core->reg(7), 15u);
  EXPECT_EQ(core->reg(8), 6u);
  EXPECT_EQ(core->instret(), 1u + 3 * (1 + 10 + 2) + 1);
}

TEST(XpulpV2, HardwareLoopsByParts) {
  Pulp core;
  core->set_reg(9, 4);
  core.run({lp_starti(0, 6), lp_endi(0, 6), lp_count(0, 9), addi(5, 5, 1), lp_starti(1, 6),
            lp_endi(1, 4), lp_counti(1, 3), addi(7, 7, 1)});
  EXPECT_EQ(core->reg(5), 4u);
  EXPECT_EQ(core->reg(7), 3u);
}

// The end is an address: who leaves by a branch leaves the loop's count, and the instruction behind
// the end is not its end.
TEST(XpulpV2, ALoopMayBeLeft) {
  Pulp core;
  core.run({lp_setupi(0, 100, 8), addi(5, 5, 1), addi(7, 5, -3), beq(7, 0, 12), addi(8, 8, 1),
            addi(9, 9, 1), addi(10, 10, 1)});
  EXPECT_EQ(core->reg(5), 3u);
  EXPECT_EQ(core->reg(8), 2u);
  EXPECT_EQ(core->reg(9), 0u);
  EXPECT_EQ(core->reg(10), 1u);
}

// The loop's end was translated before anybody knew that it is one; and in single steps, with a
// device access as its last instruction.
TEST(XpulpV2, LoopsOverKnownCodeInStepsAndWithDevices) {
  Pulp core;
  core->set_reg(12, kRegisters);
  core.put(kRam, {addi(5, 5, 1), sw(5, 4, 12), addi(8, 8, 1), kEbreak});
  core->set_ebreak_stops(true);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  core.put(kRam + 0x100, {lp_starti(0, 0), lp_endi(0, 0), lp_counti(0, 4), jalr(0, 0, 9)});
  // lp offsets are forward only, so the code to loop over lies behind.
  core.put(kRam + 0x200, {addi(5, 5, 1), sw(5, 4, 12), addi(8, 8, 1), kEbreak});
  core->set_pc(kRam + 0x200);
  EXPECT_EQ(core->run(), StopReason::breakpoint);
  core.put(kRam + 0x100, {lp_starti(0, 0x80), lp_endi(0, 0x80), lp_counti(0, 4), jalr(0, 0, 9)});
  for (const bool steps : {false, true}) {
    core->set_reg(9, kRam + 0x200);
    core->set_reg(5, 0);
    core->set_reg(8, 0);
    core->set_pc(kRam + 0x100);
    const uint64_t before = core->instret();
    StopReason reason = StopReason::instructions;
    while (reason == StopReason::instructions) reason = steps ? core->step() : core->run();
    EXPECT_EQ(reason, StopReason::breakpoint);
    EXPECT_EQ(core->reg(5), 4u) << steps;  // start is 0x200, end 0x204
    EXPECT_EQ(core.registers[1], 4u);
    EXPECT_EQ(core->reg(8), 1u);
    EXPECT_EQ(core->instret() - before, 4u + 8 + 1);
  }
}

}  // namespace
}  // namespace heddle::sim
