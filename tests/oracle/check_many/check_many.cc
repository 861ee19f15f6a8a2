// Imports many networks in one process and holds each against stored outputs, for generated graphs.
//
//   check_many LIST [--c]
//
// A line of LIST: model, inputs.npz, expected.npz and options, separated by tabs; options are
// `max-lsb=N`, `tolerance=T`, `type=NAME:uint8`, `rounding=R`. One line of JSON a network is printed. With --c
// the emitted C is built and run too. The exit status is 0 however the comparisons end:
// tests/oracle/random_graphs.py judges them.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "compile/verify.h"
#include "import/samples.h"

namespace heddle {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
  return fields;
}

struct Job {
  CompileOptions compile;
  std::filesystem::path inputs, expected;
  Criterion criterion;
};

Job read_job(const std::string& line) {
  const std::vector<std::string> fields = fields_of(line);
  HEDDLE_CHECK(fields.size() >= 3, "a line of the list: " + line);
  Job job;
  job.compile.model = fields[0];
  job.inputs = fields[1];
  job.expected = fields[2];
  for (size_t i = 3; i < fields.size(); ++i) {
    const std::string key = fields[i].substr(0, fields[i].find('='));
    const std::string value = fields[i].substr(key.size() + 1);
    if (key == "max-lsb") job.criterion.max_lsb = std::stoll(value);
    if (key == "rounding") job.compile.import.rounding = value;
    if (key == "tolerance") job.criterion.tolerance = std::stod(value);
    if (key == "type") {
      const size_t colon = value.rfind(':');
      for (const DType type : {DType::int8, DType::uint8, DType::int16, DType::int32}) {
        if (name_of(type) == value.substr(colon + 1))
          job.compile.import.input_types[value.substr(0, colon)] = type;
      }
    }
  }
  return job;
}

void report(Json& json, const Comparison& comparison) {
  int64_t elements = 0, differing = 0;
  for (const Metrics& metrics : comparison.outputs) {
    elements += metrics.elements;
    differing += metrics.differing;
  }
  json["met"] = comparison.met;
  json["elements"] = elements;
  json["differing"] = differing;
  if (comparison.first) json["first"] = to_string(*comparison.first);
}

// The network as C, on this host's CPU.
Status check_emitted(const Job& job, const Graph& graph, const std::vector<Sample>& inputs,
                     const ReferenceRun& reference, Json& json) {
  const std::filesystem::path rules = std::filesystem::path(HEDDLE_SOURCE_DIR) / "rules";
  Result<Soc> soc = load_soc(rules / "soc/cpu_only.toml",
                             {std::filesystem::path(HEDDLE_SOURCE_DIR) / "accelerators"});
  if (!soc.ok()) return soc.errors();
  Result<Policy> policy = load_policy(rules / "policy/latency.toml");
  if (!policy.ok()) return policy.errors();
  Compilation start;
  start.name = "random";
  start.graph = graph;
  start.soc = std::move(*soc);
  start.policy = std::move(*policy);
  Result<Compilation> compiled = compile_graph(std::move(start), job.compile);
  if (!compiled.ok()) return compiled.errors();
  const TemporaryFolder folder;
  Result<EmittedRun> run = run_emitted(*compiled, folder.path() / "bundle", inputs);
  if (!run.ok()) return run.errors();
  const Comparison emitted = compare_emitted(*compiled, reference, *run);
  json["emitted"] = emitted.ok();
  if (emitted.first) json["emitted_first"] = to_string(*emitted.first);
  return Unit{};
}

Status check(const Job& job, bool c, Json& json) {
  Result<Graph> imported = import_model(job.compile.model, job.compile.import);
  if (!imported.ok()) return imported.errors();
  const Graph& graph = *imported;
  json["dialect"] = graph.dialect;
  Result<std::vector<Sample>> inputs = read_inputs(graph, {job.inputs});
  if (!inputs.ok()) return inputs.errors();
  Result<std::vector<Sample>> expected = read_expected(graph, {job.expected});
  if (!expected.ok()) return expected.errors();
  HEDDLE_CHECK(inputs->size() == expected->size(), "pairs of samples");
  Result<ReferenceRun> reference = run_reference(graph, *inputs);
  if (!reference.ok()) return reference.errors();
  Result<Comparison> comparison =
      compare_outputs(graph, outputs_of(graph, *reference), *expected, job.criterion);
  if (!comparison.ok()) return comparison.errors();
  report(json, *comparison);
  return c ? check_emitted(job, graph, *inputs, *reference, json) : Unit{};
}

int check_all(const std::string& list, bool c) {
  std::ifstream lines(list);
  HEDDLE_CHECK(lines.good(), "no list " + list);
  for (std::string line; std::getline(lines, line);) {
    const Job job = read_job(line);
    Json json = {{"model", job.compile.model.string()}};
    try {
      const Status done = check(job, c, json);
      if (!done.ok()) json["error"] = format_diagnostics(done.errors());
    } catch (const std::exception& bug) {
      json["error"] = std::string("a bug of ours: ") + bug.what();
    }
    std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heddle

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: check_many LIST [--c]\n";
    return 2;
  }
  return heddle::check_all(argv[1], argc > 2 && std::string(argv[2]) == "--c");
}
