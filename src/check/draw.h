// Layers that a rule accepts, drawn from its own pattern and conditions.
//
// A layer is drawn near what the conditions want (hints.h). While the matcher refuses it, it is
// repaired: of a condition that failed, names are given values that its expression suggests (its
// constants, the other side of a comparison, the next multiple), and the change that leaves the
// fewest conditions failed is kept. This is WalkSAT (Selman, Kautz and Cohen 1994) over layers
// instead of bits, with the matcher itself as the judge; so it needs no second semantics of
// conditions, and a condition over anything that a layer has can be met.
#pragma once

#include <optional>

#include "check/layer.h"
#include "match/match.h"
#include "rules/rules.h"

namespace heddle {

struct DrawnLayer {
  LayerChoices choices;
  Graph graph;
};

// The SoC with nothing but this rule: at 0 of unit 0. For quick matching, not for compiling.
Soc with_one_rule(const Soc& soc, int target, int rule);

class LayerSource {
 public:
  // Of the rule at these indices; both SoC and rule outlive this.
  LayerSource(const Soc& soc, int target, int rule, uint64_t seed);
  LayerSource(const LayerSource&) = delete;
  LayerSource& operator=(const LayerSource&) = delete;

  // nullopt: none was found within a fixed amount of work.
  std::optional<DrawnLayer> draw();
  // The layer with one choice changed, if the rule accepts that. Everything else stays.
  std::optional<DrawnLayer> changed(const DrawnLayer& layer, const std::string& name, int64_t value);
  // The same with an operator left out that the pattern does not need.
  std::vector<DrawnLayer> shortened(const DrawnLayer& layer);
  // The operators of the pattern that no layer can be drawn with.
  const std::vector<std::string>& undrawable() const { return undrawable_; }
  // The condition that refused most of what was given up, and how often; empty if none.
  std::string hardest() const;

 private:
  struct Judgement {
    bool built = false;
    std::vector<size_t> failed;  // conditions of the rule
    Graph graph;
    Match match;
    int64_t distance = INT32_MAX;  // how far the failed ones are from holding
  };
  struct Change {
    std::string name;
    ExprValue value;
    bool likely = false;  // what the condition itself says about this name
  };

  std::vector<std::string> draw_ops();
  Judgement judge(LayerChoices& choices);
  bool repair(LayerChoices& choices, Judgement& now);
  bool improve(LayerChoices& choices, Judgement& now, const std::vector<Change>& changes,
               size_t most, bool sideways);
  void make_small(LayerChoices& choices, Judgement& now);
  std::vector<Change> changes_for(const Condition& condition, const LayerChoices& choices,
                                  const Judgement& now, bool everything);
  std::optional<DrawnLayer> accepted(LayerChoices choices);

  Soc soc_;  // this rule alone, at 0 of unit 0
  const Rule& rule_;
  Hints hints_;
  Random random_;
  std::vector<std::string> undrawable_;
  std::map<std::string, int> refused_by_;
  int work_ = 0;  // layers that were judged in this draw()
};

}  // namespace heddle
