// RV32C: each 16-bit instruction is short for one of 32 bits ("The RISC-V Instruction Set Manual,
// Volume I", chapter "C", tables of the three quadrants).
#include "sim/cpu/isa.h"

namespace heddle::sim {
namespace {

constexpr uint32_t kZero = 0, kRa = 1, kSp = 2;

// An immediate is scattered over the 16 bits: one piece of `count` bits from `low` goes to `to`.
constexpr uint32_t piece(uint32_t c, int low, int count, int to) {
  return (c >> low & ((1u << count) - 1)) << to;
}
constexpr uint32_t extend(uint32_t value, int sign_bit) {
  return value & 1u << sign_bit ? value | ~0u << sign_bit : value;
}

// The 32-bit formats.
constexpr uint32_t r_type(uint32_t funct7, uint32_t rs2, uint32_t rs1, uint32_t funct3,
                          uint32_t rd) {
  return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33;
}
constexpr uint32_t i_type(uint32_t imm, uint32_t rs1, uint32_t funct3, uint32_t rd,
                          uint32_t opcode) {
  return imm << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode;
}
constexpr uint32_t op_imm(uint32_t imm, uint32_t rs1, uint32_t funct3, uint32_t rd) {
  return i_type(imm, rs1, funct3, rd, 0x13);
}
constexpr uint32_t lw(uint32_t imm, uint32_t rs1, uint32_t rd) {
  return i_type(imm, rs1, 2, rd, 0x03);
}
constexpr uint32_t sw(uint32_t imm, uint32_t rs1, uint32_t rs2) {
  return (imm >> 5) << 25 | rs2 << 20 | rs1 << 15 | 2u << 12 | (imm & 31) << 7 | 0x23;
}
constexpr uint32_t jal(uint32_t imm, uint32_t rd) {
  return piece(imm, 20, 1, 31) | piece(imm, 1, 10, 21) | piece(imm, 11, 1, 20) |
         piece(imm, 12, 8, 12) | rd << 7 | 0x6f;
}
constexpr uint32_t jalr(uint32_t rs1, uint32_t rd) { return i_type(0, rs1, 0, rd, 0x67); }
constexpr uint32_t branch(uint32_t imm, uint32_t rs1, uint32_t funct3) {
  return piece(imm, 12, 1, 31) | piece(imm, 5, 6, 25) | rs1 << 15 | funct3 << 12 |
         piece(imm, 1, 4, 8) | piece(imm, 11, 1, 7) | 0x63;
}

uint32_t quadrant_0(uint32_t c) {
  const uint32_t rd = 8 + piece(c, 2, 3, 0), rs1 = 8 + piece(c, 7, 3, 0);
  const uint32_t word_offset = piece(c, 6, 1, 2) | piece(c, 10, 3, 3) | piece(c, 5, 1, 6);
  const uint32_t spn =
      piece(c, 6, 1, 2) | piece(c, 5, 1, 3) | piece(c, 11, 2, 4) | piece(c, 7, 4, 6);
  switch (c >> 13) {
    case 0:
      return spn == 0 ? 0 : op_imm(spn, kSp, 0, rd);  // c.addi4spn
    case 2:
      return lw(word_offset, rs1, rd);  // c.lw
    case 6:
      return sw(word_offset, rs1, rd);  // c.sw
    default:
      return 0;
  }
}

uint32_t quadrant_1(uint32_t c) {
  const uint32_t rd = piece(c, 7, 5, 0);
  const uint32_t small = extend(piece(c, 2, 5, 0) | piece(c, 12, 1, 5), 5);
  const uint32_t target =
      extend(piece(c, 3, 3, 1) | piece(c, 11, 1, 4) | piece(c, 2, 1, 5) | piece(c, 7, 1, 6) |
                 piece(c, 6, 1, 7) | piece(c, 9, 2, 8) | piece(c, 8, 1, 10) | piece(c, 12, 1, 11),
             11);
  const uint32_t near = extend(piece(c, 3, 2, 1) | piece(c, 10, 2, 3) | piece(c, 2, 1, 5) |
                                   piece(c, 5, 2, 6) | piece(c, 12, 1, 8),
                               8);
  const uint32_t tested = 8 + piece(c, 7, 3, 0);
  switch (c >> 13) {
    case 0:
      return op_imm(small, rd, 0, rd);  // c.addi, c.nop
    case 1:
      return jal(target, kRa);  // c.jal
    case 2:
      return op_imm(small, kZero, 0, rd);  // c.li
    case 3: {
      const uint32_t sp16 = extend(piece(c, 6, 1, 4) | piece(c, 2, 1, 5) | piece(c, 5, 1, 6) |
                                       piece(c, 3, 2, 7) | piece(c, 12, 1, 9),
                                   9);
      if (small == 0) return 0;
      if (rd == kSp) return op_imm(sp16, kSp, 0, kSp);  // c.addi16sp
      return small << 12 | rd << 7 | 0x37;              // c.lui
    }
    case 5:
      return jal(target, kZero);  // c.j
    case 6:
      return branch(near, tested, 0);  // c.beqz
    case 7:
      return branch(near, tested, 1);  // c.bnez
    default:
      break;
  }
  const uint32_t rs2 = 8 + piece(c, 2, 3, 0);
  const bool bit_12 = (c & 1u << 12) != 0;
  switch (piece(c, 10, 2, 0)) {
    case 0:
      return bit_12 ? 0 : op_imm(small, tested, 5, tested);  // c.srli
    case 1:
      return bit_12 ? 0 : op_imm(small | 0x20u << 5, tested, 5, tested);  // c.srai
    case 2:
      return op_imm(small, tested, 7, tested);  // c.andi
    default:
      break;
  }
  if (bit_12) return 0;  // c.subw, c.addw of RV64
  switch (piece(c, 5, 2, 0)) {
    case 0:
      return r_type(0x20, rs2, tested, 0, tested);  // c.sub
    case 1:
      return r_type(0, rs2, tested, 4, tested);  // c.xor
    case 2:
      return r_type(0, rs2, tested, 6, tested);  // c.or
    default:
      return r_type(0, rs2, tested, 7, tested);  // c.and
  }
}

uint32_t quadrant_2(uint32_t c) {
  const uint32_t rd = piece(c, 7, 5, 0), rs2 = piece(c, 2, 5, 0);
  const bool bit_12 = (c & 1u << 12) != 0;
  switch (c >> 13) {
    case 0:
      return bit_12 ? 0 : op_imm(rs2, rd, 1, rd);  // c.slli
    case 2: {                                      // c.lwsp
      const uint32_t offset = piece(c, 4, 3, 2) | piece(c, 12, 1, 5) | piece(c, 2, 2, 6);
      return rd == 0 ? 0 : lw(offset, kSp, rd);
    }
    case 4:
      if (rs2 != 0) return r_type(0, rs2, bit_12 ? rd : kZero, 0, rd);  // c.add, c.mv
      if (rd != 0) return jalr(rd, bit_12 ? kRa : kZero);               // c.jalr, c.jr
      return bit_12 ? 0x00100073u : 0;                                  // c.ebreak
    case 6:
      return sw(piece(c, 9, 4, 2) | piece(c, 7, 2, 6), kSp, rs2);  // c.swsp
    default:
      return 0;
  }
}

}  // namespace

uint32_t expand_compressed(uint16_t bits) {
  switch (bits & 3) {
    case 0:
      return quadrant_0(bits);
    case 1:
      return quadrant_1(bits);
    case 2:
      return quadrant_2(bits);
    default:
      return 0;
  }
}

}  // namespace heddle::sim
