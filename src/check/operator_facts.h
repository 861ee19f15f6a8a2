// What is true of every layer because of its operators, in the expression language. The records in
// src/ops check these relations when they infer a node's type; here they are formulas.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "check/expr_z3.h"
#include "ops/op.h"

namespace heddle {

// An operand by the name that a rule binds it with.
struct BoundOperand {
  std::string name;
  const OperandDef* record = nullptr;  // null: y
  bool anchor_input = false;           // the anchor's first
  bool optional = false;               // may be absent, or bound by another name
};

struct Fact {
  Expr expr;
  // Of interest only where something mentions this name, or one that begins so if it ends in a dot.
  std::string about;
  bool taken = false;
};
std::vector<Fact> facts_of(const std::vector<std::string>& spine,
                           const std::vector<BoundOperand>& operands);
// Whether facts_of() says anything about the result of this operator.
bool has_result_facts(std::string_view op);

// "requant" for "requant_2", what a rule calls the second one.
std::string without_number(const std::string& name);

struct NameFacts {
  Variable variable;      // without its name
  bool small = false;     // a size, or an attribute that is one
  bool optional = false;  // a layer may lack it
};
// nullopt: layers of this spine have no such name. `texts`: those that conditions compare with, for
// attributes whose values are not listed here.
std::optional<NameFacts> name_facts(const std::vector<std::string>& spine,
                                    const std::vector<BoundOperand>& operands,
                                    const std::string& name, const std::set<std::string>& texts);

}  // namespace heddle
