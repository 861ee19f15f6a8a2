// Fits the constants of a cost model to measured cycles: non-negative least squares on the relative
// errors of layers, linearised around whole constants, then settled by trying their neighbours in
// the real cost expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schedule/schedule.h"

namespace heddle {

// A compiled network with the measured cycles of its steps. Graph and schedule outlive the call.
struct MeasuredNetwork {
  std::string name;
  const Graph* graph = nullptr;
  const Schedule* schedule = nullptr;
  std::vector<std::optional<int64_t>> cycles;  // of each step, then of what is outside of them
};

struct CalibrationProblem {
  const Soc* soc = nullptr;
  std::vector<MeasuredNetwork> fitted;   // at least one
  std::vector<MeasuredNetwork> checked;  // the constants do not see them; may be empty
  std::string rule;  // only layers of this rule, "mac" or "generic/mac"; empty: all
};

struct FittedConstant {
  std::string key;  // of [cpu.constants]
  int64_t before = 0;
  int64_t value = 0;
  int64_t layers = 0;           // fitted layers whose cost depends on it
  std::optional<double> error;  // its standard error; absent where nothing says it
  // Not empty: it keeps its value, and why.
  std::string kept;
};

struct LayerResidual {
  std::string network, layer, rule;  // "digits", "conv1", "generic/mac"
  int64_t measured = 0;
  int64_t before = 0;    // modelled with the constants of the SoC
  int64_t modelled = 0;  // with the fitted ones
};

// Residuals are relative, (modelled - measured) / measured, in percent.
struct ResidualSummary {
  int64_t layers = 0;
  double mean = 0;   // of the magnitudes
  double worst = 0;  // the one of the largest magnitude, and whose it is
  std::string worst_network, worst_layer;
  int64_t measured = 0, modelled = 0;  // sums of cycles
};

struct Calibration {
  std::string soc;
  std::vector<FittedConstant> constants;  // in the SoC's order
  std::vector<LayerResidual> fitted, checked;
  // Without checked networks, but several fitted ones: each of them with constants fitted on the
  // others.
  std::vector<LayerResidual> left_out;
  // Fitted layers whose exact cost is more than 1 % off its linearisation in the constants.
  int64_t not_linear = 0;
};

double percent_off(int64_t modelled, int64_t measured);
ResidualSummary summary_of(const std::vector<LayerResidual>& layers, bool before = false);

// Errors: no measured layer whose cost has a constant, measured cycles of 0 for a layer that has
// code, a cost that cannot be computed.
Result<Calibration> calibrate(const CalibrationProblem& problem);

std::string calibration_text(const Calibration& calibration);  // fits 100 columns
std::string calibration_json(const Calibration& calibration);

}  // namespace heddle
