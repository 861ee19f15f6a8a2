// One drawn layer on its way through the compiler and the machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "check/draw.h"
#include "check/program.h"
#include "rules/cases.h"

namespace heddle {

enum class Trouble : uint8_t { none, differs, refused, cost };

struct Trial {
  const LayerCase* said = nullptr;  // the case that it is of; null: it was drawn
  DrawnLayer layer;
  int rule = 0;
  ProgramNetwork network;
  // After the run.
  Trouble trouble = Trouble::none;
  std::string what;  // of the trouble, one line
  int64_t modelled = 0, charged = 0;  // cycles of all jobs of one sample

  const Step& step() const;  // of the unit's job
  int64_t tiles() const { return step().candidate.tiling ? step().candidate.tiling->tiles() : 1; }
  int64_t size() const { return macs_of(layer.graph) + elements_in(layer.graph); }
};

// A layer as the compiler has it, pinned to the rule. Errors: no tile fits (`untileable` is then set),
// no cost, no C.
struct Compiled {
  std::optional<Trial> trial;
  Diagnostics errors;
  bool untileable = false;
};
Compiled compile_layer(const Soc& soc, int unit, int rule, DrawnLayer layer, uint64_t seed);

// The same layer on a SoC with so little memory that it is cut; nullopt where none was found.
std::optional<Trial> cut(const Soc& soc, int unit, const Trial& whole, Random& random);

// Runs them as one program and says what is wrong with each of them.
Status run_trials(ProgramFolder& folder, std::vector<Trial>& trials, bool has_model);

// A smaller layer with the same trouble, after a few rounds of smaller programs.
Trial smallest(LayerSource& source, ProgramFolder& folder, int unit, Trial trial, bool has_model);

// "conv2d bias_add requant, x [1, 3, 8, 9] int8, weights [4, 3, 3, 1] int8"
std::string describe_layer(const Graph& graph);
// Lines for a finding: shapes, attributes, tiles, the trouble, and the conditions that accepted it.
std::vector<std::string> explain_trial(const Trial& trial);
// Its first lines: operands, operators, the result.
std::vector<std::string> explain_layer(const Graph& graph);
// All names of a condition with their values: "fy 3, fx 1".
std::string values_in(const Expr& expr, const Environment& environment);

}  // namespace heddle
