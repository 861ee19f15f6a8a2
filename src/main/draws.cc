// `heddle run --labels F --noise SIGMA --draws N`: the accuracy over seeds of the units' noise. A unit
// whose model has noise declares the option `noise_x100`, hundredths of its converter's step, and
// mostly `seed`; draw i has seed i, from 1.
#include <fmt/format.h>

#include <cmath>

#include "main/common.h"

namespace heddle {
namespace {

constexpr const char* kNoise = "noise_x100";
constexpr const char* kSeed = "seed";
constexpr int64_t kDraws = 10;

const UnitOption* option_of(const SocUnit& unit, std::string_view name) {
  for (const UnitOption& option : unit.target.options)
    if (option.name == name) return &option;
  return nullptr;
}

// Of every unit that has noise. Errors: there is none; a value that an option does not take.
Result<std::vector<UnitSetting>> noise_settings(const Soc& soc, int64_t hundredths, int64_t seed) {
  std::vector<UnitSetting> settings;
  Diagnostics errors;
  const auto set = [&](const SocUnit& unit, const UnitOption& option, int64_t value, const std::string& text) {
    if (value < option.lo || value > option.hi) {
      errors.push_back(error_at(in_file(text),
                                fmt::format("`{}.{}` is {}, which is not in [{}, {}]", unit.target.name,
                                            option.name, value, option.lo, option.hi),
                                option.why));
    } else {
      settings.push_back({unit.target.name, option.register_offset, value});
    }
  };
  bool found = false;
  for (const SocUnit& unit : soc.accelerators) {
    const UnitOption* const noise = option_of(unit, kNoise);
    if (noise == nullptr) continue;
    found = true;
    set(unit, *noise, hundredths, "--noise");
    if (const UnitOption* const option = option_of(unit, kSeed)) set(unit, *option, seed, "--draws");
  }
  if (!found) {
    errors.push_back(error_at(in_file("--noise"),
                              fmt::format("no unit of the SoC `{}` has noise", soc.name),
                              fmt::format("choose a SoC with a unit that declares the option `{}`", kNoise)));
  }
  if (!errors.empty()) return errors;
  return settings;
}

int64_t hundredths_of(const CommandOptions& options) {
  return std::llround(100 * options.noise.value_or(0));
}

}  // namespace

Status check_noise(const CommandOptions& options) {
  Diagnostics errors;
  if (options.noise && options.labels.empty()) {
    errors.push_back(error_at(in_file("--noise"), "without labels there is no accuracy to measure",
                              fmt::format("add `--labels F`; `--option UNIT.{}=N` is one run with noise", kNoise)));
  }
  if (options.draws > 0 && !options.noise)
    errors.push_back(error_at(in_file("--draws"), "nothing is drawn without noise", "add `--noise SIGMA`"));
  if (!errors.empty()) return errors;
  return Unit{};
}

Status check_noise(const CommandOptions& options, const Soc& soc) {
  if (!options.noise) return Unit{};
  const int64_t last = options.draws > 0 ? options.draws : kDraws;
  const Result<std::vector<UnitSetting>> settings = noise_settings(soc, hundredths_of(options), last);
  if (!settings.ok()) return settings.errors();
  return Unit{};
}

Result<NoisyAccuracy> accuracy_of_draws(const CommandOptions& options, const Compilation& compilation,
                                        const std::filesystem::path& bundle,
                                        const std::vector<Sample>& samples,
                                        const std::vector<int64_t>& labels,
                                        const std::vector<UnitSetting>& others,
                                        const Progress& progress) {
  const int64_t hundredths = hundredths_of(options);
  const int64_t draws = options.draws > 0 ? options.draws : kDraws;
  NoisyAccuracy accuracy{static_cast<double>(hundredths) / 100, static_cast<int64_t>(samples.size()), {}};
  for (int64_t seed = 1; seed <= draws; ++seed) {
    progress.show(fmt::format("draw {} of {}", seed, draws));
    const Result<std::vector<UnitSetting>> noise = noise_settings(compilation.soc, hundredths, seed);
    if (!noise.ok()) return noise.errors();
    std::vector<UnitSetting> settings = others;
    settings.insert(settings.end(), noise->begin(), noise->end());
    const Result<EmittedRun> run = run_built(compilation, bundle, samples, settings);
    if (!run.ok()) return run.errors();
    const Result<Accuracy> counted = count_right(run->outputs, labels, options.labels.string());
    if (!counted.ok()) return counted.errors();
    accuracy.right.push_back(counted->right);
  }
  return accuracy;
}

}  // namespace heddle
