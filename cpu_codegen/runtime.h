// The freestanding C runtime that is shipped with every bundle (cpu_codegen/runtime), as the build
// embedded it.
#pragma once

#include <map>
#include <string>

namespace heddle {

const std::map<std::string, std::string>& runtime_files();  // "heddle_runtime.h" to its text

}  // namespace heddle
