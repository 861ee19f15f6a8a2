// The smallest executable with a symbol: nop, ebreak at 0x80000000, 32 bytes in memory.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace heddle::sim {

inline std::string small_elf() {
  std::string out;
  const auto half = [&](uint32_t v) {
    out += static_cast<char>(v);
    out += static_cast<char>(v >> 8);
  };
  const auto words = [&](std::initializer_list<uint32_t> list) {
    for (const uint32_t v : list) {
      half(v);
      half(v >> 16);
    }
  };
  constexpr uint32_t kCode = 52 + 32, kSymbols = kCode + 8, kNames = kSymbols + 32,
                     kSections = kNames + 8;
  out = std::string(
            "\x7f"
            "ELF\1\1\1",
            7) +
        std::string(9, '\0');
  half(2);                                    // executable
  half(243);                                  // RISC-V
  words({1, 0x80000004u, 52, kSections, 0});  // version, entry, headers' places, flags
  for (const uint32_t v : {52, 32, 1, 40, 3, 2}) half(v);
  words({1, kCode, 0x90000000u, 0x80000000u, 8, 32, 5, 4});  // load: p_paddr is what counts
  words({0x13, 0x00100073});
  words({0, 0, 0, 0});  // no symbol
  words({1, 0x80000000u, 8});
  half(0x12);  // global function
  half(1);
  out += std::string("\0start\0", 7) + '\0';
  words({0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  words({0, 2, 0, 0, kSymbols, 32, 2, 1, 4, 16});  // symbols, names in section 2
  words({0, 3, 0, 0, kNames, 7, 0, 0, 1, 0});
  return out;
}

}  // namespace heddle::sim
