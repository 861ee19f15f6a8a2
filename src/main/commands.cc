#include "main/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/process.h"
#include "base/text.h"
#include "compile/verify.h"
#include "report/inspect.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

int fail(const Diagnostics& errors) {
  fmt::print(stderr, "{}", format_diagnostics(errors));
  return 1;
}

int fail(const fs::path& file, const std::string& message, const std::string& remedy) {
  return fail({error_at(in_file(file.string()), message, remedy)});
}

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

// One line on stderr that shows the stage of long work; nothing if stderr is no terminal.
class Progress {
 public:
  Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}
  ~Progress() { show(""); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::string_view stage) const {
    if (terminal_) fmt::print(stderr, "\r\x1b[K{}{}", stage, stage.empty() ? "" : " ...");
    if (terminal_) std::fflush(stderr);
  }

 private:
  bool terminal_;
};

// The command's options with --input-type read. Errors: no `=`, an unknown type.
Result<CompileOptions> compile_options(const CommandOptions& options, const Progress& progress) {
  CompileOptions compile = options.compile;
  const std::vector<std::string> known = {"int8", "uint8", "int16", "uint16", "int32"};
  for (const std::string& text : options.input_types) {
    const size_t equals = text.rfind('=');
    const std::string type = equals == std::string::npos ? "" : text.substr(equals + 1);
    const auto found = std::find(known.begin(), known.end(), type);
    if (found == known.end()) {
      return error_at(in_file("--input-type " + text),
                      "no integer type of an input" + did_you_mean(type, known),
                      "write NAME=int8, uint8, int16, uint16 or int32");
    }
    for (const DType dtype :
         {DType::int8, DType::uint8, DType::int16, DType::uint16, DType::int32}) {
      if (name_of(dtype) == type) compile.import.input_types[text.substr(0, equals)] = dtype;
    }
  }
  compile.progress = [&progress](std::string_view stage) { progress.show(stage); };
  return compile;
}

Result<Compilation> compile_to(const CommandOptions& options, const Progress& progress,
                               const std::string& last_stage) {
  Result<CompileOptions> compile = compile_options(options, progress);
  if (!compile.ok()) return compile.errors();
  return compile_network(*compile, last_stage);
}

// The samples of all files, one after the other.
Result<std::vector<Sample>> read_samples(const Graph& graph, const std::vector<fs::path>& files,
                                         bool outputs) {
  std::vector<Sample> samples;
  for (const fs::path& file : files) {
    Result<Arrays> arrays = read_arrays(file);
    if (!arrays.ok()) return arrays.errors();
    Result<std::vector<Sample>> some = outputs ? match_outputs(graph, *arrays, file.string())
                                               : match_inputs(graph, *arrays, file.string());
    if (!some.ok()) return some.errors();
    std::move(some->begin(), some->end(), std::back_inserter(samples));
  }
  return samples;
}

// Builds and runs the emitted C in `kept`, or in a temporary folder if that is empty.
Result<EmittedRun> run_in(const Compilation& compilation, const fs::path& kept,
                          const std::vector<Sample>& samples, const Progress& progress) {
  progress.show("building and running the emitted C");
  const TemporaryFolder temporary;
  return run_emitted(compilation, kept.empty() ? temporary.path() / "bundle" : kept, samples);
}

Json to_json(const Comparison& comparison) {
  Json json = {
      {"what", comparison.what}, {"samples", comparison.samples}, {"exact", comparison.exact}};
  if (comparison.first) json["first_divergence"] = to_string(*comparison.first);
  return json;
}

void print_comparison(const Comparison& comparison) {
  fmt::print("{}: {} of {} samples bit-exact\n", comparison.what, comparison.exact,
             comparison.samples);
  if (comparison.first) fmt::print("  first divergence: {}\n", to_string(*comparison.first));
}

Result<std::vector<int64_t>> read_labels(const fs::path& file) {
  Result<Arrays> arrays = read_arrays(file);
  if (!arrays.ok()) return arrays.errors();
  for (const auto& [key, array] : *arrays) {
    if (key == "labels" || arrays->size() == 1) return array.to_ints();
  }
  return error_at(in_file(file.string()),
                  "no array `labels` among its " + std::to_string(arrays->size()) + " arrays",
                  "name the array of right classes `labels`");
}

