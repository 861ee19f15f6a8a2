// Runs a child process with limits: compilers, and foreign code that must never be loaded into the tool.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace heddle {

struct ProcessLimits {
  int64_t cpu_seconds = 600;
  int64_t memory_bytes = int64_t{4} << 30;
  int64_t output_bytes = int64_t{64} << 20;  // of stdout + stderr; more ends the child
};

struct ProcessOutcome {
  int exit_status = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;       // stdout
  std::string err;       // stderr
};

// argv[0] is looked up in PATH; no shell is involved. Error: the program is missing.
Result<ProcessOutcome> run_process(const std::vector<std::string>& argv, const std::filesystem::path& working_folder,
                                   const ProcessLimits& limits = {});

}  // namespace heddle
