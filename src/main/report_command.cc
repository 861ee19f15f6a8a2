// `heddle report`: one network, three runs on the virtual SoC, four columns.
#include <fmt/format.h>

#include "base/text.h"
#include "main/common.h"
#include "report/columns.h"
#include "sim/child.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

// A run that came to its end with at least one sample, all of them exact.
Result<sim::SimulationResult> run_bundle(const fs::path& bundle, bool free_units) {
  sim::SimulateOptions options;
  options.limits.free_units = free_units;
  Result<sim::SimulationResult> result = sim::simulate_bundle(bundle, options);
  if (!result.ok()) return result.errors();
  if (result->hazard) return sim::diagnostic_of(*result->hazard);
  if (!result->passed() || result->samples.empty()) {
    return error_at(in_file(bundle.string()),
                    fmt::format("the firmware ended with status {} after {} cycles",
                                result->exit_code, thousands(static_cast<int64_t>(result->cycles))),
                    "`heddle run --on soc` shows what it printed");
  }
  return result;
}

// The compiled network in a folder of its own.
Result<Compilation> compile_into(const CommandOptions& options, const Progress& progress,
                                 const fs::path& folder) {
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return compilation.errors();
  const Status written = write_folder(folder, compilation->bundle);
  if (!written.ok()) return written.errors();
  return compilation;
}

}  // namespace

int report_command(const CommandOptions& options) {
  if (options.csv && options.json) return fail("report", "both --csv and --json", "choose one");
  const Progress progress;
  CommandOptions one = options;
  const Result<Compilation> imported = compile_to(options, progress, "import");
  if (!imported.ok()) return fail(imported.errors());
  Result<std::vector<Sample>> samples = samples_of(imported->graph, options, 1);
  if (!samples.ok()) return fail(samples.errors());
  const std::vector<Sample> all = *samples;
  std::vector<int64_t> labels;
  if (!options.labels.empty()) {
    if (options.inputs.empty()) return labels_without_inputs();
    Result<std::vector<int64_t>> read = read_labels(options.labels, all.size());
    if (!read.ok()) return fail(read.errors());
    labels = std::move(*read);
  }
  samples->resize(1);
  one.compile.vectors = std::move(*samples);
  CommandOptions cpu = one;
  cpu.compile.policy = "cpu";
  cpu.compile.places.clear();

  const TemporaryFolder temporary;
  const fs::path with = temporary.path() / "bundle", without = temporary.path() / "cpu";
  const Result<Compilation> compilation = compile_into(one, progress, with);
  if (!compilation.ok()) return fail(compilation.errors());
  const Result<Compilation> cpu_compilation = compile_into(cpu, progress, without);
  if (!cpu_compilation.ok()) return fail(cpu_compilation.errors());
  progress.show("building firmware and running it on the virtual SoC");
  const Result<sim::SimulationResult> measured = run_bundle(with, false);
  if (!measured.ok()) return fail(measured.errors());
  const Result<sim::SimulationResult> free_units = run_bundle(with, true);
  if (!free_units.ok()) return fail(free_units.errors());
  const Result<sim::SimulationResult> cpu_only = run_bundle(without, false);
  if (!cpu_only.ok()) return fail(cpu_only.errors());
  std::optional<Accuracy> accuracy;
  if (!labels.empty()) {
    const Result<EmittedRun> run = run_in(*compilation, {}, all, progress);
    if (!run.ok()) return fail(run.errors());
    const Result<Accuracy> counted = count_right(run->outputs, labels, options.labels.string());
    if (!counted.ok()) return fail(counted.errors());
    accuracy = *counted;
  }
  progress.show("");

  Columns columns =
      make_columns(compilation->report, compilation->schedule, cpu_compilation->schedule,
                   cpu_only->samples.front(), free_units->samples.front(), *measured);
  columns.accuracy = accuracy;
  fmt::print("{}", options.json  ? columns_json(columns)
                   : options.csv ? columns_csv(columns)
                                 : columns_text(columns));
  return 0;
}

}  // namespace heddle
