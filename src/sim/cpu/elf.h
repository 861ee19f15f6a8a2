// Reads an ELF32 executable for RISC-V: what to load where, where to start, and its functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace heddle::sim {

struct Segment {
  uint32_t address = 0;  // p_paddr: where it lies at reset; a start-up copies it to p_vaddr itself
  std::string content;   // the bytes of the file
  uint64_t bytes = 0;    // in memory: content, then zeros; address + bytes <= 2^32
  bool executable = false;
  bool writable = false;
};

struct Symbol {
  std::string name;
  uint32_t address = 0;
  uint32_t bytes = 0;  // 0: the file says nothing
};

struct Elf {
  uint32_t entry = 0;
  std::vector<Segment> segments;  // in the order of the file
  std::vector<Symbol> functions;  // by address, then name
  std::vector<Symbol> objects;    // data and labels without type (linker scripts), by address
};

// `name` is the file's name for messages; `bytes` its whole content, which may be anything. Errors:
// not ELF, another machine or class, tables or segments outside the file or the address space.
Result<Elf> load_elf(const std::string& name, std::string_view bytes);

// The function that an address lies in, or nullptr: the last one that starts at or before it and
// does not end before it.
const Symbol* function_at(const Elf& elf, uint32_t address);

}  // namespace heddle::sim
