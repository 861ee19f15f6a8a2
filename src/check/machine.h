// The SoC on which a folder is checked.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rules/rules.h"

namespace heddle {

struct CheckMachine {
  Soc soc;
  int unit = 0;     // the folder's unit: an index into soc.accelerators
  bool made = false;  // no SoC has the unit: one was made from its rules
};

// `soc`: a file or a name in rules/soc, whose unit of the same name is then this folder's; empty:
// soc.toml in the folder; else the first SoC of rules/soc (by resource folder, then by name) that has such a unit; else one with every
// memory that the rules name, and simple transfers. `target` is the folder's, loaded by itself.
Result<CheckMachine> machine_for(const Target& target, const std::string& soc,
                                 const std::vector<std::filesystem::path>& accelerators);

}  // namespace heddle
