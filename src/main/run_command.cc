#include <fmt/format.h>

#include "base/process.h"
#include "main/common.h"
#include "report/accuracy.h"
#include "report/report.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

// A bundle that exists: its own Makefile builds and runs its golden vectors.
int run_bundle(const CommandOptions& options) {
  const fs::path& folder = options.compile.model;
  if (!fs::exists(folder / kManifestName)) {
    return fail(folder, std::string("the folder has no `") + kManifestName + "`",
                "give a model, or a folder that `heddle compile` wrote");
  }
  if (!options.inputs.empty() || !options.labels.empty()) {
    return fail(folder, "a bundle runs its own golden vectors",
                "give the model itself together with --inputs");
  }
  if (!options.unit_options.empty()) {
    return fail(folder, "a bundle does not say which options its units have",
                "give the model itself together with --option");
  }
  Result<ProcessOutcome> outcome = run_process({"make", "-s", "test"}, folder);
  if (!outcome.ok()) return fail(outcome.errors());
  Result<std::string> report = read_file(folder / (options.json ? "report.json" : "report.txt"));
  if (!report.ok()) return fail(report.errors());
  fmt::print("{}", *report);
  fmt::print(options.json ? stderr : stdout, "{}{}", outcome->out, outcome->err);
  return outcome->exit_status == 0 ? 0 : 1;
}

}  // namespace

int run_command(const CommandOptions& options) {
  if (const Status asked = check_noise(options); !asked.ok()) return fail(asked.errors());
  if (options.on != "host") return run_firmware(options);
  if (fs::is_directory(options.compile.model)) return run_bundle(options);
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return fail(compilation.errors());
  const Result<std::vector<UnitSetting>> settings =
      unit_settings(options.unit_options, compilation->soc);
  if (!settings.ok()) return fail(settings.errors());
  if (const Status possible = check_noise(options, compilation->soc); !possible.ok())
    return fail(possible.errors());
  Result<std::vector<Sample>> samples = samples_of(compilation->graph, options, 3);
  if (!samples.ok()) return fail(samples.errors());
  std::vector<int64_t> labels;
  if (!options.labels.empty()) {
    if (options.inputs.empty()) return labels_without_inputs();
    Result<std::vector<int64_t>> read = read_labels(options.labels, samples->size());
    if (!read.ok()) return fail(read.errors());
    labels = std::move(*read);
  }
  progress.show("reference");
  Result<ReferenceRun> reference = run_reference(compilation->graph, *samples);
  if (!reference.ok()) return fail(reference.errors());
  const TemporaryFolder temporary;
  const fs::path bundle = options.output.empty() ? temporary.path() / "bundle" : options.output;
  Result<EmittedRun> run = run_in(*compilation, bundle, *samples, progress, *settings);
  if (!run.ok()) return fail(run.errors());
  const Comparison comparison = compare_emitted(*compilation, *reference, *run);
  std::optional<Accuracy> accuracy;
  if (!options.labels.empty()) {
    Result<Accuracy> counted = count_right(run->outputs, labels, options.labels.string());
    if (!counted.ok()) return fail(counted.errors());
    accuracy = *counted;
  }
  std::optional<NoisyAccuracy> noisy;
  if (options.noise) {
    Result<NoisyAccuracy> drawn =
        accuracy_of_draws(options, *compilation, bundle, *samples, labels, *settings, progress);
    if (!drawn.ok()) return fail(drawn.errors());
    noisy = std::move(*drawn);
  }
  progress.show("");
  const bool may_differ = !settings->empty();
  if (options.json) {
    Json json = {{"report", Json::parse(report_json(compilation->report))},
                 {"comparison", to_json(comparison)}};
    if (accuracy) json["accuracy"] = to_json(*accuracy);
    if (noisy) json["noisy_accuracy"] = to_json(*noisy);
    print_json(json);
    return comparison.ok() || may_differ ? 0 : 1;
  }
  fmt::print("{}", report_text(compilation->report));
  if (accuracy) fmt::print("accuracy: {}\n", accuracy_text(*accuracy));
  if (noisy)
    fmt::print("with noise of {:.2f} steps, {} draw{}: {}\n", noisy->noise, noisy->right.size(),
               noisy->right.size() == 1 ? "" : "s", accuracy_text(*noisy));
  fmt::print("bit-exact with the reference: {} of {}{}\n", comparison.exact, comparison.samples,
             may_differ ? " (options are set: they need not be)" : "");
  if (comparison.first) fmt::print("  first divergence: {}\n", to_string(*comparison.first));
  return comparison.ok() || may_differ ? 0 : 1;
}

}  // namespace heddle
