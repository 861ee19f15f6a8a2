// What the cases of a folder (rules/cases.h) come to: each is built, matched, and, where it is accepted,
// compiled for the run. Nothing of the folder is executed here.
#pragma once

#include "check/finding.h"
#include "check/trial.h"

namespace heddle {

struct JudgedCases {
  int64_t cases = 0;
  int64_t as_said = 0;
  std::vector<Trial> accepted;  // those that are as said, to be run; they point to their cases
  std::vector<Finding> findings;
};

// `cases` outlives the result.
JudgedCases judge_cases(const Soc& soc, int unit, const std::vector<LayerCase>& cases);

}  // namespace heddle
