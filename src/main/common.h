// What the commands share: printing, options, samples, one run of the emitted C.
#pragma once

#include <nlohmann/json.hpp>

#include "compile/verify.h"
#include "main/commands.h"
#include "report/accuracy.h"

namespace heddle {

using Json = nlohmann::ordered_json;

// Print errors; exit status 1.
int fail(const Diagnostics& errors);
int fail(const std::filesystem::path& file, const std::string& message, const std::string& remedy);
int labels_without_inputs();

void print_json(const Json& json);

// One line on stderr that shows the stage of long work; nothing if stderr is no terminal.
class Progress {
 public:
  Progress();
  ~Progress() { show(""); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(std::string_view stage) const;

 private:
  bool terminal_;
};

// The command's options with those of the importer read. Errors: what is no NAME=VALUE, an unknown
// type or rounding.
Result<CompileOptions> compile_options(const CommandOptions& options, const Progress& progress);

Result<Compilation> compile_to(const CommandOptions& options, const Progress& progress,
                               const std::string& last_stage);

// The samples of --inputs, whose raw files are what --raw says, then those of --random; `otherwise`
// random ones if there are none at all.
Result<std::vector<Sample>> samples_of(const Graph& graph, const CommandOptions& options,
                                       int64_t otherwise);

// `--option UNIT.NAME=VALUE`, without those that are the default. Errors, all at once: no such text, a
// unit that the SoC has not, an option that the unit has not, what is no number or out of range.
Result<std::vector<UnitSetting>> unit_settings(const std::vector<std::string>& texts, const Soc& soc);

// Builds and runs the emitted C in `kept`, or in a temporary folder if that is empty.
Result<EmittedRun> run_in(const Compilation& compilation, const std::filesystem::path& kept,
                          const std::vector<Sample>& samples, const Progress& progress,
                          const std::vector<UnitSetting>& settings = {});

// What `--noise` and `--draws` ask for. Errors: noise without labels, draws without noise; no unit of
// the SoC has noise; it takes no such value.
Status check_noise(const CommandOptions& options);
Status check_noise(const CommandOptions& options, const Soc& soc);

// The accuracy of a bundle that is built, over `--draws` seeds of `--noise`, with `others` set too.
// Errors: those of a run; labels that are no classes.
Result<NoisyAccuracy> accuracy_of_draws(const CommandOptions& options, const Compilation& compilation,
                                        const std::filesystem::path& bundle,
                                        const std::vector<Sample>& samples,
                                        const std::vector<int64_t>& labels,
                                        const std::vector<UnitSetting>& others,
                                        const Progress& progress);

Json to_json(const Comparison& comparison);

}  // namespace heddle
