#include "cpu_codegen/runtime.h"

#include <algorithm>
#include <array>

namespace heddle {

bool is_of_kernels(std::string_view file) {
  constexpr std::array<std::string_view, 8> kLibraries = {
      "heddle_copy",       "heddle_math",     "heddle_rv32",      "heddle_rv32_clip",
      "heddle_rv32_dense", "heddle_rv32_dot", "heddle_rv32_turn", "heddle_xpulp"};
  const std::string_view stem = file.substr(0, file.rfind('.'));
  return std::find(kLibraries.begin(), kLibraries.end(), stem) != kLibraries.end();
}

}  // namespace heddle
