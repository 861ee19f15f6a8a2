// Changes numbers in a user's TOML file and leaves the rest, comments included, as it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace heddle {

// The text of a SoC's file with other values in `[cpu.constants]`, for a file in `folder`: where that
// is another folder than the SoC's, the relative folders of its units are rewritten. A constant that
// the file does not have yet is added. Errors: the file cannot be read, it has no such table at all,
// a folder's name with an escape in it.
Result<std::string> soc_with_constants(
    const std::filesystem::path& file,
    const std::vector<std::pair<std::string, int64_t>>& constants,
    const std::filesystem::path& folder);

}  // namespace heddle
