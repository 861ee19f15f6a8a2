// The tool's side: builds, starts the child, reads its answer.
#include "sim/child.h"

#include <fmt/format.h>

#include "base/files.h"
#include "base/sanitizer.h"
#include "base/text.h"
#include "sim/build.h"
#include "sim/request.h"

namespace heddle::sim {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestResult = int64_t{256} << 20;

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

ProcessLimits limits_of_child(const SimulateOptions& options) {
  ProcessLimits limits = options.process;
  constexpr int64_t kDay = int64_t{24} * 3600;
  if (options.gdb_port != 0) limits.wall_seconds = limits.cpu_seconds = kDay;  // somebody thinks
  if (kAddressSanitizer) limits.memory_bytes = 0;
  return limits;
}

}  // namespace

const std::vector<std::string>& trace_kinds() {
  static const std::vector<std::string> names = {"instructions", "memory", "all"};
  return names;
}

TraceKind trace_kind_of(const std::string& name) {
  const auto found = std::find(trace_kinds().begin(), trace_kinds().end(), name);
  HEDDLE_CHECK(found != trace_kinds().end(), "no kind of trace: " + name);
  return static_cast<TraceKind>(found - trace_kinds().begin());
}

Result<SimulationResult> simulate_bundle(const fs::path& bundle, const SimulateOptions& options) {
  // First, because its errors say more than those of make.
  const Result<Description> description = read_description(bundle);
  if (!description.ok()) return description.errors();
  std::vector<std::string> targets = {"build/firmware.elf"};
  if (!description->units.empty()) targets.push_back("build/models.so");
  if (Status status = build_in(bundle, targets, options.process); !status.ok())
    return status.errors();

  const TemporaryFolder temporary;
  Request request{fs::absolute(bundle), temporary.path() / "result.json", options};
  if (!options.trace.empty()) request.options.trace = fs::absolute(options.trace);
  const fs::path file = temporary.path() / "request.json";
  if (Status status = write_file(file, to_json(request)); !status.ok()) return status.errors();
  const fs::path tool = options.tool.empty() ? fs::path("/proc/self/exe") : options.tool;
  if (options.starts) options.starts();
  std::error_code ignored;
  const fs::path program = fs::read_symlink(tool, ignored);
  const Result<ProcessOutcome> outcome = run_process(
      {program.empty() ? fs::absolute(tool).string() : program.string(), "simulate", file.string()},
      bundle, limits_of_child(options));
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
