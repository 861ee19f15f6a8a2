// What `heddle check` has to say about a rule folder: from the loader, the static analysis (prove*.h)
// and the conformance run.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"

namespace heddle {

struct Finding {
  enum class Kind : uint8_t {
    error,      // the folder is wrong: it will compute wrong values, cost wrong cycles, or do nothing
    warning,    // it does not do what its author most likely meant
    undecided,  // a limit was reached: neither proven nor refuted
    proven,     // a question that was asked, and its good answer
  };
  Kind kind = Kind::error;
  Place place;         // of the rule, condition or key
  std::string text;    // one line, lower case, without a full stop
  std::string remedy;  // may be empty
  std::vector<std::string> values{};  // lines that show it: a layer, an assignment
};

// Errors and warnings make exit status 1; the other two inform.
bool is_failure(const Finding& finding);
std::string_view name_of(Finding::Kind kind);  // "error"

std::vector<Finding> findings_of(const Diagnostics& diagnostics);

// As the loader's errors look: place, source line, caret; the values; help. Of a proven one only a
// line, without its source.
std::string to_string(const Finding& finding);

}  // namespace heddle
