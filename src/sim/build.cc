#include "sim/build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace heddle::sim {
namespace {

namespace fs = std::filesystem;

// Programs that a bundle's Makefile calls, and the Debian packages that have them.
struct Tool {
  const char* says;  // part of what make prints where it is missing
  const char* packages;
};
constexpr std::array<Tool, 5> kTools = {{
    {"riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"},
    {"picolibc.specs", "picolibc-riscv64-unknown-elf"},
    {"arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"},
    {"nano.specs", "libnewlib-arm-none-eabi"},
    {"cc", "gcc"},
}};

Diagnostic build_error(const fs::path& bundle, const std::vector<std::string>& targets,
                       const ProcessOutcome& outcome) {
  const std::string place = "make in " + bundle.string();
  for (const std::string absent : {"not found", "No such file or directory"}) {
    for (size_t at = outcome.err.find(absent); at != std::string::npos;
         at = outcome.err.find(absent, at + 1)) {
      const std::string line = line_at(outcome.err, at);
      for (const Tool& tool : kTools) {
        if (line.find(std::string(tool.says) + ":") == std::string::npos) continue;
        return error_at(in_file(place), fmt::format("`{}` is missing", tool.says),
                        fmt::format("apt-get install {}", tool.packages));
      }
    }
  }
  if (const size_t at = outcome.err.find("' overflowed by "); at != std::string::npos) {
    const std::string line = line_at(outcome.err, at);
    const size_t region = line.find("region `");
    return error_at(in_file(place),
                    fmt::format("the firmware does not fit: {}",
                                region == std::string::npos ? line : line.substr(region)),
                    "give that memory of the SoC more bytes, or have FIRMWARE_CFLAGS=-Os");
  }
  return error_at(in_file(place),
                  fmt::format("{}: {}", how_it_ended(outcome), telling_line(outcome.err)),
                  fmt::format("run `make {}` there to see all of it", fmt::join(targets, " ")));
}

}  // namespace

std::string line_at(const std::string& text, size_t at) {
  const size_t begin = text.rfind('\n', at) + 1;  // npos + 1 is 0
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::string telling_line(const std::string& text) {
  const size_t error = text.find("error");
  return line_at(text, error == std::string::npos ? 0 : error);
}

std::string how_it_ended(const ProcessOutcome& outcome) {
  if (!outcome.ended_because.empty()) return outcome.ended_because;
  return outcome.exit_status >= 0 ? fmt::format("exit status {}", outcome.exit_status)
                                  : fmt::format("signal {}", outcome.signal);
}

Status build_in(const fs::path& bundle, const std::vector<std::string>& targets,
                const ProcessLimits& limits) {
  std::vector<std::string> command = {"make", "-s"};
  command.insert(command.end(), targets.begin(), targets.end());
  Result<ProcessOutcome> outcome = run_process(command, bundle, limits);
  if (!outcome.ok()) {
    Diagnostics errors = outcome.errors();
    errors.back().remedy = "apt-get install make";
    return errors;
  }
  if (outcome->exit_status != 0) return build_error(bundle, targets, *outcome);
  return Unit{};
}

}  // namespace heddle::sim
