#include "emit/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cpu_codegen/runtime.h"
#include "emit/writers.h"

namespace heddle {
namespace {

constexpr int64_t kLargestUnitFile = int64_t{1} << 20;

// Drivers and models, as they are in their folders.
void copy_units(const Network& network, FileSet& files, Diagnostics& errors) {
  const auto copy = [&](const UnitFiles& unit, const std::string& folder,
                        const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      Result<std::string> text = read_file(unit.unit->target.folder / name, kLargestUnitFile);
      if (!text.ok()) {
        errors.insert(errors.end(), text.errors().begin(), text.errors().end());
        continue;
      }
      files[folder + "/" + unit.folder + "/" + name] = std::move(*text);
    }
  };
  for (const UnitFiles& unit : network.units) {
    copy(unit, "drivers", unit.unit->target.headers);
    copy(unit, "drivers", unit.unit->target.sources);
    copy(unit, "models", unit.unit->target.models);
  }
}

void check_arguments(const Graph& graph, const Schedule& schedule,
                     std::span<const GoldenVector> golden) {
  for (const GoldenVector& vector : golden) {
    HEDDLE_CHECK(vector.inputs.size() == graph.given_inputs().size() &&
                     vector.outputs.size() == graph.returned_outputs().size(),
                 "a golden vector of another network");
  }
  for (const Step& step : schedule.steps) {
    HEDDLE_CHECK(schedule.storage.contains(step.candidate.match.output(graph)),
                 "a layer's result has no storage");
  }
}

}  // namespace

std::string make_manifest(const std::string& name, const Soc& soc, const FileSet& files) {
  nlohmann::ordered_json json;
  json["schema"] = 1;
  json["tool"] = "heddle";
  json["network"] = network_prefix(name);
  json["soc"] = soc.name;
  json["files"] = nlohmann::ordered_json::object();
  for (const auto& [path, text] : files) {
    if (path != kManifestName) json["files"][path] = text.size();
  }
  return json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<FileSet> emit_bundle(const std::string& name, const Graph& graph, const Soc& soc,
                            const Schedule& schedule, const MemoryPlan& plan,
                            std::span<const GoldenVector> golden) {
  check_arguments(graph, schedule, golden);
  Result<Network> named = name_network(name, graph, soc, schedule, plan);
  if (!named.ok()) return named.errors();
  const Network& network = *named;
  Diagnostics errors;
  FileSet files;
  const std::string& prefix = network.prefix;
  if (Result<std::string> source = emit_source(network); source.ok()) {
    files["src/" + prefix + ".c"] = std::move(*source);
  } else {
    errors = source.errors();
  }
  files["include/" + prefix + ".h"] = emit_header(network);
  files["src/" + prefix + "_weights.h"] = emit_weights_header(network);
  files["src/" + prefix + "_weights.c"] = emit_weights_source(network);
  files["src/heddle_soc.h"] = emit_soc_header(network);
  files["src/heddle_soc_host.c"] = emit_soc_host(network);
  files["soc.json"] = emit_soc_json(network);
  files["layers.json"] = emit_layers_json(network);
  files["src/heddle_soc.ld"] = emit_linker_script(network);
  files["test/firmware.c"] = emit_bench_memory(network);
  files["test/golden.h"] = emit_golden_header(network, golden);
  files["test/golden.c"] = emit_golden_source(network, golden);
  files["test/network.c"] = emit_test_network(network, golden);
  files["test/layers.c"] = emit_test_layers(network);
  files["Makefile"] = emit_makefile(network);
  files["CMakeLists.txt"] = emit_cmake(network);
  files["README.md"] = emit_readme(network);
  const std::set<std::string> headers = network.headers();
  const std::vector<std::string> boards = board_sources(soc.isa);
  for (const auto& [file, text] : runtime_files()) {
    const std::string header = file.substr(0, file.rfind('.')) + ".h";
    const bool board = file.starts_with("heddle_board_") || file.starts_with("heddle_start_");
    if (board && std::count(boards.begin(), boards.end(), "runtime/" + file) == 0) continue;
    if (!is_of_kernels(file) || headers.contains(header)) files["runtime/" + file] = text;
  }
  copy_units(network, files, errors);
  if (!errors.empty()) return errors;
  files[kManifestName] = make_manifest(name, soc, files);
  return files;
}

}  // namespace heddle
