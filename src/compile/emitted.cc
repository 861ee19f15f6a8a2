// Builds a bundle with its own Makefile and runs it in a child process: generated C and models are
// never loaded here.
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "compile/verify.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

// A diagnostic is one line: of what a compiler or program says, the first line that speaks of an
// error, else the first one.
std::string telling_line(const std::string& text) {
  const size_t error = text.find("error");
  const size_t begin =
      error == std::string::npos ? 0 : text.rfind('\n', error) + 1;  // npos + 1 is 0
  return text.substr(begin, text.find('\n', begin) - begin);
}

Diagnostic failed_process(const std::string& what, const ProcessOutcome& outcome) {
  std::string how = outcome.ended_because;
  if (how.empty()) {
    how = outcome.exit_status >= 0 ? fmt::format("exit status {}", outcome.exit_status)
                                   : fmt::format("signal {}", outcome.signal);
  }
  return error_at(in_file(what), fmt::format("{}: {}", how, telling_line(outcome.err)),
                  "`heddle compile -o DIR` it and run `make test` there to see all of it");
}

std::string program_of(const Compilation& c) { return "build/" + c.name + "_layers"; }

std::string concatenate(const std::vector<Sample>& samples) {
  std::string bytes;
  for (const Sample& sample : samples) {
    for (const Tensor& tensor : sample) {
      bytes.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
    }
  }
  return bytes;
}

// Tensors of the given types from a dump, one set a sample.
Result<std::vector<std::vector<Tensor>>> split(const fs::path& file,
                                               const std::vector<TensorType>& types,
                                               size_t samples) {
  Result<std::string> bytes = read_file(file);
  if (!bytes.ok()) return bytes.errors();
  std::vector<std::vector<Tensor>> all(samples);
  size_t at = 0;
  for (std::vector<Tensor>& tensors : all) {
    for (const TensorType& type : types) {
      Tensor tensor(type.dtype, type.shape);
      if (bytes->size() - at < tensor.bytes().size()) {
        return error_at(in_file(file.filename().string()),
                        fmt::format("the program wrote {} bytes, too few for {} samples",
                                    bytes->size(), samples));
      }
      std::memcpy(tensor.bytes().data(), bytes->data() + at, tensor.bytes().size());
      at += tensor.bytes().size();
      tensors.push_back(std::move(tensor));
    }
  }
  return all;
}

// Cycles of the step's own unit during the first sample, from the program's JSON lines, whose
// counters only grow.
std::vector<int64_t> accelerator_cycles(const Compilation& c, const std::string& lines) {
  std::vector<int64_t> cycles(c.schedule.steps.size(), 0);
  std::map<std::string, int64_t> before;
  size_t begin = 0;
  for (size_t step = 0; step < cycles.size() && begin < lines.size(); ++step) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const nlohmann::json line =
        nlohmann::json::parse(lines.substr(begin, end - begin), nullptr, false);
    begin = end + 1;
    if (line.is_discarded() || !line.contains("units")) break;
    for (const auto& [unit, counters] : line["units"].items()) {
      const int64_t now = counters.value("cycles", int64_t{0});
      if (unit == target_of(c.soc, c.schedule.steps[step].candidate.match).name)
        cycles[step] = now - before[unit];
      before[unit] = now;
    }
  }
  return cycles;
}

}  // namespace

Result<EmittedRun> run_emitted(const Compilation& c, const fs::path& folder,
                               const std::vector<Sample>& samples, const ProcessLimits& limits) {
  if (Status built = build_emitted(c, folder, limits); !built.ok()) return built.errors();
  return run_built(c, folder, samples, {}, limits);
}

Status build_emitted(const Compilation& c, const fs::path& folder, const ProcessLimits& limits) {
  const Status written = write_folder(folder, c.bundle);
  if (!written.ok()) return written.errors();
  const std::string program = program_of(c);
  Result<ProcessOutcome> built = run_process({"make", "-s", program}, folder, limits);
  if (!built.ok()) return built.errors();
  if (built->exit_status != 0) return failed_process("make " + program, *built);
  return Unit{};
}

Result<EmittedRun> run_built(const Compilation& c, const fs::path& folder,
                             const std::vector<Sample>& samples,
                             const std::vector<UnitSetting>& settings,
                             const ProcessLimits& limits) {
  const TemporaryFolder temporary;
  const fs::path inputs = temporary.path() / "inputs";
  const fs::path outputs = temporary.path() / "outputs";
  const fs::path layers = temporary.path() / "layers";
  std::ofstream(inputs, std::ios::binary) << concatenate(samples);
  std::vector<std::string> command = {(fs::absolute(folder) / program_of(c)).string(),
                                      "--inputs", inputs.string(), "--outputs", outputs.string(),
                                      "--layers", layers.string(), "--cycles"};
  for (const UnitSetting& setting : settings) {
    command.insert(command.end(), {"--set", setting.unit, std::to_string(setting.register_offset),
                                   std::to_string(setting.value)});
  }
  Result<ProcessOutcome> ran = run_process(command, folder, limits);
  if (!ran.ok()) return ran.errors();
  if (ran->exit_status != 0) return failed_process("the emitted C", *ran);

  std::vector<TensorType> output_types, layer_types;
  for (const ValueId id : c.graph.returned_outputs()) output_types.push_back(c.graph.value(id).type);
  for (const Step& step : c.schedule.steps)
    layer_types.push_back(
        c.schedule.graph.value(step.candidate.match.output(c.schedule.graph)).type);
  Result<std::vector<std::vector<Tensor>>> output_tensors =
      split(outputs, output_types, samples.size());
  if (!output_tensors.ok()) return output_tensors.errors();
  Result<std::vector<std::vector<Tensor>>> layer_tensors =
      split(layers, layer_types, samples.size());
  if (!layer_tensors.ok()) return layer_tensors.errors();
  return EmittedRun{std::move(*output_tensors), std::move(*layer_tensors),
                    accelerator_cycles(c, ran->out)};
}

}  // namespace heddle
