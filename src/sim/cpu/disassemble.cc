#include "sim/cpu/disassemble.h"

#include <fmt/format.h>

namespace heddle::sim {
namespace {

// The operands of a form: d s t are rd rs1 rs2, i a signed and u an unsigned immediate, p a place
// in the code, 2 the upper 20 bits, c a csr, z rs1's bits as a number, l a loop, n lp.setupi's
// count.
const char* operands_of(Form form) {
  switch (form) {
    case Form::none:
      return "";
    case Form::registers:
    case Form::accumulate:
      return " d, s, t";
    case Form::immediate:
      return " d, s, i";
    case Form::shift:
      return " d, s, u";
    case Form::load:
      return " d, i(s)";
    case Form::store:
      return " t, i(s)";
    case Form::branch:
      return " s, t, p";
    case Form::upper:
    case Form::upper_pc:
      return " d, 2";
    case Form::jump:
      return " d, p";
    case Form::csr:
      return " d, c, s";
    case Form::csr_immediate:
      return " d, c, z";
    case Form::load_post:
      return " d, i(s!)";
    case Form::load_post_register:
      return " d, t(s!)";
    case Form::load_register:
      return " d, t(s)";
    case Form::store_post:
      return " t, i(s!)";
    case Form::store_post_register:
      return " t, d(s!)";
    case Form::store_register:
      return " t, d(s)";
    case Form::unary:
      return " d, s";
    case Form::loop_offset:
      return " l, p";
    case Form::loop_register:
      return " l, s";
    case Form::loop_immediate:
      return " l, u";
    case Form::loop_setup:
      return " l, s, p";
    case Form::loop_setup_immediate:
      return " l, n, p";
  }
  return "";
}

std::string place(uint32_t address, const Elf* elf) {
  const std::string symbol = elf != nullptr ? symbol_at(*elf, address) : "";
  return symbol.empty() ? fmt::format("{:#x}", address)
                        : fmt::format("{:#x} <{}>", address, symbol);
}

}  // namespace

const char* register_name(int reg) {
  static constexpr const char* kNames[] = {"zero", "ra", "sp",  "gp",  "tp", "t0", "t1", "t2",
                                           "s0",   "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
                                           "a6",   "a7", "s2",  "s3",  "s4", "s5", "s6", "s7",
                                           "s8",   "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
  return kNames[reg];
}

std::string symbol_at(const Elf& elf, uint32_t address) {
  const Symbol* const symbol = function_at(elf, address);
  if (symbol == nullptr) return "";
  return address == symbol->address
             ? symbol->name
             : fmt::format("{}+{:#x}", symbol->name, address - symbol->address);
}

std::string disassemble(uint32_t pc, const Decoded& d, const Elf* elf) {
  if (!is_instruction(d.kind))
    return d.bytes == 2 ? fmt::format(".half 0x{:04x}", d.bits)
                        : fmt::format(".word 0x{:08x}", d.bits);
  std::string text(info(d.kind).name);
  const uint32_t immediate = static_cast<uint32_t>(d.immediate);
  for (const char* c = operands_of(info(d.kind).form); *c != '\0'; ++c) {
    switch (*c) {
      case 'd':
        text += register_name(d.rd);
        break;
      case 's':
        text += register_name(d.rs1);
        break;
      case 't':
        text += register_name(d.rs2);
        break;
      case 'i':
        text += std::to_string(d.immediate);
        break;
      case 'u':
        text += std::to_string(immediate);
        break;
      case 'p':
        text += place(pc + immediate, elf);
        break;
      case '2':
        text += fmt::format("{:#x}", immediate >> 12);
        break;
      case 'c':
        text += fmt::format("{:#x}", immediate);
        break;
      case 'z':
        text += std::to_string(d.rs1);
        break;
      case 'l':
        text += fmt::format("x{}", d.rd);
        break;
      case 'n':
        text += std::to_string(d.count);
        break;
      default:
        text += *c;
    }
  }
  return text;
}

}  // namespace heddle::sim
