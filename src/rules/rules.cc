#include "rules/rules.h"

#include <algorithm>

namespace heddle {

bool Rule::packs(std::string_view operand) const {
  return std::any_of(packings.begin(), packings.end(),
                     [&](const Packing& packing) { return packing.name == operand; });
}

const Memory* Soc::find_memory(std::string_view memory_name) const {
  const auto found = std::find_if(memories.begin(), memories.end(),
                                  [&](const Memory& memory) { return memory.name == memory_name; });
  return found == memories.end() ? nullptr : &*found;
}

int64_t Soc::driver_cycles(const Job& job) const {
  int64_t cycles = 0;
  if (job.wait.empty()) return cycles;  // a plain call: the rule's launch
  for (const auto& [key, value] : cpu_constants) {
    if (key == "driver_call") cycles += value;
    if (key == "driver_field") cycles += value * static_cast<int64_t>(job.fields.size());
  }
  return cycles;
}

}  // namespace heddle
