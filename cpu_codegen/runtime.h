// The freestanding C runtime that is shipped with bundles (cpu_codegen/runtime, and the folder
// `runtime` of each flavour), as the build embedded it.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace heddle {

const std::map<std::string, std::string>& runtime_files();  // "heddle_runtime.h" to its text

// Whether the file belongs to a library of functions for kernels (NAME.h, and NAME.c if there is
// one): it is in bundles whose kernels name the header in Kernel::headers, in no others.
bool is_of_kernels(std::string_view file);

}  // namespace heddle
