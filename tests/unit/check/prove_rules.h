// Small rule files for the tests of the static analysis.
#pragma once

#include <string>
#include <vector>

#include "check/finding.h"
#include "rules/rules.h"

namespace heddle {

const Soc& shipped_soc(const std::string& name);

// DIANA with an accelerator of these rules. A line `rule NAME: PATTERN` begins a rule, every other one
// is a condition of it; `cost EXPR` is its `compute`. Places are line numbers in the text, from 1.
Soc soc_with_rules(const std::string& text);

// "error 3: text [values]", one a line; of values the first `:` and what follows is left out.
std::string text_of(const std::vector<Finding>& findings);

}  // namespace heddle
