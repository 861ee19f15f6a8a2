// Serves a debugger: GDB's remote serial protocol over TCP on 127.0.0.1, one session.
//
// gdb-multiarch firmware.elf -ex 'target remote :1234'
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "sim/cpu/bus.h"
#include "sim/cpu/cpu.h"

namespace heddle::sim {

// What a piece of the run came to. `finished`: the program is over, with this exit status.
struct GdbProgress {
  StopReason reason = StopReason::instructions;
  bool finished = false;
  int exit_status = 0;
};

// Runs the machine on by at most so many instructions.
using GdbRun = std::function<GdbProgress(uint64_t max_instructions)>;

enum class GdbEnd : uint8_t {
  finished,  // the program is over; the debugger knows
  detached,  // breakpoints are gone, the program may run on
  killed,    // by the debugger, or it went away
};

// Waits for a debugger, serves it, returns when it leaves. `listening` is told the port (useful
// with port 0: any free one). While it runs ebreak stops. Registers, memories (not devices: reading
// them has effects), software breakpoints, stepping, Ctrl-C. Error: the port cannot be opened.
Result<GdbEnd> serve_gdb(Cpu& cpu, Bus& bus, uint16_t port, const GdbRun& run,
                         const std::function<void(uint16_t)>& listening = {});

}  // namespace heddle::sim