int64_t arg_max(const Tensor& scores) {
  const std::vector<int64_t> values = scores.to_ints();
  return std::max_element(values.begin(), values.end()) - values.begin();
}

struct Accuracy {
  int64_t right = 0;
  int64_t samples = 0;
};

Result<Accuracy> accuracy_of(const EmittedRun& run, const fs::path& file) {
  Result<std::vector<int64_t>> labels = read_labels(file);
  if (!labels.ok()) return labels.errors();
  if (labels->size() != run.outputs.size()) {
    return error_at(in_file(file.string()),
                    fmt::format("{} labels for {} samples", labels->size(), run.outputs.size()),
                    "give one label a sample");
  }
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
  Result<ProcessOutcome> outcome = run_process({"make", "-s", "test"}, folder);
  if (!outcome.ok()) return fail(outcome.errors());
  Result<std::string> report = read_file(folder / (options.json ? "report.json" : "report.txt"));
  if (!report.ok()) return fail(report.errors());
  fmt::print("{}", *report);
  fmt::print(options.json ? stderr : stdout, "{}{}", outcome->out, outcome->err);
  return outcome->exit_status == 0 ? 0 : 1;
}

}  // namespace

int compile_command(const CommandOptions& options) {
  if (options.output.empty() && options.dump_after.empty()) {
    return fail("compile", "no folder to write",
                "add `-o DIR`, or `--dump-after STAGE` to look at a stage");
  }
  const Progress progress;
  CommandOptions with_vectors = options;
  if (!options.inputs.empty()) {
    Result<Compilation> imported = compile_to(options, progress, "import");
    if (!imported.ok()) return fail(imported.errors());
    Result<std::vector<Sample>> samples = read_samples(imported->graph, options.inputs, false);
    if (!samples.ok()) return fail(samples.errors());
    with_vectors.compile.vectors = std::move(*samples);
  }
  Result<Compilation> compilation = compile_to(
      with_vectors, progress, options.dump_after.empty() ? "bundle" : options.dump_after);
  if (!compilation.ok()) return fail(compilation.errors());
  progress.show("");
  if (!options.dump_after.empty()) {
    fmt::print("{}", dump(*compilation, options.dump_after));
    return 0;
  }
  const Status written = write_folder(options.output, compilation->bundle);
  if (!written.ok()) return fail(written.errors());
  fmt::print("{}",
             options.json ? report_json(compilation->report) : report_text(compilation->report));
  if (!options.json)
    fmt::print("wrote {} files to {}\n", compilation->bundle.size(), options.output.string());
  return 0;
}

int run_command(const CommandOptions& options) {
  if (fs::is_directory(options.compile.model)) return run_bundle(options);
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return fail(compilation.errors());
  std::vector<Sample> samples;
  if (options.inputs.empty()) {
    for (uint64_t seed = 0; seed < 3; ++seed)
      samples.push_back(random_inputs(compilation->graph, seed));
  } else {
    Result<std::vector<Sample>> read = read_samples(compilation->graph, options.inputs, false);
    if (!read.ok()) return fail(read.errors());
    samples = std::move(*read);
  }
  progress.show("reference");
  Result<ReferenceRun> reference = run_reference(compilation->graph, samples);
  if (!reference.ok()) return fail(reference.errors());
  Result<EmittedRun> run = run_in(*compilation, options.output, samples, progress);
  if (!run.ok()) return fail(run.errors());
  const Comparison comparison = compare_emitted(*compilation, *reference, *run);
  std::optional<Accuracy> accuracy;
  if (!options.labels.empty()) {
    Result<Accuracy> counted = accuracy_of(*run, options.labels);
    if (!counted.ok()) return fail(counted.errors());
    accuracy = *counted;
  }
  progress.show("");
  if (options.json) {
    Json json = {{"report", Json::parse(report_json(compilation->report))},
                 {"comparison", to_json(comparison)}};
    if (accuracy) json["accuracy"] = {{"right", accuracy->right}, {"samples", accuracy->samples}};
    print_json(json);
    return comparison.ok() ? 0 : 1;
  }
  fmt::print("{}", report_text(compilation->report));
  if (accuracy)
    fmt::print("accuracy: {} of {} right ({} %)\n", accuracy->right, accuracy->samples,
               percent(accuracy->right, accuracy->samples));
  fmt::print("bit-exact with the reference: {} of {}\n", comparison.exact, comparison.samples);
  if (comparison.first) fmt::print("  first divergence: {}\n", to_string(*comparison.first));
  return comparison.ok() ? 0 : 1;
}

