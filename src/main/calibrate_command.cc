#include <fmt/format.h>

#include <deque>

#include "base/text.h"
#include "compile/resources.h"
#include "main/common.h"
#include "report/calibrate.h"
#include "report/measured.h"
#include "rules/edit.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

// A measured file and the network that was compiled for it again.
struct Network {
  std::string name;  // of the measured file
  Compilation compilation;
  std::vector<std::optional<int64_t>> cycles;
};

// "MODEL=MEASURED.csv", or a file alone that names its model.
struct Argument {
  std::string model;
  fs::path file;
};

Argument split(const std::string& text) {
  std::error_code ignored;
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || fs::is_regular_file(text, ignored)) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// What the file says, unless an option says otherwise.
Result<std::string> named(const std::string& option, const std::string& in_the_file,
                          const fs::path& file, const char* what, const char* remedy) {
  if (!option.empty()) return option;
  if (!in_the_file.empty()) return in_the_file;
  return error_at(in_file(file.string()), fmt::format("the file does not say its {}", what),
                  remedy);
}

// A model is named as its user saw it, or relative to the measured file.
fs::path model_path(const std::string& model, const fs::path& file) {
  std::error_code ignored;
  const fs::path beside = file.parent_path() / model;
  return !fs::exists(model, ignored) && fs::exists(beside, ignored) ? beside : fs::path(model);
}

Result<Network> read_network(const Argument& argument, const CommandOptions& options,
                             const Progress& progress) {
  constexpr int64_t kMaxBytes = 64 << 20;
  const Result<std::string> text = read_file(argument.file, kMaxBytes);
  if (!text.ok()) return text.errors();
  const Result<Measured> measured = parse_measured(*text, argument.file.string());
  if (!measured.ok()) return measured.errors();
  const Result<std::string> model =
      named(argument.model, measured->model, argument.file, "model",
            "write MODEL=MEASURED.csv, or `# model: FILE` into its first line");
  const Result<std::string> soc = named(options.calibrate.soc, measured->soc, argument.file, "SoC",
                                        "add `--soc S`, or `# soc: S` before its header");
  if (!model.ok()) return model.errors();
  if (!soc.ok()) return soc.errors();
  CommandOptions one = options;
  one.compile.model = model_path(*model, argument.file);
  one.compile.soc = *soc;
  const std::string& policy =
      options.calibrate.policy.empty() ? measured->policy : options.calibrate.policy;
  if (!policy.empty()) one.compile.policy = policy;
  Result<Compilation> compilation = compile_to(one, progress, "memory");
  if (!compilation.ok()) return compilation.errors();
  std::vector<std::string> layers;
  for (const LayerReport& layer : compilation->report.layers) layers.push_back(layer.layer);
  layers.emplace_back(kOutside);
  Result<std::vector<std::optional<int64_t>>> cycles = cycles_of_layers(*measured, layers);
  if (!cycles.ok()) return cycles.errors();
  return Network{argument.file.stem().string(), std::move(*compilation), std::move(*cycles)};
}

// All of them, with the errors of all.
Result<std::deque<Network>> read_networks(const std::vector<std::string>& arguments,
                                          const CommandOptions& options, const Progress& progress) {
  std::deque<Network> networks;
  Diagnostics errors;
  for (const std::string& text : arguments) {
    Result<Network> network = read_network(split(text), options, progress);
    if (network.ok()) {
      networks.push_back(std::move(*network));
    } else {
      errors.insert(errors.end(), network.errors().begin(), network.errors().end());
    }
  }
  if (!errors.empty()) return errors;
  return networks;
}

void add_networks(const std::deque<Network>& networks, std::vector<MeasuredNetwork>& to) {
  for (const Network& network : networks) {
    const Schedule& schedule = network.compilation.schedule;
    to.push_back({network.name, &schedule.graph, &schedule, network.cycles});
  }
}

std::string constants_toml(const Calibration& calibration) {
  std::string text = "[cpu.constants]\n";
  for (const FittedConstant& constant : calibration.constants)
    text += fmt::format("{} = {}\n", constant.key, constant.value);
  return text;
}

}  // namespace

int calibrate_command(const CommandOptions& options) {
  const Progress progress;
  Result<std::deque<Network>> fitted = read_networks(options.calibrate.fit, options, progress);
  Result<std::deque<Network>> checked = read_networks(options.calibrate.check, options, progress);
  Diagnostics errors;
  for (const auto* const each : {&fitted, &checked}) {
    if (!each->ok()) errors.insert(errors.end(), each->errors().begin(), each->errors().end());
  }
  if (!errors.empty()) return fail(errors);
  const Soc& soc = fitted->front().compilation.soc;
  for (const auto* const networks : {&*fitted, &*checked}) {
    for (const Network& network : *networks) {
      if (network.compilation.soc.file == soc.file) continue;
      return fail(network.compilation.soc.file,
                  fmt::format("`{}` was measured on another SoC than `{}`, which is `{}`",
                              network.name, fitted->front().name, soc.file.string()),
                  "calibrate one SoC at a time");
    }
  }
  CalibrationProblem problem;
  problem.soc = &soc;
  problem.rule = options.calibrate.rule;
  add_networks(*fitted, problem.fitted);
  add_networks(*checked, problem.checked);
  progress.show("fitting");
  Result<Calibration> calibration = calibrate(problem);
  if (!calibration.ok()) return fail(calibration.errors());
  progress.show("");
  fmt::print("{}", options.json ? calibration_json(*calibration) : calibration_text(*calibration));
  if (options.output.empty()) {
    if (!options.json) fmt::print("\n{}", constants_toml(*calibration));
    return 0;
  }
  std::vector<std::pair<std::string, int64_t>> constants;
  for (const FittedConstant& constant : calibration->constants)
    constants.emplace_back(constant.key, constant.value);
  Result<std::string> text = soc_with_constants(soc.file, constants, options.output.parent_path());
  if (!text.ok()) return fail(text.errors());
  const Status written = write_file(options.output, *text);
  if (!written.ok()) return fail(written.errors());
  if (!options.json) fmt::print("wrote {}\n", options.output.string());
  return 0;
}

}  // namespace heddle
