// What instructions compute: each against a plain formula, on corner cases.
#include <functional>

#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;

constexpr uint32_t kValues[] = {0,          1,          2,          31,         32,
                                33,         0x7f,       0x80,       0xff,       0x7fff,
                                0x8000,     0xffff,     0x7fffffff, 0x80000000, 0x80000001,
                                0xfffffffe, 0xffffffff, 0x12345678, 0xdeadbeef};

int32_t s32(uint32_t v) { return static_cast<int32_t>(v); }
uint32_t u32(int64_t v) { return static_cast<uint32_t>(v); }

struct Binary {
  const char* name;
  uint32_t funct7, funct3;
  std::function<uint32_t(uint32_t, uint32_t)> value;
};

TEST(Instructions, OnRegisters) {
  const Binary table[] = {
      {"add", 0, 0, [](auto a, auto b) { return a + b; }},
      {"sub", 0x20, 0, [](auto a, auto b) { return a - b; }},
      {"sll", 0, 1, [](auto a, auto b) { return a << (b % 32); }},
      {"slt", 0, 2, [](auto a, auto b) { return s32(a) < s32(b) ? 1u : 0u; }},
      {"sltu", 0, 3, [](auto a, auto b) { return a < b ? 1u : 0u; }},
      {"xor", 0, 4, [](auto a, auto b) { return a ^ b; }},
      {"srl", 0, 5, [](auto a, auto b) { return a >> (b % 32); }},
      {"sra", 0x20, 5, [](auto a, auto b) { return u32(int64_t{s32(a)} >> (b % 32)); }},
      {"or", 0, 6, [](auto a, auto b) { return a | b; }},
      {"and", 0, 7, [](auto a, auto b) { return a & b; }},
      {"mul", 1, 0, [](auto a, auto b) { return u32(int64_t{s32(a)} * s32(b)); }},
      {"mulh", 1, 1, [](auto a, auto b) { return u32((int64_t{s32(a)} * s32(b)) >> 32); }},
      {"mulhsu", 1, 2, [](auto a, auto b) { return u32((int64_t{s32(a)} * int64_t{b}) >> 32); }},
      {"mulhu", 1, 3,
       [](auto a, auto b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }},
      {"div", 1, 4, [](auto a, auto b) { return b == 0 ? ~0u : u32(int64_t{s32(a)} / s32(b)); }},
      {"divu", 1, 5, [](auto a, auto b) { return b == 0 ? ~0u : a / b; }},
      {"rem", 1, 6, [](auto a, auto b) { return b == 0 ? a : u32(int64_t{s32(a)} % s32(b)); }},
      {"remu", 1, 7, [](auto a, auto b) { return b == 0 ? a : a % b; }},
  };
  for (const Binary& one : table) {
    Core core;
    core.put(kRam,
             {r(one.funct7, 7, 6, one.funct3, 5), r(one.funct7, 6, 6, one.funct3, 6), kEbreak});
    core->set_ebreak_stops(true);
    for (const uint32_t a : kValues)
      for (const uint32_t b : kValues) {
        core->set_pc(kRam);
        core->set_reg(6, a);
        core->set_reg(7, b);
        ASSERT_EQ(core->run(), StopReason::breakpoint);
        EXPECT_EQ(core->reg(5), one.value(a, b)) << one.name << " of " << a << " and " << b;
        EXPECT_EQ(core->reg(6), one.value(a, a)) << one.name << " of " << a << " and itself";
      }
  }
}

TEST(Instructions, OnImmediates) {
  struct Case {
    const char* name;
    uint32_t funct3;
    std::function<uint32_t(uint32_t, int32_t)> value;
  };
  const Case table[] = {
      {"addi", 0, [](auto a, auto i) { return a + u32(i); }},
      {"slti", 2, [](auto a, auto i) { return s32(a) < i ? 1u : 0u; }},
      {"sltiu", 3, [](auto a, auto i) { return a < u32(i) ? 1u : 0u; }},
      {"xori", 4, [](auto a, auto i) { return a ^ u32(i); }},
      {"ori", 6, [](auto a, auto i) { return a | u32(i); }},
      {"andi", 7, [](auto a, auto i) { return a & u32(i); }},
  };
  for (const Case& one : table)
    for (const int32_t immediate : {-2048, -1, 0, 1, 2047}) {
      Core core;
      core.put(kRam, {i(immediate, 6, one.funct3, 5, 0x13), kEbreak});
      core->set_ebreak_stops(true);
      for (const uint32_t a : kValues) {
        core->set_pc(kRam);
        core->set_reg(6, a);
        ASSERT_EQ(core->run(), StopReason::breakpoint);
        EXPECT_EQ(core->reg(5), one.value(a, immediate))
            << one.name << " of " << a << ", " << immediate;
      }
    }
}

TEST(Instructions, ShiftsByImmediates) {
  for (const uint32_t by : {0u, 1u, 31u})
    for (const uint32_t a : kValues) {
      Core core;
      core->set_reg(6, a);
      core.run({r(0, by, 6, 1, 5, 0x13), r(0, by, 6, 5, 7, 0x13), r(0x20, by, 6, 5, 8, 0x13)});
      EXPECT_EQ(core->reg(5), a << by);
      EXPECT_EQ(core->reg(7), a >> by);
      EXPECT_EQ(core->reg(8), u32(int64_t{s32(a)} >> by));
    }
}

