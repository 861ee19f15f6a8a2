// `heddle check`: everything that can be said of rule folders before a network meets them
// (docs/check.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "check/conform.h"

namespace heddle {

struct CheckOptions {
  std::vector<std::filesystem::path> paths;  // folders of units and CPU flavours; TOML files of SoCs, policies
  std::string soc;                           // a file or a name; empty: the first that has the unit
  std::vector<std::filesystem::path> accelerators;  // folders to look for units of SoCs in
  bool statically = false;                          // without the conformance run
  ConformOptions conform;
};

struct PathCheck {
  std::string path;
  std::string what;     // "an accelerator", "a SoC"
  std::string machine;  // name of the SoC that it was checked on; empty: none
  bool made = false;    // the SoC was made for the check
  std::vector<RuleConformance> rules;
  int64_t cases = 0, cases_as_said = 0;  // of the folder's cases/
  std::vector<Finding> findings;

  size_t failures() const;  // errors and warnings among the findings
};

struct CheckReport {
  std::vector<PathCheck> paths;
  bool passed() const;
};

// Never fails: what is wrong is a finding.
CheckReport check_paths(const CheckOptions& options);

std::string check_text(const CheckReport& report);
std::string check_json(const CheckReport& report);

}  // namespace heddle
