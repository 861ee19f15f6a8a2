// cases/*.toml of a unit's folder: layers of which the author says what a rule must make of them.
// They are written in the names that conditions see; what no name says is plain (stride 1, no pads,
// int8 as wide as it goes). The layer itself is built by whoever checks it (check/layer_cases.h).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "expr/expr.h"

namespace heddle {

struct CaseText {
  std::string text;
  Place place;
};

struct CaseName {
  std::string name;  // "c", "conv2d.stride_h", "weights.values"
  ExprValue value;
  Place place;  // of the value
};

struct LayerCase {
  std::string name;  // an identifier, distinct in the folder
  std::string why;   // one line
  CaseText rule;     // of the folder
  bool accepted = false;
  std::vector<CaseText> refused;        // else: each is `why` or `expr` of a condition that fails
  std::vector<std::string> operators;   // the spine; all of them exist
  std::vector<CaseName> layer;          // in the order of the file
  std::vector<CaseName> memory;         // bytes of a memory, instead of the SoC's
  std::vector<CaseText> cut;            // axes that the job must be cut along, and no others; accepted ones only
  Place place;
};

// Of all files of the folder's cases/, by file name; none if there is no such folder. All errors.
Result<std::vector<LayerCase>> load_cases(const std::filesystem::path& folder);

}  // namespace heddle
