// A bundle's firmware on the virtual SoC, in a child process: models are foreign code and never run
// in the tool itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"
#include "sim/machine.h"
#include "sim/result.h"

namespace heddle::sim {

// What a trace holds: every instruction, every load and store, or both.
enum class TraceKind : uint8_t { instructions, memory, all };
const std::vector<std::string>& trace_kinds();     // as the command line calls them, in this order
TraceKind trace_kind_of(const std::string& name);  // precondition: one of them

struct SimulateOptions {
  MachineLimits limits;
  std::filesystem::path trace;  // empty: none
  TraceKind trace_kind = TraceKind::instructions;
  int gdb_port = 0;              // 0: no debugger; else on 127.0.0.1
  std::function<void()> starts;  // called when all is built, before the run
  std::filesystem::path tool;    // heddle itself; empty: the program that runs
  ProcessLimits process;
};

// Builds what the bundle's Makefile makes of it (build/firmware.elf, build/models.so), runs it in a
// child and reads its result; a hazard is in the result. The folder must have passed for a bundle.
// Errors: a compiler is missing, the firmware does not build or does not fit, a model crashes, a
// limit of the process.
Result<SimulationResult> simulate_bundle(const std::filesystem::path& bundle,
                                         const SimulateOptions& options = {});

// `heddle simulate REQUEST`: what the child does. The request is a JSON file of ours. Exit status.
int simulate_command(const std::filesystem::path& request);

}  // namespace heddle::sim
