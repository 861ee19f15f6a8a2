#include "compile/compile.h"

#include <algorithm>

#include "base/text.h"
#include "compile/fit_memory.h"
#include "compile/resources.h"
#include "cpu_codegen/generators.h"
#include "emit/names.h"
#include "schedule/legalised.h"
#include "schedule/policy.h"
#include "schedule/tile_memo.h"

namespace heddle {
namespace {

// Golden vectors: what the reference interpreter answers to the given inputs.
Result<std::vector<GoldenVector>> golden_vectors(const Graph& graph,
                                                 const std::vector<std::vector<Tensor>>& given) {
  constexpr uint64_t kRandomVectors = 3;
  std::vector<std::vector<Tensor>> inputs = given;
  for (uint64_t seed = 0; given.empty() && seed < kRandomVectors; ++seed)
    inputs.push_back(random_inputs(graph, seed));
  std::vector<GoldenVector> vectors;
  const Result<std::vector<std::vector<Tensor>>> runs = interpret_all(graph, inputs);
  if (!runs.ok()) return runs.errors();
  for (size_t v = 0; v < inputs.size(); ++v) {
    GoldenVector vector{std::move(inputs[v]), {}};
    for (const ValueId output : graph.returned_outputs())
      vector.outputs.push_back((*runs)[v][static_cast<size_t>(output.index)]);
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

Result<Soc> load_soc_by_name(const CompileOptions& options) {
  Result<std::filesystem::path> file = find_rules_file("soc", options.soc);
  if (!file.ok()) return file.errors();
  return load_soc(*file, accelerator_folders(options.accelerators));
}

Result<Policy> load_policy_by_name(const CompileOptions& options) {
  Result<std::filesystem::path> file = find_rules_file("policy", options.policy);
  if (!file.ok()) return file.errors();
  Result<Policy> policy = load_policy(*file);
  Diagnostics errors;
  if (!policy.ok()) errors = policy.errors();
  for (const std::string& text : options.places) {
    Result<Pin> pin = pin_of(text);
    if (!pin.ok()) errors.insert(errors.end(), pin.errors().begin(), pin.errors().end());
    if (pin.ok() && policy.ok()) policy->pins.push_back(std::move(*pin));
  }
  if (!errors.empty()) return errors;
  return policy;
}

uint64_t next_random(uint64_t& state) {  // splitmix64 (Steele, Lea, Flood 2014)
  state += 0x9E3779B97F4A7C15u;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<Tensor> random_inputs(const Graph& graph, uint64_t seed) {
  std::vector<Tensor> inputs;
  uint64_t state = seed;
  for (const ValueId id : graph.given_inputs()) {
    const TensorType& type = graph.value(id).type;
    Tensor tensor(type.dtype, type.shape);
    if (type.dtype == DType::float32) {
      for (int64_t i = 0; i < tensor.elements(); ++i) {
        const int64_t steps = static_cast<int64_t>(next_random(state) % 8192) - 4096;
        tensor.set_float(i, static_cast<float>(steps) / 2048);  // [-2, 2), exact in float32
      }
      inputs.push_back(std::move(tensor));
      continue;
    }
    const uint64_t span = static_cast<uint64_t>(type.range.hi - type.range.lo) + 1;
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      tensor.set(i, type.range.lo + static_cast<int64_t>(next_random(state) % span));
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

const std::vector<std::string>& stage_names() {
  static const std::vector<std::string> names = {"import",   "match",  "candidates",
                                                 "schedule", "memory", "bundle"};
  return names;
}

std::string dump(const Compilation& c, const std::string& stage) {
  if (stage == "import") return dump(c.graph);
  if (stage == "match") return dump(c.graph, c.soc, c.matches);
  if (stage == "candidates") return dump(c.graph, c.soc, c.candidates);
  if (stage == "schedule") return dump(c.schedule.graph, c.soc, c.schedule);
  if (stage == "memory") return dump(c.schedule.graph, c.plan);
  std::string files;
  for (const auto& [path, content] : c.bundle)
    files += path + " " + std::to_string(content.size()) + " bytes\n";
  return files;
}

Result<Compilation> compile_network(const CompileOptions& options, const std::string& last_stage) {
  if (options.progress) options.progress("import");
  Compilation c;
  c.name = network_prefix(options.name.empty() ? options.model.stem().string() : options.name);
  // The rule files and the model are independent inputs: report the errors of all of them.
  Result<Soc> soc = load_soc_by_name(options);
  Result<Policy> policy = load_policy_by_name(options);
  Result<Graph> graph = import_model(options.model, options.import);
  Diagnostics errors;
  const auto collect = [&](const auto& result) {
    if (!result.ok()) errors.insert(errors.end(), result.errors().begin(), result.errors().end());
  };
  collect(soc);
  collect(policy);
  collect(graph);
  if (!errors.empty()) return errors;
  c.soc = std::move(*soc);
  c.policy = std::move(*policy);
  c.graph = std::move(*graph);
  return compile_graph(std::move(c), options, last_stage);
}

Result<Compilation> compile_graph(Compilation c, const CompileOptions& options,
                                  const std::string& last_stage) {
  const std::vector<std::string>& names = stage_names();
  const auto last = std::find(names.begin(), names.end(), last_stage);
  HEDDLE_CHECK(last != names.end(), "unknown stage " + last_stage);
  // True if the stage is to run; says so to the user.
  const auto enter = [&](const char* stage) {
    const bool wanted = std::find(names.begin(), names.end(), stage) <= last;
    if (wanted && options.progress) options.progress(stage);
    return wanted;
  };

  if (!enter("match")) return c;
  if (Status known = check_policy(c.soc, c.policy); !known.ok()) return known.errors();
  Result<Graph> ordered = order_execution(c.graph, c.policy);
  if (!ordered.ok()) return ordered.errors();
  c.graph = std::move(*ordered);
  if (Status known = check_generators(c.soc.cpu); !known.ok()) return known.errors();
  c.matches = refuse_kernels(c.graph, c.soc, match_rules(c.graph, c.soc, c.policy));
  if (options.narrow) options.narrow(c.matches);

  if (!enter("candidates")) return c;
  Result<Candidates> candidates = make_candidates(c.graph, c.soc, c.matches);
  if (candidates.ok()) {
    candidates = with_legalised(c.graph, c.soc, c.policy, c.matches, std::move(*candidates),
                                refuse_kernels);
  }
  if (!candidates.ok()) return candidates.errors();
  Candidates possible = std::move(*candidates);
  candidates = apply_policy(c.graph, c.soc, c.policy, c.matches, possible);
  if (!candidates.ok()) return candidates.errors();
  c.candidates = std::move(*candidates);

  if (!enter("schedule")) return c;
  TileMemo memo;
  Result<Schedule> schedule =
      make_schedule(c.graph, c.soc, c.policy, c.matches, c.candidates, memo);
  if (!schedule.ok()) return schedule.errors();
  c.schedule = std::move(*schedule);

  if (!enter("memory")) return c;
  Result<Fitted> fitted =
      fit_memory(c.graph, c.soc, c.policy, c.matches, std::move(possible),
                 {std::move(c.candidates), std::move(c.schedule), {}}, memo);
  if (!fitted.ok()) return fitted.errors();
  c.candidates = std::move(fitted->candidates);
  c.schedule = std::move(fitted->schedule);
  c.plan = std::move(fitted->plan);
  c.report = make_report(c.name, c.schedule.graph, c.soc, c.policy, c.schedule, c.plan);
  report_given_up(c.graph, c.soc, c.candidates, c.report);

  if (!enter("bundle")) return c;
  Result<std::vector<GoldenVector>> golden = golden_vectors(c.graph, options.vectors);
  if (!golden.ok()) return golden.errors();
  Result<FileSet> bundle = emit_bundle(c.name, c.schedule.graph, c.soc, c.schedule, c.plan, *golden);
  if (!bundle.ok()) return bundle.errors();
  c.bundle = std::move(*bundle);
  c.bundle["report.json"] = report_json(c.report);
  c.bundle["report.txt"] = report_text(c.report);
  c.bundle[kManifestName] = make_manifest(c.name, c.soc, c.bundle);
  return c;
}

}  // namespace heddle
