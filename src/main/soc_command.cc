// `heddle run --on soc` and `--on qemu`: the firmware of a bundle on the virtual SoC, or on QEMU.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "compile/qemu.h"
#include "main/common.h"
#include "report/measured.h"
#include "report/simulation.h"
#include "report/timeline.h"
#include "sim/child.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

using Settings = std::vector<UnitSetting>;

sim::SimulateOptions simulate_options(const CommandOptions& options, const Settings& settings) {
  sim::SimulateOptions simulate;
  simulate.limits.settings = settings;
  if (options.max_cycles > 0)
    simulate.limits.max_cycles = static_cast<uint64_t>(options.max_cycles);
  simulate.trace = options.trace;
  simulate.trace_kind = options.trace_kind;
  simulate.gdb_port = options.gdb_port;
  return simulate;
}

// On stderr, the end of it if it is long.
void print_console(const std::string& console) {
  constexpr size_t kLines = 20;
  std::vector<std::string> lines;
  for (size_t at = 0; at < console.size();) {
    const size_t end = std::min(console.find('\n', at), console.size());
    lines.push_back(console.substr(at, end - at));
    at = end + 1;
  }
  for (size_t i = lines.size() > kLines ? lines.size() - kLines : 0; i < lines.size(); ++i)
    fmt::print(stderr, "  {}\n", terminal_text(lines[i]));
}

// Whether samples that differ are all that the firmware complains of.
bool only_differs(const sim::SimulationResult& result) {
  const auto says = [&](const char* text) { return result.console.find(text) != std::string::npos; };
  return result.end == sim::RunEnd::failed && !result.hazard && says(" elements differ") &&
         !says(": status ") && !says("stack overflow") && !says("trap: ") && !says("cannot be reset");
}

int show(const CommandOptions& options, const sim::SimulationResult& result, bool may_differ) {
  if (options.json) {
    fmt::print("{}", sim::to_json(result));
  } else {
    fmt::print("{}", simulation_text(result));
  }
  if (result.hazard) {
    fmt::print(stderr, "{}", format_diagnostic(diagnostic_of(*result.hazard)));
  } else if (result.end == sim::RunEnd::limit) {
    fmt::print(stderr, "{}",
               format_diagnostic(error_at(
                   {},
                   fmt::format("the firmware still runs after {} cycles",
                               thousands(static_cast<int64_t>(result.cycles))),
                   "give it more with `--max-cycles N`, or see where it is with `--gdb PORT`")));
  } else if (may_differ && only_differs(result)) {
    fmt::print(stderr, "options are set, so the outputs need not equal the reference:\n");
    print_console(result.console);
    return 0;
  } else if (result.end == sim::RunEnd::failed) {
    fmt::print(stderr, "{}",
               format_diagnostic(error_at(
                   {}, fmt::format("the firmware ended the run with status {}", result.exit_code),
                   "what it printed is below")));
    print_console(result.console);
  }
  return result.passed() ? 0 : 1;
}

// The first sample's cycles; layers as the report names them. `model` is empty for a bundle.
Measured measured_of(const sim::SimulationResult& result, const fs::path& model,
                     const std::string& policy) {
  Measured measured{model.string(), result.soc, model.empty() ? "" : policy, {}};
  for (const sim::LayerResult& layer : result.samples.front().layers) {
    measured.rows.push_back(
        {terminal_text(layer.name), std::nullopt, static_cast<int64_t>(layer.split.cycles), {}});
  }
  measured.rows.push_back(
      {kOutside, std::nullopt, static_cast<int64_t>(result.samples.front().outside.cycles), {}});
  return measured;
}

// What is asked for beside the report.
Status write_files(const CommandOptions& options, const sim::SimulationResult& result) {
  if (!options.timeline.empty()) {
    Timeline timeline = make_timeline(result);
    if (!options.timeline_layer.empty()) {
      Result<Timeline> part = zoomed(std::move(timeline), options.timeline_layer);
      if (!part.ok()) return part.errors();
      timeline = std::move(*part);
    }
    const bool picture = options.timeline.extension() == ".svg";
    const Status written =
        write_file(options.timeline, picture ? timeline_svg(timeline) : chrome_trace(timeline));
    if (!written.ok()) return written.errors();
  }
  if (options.measured.empty() || result.samples.empty() || !result.passed()) return Unit{};
  const bool bundle = fs::is_directory(options.compile.model);
  return write_file(options.measured,
                    measured_csv(measured_of(result, bundle ? fs::path() : options.compile.model,
                                             options.compile.policy)));
}

