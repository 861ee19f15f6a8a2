// The tool's side: builds, starts the child, reads its answer.
#include "sim/child.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/files.h"
#include "base/text.h"
#include "sim/request.h"

namespace heddle::sim {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestResult = int64_t{256} << 20;

// Programs that a bundle's Makefile calls, and the Debian packages that have them.
struct Tool {
  const char* says;  // part of what make prints where it is missing
  const char* packages;
};
constexpr std::array<Tool, 4> kTools = {{
    {"riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"},
    {"picolibc.specs", "picolibc-riscv64-unknown-elf"},
    {"arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"},
    {"cc", "gcc"},
}};

std::string line_at(const std::string& text, size_t at) {
  const size_t begin = text.rfind('\n', at) + 1;  // npos + 1 is 0
  return text.substr(begin, text.find('\n', begin) - begin);
}

// Of what make and compilers print, the line that tells most.
std::string telling_line(const std::string& text) {
  const size_t error = text.find("error");
  return line_at(text, error == std::string::npos ? 0 : error);
}

std::string how_it_ended(const ProcessOutcome& outcome) {
  if (!outcome.ended_because.empty()) return outcome.ended_because;
  return outcome.exit_status >= 0 ? fmt::format("exit status {}", outcome.exit_status)
                                  : fmt::format("signal {}", outcome.signal);
}

Diagnostic build_error(const fs::path& bundle, const ProcessOutcome& outcome) {
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
  return error_at(in_file(place),
                  fmt::format("{}: {}", how_it_ended(outcome), telling_line(outcome.err)),
                  "run `make build/firmware.elf build/models.so` there to see all of it");
}

Status build(const fs::path& bundle, const Description& description, const ProcessLimits& limits) {
  std::vector<std::string> command = {"make", "-s", "build/firmware.elf"};
  if (!description.units.empty()) command.push_back("build/models.so");
  Result<ProcessOutcome> outcome = run_process(command, bundle, limits);
  if (!outcome.ok()) {
    Diagnostics errors = outcome.errors();
    errors.back().remedy = "apt-get install make";
    return errors;
  }
  if (outcome->exit_status != 0) return build_error(bundle, *outcome);
  return Unit{};
}

Diagnostic crash_error(const fs::path& bundle, const ProcessOutcome& outcome) {
  const size_t model = outcome.err.rfind(kModelEnded);
  if (model == std::string::npos) {
    return error_at(in_file("the simulation of " + bundle.string()),
                    fmt::format("{}: {}", how_it_ended(outcome), telling_line(outcome.err)));
  }
  const std::string line = line_at(outcome.err, model);
  const std::string unit = line.substr(std::string(kModelEnded).size());
  return error_at(in_file((bundle / "models" / unit).string()),
                  fmt::format("the model of unit `{}` ended the simulation: {}",
                              terminal_text(unit), how_it_ended(outcome)),
                  fmt::format("`make test CFLAGS='-g -fsanitize=address,undefined' "
                              "LDFLAGS=-fsanitize=address,undefined` in {} may show where",
                              bundle.string()));
}

ProcessLimits own_limits(ProcessLimits limits) {
#if defined(__SANITIZE_ADDRESS__)
  limits.memory_bytes = 0;  // its shadow is larger than any limit
#endif
  return limits;
}

}  // namespace

Result<SimulationResult> simulate_bundle(const fs::path& bundle, const SimulateOptions& options) {
  // First, because its errors say more than those of make.
  const Result<Description> description = read_description(bundle);
  if (!description.ok()) return description.errors();
  if (Status status = build(bundle, *description, options.process); !status.ok())
    return status.errors();

  const TemporaryFolder temporary;
  Request request{fs::absolute(bundle), temporary.path() / "result.json", options};
  if (!options.trace.empty()) request.options.trace = fs::absolute(options.trace);
  const fs::path file = temporary.path() / "request.json";
  if (Status status = write_file(file, to_json(request)); !status.ok()) return status.errors();
  const fs::path tool = options.tool.empty() ? fs::path("/proc/self/exe") : options.tool;
  std::error_code ignored;
  const fs::path program = fs::read_symlink(tool, ignored);
  const Result<ProcessOutcome> outcome = run_process(
      {program.empty() ? fs::absolute(tool).string() : program.string(), "simulate", file.string()},
      bundle, own_limits(options.process));
  if (!outcome.ok()) return outcome.errors();
  if (outcome->exit_status != 0 || !fs::exists(request.result))
    return crash_error(bundle, *outcome);
  Result<std::string> text = read_file(request.result, kLargestResult);
  if (!text.ok()) return text.errors();
  Result<SimulationResult> result = answer_from_json(*text, "the result of the simulation");
  if (!result.ok()) return result.errors();
  const double seconds = outcome->wall_seconds;
  result->host = {seconds,
                  seconds > 0 ? static_cast<double>(result->instructions) / seconds / 1e6 : 0};
  return result;
}

}  // namespace heddle::sim
