// Instructions as text, in the assembler's syntax without its pseudo-instructions: "lw a0, 8(sp)".
// Compressed ones read as what they expand to.
#pragma once

#include <string>

#include "sim/cpu/elf.h"
#include "sim/cpu/isa.h"

namespace heddle::sim {

const char* register_name(int reg);  // "a0"; 0 .. 31

// Branch and jump targets are absolute, with the function they lie in if `elf` is given and has
// one: "beq a0, zero, 0x80000010 <main+0x10>". What is no instruction: ".word 0xffffffff".
std::string disassemble(uint32_t pc, const Decoded& instruction, const Elf* elf = nullptr);

// "main+0x10", or "" outside of all functions.
std::string symbol_at(const Elf& elf, uint32_t address);

}  // namespace heddle::sim
