// docs/operators.md: which operators of which format are read, and which target takes what they
// become.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/rules.h"

namespace heddle {

struct FormatOperators {
  std::string format;                  // "TFLite"
  std::vector<std::string> operators;  // by the format's own names, sorted
};

// In Markdown, from the importers' tables and from the rules of these SoCs' accelerators.
std::string document_support(std::span<const FormatOperators> formats, std::span<const Soc> socs);

}  // namespace heddle
