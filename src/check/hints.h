// What a rule's text says about the values that its conditions want, before any layer is built:
// lists, equalities and bounds of single names, and the widths of its hardware. Layers drawn from
// them are near enough that a few repairs make them acceptable (draw.h).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rules/rules.h"

namespace heddle {

// Values that a name may have: all that pass every member that is set.
struct AllowedValues {
  std::optional<std::vector<ExprValue>> any_of{};  // never empty
  std::optional<int64_t> least{}, most{};
  bool accepts(int64_t value) const;
};

struct Hints {
  std::map<std::string, AllowedValues> wanted;                  // by name: "fy", "requant.rounding"
  std::map<std::string, std::vector<int64_t>> palettes;  // "weights": its values are all of these
  std::set<std::string> uniform{};  // "weights", where a condition says `weights.min == weights.max`
  std::vector<int64_t> widths;  // 2 to 64, ascending: blocks, vectors, multiples that the rule mentions

  const AllowedValues& of(const std::string& name) const;  // one that wants nothing, if absent
};

// `machine` knows what does not depend on the layer: `memory.l1.bytes`, `unit.rate`.
Hints hints_of(const Rule& rule, const Environment& machine);
Environment machine_environment(const Soc& soc, const Target& target);

// Every integer constant of the tree, distinct, ascending.
std::vector<int64_t> integers_in(const Expr& expr);

}  // namespace heddle
