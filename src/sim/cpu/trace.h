// Writes what a core does to a text file, a line an instruction and a line a memory access:
//
//     cycle pc encoding  instruction                  symbol
//       412 80000010 0585      addi a1, a1, 1                       matmul+0x10
//       413 80000012 00c52503  lw a0, 12(a0)                        matmul+0x12
//       413 80000012 load  4 80001f0c 0000002a
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "sim/cpu/cpu.h"
#include "sim/cpu/elf.h"

namespace heddle::sim {

struct TraceOptions {
  bool instructions = true;
  bool accesses = true;  // loads and stores of memories and devices
};

class Trace {
 public:
  // Starts to trace `cpu`, which, like `elf`, must live as long as this. Error: the file cannot be
  // written.
  static Result<std::unique_ptr<Trace>> start(const std::filesystem::path& file, Cpu& cpu,
                                              const Elf& elf, TraceOptions options = {});
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  // Ends the trace. Error: not all of it could be written.
  Status finish();

 private:
  Trace(std::string name, std::FILE* file, Cpu& cpu, const Elf& elf);

  std::string name_;
  std::FILE* file_;
  Cpu& cpu_;
  const Elf& elf_;
};

}  // namespace heddle::sim