int simulate_and_show(const CommandOptions& options, const fs::path& bundle,
                      const Progress& progress, const Settings& settings) {
  progress.show("building firmware and running it on the virtual SoC");
  sim::SimulateOptions simulate = simulate_options(options, settings);
  simulate.starts = [&] {
    if (options.gdb_port == 0) return;
    progress.show("");
    fmt::print(stderr, "waits for a debugger: gdb-multiarch {} -ex 'target remote :{}'\n",
               terminal_text((bundle / "build/firmware.elf").string(), 4096), options.gdb_port);
  };
  const Result<sim::SimulationResult> result = sim::simulate_bundle(bundle, simulate);
  progress.show("");
  if (!result.ok()) return fail(result.errors());
  const int status = show(options, *result, !settings.empty());
  const Status written = write_files(options, *result);
  return written.ok() ? status : fail(written.errors());
}

int run_and_show(const CommandOptions& options, const fs::path& bundle, const Progress& progress,
                 const Settings& settings) {
  if (options.on == "soc") return simulate_and_show(options, bundle, progress, settings);
  progress.show("building firmware and running it on QEMU");
  const Result<QemuRun> run = run_on_qemu(bundle);
  progress.show("");
  if (!run.ok()) return fail(run.errors());
  fmt::print("{}", options.json ? qemu_json(*run) : qemu_text(*run));
  if (!run->passed) {
    fmt::print(stderr, "{}",
               format_diagnostic(error_at({}, "the firmware says that something is wrong",
                                          "what it printed is below")));
    print_console(run->console);
  }
  return run->passed ? 0 : 1;
}

}  // namespace

int run_firmware(const CommandOptions& options) {
  if (options.on == "qemu" && !options.unit_options.empty())
    return fail("--option", "QEMU has no units", "leave out `--on qemu`, or the option");
  if (!options.labels.empty())
    return fail("--labels", "firmware holds outputs against the reference only",
                fmt::format("leave out `--on {}` for the accuracy", options.on));
  if (!options.timeline.empty() && options.timeline.extension() != ".svg" &&
      options.timeline.extension() != ".json")
    return fail("--timeline " + options.timeline.string(), "neither .svg nor .json",
                "write FILE.svg for a picture, FILE.json for Perfetto");
  const Progress progress;
  const fs::path& model = options.compile.model;
  if (fs::is_directory(model)) {
    if (!fs::exists(model / kManifestName))
      return fail(model, std::string("the folder has no `") + kManifestName + "`",
                  "give a model, or a folder that `heddle compile` wrote");
    if (!options.inputs.empty())
      return fail(model, "a bundle runs its own golden vectors",
                  "give the model itself together with --inputs");
    if (!options.unit_options.empty())
      return fail(model, "a bundle does not say which options its units have",
                  "give the model itself together with --option");
    return run_and_show(options, model, progress, {});
  }
  CommandOptions with_vectors = options;
  if (!options.inputs.empty()) {
    Result<Compilation> imported = compile_to(options, progress, "import");
    if (!imported.ok()) return fail(imported.errors());
    Result<std::vector<Sample>> samples = samples_of(imported->graph, options, 0);
    if (!samples.ok()) return fail(samples.errors());
    with_vectors.compile.vectors = std::move(*samples);
  }
  Result<Compilation> compilation = compile_to(with_vectors, progress, "bundle");
  if (!compilation.ok()) return fail(compilation.errors());
  const Result<Settings> settings = unit_settings(options.unit_options, compilation->soc);
  if (!settings.ok()) return fail(settings.errors());
  const TemporaryFolder temporary;
  const fs::path bundle = options.output.empty() ? temporary.path() / "bundle" : options.output;
  const Status written = write_folder(bundle, compilation->bundle);
  if (!written.ok()) return fail(written.errors());
  return run_and_show(options, bundle, progress, *settings);
}

}  // namespace heddle
