// const tables of numbers in C.
#pragma once

#include <span>
#include <string>

#include "graph/tensor.h"

namespace heddle {

// "const int8_t name[4] = {\n  1, 2, 3, 4,\n};\n"; `prefix` goes in front ("static ").
std::string print_table(std::string_view prefix, std::string_view name, const Tensor& tensor);
std::string print_bytes(std::string_view prefix, std::string_view name, std::string_view size,
                        std::span<const std::byte> bytes);

}  // namespace heddle
