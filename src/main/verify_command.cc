// heddle verify: reference, emitted C on the CPU, emitted C with accelerator models, against each
// other and against what is expected.
#include <fmt/format.h>

#include <set>

#include "base/text.h"
#include "main/common.h"
#include "report/table.h"

namespace heddle {
namespace {

// Options that make no sense together or alone.
Diagnostics check_options(const CommandOptions& options) {
  Diagnostics errors;
  const auto refuse = [&](const char* what, const char* message, const char* remedy) {
    errors.push_back(error_at(in_file(what), message, remedy));
  };
  const Criterion& criterion = options.criterion;
  if (options.inputs.empty() && options.random == 0) {
    refuse("verify", "no samples",
           "give `--inputs FILE...`, or `--random N` to compare implementations only");
  }
  if (!options.expected.empty() && options.inputs.empty())
    refuse("--expected", "expected outputs without inputs",
           "give their inputs: `--inputs FILE...`");
  if (!options.activations.empty() && options.inputs.empty())
    refuse("--activations", "stored activations without inputs", "give `--inputs FILE...`");
  if (criterion.max_fraction < 1 && !criterion.max_lsb) {
    refuse("--max-fraction", "a share of elements without a bound on how far they differ",
           "add `--max-lsb N`");
  }
  const bool bounded = criterion.max_lsb || criterion.tolerance;
  if (bounded && options.expected.empty() && options.activations.empty()) {
    refuse(criterion.max_lsb ? "--max-lsb" : "--tolerance",
           "a bound, and nothing that it applies to: implementations agree bit for bit or not",
           "add `--expected FILE...`");
  }
  return errors;
}

// Where the layers of a compilation ran: "7 layers on diana_digital, 2 on cpu".
std::string places(const Compilation& c) {
  std::vector<std::pair<std::string, int>> counts;
  for (const Step& step : c.schedule.steps) {
    const std::string& name = target_of(c.soc, step.candidate.match).name;
    auto found = std::find_if(counts.begin(), counts.end(),
                              [&](const auto& entry) { return entry.first == name; });
    if (found == counts.end()) found = counts.insert(counts.end(), {name, 0});
    ++found->second;
  }
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", count, name);
  return text;
}

bool accelerated(const Compilation& c) {
  return std::any_of(c.schedule.steps.begin(), c.schedule.steps.end(),
                     [](const Step& step) { return step.candidate.tiling.has_value(); });
}

struct Verification {
  std::vector<Comparison> comparisons;
  std::vector<ActivationCheck> activations;
};

Status compare_files(const CommandOptions& options, const Graph& graph, size_t given,
                     const ReferenceRun& reference, Verification& verification) {
  if (!options.expected.empty()) {
    Result<std::vector<Sample>> expected = read_expected(graph, options.expected);
    if (!expected.ok()) return expected.errors();
    if (expected->size() != given) {
      return error_at(in_file(options.expected.front().string()),
                      fmt::format("{} samples expected for {} given", expected->size(), given),
                      "pair every input with one expected output");
    }
    std::vector<std::vector<Tensor>> outputs = outputs_of(graph, reference);
    outputs.resize(given);  // without the random ones
    Result<Comparison> comparison = compare_outputs(graph, outputs, *expected, options.criterion);
    if (!comparison.ok()) return comparison.errors();
    comparison->what = "reference against the expected outputs";
    verification.comparisons.push_back(std::move(*comparison));
  }
  for (const std::filesystem::path& file : options.activations) {
    Result<Arrays> arrays = read_arrays(file);
    if (!arrays.ok()) return arrays.errors();
    verification.activations.push_back(
        check_activations(graph, reference, *arrays, options.criterion.tolerance));
  }
  return Unit{};
}

Status compare_c(const Compilation& compilation, const std::filesystem::path& kept,
                 const std::vector<Sample>& samples, const ReferenceRun& reference,
                 const Progress& progress, Verification& verification) {
  Result<EmittedRun> run = run_in(compilation, kept, samples, progress);
  if (!run.ok()) return run.errors();
  verification.comparisons.push_back(compare_emitted(compilation, reference, *run));
  if (accelerated(compilation))
    verification.comparisons.back().what += fmt::format(" ({})", places(compilation));
  return Unit{};
}

Result<Verification> verify(const CommandOptions& options, const Progress& progress) {
  if (Diagnostics errors = check_options(options); !errors.empty()) return errors;
  Result<Compilation> compilation = compile_to(options, progress, "bundle");
  if (!compilation.ok()) return compilation.errors();
  const Graph& graph = compilation->graph;
  Result<std::vector<Sample>> samples = samples_of(graph, options, 0);
  if (!samples.ok()) return samples.errors();
  progress.show("reference");
  Result<ReferenceRun> reference = run_reference(graph, *samples);
  if (!reference.ok()) return reference.errors();

  Verification verification;
  const size_t given = samples->size() - static_cast<size_t>(options.random);
  Status done = compare_files(options, graph, given, *reference, verification);
  if (!done.ok()) return done.errors();
  if (accelerated(*compilation)) {  // the same network without them
    CommandOptions plain = options;
    plain.compile.soc = "cpu_only";
    plain.compile.policy = "latency";
    plain.compile.places.clear();
    Result<Compilation> on_cpu = compile_to(plain, progress, "bundle");
    if (!on_cpu.ok()) return on_cpu.errors();
    done = compare_c(*on_cpu, "", *samples, *reference, progress, verification);
    if (!done.ok()) return done.errors();
  }
  done = compare_c(*compilation, options.output, *samples, *reference, progress, verification);
  if (!done.ok()) return done.errors();
  return verification;
}

std::string share(const std::optional<double>& value) {
  return value ? fmt::format("{:.4g} %", *value * 100) : "-";
}

// One row an output of a comparison.
void print_metrics(const std::vector<Comparison>& comparisons) {
  const std::vector<Column> columns = {{"", false, 28},  {"output", false, 24}, {"elements", true},
                                       {"differ", true}, {"largest", true},     {"RMSE", true},
                                       {"cosine", true}, {"top-1", true},       {"top-5", true}};
  std::vector<Row> rows;
  for (const Comparison& comparison : comparisons) {
    const std::string what = comparison.what.substr(0, comparison.what.find(" against"));
    for (const Metrics& m : comparison.outputs) {
      rows.push_back({{what, m.output, thousands(m.elements), thousands(m.differing),
                       fmt::format("{:.4g}", m.largest), fmt::format("{:.4g}", m.rmse),
                       fmt::format("{:.6g}", m.cosine), share(m.top_1), share(m.top_5)},
                      ""});
    }
  }
  if (!rows.empty()) fmt::print("\n{}", format_table(columns, rows));
}

bool has_floats(const Divergence& divergence) {
  return std::holds_alternative<float>(divergence.expected) ||
         std::holds_alternative<float>(divergence.got);
}

void print_comparison(const Comparison& comparison) {
  fmt::print("{}: {} of {} samples bit-exact\n", comparison.what, comparison.exact,
             comparison.samples);
  if (!comparison.criterion.empty())
    fmt::print("  {}: {}\n", comparison.criterion, comparison.met ? "met" : "not met");
  if (!comparison.first) return;
  fmt::print("  first divergence: {}\n", to_string(*comparison.first));
  const bool against_file = comparison.what.ends_with("expected outputs");
  if (against_file && comparison.criterion.empty() && has_floats(*comparison.first))
    fmt::print(
        "  float32 depends on the order of sums: `--tolerance 1e-5` accepts |a - b| <= 1e-5 * "
        "max|b|\n");
}

void print_activations(const ActivationCheck& check) {
  fmt::print("stored activations: {} of {} equal a value of the reference\n",
             check.arrays - static_cast<int64_t>(check.unmatched.size()), check.arrays);
  if (check.first) fmt::print("  first divergence: {}\n", to_string(*check.first));
  for (const std::string& key : check.unmatched)
    fmt::print("  no value of the reference equals {}\n", key);
}

Json to_json(const ActivationCheck& check) {
  Json json = {{"what", "stored activations"},
               {"arrays", check.arrays},
               {"named", check.named},
               {"unmatched", check.unmatched}};
  if (check.first) json["first_divergence"] = to_string(*check.first);
  return json;
}

}  // namespace

int verify_command(const CommandOptions& options) {
  const Progress progress;
  const Result<Verification> verification = verify(options, progress);
  if (!verification.ok()) return fail(verification.errors());
  progress.show("");

  bool ok = true;
  Json json = Json::array();
  const auto& [comparisons, activations] = *verification;
  for (const Comparison& comparison : comparisons) {
    ok = ok && comparison.ok();
    json.push_back(to_json(comparison));
    if (!options.json) print_comparison(comparison);
  }
  for (const ActivationCheck& check : activations) {
    ok = ok && check.unmatched.empty();
    json.push_back(to_json(check));
    if (!options.json) print_activations(check);
  }
  if (options.json) print_json(json);
  if (!options.json) print_metrics(comparisons);
  return ok ? 0 : 1;
}

}  // namespace heddle