int inspect_command(const CommandOptions& options) {
  const Progress progress;
  Result<CompileOptions> compile = compile_options(options, progress);
  if (!compile.ok()) return fail(compile.errors());
  Result<Graph> graph = import_model(compile->model, compile->import);
  if (!graph.ok()) return fail(graph.errors());
  fmt::print("{}", options.json ? inspect_json(*graph) : inspect_text(*graph));
  return 0;
}

int verify_command(const CommandOptions& options) {
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return fail(compilation.errors());
  const Graph& graph = compilation->graph;
  Result<std::vector<Sample>> samples = read_samples(graph, options.inputs, false);
  if (!samples.ok()) return fail(samples.errors());
  progress.show("reference");
  Result<ReferenceRun> reference = run_reference(graph, *samples);
  if (!reference.ok()) return fail(reference.errors());

  std::vector<Comparison> comparisons;
  if (!options.expected.empty()) {
    Result<std::vector<Sample>> expected = read_samples(graph, options.expected, true);
    if (!expected.ok()) return fail(expected.errors());
    if (expected->size() != samples->size()) {
      return fail(
          options.expected.front(),
          fmt::format("{} samples expected for {} given", expected->size(), samples->size()),
          "pair every input with one expected output");
    }
    comparisons.push_back(compare_outputs(graph, *reference, *expected));
  }
  std::vector<ActivationCheck> activations;
  for (const fs::path& file : options.activations) {
    Result<Arrays> arrays = read_arrays(file);
    if (!arrays.ok()) return fail(arrays.errors());
    activations.push_back(check_activations(*reference, *arrays));
  }
  Result<EmittedRun> run = run_in(*compilation, options.output, *samples, progress);
  if (!run.ok()) return fail(run.errors());
  comparisons.push_back(compare_emitted(*compilation, *reference, *run));
  progress.show("");

  bool ok = true;
  Json json = Json::array();
  for (const Comparison& comparison : comparisons) {
    ok = ok && comparison.ok();
    json.push_back(to_json(comparison));
    if (!options.json) print_comparison(comparison);
  }
  for (const ActivationCheck& check : activations) {
    ok = ok && check.unmatched.empty();
    json.push_back(
        {{"what", "stored activations"}, {"arrays", check.arrays}, {"unmatched", check.unmatched}});
    if (options.json) continue;
    fmt::print("stored activations: {} of {} equal a value of the reference\n",
               check.arrays - static_cast<int64_t>(check.unmatched.size()), check.arrays);
    for (const std::string& key : check.unmatched)
      fmt::print("  no value of the reference equals {}\n", key);
  }
  if (options.json) print_json(json);
  return ok ? 0 : 1;
}

int why_command(const CommandOptions& options) {
  const Progress progress;
  Result<Compilation> compilation = compile_to(options, progress, "memory");
  if (!compilation.ok()) return fail(compilation.errors());
  progress.show("");
  std::vector<LayerWhy> layers =
      explain(compilation->graph, compilation->soc, compilation->matches, compilation->candidates,
              compilation->schedule, compilation->report);
  if (!options.layer.empty()) {
    std::vector<std::string> names;
    for (const LayerWhy& why : layers) names.push_back(why.layer.layer);
    std::erase_if(layers, [&](const LayerWhy& why) { return why.layer.layer != options.layer; });
    if (layers.empty()) {
      std::string list;
      for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
      return fail(options.compile.model,
                  "no layer `" + options.layer + "`" + did_you_mean(options.layer, names),
                  "the layers are " + list);
    }
  }
  fmt::print("{}", options.json ? why_json(layers) : why_text(layers));
  return 0;
}

}  // namespace heddle
