#include "report/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.h"
#include "report/least_squares.h"
#include "report/measured.h"

namespace heddle {
namespace {

constexpr int64_t kMaxConstant = int64_t{1} << 31;
constexpr std::string_view kCpu = "cpu.";

// A layer with measured cycles. `depends` says of each constant whether it occurs in the cost.
struct Sample {
  const MeasuredNetwork* network = nullptr;
  const Step* step = nullptr;  // null: outside of all steps
  int64_t measured = 0;
  std::vector<bool> depends;
};

using Values = std::vector<int64_t>;  // of the constants, in the SoC's order

std::string rule_text(const Soc& soc, const Match& match) {
  return target_of(soc, match).name + "/" + rule_of(soc, match).name;
}

std::vector<bool> constants_of(const Soc& soc, const Match& match) {
  std::set<std::string> names;
  const Rule& rule = rule_of(soc, match);
  for (const Expr* const expr : {&rule.launch, &rule.compute}) {
    for (const std::string& name : names_in(*expr)) names.insert(name);
  }
  if (match.target >= 0 && !rule.job->wait.empty())
    names.insert({"cpu.driver_call", "cpu.driver_field"});
  std::vector<bool> found;
  for (const auto& [key, value] : soc.cpu_constants)
    found.push_back(names.contains(std::string(kCpu) + key));
  return found;
}

class Fit {
 public:
  explicit Fit(const Soc& soc) : soc_(soc) {
    for (const auto& [key, value] : soc.cpu_constants) before_.push_back(value);
  }

  const Values& before() const { return before_; }

  Result<std::vector<Sample>> samples_of(const std::vector<MeasuredNetwork>& networks,
                                         const std::string& rule) {
    std::vector<Sample> samples;
    Diagnostics errors;
    for (const MeasuredNetwork& network : networks) {
      for (size_t s = 0; s < network.schedule->steps.size(); ++s) {
        const Step& step = network.schedule->steps[s];
        const Match& match = step.candidate.match;
        if (!network.cycles[s]) continue;
        if (!rule.empty() && rule != rule_text(soc_, match) && rule != rule_of(soc_, match).name)
          continue;
        if (needs_no_code(*network.graph, network.schedule->aliases, match)) continue;
        if (*network.cycles[s] == 0) {
          errors.push_back(error_at(at_node(step.name, network.graph->node(match.anchor).op),
                                    fmt::format("0 cycles are measured in `{}`, but the layer has "
                                                "code that runs",
                                                terminal_text(network.name)),
                                    "leave the layer out, or measure it"));
          continue;
        }
        samples.push_back({&network, &step, *network.cycles[s], constants_of(soc_, match)});
      }
      const std::optional<int64_t>& outside = network.cycles.back();
      std::vector<bool> copies;
      for (const auto& [key, value] : soc_.cpu_constants) copies.push_back(key.starts_with("copy_"));
      const bool modelled = std::find(copies.begin(), copies.end(), true) != copies.end();
      if (rule.empty() && modelled && outside && *outside > 0)
        samples.push_back({&network, nullptr, *outside, std::move(copies)});
    }
    if (!errors.empty()) return errors;
    return samples;
  }

  Result<int64_t> cost(const Sample& sample, const Values& values) {
    for (size_t c = 0; c < values.size(); ++c) soc_.cpu_constants[c].second = values[c];
    if (sample.step == nullptr) {
      const Schedule& schedule = *sample.network->schedule;
      return copy_cycles(schedule.graph, soc_, schedule.storage);
    }
    return modelled_cycles(*sample.network->graph, soc_, sample.step->candidate,
                           sample.network->schedule->storage);
  }

  Result<std::vector<int64_t>> costs(const std::vector<Sample>& samples, const Values& values) {
    std::vector<int64_t> costs;
    for (const Sample& sample : samples) {
      Result<int64_t> each = cost(sample, values);
      if (!each.ok()) return each.errors();
      costs.push_back(*each);
    }
    return costs;
  }

  // The sum of squared relative residuals.
  Result<double> loss(const std::vector<Sample>& samples, const Values& values) {
    Result<std::vector<int64_t>> modelled = costs(samples, values);
    if (!modelled.ok()) return modelled.errors();
    double sum = 0;
    for (size_t s = 0; s < samples.size(); ++s) {
      const double off = percent_off((*modelled)[s], samples[s].measured) / 100;
      sum += off * off;
    }
    return sum;
  }

  // The relative cost of each sample around `values`, as equations in the constants `chosen`:
  // gradient * x = measured - (cost - gradient * values), all divided by measured.
  Result<std::vector<Equation>> linearised(const std::vector<Sample>& samples, const Values& values,
                                           const std::vector<size_t>& chosen) {
    Result<std::vector<int64_t>> here = costs(samples, values);
    if (!here.ok()) return here.errors();
    std::vector<Equation> equations;
    for (size_t s = 0; s < samples.size(); ++s) {
      const double measured = static_cast<double>(samples[s].measured);
      Equation equation{{}, (measured - static_cast<double>((*here)[s])) / measured};
      for (const size_t c : chosen) {
        double gradient = 0;
        if (samples[s].depends[c]) {
          // Costs round up to whole cycles, so that a step of one would mostly show nothing.
          const int64_t step = std::max<int64_t>(16, values[c] / 4);
          Values moved = values;
          moved[c] += step;
          Result<int64_t> there = cost(samples[s], moved);
          if (!there.ok()) return there.errors();
          gradient = static_cast<double>(*there - (*here)[s]) / static_cast<double>(step);
        }
        equation.coefficients.push_back(gradient / measured);
        equation.right += gradient / measured * static_cast<double>(values[c]);
      }
      equations.push_back(std::move(equation));
    }
    return equations;
  }

