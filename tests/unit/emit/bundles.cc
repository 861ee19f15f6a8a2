#include "cpu_codegen/generators.h"
#include "unit/emit/bundles.h"

#include <fmt/format.h>

#include "base/process.h"
#include "base/text.h"

namespace heddle::test {
namespace {

template <class T>
T checked(Result<T> result) {
  if (!result.ok()) internal_error(__FILE__, __LINE__, format_diagnostics(result.errors()));
  return std::move(*result);
}

std::vector<GoldenVector> golden_vectors(Random& random, const Graph& graph, int count) {
  std::vector<std::vector<Tensor>> inputs;
  for (int v = 0; v < count; ++v) {
    inputs.emplace_back();
    for (const ValueId id : graph.given_inputs())
      inputs.back().push_back(random.tensor(graph.value(id).type));
  }
  const std::vector<std::vector<Tensor>> runs = checked(interpret_all(graph, inputs));
  std::vector<GoldenVector> golden;
  for (size_t v = 0; v < inputs.size(); ++v) {
    GoldenVector vector{inputs[v], {}};
    const std::vector<Tensor>& values = runs[v];
    for (const ValueId id : graph.returned_outputs()) {
      const Value& value = graph.value(id);
      vector.outputs.push_back(value.constant ? *value.constant
                                              : values[static_cast<size_t>(id.index)]);
    }
    golden.push_back(std::move(vector));
  }
  return golden;
}

}  // namespace

ValueId GraphBuilder::input(const std::string& name, Shape shape, Range range) {
  Value value = activation(std::move(shape), range);
  value.name = name;
  graph.inputs.push_back(graph.add_value(value));
  return graph.inputs.back();
}

ValueId GraphBuilder::node(const std::string& name, const std::string& op, Attributes attributes,
                           std::vector<ValueId> inputs) {
  Node node{.name = name,
            .op = op,
            .attributes = std::move(attributes),
            .inputs = std::move(inputs),
            .output = {}};
  node.output = graph.add_value(
      {.name = name + "_y", .type = {}, .constant = {}, .producer = {}, .consumers = {}});
  const ValueId output = node.output;
  const NodeId id = graph.add_node(std::move(node));
  graph.value(output).type = checked(op_of(graph.node(id)).infer({graph, graph.node(id)}));
  return output;
}

ValueId GraphBuilder::conv(Random& random, const std::string& name, ValueId x, int64_t k,
                           int64_t kernel, int64_t stride, int64_t pad) {
  const int64_t c = graph.value(x).type.shape[1];
  const ValueId weights = constant(random.constant_of({k, c, kernel, kernel}, {-128, 127}));
  const ValueId bias = constant(random.constant_of({k}, {-9999, 9999}));
  const ValueId sum =
      node(name, "conv2d", with(test::conv(stride, pad), {{"group", int64_t{1}}}), {x, weights});
  const ValueId biased = node(name + "_bias", "bias_add", {{"axis", int64_t{1}}}, {sum, bias});
  return node(name + "_requant", "requant", requant("shift", 9), {biased});
}

Soc load(const std::string& soc) {
  return checked(
      load_soc(std::filesystem::path(HEDDLE_SOURCE_DIR) / "rules/soc" / (soc + ".toml")));
}

Compiled compile(Random& random, const std::string& name, const Graph& graph, const Soc& soc,
                 int vectors) {
  checked(verify_graph(graph));
  Policy policy;
  policy.name = "latency";
  const Matches matches = refuse_kernels(graph, soc, match_rules(graph, soc, policy));
  const Candidates candidates = *make_candidates(graph, soc, matches);
  Compiled compiled;
  compiled.schedule = checked(make_schedule(graph, soc, policy, matches, candidates));
  compiled.plan = checked(plan_memory(graph, soc, compiled.schedule,
                                      kernel_needs(graph, soc, compiled.schedule)));
  compiled.files = checked(emit_bundle(name, graph, soc, compiled.schedule, compiled.plan,
                                       golden_vectors(random, graph, vectors)));
  return compiled;
}

Compiled compile_by_hand(Random& random, const std::string& name, const Graph& graph,
                         const Soc& soc) {
  checked(verify_graph(graph));
  Compiled compiled;
  std::set<ValueId> values(graph.inputs.begin(), graph.inputs.end());
  const int last_rule = static_cast<int>(soc.cpu.rules.size()) - 1;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const NodeId id{static_cast<int32_t>(n)};
    Step step;
    step.candidate.match.rule = last_rule;
    step.candidate.match.nodes = {id};
    step.candidate.match.anchor = id;
    step.candidate.match.bound = {{"x", graph.node(id).inputs[0]}, {"y", graph.node(id).output}};
    step.name = graph.node(id).name;
    step.why = "by hand";
    values.insert(graph.node(id).output);
    compiled.schedule.steps.push_back(std::move(step));
  }
  compiled.schedule.materialised.assign(values.begin(), values.end());
  for (const ValueId id : values) {
    const TensorType& type = graph.value(id).type;
    compiled.schedule.storage[id] =
        random.coin() ? dense_storage(type) : padded_storage(type, {4, 8});
  }
  compiled.plan = checked(plan_memory(graph, soc, compiled.schedule));
  compiled.files = checked(emit_bundle(name, graph, soc, compiled.schedule, compiled.plan,
                                       golden_vectors(random, graph, 2)));
  return compiled;
}

std::string make(const FileSet& files, const std::vector<std::string>& arguments,
                 std::vector<std::string> program) {
  const TemporaryFolder folder;
  checked(write_folder(folder.path() / "bundle", files));
  std::vector<std::string> argv = {"make", "-s", "-j2"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ProcessLimits limits;
  limits.memory_bytes = int64_t{1} << 46;  // AddressSanitizer reserves its shadow
  ProcessOutcome outcome = checked(run_process(argv, folder.path() / "bundle", limits));
  std::string text = outcome.out + outcome.err;
  if (outcome.exit_status == 0 && !program.empty()) {
    program[0] = (folder.path() / "bundle" / program[0]).string();
    outcome = checked(run_process(program, folder.path() / "bundle", limits));
    text += outcome.out + outcome.err;
  }
  return outcome.exit_status == 0 ? text
                                  : fmt::format("exit status {}: {}", outcome.exit_status, text);
}

bool has_program(const std::string& name) {
  const Result<ProcessOutcome> outcome = run_process({name, "--version"}, "/");
  return outcome.ok() && outcome->exit_status == 0;
}

}  // namespace heddle::test
