#include "check/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/checked.h"
#include "base/text.h"
#include "compile/compare.h"
#include "ops/op.h"

namespace heddle {
namespace {

// Two samples: anything within the proven ranges, and their bounds only.
std::vector<std::vector<Tensor>> samples_for(const Graph& graph, uint64_t seed) {
  std::vector<std::vector<Tensor>> samples{random_inputs(graph, seed), random_inputs(graph, seed + 1)};
  Random random(seed + 2);
  for (size_t i = 0; i < samples[1].size(); ++i) {
    Tensor& tensor = samples[1][i];
    if (tensor.dtype() == DType::float32) continue;
    const Range range = graph.value(graph.given_inputs()[i]).type.range;
    for (int64_t e = 0; e < tensor.elements(); ++e)
      tensor.set(e, random.chance(50) ? range.lo : range.hi);
  }
  return samples;
}

// nullopt: the run was right.
std::optional<std::string> difference(const Trial& trial, const std::vector<ProgramRun>& runs) {
  const Graph& graph = trial.layer.graph;
  for (size_t s = 0; s < runs.size(); ++s) {
    const Result<std::vector<Tensor>> expected = interpret(graph, trial.network.samples[s]);
    HEDDLE_CHECK(expected.ok(), "the reference refuses a drawn layer");
    const Tensor& wanted = (*expected)[static_cast<size_t>(graph.outputs[0].index)];
    const std::optional<Divergence> first =
        compare("y", static_cast<int64_t>(s), wanted, runs[s].output);
    if (!first) continue;
    return fmt::format("y{} of sample {}: {} expected, got {}", to_string(first->index), s,
                       to_string(first->expected), to_string(first->got));
  }
  return std::nullopt;
}

void judge_runs(Trial& trial, const std::vector<ProgramRun>& runs, bool has_model) {
  trial.trouble = Trouble::none;
  trial.modelled = trial.step().candidate.tiling ? trial.step().candidate.tiling->cost.compute : 0;
  trial.charged = runs[0].cycles;
  for (size_t s = 0; s < runs.size(); ++s) {
    if (runs[s].error.empty()) continue;
    trial.trouble = Trouble::refused;
    trial.what = fmt::format("sample {}: {}", s, runs[s].error);
    return;
  }
  if (const std::optional<std::string> first = difference(trial, runs)) {
    trial.trouble = Trouble::differs;
    trial.what = *first;
  } else if (has_model && trial.modelled != trial.charged) {
    trial.trouble = Trouble::cost;
    trial.what = fmt::format("{} cycles by the rule, {} by the model, in {} job{}",
                             thousands(trial.modelled), thousands(trial.charged), runs[0].jobs,
                             runs[0].jobs == 1 ? "" : "s");
  }
}

// Other values of one choice, towards smaller and plainer layers.
std::vector<int64_t> smaller_values(const std::string& name, int64_t value) {
  std::vector<int64_t> values;
  const auto add = [&](int64_t other) {
    if (other != value && std::count(values.begin(), values.end(), other) == 0) values.push_back(other);
  };
  if (name.find('.') == std::string::npos) {
    if (value > 1) add(1);
    if (value > 1) add(value / 2);
    if (value > 1) add(value - 1);
  } else if (name.find(".pad_") != std::string::npos || name.ends_with("zero_point")) {
    add(0);
  } else if (name.find(".stride_") != std::string::npos || name.find(".dilation_") != std::string::npos ||
             name.ends_with(".group")) {
    add(1);
  }
  return values;
}

}  // namespace

const Step& Trial::step() const {
  const std::vector<Step>& steps = network.compilation.schedule.steps;
  const auto job = std::find_if(steps.begin(), steps.end(),
                                [](const Step& step) { return step.candidate.match.target >= 0; });
  HEDDLE_CHECK(job != steps.end(), "a pinned layer without a job");
  return *job;
}

Compiled compile_layer(const Soc& soc, int unit, int rule, DrawnLayer layer, uint64_t seed) {
  Compiled compiled;
  Compilation c;
  c.name = "n";
  c.graph = layer.graph;
  c.soc = soc;
  bool accepted = false;
  CompileOptions options;
  options.narrow = [&](Matches& matches) {
    std::erase_if(matches.accepted, [&](const Match& match) {
      return match.target != unit || match.rule != rule || match.nodes.size() != layer.graph.nodes.size();
    });
    matches.refused.clear();
    accepted = !matches.accepted.empty();
  };
  Result<Compilation> placed = compile_graph(c, options, "candidates");
  if (placed.ok() && accepted && !placed->candidates.untileable.empty()) {
    compiled.untileable = true;
    for (const FailedCondition& failed : placed->candidates.untileable[0].failed)
      compiled.errors.push_back(error_at({}, failed.why, failed.values));
    return compiled;
  }
  if (placed.ok() && accepted) placed = compile_graph(std::move(c), options, "memory");
  if (!placed.ok() || !accepted) {
    compiled.errors = placed.ok() ? Diagnostics{error_at({}, "the rule refuses it on this SoC")}
                                  : placed.errors();
    return compiled;
  }
  Trial trial;
  trial.rule = rule;
  trial.network.samples = samples_for(layer.graph, seed);
  trial.network.compilation = std::move(*placed);
  trial.layer = std::move(layer);
  compiled.trial = std::move(trial);
  return compiled;
}

std::optional<Trial> cut(const Soc& soc, int unit, const Trial& whole, Random& random) {
  const std::optional<Tiling>& tiling = whole.step().candidate.tiling;
  if (!tiling || tiling->buffers.empty()) return std::nullopt;
  // A memory that is too small for any tile of this layer is left as it is at the next attempt.
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Soc small = soc;
    const auto shrink = [&](Memory& memory) {
      const int64_t needed = tiling->bytes_in(memory.name);
      if (needed == 0 || memory.name == soc.main_memory || memory.name == soc.constant_memory) return;
      if (attempt > 0 && random.chance(50)) return;
      const int64_t percent = random.pick(25 + 15 * attempt, 85);
      memory.bytes = std::min(memory.bytes, round_up(needed * percent / 100, int64_t{64}));
    };
    for (Memory& memory : small.memories) shrink(memory);
    for (Memory& memory : small.accelerators[static_cast<size_t>(unit)].target.memories) shrink(memory);
    Compiled compiled = compile_layer(small, unit, whole.rule, whole.layer, random.next());
    if (compiled.trial && compiled.trial->tiles() > 1) return std::move(compiled.trial);
  }
  return std::nullopt;
}

