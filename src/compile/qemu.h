// The firmware of a bundle on QEMU: machines that are not ours, for networks on a CPU alone. Their
// instruction counts are exact, one for every instruction executed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace heddle {

struct QemuSample {
  bool exact = false;
  uint32_t checksum = 0;     // FNV-1a of the outputs, if exact
  int64_t instructions = 0;  // of NAME_run() and its call, if exact
  std::string said;          // the firmware's line
};

struct QemuRun {
  std::string network, machine;  // "digits", "virt"
  std::vector<QemuSample> samples;
  int64_t stack_used = 0, stack_bytes = 0;
  // Of the SoC's memories, test bench left out.
  int64_t code = 0, constants = 0, data = 0, arena = 0;
  std::string console;  // all that was printed
  bool passed = false;  // the firmware said so
};

// Builds build/firmware.elf and runs it on the machine for the bundle's processor. Errors: units,
// which QEMU has not; a SoC with another memory map than the machine's; a compiler or QEMU is
// missing; the run reaches a limit, or ends in another way than the firmware's own.
Result<QemuRun> run_on_qemu(const std::filesystem::path& bundle, const ProcessLimits& limits = {});

std::string qemu_text(const QemuRun& run);
std::string qemu_json(const QemuRun& run);

}  // namespace heddle
