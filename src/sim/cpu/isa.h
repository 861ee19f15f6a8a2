// The instruction set as data: kinds, operand forms, cost classes, and the decoder.
#pragma once

#include <cstdint>
#include <string_view>

namespace heddle::sim {

enum class Kind : uint8_t {
#define I(kind, name, form, cost, pattern) kind,
#define X I
#include "sim/cpu/instructions.inc"
#undef X
#undef I
  illegal,
  // What the translator puts between instructions; no encoding, no cost (cpu/translate.cc).
  fetch_fault,  // no memory at this pc
  probe,        // somebody wants to know that the next instruction is about to run
  sp_written,   // the instruction before wrote x2
  cut,          // a segment ends; the next follows
  loop_back,    // the instruction before may be the last of a hardware loop
  go_to,        // continue at an instruction that is already translated
  leave,        // end of a single step
};
inline constexpr int kInstructions = static_cast<int>(Kind::illegal);
inline constexpr int kKinds = static_cast<int>(Kind::leave) + 1;

// Which operands an instruction has, and where its bits hold them.
enum class Form : uint8_t {
  none,
  registers,      // rd, rs1, rs2
  immediate,      // rd, rs1, signed 12 bits
  shift,          // rd, rs1, 0..31
  load,           // rd, signed 12 bits (rs1)
  store,          // rs2, signed 12 bits (rs1)
  branch,         // rs1, rs2, pc + signed 13 bits
  upper,          // rd, 20 bits << 12
  upper_pc,       // rd, pc + (20 bits << 12)
  jump,           // rd, pc + signed 21 bits
  csr,            // rd, csr, rs1
  csr_immediate,  // rd, csr, 0..31 in rs1's place
  // XpulpV2
  load_post,             // rd, signed 12 bits (rs1!)
  load_post_register,    // rd, rs2(rs1!)
  load_register,         // rd, rs2(rs1)
  store_post,            // rs2, signed 12 bits (rs1!)
  store_post_register,   // rs2, rs3(rs1!), rs3 in rd's place
  store_register,        // rs2, rs3(rs1)
  accumulate,            // rd (read and written), rs1, rs2
  unary,                 // rd, rs1
  loop_offset,           // loop, pc + 2 * unsigned 12 bits
  loop_register,         // loop, rs1
  loop_immediate,        // loop, unsigned 12 bits
  loop_setup,            // loop, rs1, pc + 2 * unsigned 12 bits
  loop_setup_immediate,  // loop, unsigned 12 bits, pc + 2 * (0..31 in rs1's place)
};

enum class CostClass : uint8_t { alu, load, store, mul, mulh, div, branch, jump, csr, system };

struct InstructionInfo {
  std::string_view name;
  Form form;
  CostClass cost;
  uint32_t mask, match;  // the encoding is this instruction if (bits & mask) == match
};

const InstructionInfo& info(Kind kind);  // precondition: not one of the translator's

struct Decoded {
  Kind kind = Kind::illegal;
  uint8_t bytes = 4;  // 2 or 4
  uint8_t rd = 0, rs1 = 0, rs2 = 0;
  int32_t immediate = 0;  // offsets of branches and jumps in bytes; the number of a csr
  uint16_t count = 0;     // of lp.setupi
  uint32_t bits = 0;      // as in memory: 16 or 32 of them
};

struct IsaOptions {
  bool xpulpv2 = false;
};

// How many bytes the instruction has that starts with these 16 bits.
inline int instruction_bytes(uint16_t first) { return (first & 3) == 3 ? 4 : 2; }

// `bits`: one instruction; of two bytes if its lowest two bits are not 11. Anything that is not an
// instruction is Kind::illegal.
Decoded decode(uint32_t bits, const IsaOptions& options);

// The 32-bit instruction that a 16-bit one of RV32C stands for; 0 (illegal) if it is none.
uint32_t expand_compressed(uint16_t bits);

bool is_instruction(Kind kind);  // neither illegal nor one of the translator's
bool reads_register(const Decoded& instruction, int reg);
bool writes_register(const Decoded& instruction, int reg);
bool writes_rd(Form form);
bool is_post_increment(Form form);

}  // namespace heddle::sim
