// The names that the expressions of a rule may use, from its pattern and the operator table.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "expr/expr.h"
#include "rules/rules.h"

namespace heddle {

// What an expression speaks of: the whole layer (`when`, and all of a CPU's rule), one tile, or one
// job. A transfer of a DMA knows only its own few names.
enum class Scope : uint8_t { layer, tile, job, transfer };

struct RuleNames {
  std::set<std::string> sizes;  // "k", "oy", "iy"
  // Those of `sizes` that index the result: only they can be cut into tiles.
  std::set<std::string> axes;
  std::set<std::string> attributes;  // "conv2d.stride_h", "conv2d.present"
  std::set<std::string> operands;    // "x", "weights", "y"
  std::set<std::string> constants;   // those of `operands` that are constants in every operator
  std::set<std::string> required;  // activations that a job cannot do without: "x", bound ones, "y"
  std::set<std::string> packed;    // names of the rule's packings
  bool layout = false;             // the rule has one
  std::set<std::string> placed;    // operands that the rule places in a memory
};
RuleNames names_of(const Pattern& pattern);

// What expressions call an operator, or an operand of it, that `item` of the pattern matched. Where
// several items accept it, the second one's is `requant_2` with `mul_2`, and so on; items with `*` and
// classes do not count where an item names it.
std::string operator_name(const Pattern& pattern, size_t item, std::string_view op);
std::string operand_name(const Pattern& pattern, size_t item, std::string_view operand);

// All names of a scope, sorted; without `memory.<name>.bytes` and `cpu.<key>`, which the SoC knows,
// and `unit.<key>`, which the unit's `constants` give.
std::vector<std::string> known_names(const RuleNames& names, Scope scope);

// A name that only the unit as a whole or a SoC can check.
struct OutsideName {
  enum class Kind : uint8_t { memory, cpu_constant, unit_constant } kind = Kind::memory;
  std::string name;  // "l1", "mac_x10"
  std::string text;  // as written: "memory.l1.bytes"
  Place place;
};

// Every name of an expression that starts at `start`: unknown ones are errors, those of the unit
// and of the SoC are appended to `outside`.
void check_names(const Expr& expr, std::string_view text, const Place& start,
                 const RuleNames& names, Scope scope, Diagnostics& errors,
                 std::vector<OutsideName>& outside);

}  // namespace heddle