  // From `before` on, over the constants `chosen`.
  Result<Values> fit(const std::vector<Sample>& samples, const std::vector<size_t>& chosen) {
    Values values = before_;
    Result<double> best = loss(samples, values);
    if (!best.ok()) return best.errors();
    constexpr int kMaxRounds = 20;
    for (int round = 0; round < kMaxRounds; ++round) {
      Result<std::vector<Equation>> equations = linearised(samples, values, chosen);
      if (!equations.ok()) return equations.errors();
      const std::vector<double> solution = nonnegative_least_squares(*equations, chosen.size());
      bool better = false;
      // Where costs bend, half of the way may be better than all of it.
      for (double part = 1; part > 0.05 && !better; part /= 2) {
        Values next = values;
        for (size_t i = 0; i < chosen.size(); ++i) {
          const double from = static_cast<double>(values[chosen[i]]);
          const double to = std::min(solution[i], static_cast<double>(kMaxConstant));
          next[chosen[i]] = std::llround(from + part * (to - from));
        }
        if (next == values) break;
        Result<double> there = loss(samples, next);
        if (!there.ok()) return there.errors();
        better = *there < *best;
        if (!better) continue;
        values = std::move(next);
        best = there;
      }
      if (!better) break;
    }
    return settled(samples, chosen, std::move(values), *best);
  }

 private:
  // Rounding each constant by itself is not best for all of them together.
  Result<Values> settled(const std::vector<Sample>& samples, const std::vector<size_t>& chosen,
                         Values values, double best) {
    constexpr int kMaxRounds = 50;
    bool better = true;
    for (int round = 0; round < kMaxRounds && better; ++round) {
      better = false;
      for (const size_t c : chosen) {
        for (const int64_t step : {-1, 1}) {
          Values next = values;
          next[c] += step;
          if (next[c] < 0) continue;
          Result<double> there = loss(samples, next);
          if (!there.ok()) return there.errors();
          if (!(*there < best)) continue;
          values = std::move(next);
          best = *there;
          better = true;
        }
      }
    }
    return values;
  }

