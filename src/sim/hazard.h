// What a run may do wrong that silicon would answer with silent nonsense. The first hazard ends the
// run.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sim/regions.h"

namespace heddle::sim {

enum class HazardKind : uint8_t {
  start_while_busy,  // a register write that a busy unit refuses
  overlap,           // two busy units touch the same bytes, and one of them writes
  input_changed,     // what a busy unit reads was written
  busy_buffer,       // the CPU touches what a busy unit writes
  outside_memory,    // a unit leaves the memories that it reaches
  memory_overflow,   // a unit runs past the end of a memory
  refused,           // a unit refuses a job or a register access
  stack_overflow,    // the stack has grown below its end
  overwritten,       // a value at home in a shared memory is written by another layer or unit
  unwritten,         // ... is read before its own layer has written it
  nothing_pending,   // wfi, and nothing will ever happen
  bus_fault,         // the CPU accessed an address where nothing is, and no handler stands by
  trap,              // another exception that nobody handles
};

// "start while busy", as reports and the JSON say it; the JSON writes "_" for spaces.
std::string name_of(HazardKind kind);
Result<HazardKind> hazard_kind_of(const std::string& name);

struct Hazard {
  HazardKind kind = HazardKind::trap;
  std::string layer;   // empty: outside of every layer
  uint64_t cycle = 0;  // since reset
  std::string unit;    // empty: the CPU alone
  Region region;       // the bytes in question; bytes == 0: none
  uint32_t pc = 0;     // the CPU's, and the function that it lies in
  std::string function;
  std::string text;  // what happened
  std::string remedy;
};

// One error: kind, layer, cycle, unit, addresses, text.
Diagnostic diagnostic_of(const Hazard& hazard);

}  // namespace heddle::sim
