#include <fmt/format.h>

#include "base/process.h"
#include "main/common.h"
#include "report/report.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

int64_t arg_max(const Tensor& scores) {
  int64_t best = 0;
  for (int64_t i = 1; i < scores.elements(); ++i) {
    const bool larger = scores.dtype() == DType::float32
                            ? scores.float_at(i) > scores.float_at(best)
                            : scores.at(i) > scores.at(best);
    if (larger) best = i;
  }
  return best;
}

struct Accuracy {
  int64_t right = 0;
  int64_t samples = 0;
};

Result<Accuracy> accuracy_of(const EmittedRun& run, const fs::path& file) {
  Result<std::vector<int64_t>> labels = read_labels(file, run.outputs.size());
  if (!labels.ok()) return labels.errors();
  Accuracy accuracy{0, static_cast<int64_t>(labels->size())};
  for (size_t s = 0; s < labels->size(); ++s)
    accuracy.right += arg_max(run.outputs[s].front()) == (*labels)[s];
  return accuracy;
}

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
  if (options.on != "host") return run_firmware(options);
  if (fs::is_directory(options.compile.model)) return run_bundle(options);
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return fail(compilation.errors());
  const Result<std::vector<UnitSetting>> settings =
      unit_settings(options.unit_options, compilation->soc);
  if (!settings.ok()) return fail(settings.errors());
  Result<std::vector<Sample>> samples = samples_of(compilation->graph, options, 3);
  if (!samples.ok()) return fail(samples.errors());
  progress.show("reference");
  Result<ReferenceRun> reference = run_reference(compilation->graph, *samples);
  if (!reference.ok()) return fail(reference.errors());
  Result<EmittedRun> run = run_in(*compilation, options.output, *samples, progress, *settings);
  if (!run.ok()) return fail(run.errors());
  const Comparison comparison = compare_emitted(*compilation, *reference, *run);
  std::optional<Accuracy> accuracy;
  if (!options.labels.empty()) {
    Result<Accuracy> counted = accuracy_of(*run, options.labels);
    if (!counted.ok()) return fail(counted.errors());
    accuracy = *counted;
  }
  progress.show("");
  const bool may_differ = !settings->empty();
  if (options.json) {
    Json json = {{"report", Json::parse(report_json(compilation->report))},
                 {"comparison", to_json(comparison)}};
    if (accuracy) json["accuracy"] = {{"right", accuracy->right}, {"samples", accuracy->samples}};
    print_json(json);
    return comparison.ok() || may_differ ? 0 : 1;
  }
  fmt::print("{}", report_text(compilation->report));
  if (accuracy)
    fmt::print("accuracy: {} of {} right ({} %)\n", accuracy->right, accuracy->samples,
               percent(accuracy->right, accuracy->samples));
  fmt::print("bit-exact with the reference: {} of {}{}\n", comparison.exact, comparison.samples,
             may_differ ? " (options are set: they need not be)" : "");
  if (comparison.first) fmt::print("  first divergence: {}\n", to_string(*comparison.first));
  return comparison.ok() || may_differ ? 0 : 1;
}

}  // namespace heddle
