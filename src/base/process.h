// Runs a child process with limits: compilers, and foreign code that must never be loaded into the
// tool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace heddle {

struct ProcessLimits {
  int64_t cpu_seconds = 600;
  int64_t wall_seconds = 3600;  // a child that sleeps ends too
  int64_t memory_bytes = int64_t{4}
                         << 30;  // address space; 0: no limit (programs under AddressSanitizer)
  int64_t output_bytes = int64_t{64} << 20;  // of stdout + stderr; more ends the child
};

struct ProcessOutcome {
  int exit_status = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;  // stdout
  std::string err;  // stderr
  // Empty, or which limit ended the child: "more than 600 s of CPU time".
  std::string ended_because;
  double wall_seconds = 0;  // from the start to the end; no result may depend on it
};

// argv[0] is looked up in PATH, or from the working folder if it has a slash; no shell is involved;
// stdin is empty. The child gets a process group of its own, which ends with it. Error: the program
// or the working folder is missing.
Result<ProcessOutcome> run_process(const std::vector<std::string>& argv,
                                   const std::filesystem::path& working_folder,
                                   const ProcessLimits& limits = {});

}  // namespace heddle