  Soc soc_;  // ours: its constants change
  Values before_;
};

Result<std::vector<LayerResidual>> residuals(Fit& fit, const Soc& soc,
                                             const std::vector<Sample>& samples,
                                             const Values& values) {
  Result<std::vector<int64_t>> before = fit.costs(samples, fit.before());
  if (!before.ok()) return before.errors();
  Result<std::vector<int64_t>> after = fit.costs(samples, values);
  if (!after.ok()) return after.errors();
  std::vector<LayerResidual> result;
  for (size_t s = 0; s < samples.size(); ++s) {
    const Step* const step = samples[s].step;
    result.push_back({terminal_text(samples[s].network->name),
                      step == nullptr ? kOutside : terminal_text(step->name),
                      step == nullptr ? "-" : rule_text(soc, step->candidate.match),
                      samples[s].measured, (*before)[s], (*after)[s]});
  }
  return result;
}

std::vector<Sample> depending(std::vector<Sample> samples) {
  std::erase_if(samples, [](const Sample& sample) {
    return std::find(sample.depends.begin(), sample.depends.end(), true) == sample.depends.end();
  });
  return samples;
}

struct Chosen {
  std::vector<size_t> constants;
  std::vector<FittedConstant> all;
};

// Which constants the samples determine.
Result<Chosen> choose(Fit& fit, const Soc& soc, const std::vector<Sample>& samples) {
  Chosen chosen;
  std::vector<size_t> occurring;
  for (size_t c = 0; c < soc.cpu_constants.size(); ++c) {
    const auto& [key, value] = soc.cpu_constants[c];
    const int64_t layers = std::count_if(samples.begin(), samples.end(),
                                         [&](const Sample& sample) { return sample.depends[c]; });
    chosen.all.push_back({key, value, value, layers, std::nullopt, ""});
    if (layers == 0) chosen.all.back().kept = "no measured layer depends on it";
    if (layers > 0) occurring.push_back(c);
  }
  const Result<std::vector<Equation>> equations = fit.linearised(samples, fit.before(), occurring);
  if (!equations.ok()) return equations.errors();
  const std::vector<bool> independent = independent_unknowns(*equations, occurring.size());
  for (size_t i = 0; i < occurring.size(); ++i) {
    if (independent[i]) {
      chosen.constants.push_back(occurring[i]);
    } else {
      chosen.all[occurring[i]].kept = "the measured layers do not tell it from those above";
    }
  }
  return chosen;
}

// How many exact costs differ by more than 1 % from their linearisation around `before`.
Result<int64_t> count_not_linear(Fit& fit, const std::vector<Sample>& samples,
                                 const std::vector<size_t>& chosen, const Values& values) {
  Result<std::vector<Equation>> equations = fit.linearised(samples, fit.before(), chosen);
  if (!equations.ok()) return equations.errors();
  Result<std::vector<int64_t>> exact = fit.costs(samples, values);
  if (!exact.ok()) return exact.errors();
  int64_t count = 0;
  for (size_t s = 0; s < samples.size(); ++s) {
    double residual = (*equations)[s].right;  // (measured - cost) / measured
    for (size_t i = 0; i < chosen.size(); ++i)
      residual -= (*equations)[s].coefficients[i] * static_cast<double>(values[chosen[i]]);
    const double linear = static_cast<double>(samples[s].measured) * (1 - residual);
    const double real = static_cast<double>((*exact)[s]);
    count += std::abs(real - linear) > 0.01 * std::max(real, 1.0) + 2;
  }
  return count;
}

}  // namespace

double percent_off(int64_t modelled, int64_t measured) {
  return 100 * static_cast<double>(modelled - measured) / static_cast<double>(measured);
}

ResidualSummary summary_of(const std::vector<LayerResidual>& layers, bool before) {
  ResidualSummary summary;
  for (const LayerResidual& layer : layers) {
    const int64_t modelled = before ? layer.before : layer.modelled;
    const double off = percent_off(modelled, layer.measured);
    ++summary.layers;
    summary.mean += std::abs(off);
    summary.measured += layer.measured;
    summary.modelled += modelled;
    if (summary.layers > 1 && std::abs(off) <= std::abs(summary.worst)) continue;
    summary.worst = off;
    summary.worst_network = layer.network;
    summary.worst_layer = layer.layer;
  }
  if (summary.layers > 0) summary.mean /= static_cast<double>(summary.layers);
  return summary;
}

Result<Calibration> calibrate(const CalibrationProblem& problem) {
  const Soc& soc = *problem.soc;
  Fit fit(soc);
  Result<std::vector<Sample>> all = fit.samples_of(problem.fitted, problem.rule);
  if (!all.ok()) return all.errors();
  Result<std::vector<Sample>> checked = fit.samples_of(problem.checked, problem.rule);
  if (!checked.ok()) return checked.errors();
  const std::vector<Sample> samples = depending(*all);
  if (samples.empty()) {
    return error_at(
        in_file(soc.file.string()),
        problem.rule.empty()
            ? "no measured layer has a cost that depends on a constant of `[cpu.constants]`"
            : fmt::format("no measured layer of rule `{}` has a cost that depends on a constant of "
                          "`[cpu.constants]`",
                          terminal_text(problem.rule)),
        "measure layers that run on the CPU, with policy `cpu` for example");
  }
  Result<Chosen> chosen = choose(fit, soc, samples);
  if (!chosen.ok()) return chosen.errors();
  Result<Values> values = fit.fit(samples, chosen->constants);
  if (!values.ok()) return values.errors();

  Calibration calibration;
  calibration.soc = soc.name;
  calibration.constants = std::move(chosen->all);
  const Result<std::vector<Equation>> equations =
      fit.linearised(samples, *values, chosen->constants);
  if (!equations.ok()) return equations.errors();
  std::vector<double> fitted;
  for (const size_t c : chosen->constants) fitted.push_back(static_cast<double>((*values)[c]));
  const std::vector<double> errors = standard_errors(*equations, fitted);
  for (size_t i = 0; i < chosen->constants.size(); ++i) {
    FittedConstant& constant = calibration.constants[chosen->constants[i]];
    constant.value = (*values)[chosen->constants[i]];
    if (!errors.empty()) constant.error = errors[i];
  }
  Result<int64_t> not_linear = count_not_linear(fit, samples, chosen->constants, *values);
  if (!not_linear.ok()) return not_linear.errors();
  calibration.not_linear = *not_linear;
  for (const auto& [from, to] :
       {std::pair{&*all, &calibration.fitted}, std::pair{&*checked, &calibration.checked}}) {
    Result<std::vector<LayerResidual>> each = residuals(fit, soc, *from, *values);
    if (!each.ok()) return each.errors();
    *to = std::move(*each);
  }

  // Each network in turn is left out.
  for (const MeasuredNetwork& out : problem.fitted) {
    if (!problem.checked.empty() || problem.fitted.size() < 2) break;
    std::vector<Sample> rest, own;
    for (const Sample& sample : samples) (sample.network == &out ? own : rest).push_back(sample);
    if (rest.empty()) continue;
    Result<Chosen> known = choose(fit, soc, rest);
    if (!known.ok()) return known.errors();
    Result<Values> without = fit.fit(rest, known->constants);
    if (!without.ok()) return without.errors();
    Result<std::vector<LayerResidual>> each = residuals(fit, soc, own, *without);
    if (!each.ok()) return each.errors();
    calibration.left_out.insert(calibration.left_out.end(), each->begin(), each->end());
  }
  return calibration;
}

}  // namespace heddle
