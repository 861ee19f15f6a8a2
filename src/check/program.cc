#include "check/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/process.h"
#include "cpu_codegen/runtime.h"
#include "emit/writers.h"
#include "sim/build.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMakefile = R"make(# Many networks in one program, written by heddle check.
# Networks are compiled for little time, the models for speed. The warnings are those of a bundle.
STRICT = -std=c99 -ffp-contract=off -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror
INCLUDES = -I. -Iinclude -Isrc -Iruntime
NETWORKS = $(patsubst %.c,%.o,$(wildcard src/*.c))
SHARED = $(patsubst %.c,%.o,$(wildcard runtime/*.c) $(wildcard drivers/*/*.c) $(wildcard models/*/*.c))

program: $(NETWORKS) $(SHARED)
	@$(CC) -o $@ $^ -lm

src/%.o: src/%.c
	@$(CC) $(STRICT) -O0 $(INCLUDES) -c -o $@ $<

# A model includes the driver.h of its own unit.
%.o: %.c
	@$(CC) $(STRICT) -O2 $(INCLUDES) $(patsubst models/%/,-Idrivers/%,$(filter models/%,$(dir $<))) -c -o $@ $<
)make";

std::string wrapper(const Network& network) {
  const auto sizes = [&] {
    std::vector<std::string> texts;
    for (const ValueId id : network.given) {
      const TensorType& type = network.graph->value(id).type;
      texts.push_back(std::to_string(elements_of(type.shape) * bytes_of(type.dtype)));
    }
    if (texts.empty()) texts.emplace_back("0");
    return texts;
  }();
  std::string text = fmt::format("#include \"include/{0}.h\"\nstatic const uint32_t {0}_sizes[] = {{{1}}};\n",
                                 network.prefix, fmt::join(sizes, ", "));
  text += fmt::format("static int {0}_go(void *arena, const void *const *inputs, void *output) {{\n"
                      "  {0}_inputs in;\n  {0}_outputs out;\n", network.prefix);
  for (size_t i = 0; i < network.inputs.size(); ++i)
    text += fmt::format("  in.{} = inputs[{}];\n", network.inputs[i], i);
  if (network.inputs.empty()) text += "  in.unused = NULL;\n  (void)inputs;\n";
  text += fmt::format("  out.{} = output;\n  return {}_run(arena, &in, &out);\n}}\n", network.outputs[0],
                      network.prefix);
  return text;
}

std::string table_row(const Network& network) {
  const TensorType& type = network.graph->value(network.returned[0]).type;
  return fmt::format("  {{{0}_ARENA_BYTES, {0}_ARENA_ALIGNMENT, {1}u, {2}_sizes, {3}u, {2}_go}},\n",
                     network.upper, network.given.size(), network.prefix,
                     elements_of(type.shape) * bytes_of(type.dtype));
}

// Drivers and models, as they are in their folders.
Status copy_unit(const UnitFiles& unit, FileSet& files) {
  const Target& target = unit.unit->target;
  Diagnostics errors;
  const auto copy = [&](const char* folder, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      Result<std::string> text = read_file(target.folder / name, int64_t{1} << 20);
      if (!text.ok()) {
        errors.insert(errors.end(), text.errors().begin(), text.errors().end());
      } else {
        files[fmt::format("{}/{}/{}", folder, unit.folder, name)] = std::move(*text);
      }
    }
  };
  copy("drivers", target.headers);
  copy("drivers", target.sources);
  copy("models", target.models);
  if (!errors.empty()) return errors;
  return Unit{};
}


Result<FileSet> emit_program(const Soc& soc, const std::vector<ProgramNetwork>& networks,
                             const std::string& unit) {
  FileSet files;
  std::string table = "#include \"heddle_check.h\"\n\n#include <stddef.h>\n\n", rows, weights;
  size_t most_units = 0;
  for (size_t i = 0; i < networks.size(); ++i) {
    const Compilation& c = networks[i].compilation;
    Result<Network> named = name_network(c.name, c.schedule.graph, c.soc, c.schedule, c.plan);
    if (!named.ok()) return named.errors();
    const Network& network = *named;
    Result<std::string> source = emit_source(network);
    if (!source.ok()) return source.errors();
    files["src/" + network.prefix + ".c"] = std::move(*source);
    files["include/" + network.prefix + ".h"] = emit_header(network);
    files["src/" + network.prefix + "_weights.h"] = emit_weights_header(network);
    weights += emit_weights_source(network) + "\n";
    table += wrapper(network);
    rows += table_row(network);
    for (const std::string& header : network.headers())
      for (const std::string& file : {header, header.substr(0, header.size() - 1) + "c"})
        if (runtime_files().contains(file)) files["runtime/" + file] = runtime_files().at(file);
    // Some networks may do without the DMA.
    if (i > 0 && network.units.size() <= most_units) continue;
    most_units = network.units.size();
    Result<Network> whole = name_network(c.name, c.schedule.graph, soc, c.schedule, c.plan);
    if (!whole.ok()) return whole.errors();
    files["src/heddle_soc.h"] = emit_soc_header(*whole);
    files["src/heddle_soc_host.c"] = emit_soc_host(*whole);
    for (const UnitFiles& used : whole->units)
      if (Status status = copy_unit(used, files); !status.ok()) return status.errors();
  }
  table += fmt::format("\nconst heddle_check_network heddle_check_networks[] = {{\n{}}};\n"
                       "const uint32_t heddle_check_network_count = {}u;\nconst char heddle_check_unit[] = \"{}\";\n",
                       rows, networks.size(), unit);
  files["src/heddle_check_table.c"] = std::move(table);
  files["src/heddle_check_weights.c"] = std::move(weights);
  for (const char* const file : {"heddle_host.c", "heddle_host.h", "heddle_runtime.h", "heddle_model.h",
                                 "heddle_unit.h", "heddle_transfer.h", "heddle_math.c", "heddle_math.h"})
    files[std::string("runtime/") + file] = runtime_files().at(file);
  for (const auto& [file, text] : check_files()) files["runtime/" + file] = text;
  files["Makefile"] = kMakefile;
  return files;
}

// Leaves a file that is as it should be alone, so that make does too; removes the sources of the
// program before.
Status write_program(const fs::path& folder, const FileSet& files) {
  std::error_code ignored;
  for (const char* const old : {"src", "include"}) fs::remove_all(folder / old, ignored);
  for (const auto& [path, text] : files) {
    const fs::path file = folder / path;
    fs::create_directories(file.parent_path(), ignored);
    if (const Result<std::string> there = fs::exists(file, ignored) ? read_file(file) : std::string();
        there.ok() && *there == text && !text.empty())
      continue;
    if (Status written = write_file(file, text); !written.ok()) return written;
  }
  return Unit{};
}

void write_samples(const fs::path& file, const std::vector<ProgramNetwork>& networks) {
  std::ofstream out(file, std::ios::binary);
  for (const ProgramNetwork& network : networks) {
    for (const std::vector<Tensor>& sample : network.samples) {
      for (const Tensor& tensor : sample)
        out.write(reinterpret_cast<const char*>(tensor.bytes().data()),
                  static_cast<std::streamsize>(tensor.bytes().size()));
    }
  }
}

// Reads what one process said; returns the network after the one that it died in, or -1.
Result<int64_t> read_runs(const std::vector<ProgramNetwork>& networks, const ProcessOutcome& outcome,
                          const fs::path& outputs, ProgramResult& result) {
  Result<std::string> bytes = read_file(outputs);
  if (!bytes.ok()) return bytes.errors();
  std::istringstream lines(outcome.out);
  size_t at = 0, network = 0, sample = 0;
  bool running = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "run") {
      words >> network >> sample;
      if (network >= networks.size() || sample >= networks[network].samples.size()) break;
      running = true;
      continue;
    }
    if (word != "end" || !running) continue;  // the driver or the model may print, too
    running = false;
    ProgramRun& run = result.runs[network][sample];
    int status = 0;
    words >> status >> run.cycles >> run.jobs >> std::ws;
    std::getline(words, run.error);
    if (status != 0 && run.error.empty()) run.error = fmt::format("status {}", status);
    if (status != 0) continue;
    run.error.clear();
    const Graph& graph = networks[network].compilation.graph;
    const TensorType& type = graph.value(graph.outputs[0]).type;
    Tensor tensor(type.dtype, type.shape);
    if (bytes->size() - at < tensor.bytes().size()) break;
    std::memcpy(tensor.bytes().data(), bytes->data() + at, tensor.bytes().size());
    at += tensor.bytes().size();
    run.output = std::move(tensor);
  }
  if (outcome.exit_status == 0) return -1;
  if (!running) return error_at(in_file("the program"), sim::telling_line(outcome.err));
  for (ProgramRun& run : result.runs[network])
    run.error = "the driver or the model ended the process: " + sim::how_it_ended(outcome);
  return static_cast<int64_t>(network) + 1;
}

}  // namespace

ProgramFolder::ProgramFolder(const Soc& soc, int unit, fs::path kept)
    : soc_(soc), unit_(soc.accelerators[static_cast<size_t>(unit)].target.name), kept_(std::move(kept)) {}

Result<ProgramResult> ProgramFolder::run(const std::vector<ProgramNetwork>& networks) {
  constexpr int kMostDeaths = 20;
  const ProcessLimits limits{.cpu_seconds = 600, .wall_seconds = 1800};
  ProgramResult result;
  size_t samples = 0;
  for (const ProgramNetwork& network : networks) {
    result.runs.emplace_back(network.samples.size(),
                             ProgramRun{"it was not run: too many before it ended the process", {}, 0, 0});
    samples = network.samples.size();
  }
  const fs::path folder =
      kept_.empty() ? temporary_.path() : kept_ / (programs_ == 0 ? "all" : fmt::format("smaller_{}", programs_));
  ++programs_;
  Result<FileSet> files = emit_program(soc_, networks, unit_);
  if (!files.ok()) return files.errors();
  if (Status written = write_program(folder, *files); !written.ok()) return written.errors();
  const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
  if (Status built = sim::build_in(folder, {"program", fmt::format("-j{}", cores)}, limits); !built.ok())
    return built.errors();
  const fs::path inputs = folder / "inputs", outputs = folder / "outputs";
  write_samples(inputs, networks);
  int64_t first = 0;
  for (int death = 0; first >= 0 && death <= kMostDeaths; ++death) {
    Result<ProcessOutcome> ran =
        run_process({fs::absolute(folder / "program").string(), inputs.string(), outputs.string(),
                     std::to_string(samples), std::to_string(first)}, folder, limits);
    if (!ran.ok()) return ran.errors();
    Result<int64_t> next = read_runs(networks, *ran, outputs, result);
    if (!next.ok()) return next.errors();
    first = *next;
  }
  return result;
}

}  // namespace heddle
