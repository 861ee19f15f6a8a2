// A SoC with a unit's folder replaced, so that a copy of an accelerator can be tried on it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rules/rules.h"

namespace heddle {

// load_soc(), but a unit whose folder is called `name` is read from `folder`.
Result<Soc> load_soc_with(const std::filesystem::path& file,
                          const std::vector<std::filesystem::path>& search, const std::string& name,
                          const std::filesystem::path& folder);

}  // namespace heddle