TEST(Instructions, UpperImmediates) {
  Core core;
  core.run({lui(5, 0xfffff000u), (0xfffff000u | 6 << 7 | 0x17), (0x00001000u | 7 << 7 | 0x17),
            (0x80000000u | 8 << 7 | 0x17)});
  EXPECT_EQ(core->reg(5), 0xfffff000u);
  EXPECT_EQ(core->reg(6), kRam + 4 - 0x1000);
  EXPECT_EQ(core->reg(7), kRam + 8 + 0x1000);
  EXPECT_EQ(core->reg(8), 12u);  // around the end of the addresses
}

TEST(Instructions, Branches) {
  const Binary table[] = {
      {"beq", 0, 0, [](auto a, auto b) { return a == b; }},
      {"bne", 0, 1, [](auto a, auto b) { return a != b; }},
      {"blt", 0, 4, [](auto a, auto b) { return s32(a) < s32(b); }},
      {"bge", 0, 5, [](auto a, auto b) { return s32(a) >= s32(b); }},
      {"bltu", 0, 6, [](auto a, auto b) { return a < b; }},
      {"bgeu", 0, 7, [](auto a, auto b) { return a >= b; }},
  };
  for (const Binary& one : table) {
    Core core;
    core.put(kRam, {addi(5, 0, 0), b(8, 7, 6, one.funct3), kEbreak, addi(5, 0, 1), kEbreak});
    core->set_ebreak_stops(true);
    for (const uint32_t x : kValues)
      for (const uint32_t y : kValues) {
        core->set_pc(kRam);
        core->set_reg(6, x);
        core->set_reg(7, y);
        ASSERT_EQ(core->run(), StopReason::breakpoint);
        EXPECT_EQ(core->reg(5), one.value(x, y)) << one.name << " of " << x << " and " << y;
        EXPECT_EQ(core->pc(), core->reg(5) != 0 ? kRam + 16 : kRam + 8);
      }
  }
}

TEST(Instructions, LoadsExtendAndStoresCut) {
  Core core;
  core->set_reg(6, kData);
  core->set_reg(7, 0x8081f2f3u);
  core.run({sw(7, 0, 6), lb(8, 0, 6), lb(9, 3, 6), lbu(10, 3, 6), lh(11, 2, 6), lhu(12, 2, 6),
            lw(13, 0, 6), sb(7, 4, 6), sh(7, 8, 6), lw(14, 4, 6), lw(15, 8, 6), sw(7, -4, 6),
            lw(16, -4, 6)});
  EXPECT_EQ(core->reg(8), 0xfffffff3u);
  EXPECT_EQ(core->reg(9), 0xffffff80u);
  EXPECT_EQ(core->reg(10), 0x80u);
  EXPECT_EQ(core->reg(11), 0xffff8081u);
  EXPECT_EQ(core->reg(12), 0x8081u);
  EXPECT_EQ(core->reg(13), 0x8081f2f3u);
  EXPECT_EQ(core->reg(14), 0xf3u);
  EXPECT_EQ(core->reg(15), 0xf2f3u);
  EXPECT_EQ(core->reg(16), 0x8081f2f3u);
}

TEST(Instructions, JumpsLinkAndClearTheLowestBit) {
  Core core;
  core->set_reg(6, kRam + 12 + 1);
  core.run({jal(1, 8), kEbreak, jalr(5, 0, 6), addi(7, 0, 1)});
  EXPECT_EQ(core->reg(1), kRam + 4);
  EXPECT_EQ(core->reg(5), kRam + 12);
  EXPECT_EQ(core->reg(7), 1u);
  // The base is read before the link is written.
  Core same;
  same->set_reg(6, kRam + 8);
  same.run({jalr(6, 0, 6), kEbreak, addi(7, 0, 1)});
  EXPECT_EQ(same->reg(6), kRam + 4);
  EXPECT_EQ(same->reg(7), 1u);
}

// c.jr, c.jalr, c.jal and c.addi16sp: encodings from the assembler.
TEST(Instructions, CompressedJumpsAndStack) {
  Core core;
  core->set_reg(9, kRam + 12);
  core->set_reg(10, kRam + 18);
  core->set_reg(2, 0x1000);
  core.run({0x2019,    // 0: c.jal 6
            kNop,      // 2: skipped
            0x7139,    // 6: c.addi16sp sp, -64
            0x9482,    // 8: c.jalr s1 -> 12
            0x4601,    // 10: skipped: c.li a2, 0
            0x4605,    // 12: c.li a2, 1
            0x8502,    // 14: c.jr a0 -> 18
            0x4601,    // 16: skipped: c.li a2, 0
            0x0605});  // 18: c.addi a2, 1
  EXPECT_EQ(core->reg(1), kRam + 10);
  EXPECT_EQ(core->reg(2), 0x1000u - 64);
  EXPECT_EQ(core->reg(12), 2u);
  EXPECT_EQ(core->instret(), 6u);
}

}  // namespace
}  // namespace heddle::sim
