// Where the tool's own folders are: rules/, accelerators/, cpu_codegen/ of a build tree or of an
// installation.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace heddle {

// Folders that may hold rules/, accelerators/ ...: those of the environment variable HEDDLE_PATH
// (separated by colons), <prefix>/share/heddle of an installation, and the source tree around a
// build folder; existing ones, in that order.
std::vector<std::filesystem::path> resource_folders();

// Folders to look for accelerators and CPU flavours in: `given` (--accelerators), then
// <resource>/accelerators, <resource>/cpu_codegen and <resource> itself.
std::vector<std::filesystem::path> accelerator_folders(
    const std::vector<std::filesystem::path>& given);

// A file that exists, as given; else `rules/<kind>/<name>.toml` in the resource folders. Error:
// lists what there is.
Result<std::filesystem::path> find_rules_file(const std::string& kind, const std::string& name);

}  // namespace heddle
