// A core with memory for tests: programs are lists of 16- and 32-bit encodings.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "sim/cpu/cpu.h"

namespace heddle::sim {

inline constexpr uint32_t kRam = 0x80000000u, kData = kRam + 0x8000, kRegisters = 0x40000000u;

// Registers x0 .. x31 by number; encodings as the manual's formats have them.
namespace as {
constexpr uint32_t r(uint32_t funct7, uint32_t rs2, uint32_t rs1, uint32_t funct3, uint32_t rd,
                     uint32_t opcode = 0x33) {
  return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}
constexpr uint32_t i(int32_t imm, uint32_t rs1, uint32_t funct3, uint32_t rd, uint32_t opcode) {
  return static_cast<uint32_t>(imm) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}
constexpr uint32_t s(int32_t imm, uint32_t rs2, uint32_t rs1, uint32_t funct3) {
  const uint32_t u = static_cast<uint32_t>(imm);
  return (u >> 5) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (u & 31) << 7 | 0x23;
}
constexpr uint32_t b(int32_t offset, uint32_t rs2, uint32_t rs1, uint32_t funct3) {
  const uint32_t u = static_cast<uint32_t>(offset);
  return (u >> 12 & 1) << 31 | (u >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 |
         (u >> 1 & 15) << 8 | (u >> 11 & 1) << 7 | 0x63;
}
constexpr uint32_t addi(uint32_t rd, uint32_t rs1, int32_t imm) { return i(imm, rs1, 0, rd, 0x13); }
constexpr uint32_t add(uint32_t rd, uint32_t rs1, uint32_t rs2) { return r(0, rs2, rs1, 0, rd); }
constexpr uint32_t mul(uint32_t rd, uint32_t rs1, uint32_t rs2) { return r(1, rs2, rs1, 0, rd); }
constexpr uint32_t div(uint32_t rd, uint32_t rs1, uint32_t rs2) { return r(1, rs2, rs1, 4, rd); }
constexpr uint32_t lui(uint32_t rd, uint32_t value) {
  return (value & 0xfffff000u) | rd << 7 | 0x37;
}
constexpr uint32_t lb(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 0, rd, 3); }
constexpr uint32_t lh(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 1, rd, 3); }
constexpr uint32_t lw(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 2, rd, 3); }
constexpr uint32_t lbu(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 4, rd, 3); }
constexpr uint32_t lhu(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 5, rd, 3); }
constexpr uint32_t sb(uint32_t rs2, int32_t imm, uint32_t rs1) { return s(imm, rs2, rs1, 0); }
constexpr uint32_t sh(uint32_t rs2, int32_t imm, uint32_t rs1) { return s(imm, rs2, rs1, 1); }
constexpr uint32_t sw(uint32_t rs2, int32_t imm, uint32_t rs1) { return s(imm, rs2, rs1, 2); }
constexpr uint32_t beq(uint32_t rs1, uint32_t rs2, int32_t offset) {
  return b(offset, rs2, rs1, 0);
}
constexpr uint32_t bne(uint32_t rs1, uint32_t rs2, int32_t offset) {
  return b(offset, rs2, rs1, 1);
}
constexpr uint32_t jalr(uint32_t rd, int32_t imm, uint32_t rs1) { return i(imm, rs1, 0, rd, 0x67); }
constexpr uint32_t jal(uint32_t rd, int32_t offset) {
  const uint32_t u = static_cast<uint32_t>(offset);
  return (u >> 20 & 1) << 31 | (u >> 1 & 0x3ff) << 21 | (u >> 11 & 1) << 20 |
         (u >> 12 & 0xff) << 12 | rd << 7 | 0x6f;
}
constexpr uint32_t csrrw(uint32_t rd, uint32_t csr, uint32_t rs1) {
  return i(static_cast<int32_t>(csr), rs1, 1, rd, 0x73);
}
constexpr uint32_t csrrs(uint32_t rd, uint32_t csr, uint32_t rs1) {
  return i(static_cast<int32_t>(csr), rs1, 2, rd, 0x73);
}
constexpr uint32_t csrr(uint32_t rd, uint32_t csr) { return csrrs(rd, csr, 0); }
inline constexpr uint32_t kEcall = 0x73, kEbreak = 0x00100073, kMret = 0x30200073,
                          kWfi = 0x10500073, kFenceI = 0x0000100f, kNop = 0x13;
}  // namespace as

// 64 KiB of RAM at kRam, 16 registers of a device at kRegisters that read as twice what was written
// and stall 7 cycles; register 15 stops the run.
class Core {
 public:
  explicit Core(CpuConfig config = {}, Memory ram = {"ram", kRam, 0x10000}) {
    EXPECT_TRUE(bus.add(ram).ok());
    EXPECT_TRUE(bus.add(Device{"registers", kRegisters, 64, this, load, store}).ok());
    cpu_.emplace(bus, config);
    cpu_->set_pc(kRam);
  }
  Cpu* operator->() { return &*cpu_; }
  Cpu& operator*() { return *cpu_; }

  void put(uint32_t address, const std::vector<uint32_t>& program) {
    std::string bytes;
    for (const uint32_t bits : program) {
      char four[4];
      std::memcpy(four, &bits, 4);
      bytes.append(four, static_cast<size_t>(instruction_bytes(static_cast<uint16_t>(bits))));
    }
    ASSERT_TRUE(bus.write(address, bytes.data(), bytes.size()));
  }
  // Puts the program at kRam and an ebreak behind it, runs it, expects to end there.
  void run(std::vector<uint32_t> program) {
    program.push_back(as::kEbreak);
    put(kRam, program);
    cpu_->set_ebreak_stops(true);
    EXPECT_EQ(cpu_->run(), StopReason::breakpoint);
  }
  uint32_t word(uint32_t address) const {
    uint32_t value = 0;
    EXPECT_TRUE(bus.read(address, &value, 4));
    return value;
  }

  Bus bus;
  uint32_t registers[16] = {};
  std::vector<uint64_t> access_times;

 private:
  static BusAnswer load(void* core, uint32_t offset, int, uint64_t now, uint32_t* value,
                        uint64_t* stall) {
    static_cast<Core*>(core)->access_times.push_back(now);
    *value = 2 * static_cast<Core*>(core)->registers[offset / 4];
    *stall = 7;
    return BusAnswer::ok;
  }
  static BusAnswer store(void* core, uint32_t offset, int, uint64_t now, uint32_t value,
                         uint64_t*) {
    static_cast<Core*>(core)->access_times.push_back(now);
    static_cast<Core*>(core)->registers[offset / 4] = value;
    return offset / 4 == 15 ? BusAnswer::stop : BusAnswer::ok;
  }
  std::optional<Cpu> cpu_;
};

}  // namespace heddle::sim
