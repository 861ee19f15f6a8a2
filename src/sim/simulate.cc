// The child's side: loads ELF and models, runs, writes the answer.
#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/files.h"
#include "sim/child.h"
#include "sim/cpu/gdb_server.h"
#include "sim/cpu/trace.h"
#include "sim/footprint.h"
#include "sim/request.h"

namespace heddle::sim {
namespace {

namespace fs = std::filesystem;

// Only calls that are safe in a signal handler.
void say_which_model() {
  const char* const name = const_cast<const char*>(model_at_work);
  if (name == nullptr) return;
  for (const char* const part : {kModelEnded, name, "\n"}) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, part, std::strlen(part));
  }
}

void crashed(int signal) {
  say_which_model();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// A model may crash, loop for ever (the limit of CPU time comes as a signal) or call exit().
void watch_models() {
  static char stack[65536];  // a model may have used up its own
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action = {};
  action.sa_handler = crashed;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGSYS})
    ::sigaction(signal, &action, nullptr);
  std::atexit(say_which_model);
}

Result<std::vector<const heddle_model*>> load_models(const fs::path& bundle,
                                                     const Description& description) {
  std::vector<const heddle_model*> models;
  if (description.units.empty()) return models;
  const fs::path file = bundle / "build/models.so";
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return error_at(in_file(file.string()), fmt::format("cannot be loaded: {}", ::dlerror()),
                    "remove it and build it anew on this machine");
  for (const UnitDescription& unit : description.units) {
    const void* const symbol = ::dlsym(library, unit.model.c_str());
    if (symbol == nullptr)
      return error_at(
          in_file(file.string()),
          fmt::format("there is no `{}`, the model of unit `{}`", unit.model, unit.name),
          "model.c of a folder NAME defines `const heddle_model NAME_model`");
    models.push_back(static_cast<const heddle_model*>(symbol));
  }
  return models;
}

// Until the debugger leaves; a program that it has let go runs on.
Status debug(Machine& machine, int port) {
  const GdbRun run = [&](uint64_t max_instructions) {
    const std::optional<StopReason> stopped = machine.resume(max_instructions);
    if (stopped) return GdbProgress{*stopped, false, 0};
    return GdbProgress{StopReason::device, true, machine.end() == RunEnd::passed ? 0 : 1};
  };
  const Result<GdbEnd> end =
      serve_gdb(machine.cpu(), machine.bus(), static_cast<uint16_t>(port), run);
  if (!end.ok()) return end.errors();
  if (*end == GdbEnd::killed)
    return error_at({}, "the debugger ended the run", "`detach` lets it go on");
  return Unit{};
}

Result<SimulationResult> simulate(const Request& request) {
  const Result<Description> description = read_description(request.bundle);
  if (!description.ok()) return description.errors();
  const fs::path firmware = request.bundle / "build/firmware.elf";
  const Result<std::string> bytes = read_file(firmware);
  if (!bytes.ok()) return bytes.errors();
  const Result<Elf> elf = load_elf(firmware.string(), *bytes);
  if (!elf.ok()) return elf.errors();
  const Result<std::vector<const heddle_model*>> models = load_models(request.bundle, *description);
  if (!models.ok()) return models.errors();
  Result<std::unique_ptr<Machine>> machine =
      Machine::make(*description, *elf, *models, request.options.limits);
  if (!machine.ok()) return machine.errors();
  std::unique_ptr<Trace> trace;
  if (!request.options.trace.empty()) {
    const TraceKind kind = request.options.trace_kind;
    Result<std::unique_ptr<Trace>> started =
        Trace::start(request.options.trace, (*machine)->cpu(), *elf,
                     {kind != TraceKind::memory, kind != TraceKind::instructions});
    if (!started.ok()) return started.errors();
    trace = std::move(*started);
  }
  if (request.options.gdb_port != 0) {
    if (Status status = debug(**machine, request.options.gdb_port); !status.ok())
      return status.errors();
  }
  SimulationResult result = (*machine)->run();
  if (trace != nullptr) {
    if (Status status = trace->finish(); !status.ok()) return status.errors();
  }
  add_sections(*bytes, result.footprint);
  return result;
}

}  // namespace

int simulate_command(const fs::path& file) {
  const Result<std::string> text = read_file(file);
  const Result<Request> request =
      text.ok() ? request_from_json(*text, file.string()) : Result<Request>(text.errors());
  if (!request.ok()) {
    fmt::print(stderr, "{}", format_diagnostics(request.errors()));
    return 1;
  }
  watch_models();
  const Result<SimulationResult> result = simulate(*request);
  const Status written =
      write_file(request->result, result.ok() ? to_json(*result) : to_json(result.errors()));
  if (!written.ok()) fmt::print(stderr, "{}", format_diagnostics(written.errors()));
  return written.ok() ? 0 : 1;
}

}  // namespace heddle::sim
