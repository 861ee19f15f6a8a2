// The conformance run: layers that a rule accepts, compiled as any network is, run through driver and
// model, and held against the reference interpreter bit for bit and the rule's cost.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "check/finding.h"
#include "check/trial.h"
#include "rules/rules.h"

namespace heddle {

struct ConformOptions {
  int64_t shapes = 200;  // layers for each rule
  uint64_t seed = 0;
  std::string rules;            // RE2 over whole names of rules; empty: all
  std::filesystem::path keep;   // where the program stays; empty: nowhere
  std::function<void(const std::string&)> progress{};  // one line of what is being done
};

// The worst difference between launch + compute, summed over a layer's jobs, and the model's cycles.
struct CostError {
  int64_t modelled = 0, charged = 0;
  std::string layer;
};

struct RuleConformance {
  std::string rule;
  int64_t wanted = 0;  // layers
  int64_t run = 0;     // drawn, compiled and run
  int64_t tiled = 0;   // of them, those of more than one tile
  int64_t tiles = 0;   // of all of them
  int64_t exact = 0;   // equal to the reference in every element of every sample
  std::optional<CostError> cost{};  // nullopt: the unit has no model, or nothing ran
};

struct Conformance {
  std::vector<RuleConformance> rules;
  int64_t wrong_cases = 0;
  std::vector<Finding> findings;
};

// Of the accelerator or library at this index of the SoC, with the layers of its cases beside those that
// are drawn. Deterministic in the seed.
Conformance conform(const Soc& soc, int unit, const ConformOptions& options, std::vector<Trial> cases = {});

}  // namespace heddle
