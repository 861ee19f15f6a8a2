// All layers that a rule's pattern fits, as data: the names that conditions see, and what holds between
// them because of the operators. What is said is true of every layer; what is not said is free.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "check/expr_z3.h"
#include "rules/rules.h"

namespace heddle {

// The operators of a match, the anchor first.
using Spine = std::vector<std::string>;

struct Spines {
  std::vector<Spine> list;  // shortest first
  // Every other spine differs from one of these only in operators that no condition names.
  bool complete = true;
};
// `mentioned`: operators that some condition names. Of a class those stand for themselves and one for
// all the others; a repeated item is there at most twice.
Spines spines_of(const Pattern& pattern, const std::set<std::string>& mentioned);
bool accepts_spine(const Pattern& pattern, const Spine& spine);
std::set<std::string> mentioned_operators(const Rule& rule);

// The layers of one spine.
struct LayerSpace {
  Spine spine;
  std::vector<Variable> variables;  // sorted by name
  std::vector<Expr> facts;          // each holds for every layer
  // Sizes and attributes: what a search for a small example keeps small.
  std::set<std::string> small;
  // Names of operands and properties that a layer may lack: a condition that mentions one may refuse the
  // layer whatever it says.
  std::set<std::string> optional;
};
// With the names that these rules' conditions and `exprs` use. Sizes of memories, constants of units and
// the instruction set are free: what is proven holds on every SoC.
LayerSpace layer_space(const Spine& spine, const std::vector<const Rule*>& rules,
                       const std::vector<const Expr*>& exprs = {});

// The conditions that say anything about this spine: not those on an optional operator that is absent.
std::vector<const Condition*> conditions_on(const Rule& rule, const Spine& spine);

}  // namespace heddle
