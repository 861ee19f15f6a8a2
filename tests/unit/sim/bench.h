// A small SoC for tests of the machine: RAM with a hand-encoded program, a local memory, two
// copying units whose model is here, UART and finisher.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/machine.h"
#include "unit/sim/core.h"

namespace heddle::sim {

inline constexpr uint32_t kLocal = 0x10000000u, kLocalBytes = 0x2000;
inline constexpr uint32_t kUnitA = 0x20000000u, kUnitB = 0x20001000u;
inline constexpr uint32_t kUart = 0x30000000u, kFinisher = 0x30001000u;
inline constexpr uint32_t kStackEnd = kRam + 0xF000;
inline constexpr int kInterruptA = 16, kInterruptB = 17;

// Registers of the copying unit. NEXT is a START that a busy unit takes too: the job is done after
// the one that runs. WAIT is what the machine makes of it.
enum CopyRegister : uint32_t {
  kStatus = 0,
  kStart = 4,  // the cycles that the job takes
  kSource = 8,
  kDestination = 12,
  kBytes = 16,
  kNext = 20,
  kWait = 24,
  kStartOnRead = 28,  // a load starts a job of 10 cycles
  kCopyBytes = 32,
};
extern const heddle_model copy_model;

// Instructions from a fixed address on.
class Code {
 public:
  explicit Code(uint32_t base) : base_(base) {}
  uint32_t base() const { return base_; }
  uint32_t here() const { return base_ + 4 * static_cast<uint32_t>(words_.size()); }
  const std::vector<uint32_t>& words() const { return words_; }

  Code& put(uint32_t instruction) {
    words_.push_back(instruction);
    return *this;
  }
  // Two instructions whatever the value is.
  Code& li(uint32_t rd, uint32_t value);
  Code& call(uint32_t address) { return put(as::jal(1, static_cast<int32_t>(address - here()))); }
  Code& ret() { return put(as::jalr(0, 0, 1)); }
  // Through t0 (x5) and t1 (x6): five instructions, of which the last stores.
  Code& store(uint32_t address, uint32_t value);
  // Three instructions; the last loads into t1.
  Code& load(uint32_t address);
  // Loads until the word is 0: two set t0, then lw and bnez.
  Code& poll(uint32_t address);
  // A job of a unit: source, destination, bytes, then its start.
  Code& job(uint32_t unit, uint32_t from, uint32_t to, uint32_t bytes, uint32_t cycles);
  Code& pass() { return store(kFinisher, 0x5555); }
  Code& nops(int count);

 private:
  uint32_t base_;
  std::vector<uint32_t> words_;
};

// Functions lie at kRam (main), and then 4 KiB apart: run, layer 0, layer 1.
inline constexpr uint32_t kRun = kRam + 0x1000, kLayer0 = kRam + 0x2000, kLayer1 = kRam + 0x3000;

struct Bench {
  Description description;
  Elf elf;
  std::unique_ptr<Machine> machine;

  // All costs are 1; both units reach RAM and the local memory, A has a wait register.
  Bench();
  void add(const Code& code, const std::string& name);
  // main calls run, run calls layer 0, which is `layer`; all return, then the finisher passes.
  void layer(const Code& code);
  Machine& make(const MachineLimits& limits = {1'000'000, 1'000'000});
  SimulationResult run(const MachineLimits& limits = {1'000'000, 1'000'000}) {
    return make(limits).run();
  }
};

}  // namespace heddle::sim