Status run_trials(ProgramFolder& folder, std::vector<Trial>& trials, bool has_model) {
  std::vector<ProgramNetwork> networks;
  for (size_t i = 0; i < trials.size(); ++i) {
    networks.push_back(std::move(trials[i].network));
    networks.back().compilation.name = fmt::format("n{:04}", i);
  }
  Result<ProgramResult> result = folder.run(networks);
  for (size_t i = 0; i < trials.size(); ++i) trials[i].network = std::move(networks[i]);
  if (!result.ok()) return result.errors();
  for (size_t i = 0; i < trials.size(); ++i) judge_runs(trials[i], result->runs[i], has_model);
  return Unit{};
}

Trial smallest(LayerSource& source, ProgramFolder& folder, int unit, Trial trial, bool has_model) {
  constexpr int kRounds = 6;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<DrawnLayer> layers = source.shortened(trial.layer);
    for (const auto& [name, value] : trial.layer.choices.values) {
      const int64_t* const integer = std::get_if<int64_t>(&value);
      if (integer == nullptr) continue;
      for (const int64_t other : smaller_values(name, *integer))
        if (std::optional<DrawnLayer> layer = source.changed(trial.layer, name, other))
          layers.push_back(std::move(*layer));
    }
    std::vector<Trial> trials;
    for (DrawnLayer& layer : layers) {
      Compiled compiled = compile_layer(trial.network.compilation.soc, unit, trial.rule, std::move(layer),
                                        static_cast<uint64_t>(round));
      if (compiled.trial) trials.push_back(std::move(*compiled.trial));
    }
    if (trials.empty() || !run_trials(folder, trials, has_model).ok()) break;
    const Trial* best = &trial;
    for (const Trial& other : trials)
      if (other.trouble == trial.trouble && other.size() < best->size()) best = &other;
    if (best == &trial) break;
    trial = Trial(*best);
  }
  return trial;
}

}  // namespace heddle
