#include "check/prove.h"

namespace heddle {

std::vector<Finding> prove(const Soc& soc, int target) {
  std::vector<Finding> findings = prove_conditions(soc, target);
  for (const auto& more : {prove_rules(soc, target), prove_tiles(soc, target)})
    findings.insert(findings.end(), more.begin(), more.end());
  return findings;
}

}  // namespace heddle
