// Stretches of a SoC's bus, held against each other.
#include <fmt/format.h>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace {

std::string shown(const Stretch& stretch) {
  return fmt::format("{} (0x{:08X} to 0x{:08X})", stretch.what, stretch.base,
                     stretch.base + stretch.bytes - 1);
}

}  // namespace

void check_overlaps(const std::vector<Stretch>& stretches, Reading& reading) {
  std::vector<Stretch> earlier;
  for (const Stretch& stretch : stretches) {
    if (stretch.bytes <= 0 || stretch.base < 0) continue;  // reported by the schema
    if (stretch.base + stretch.bytes > (int64_t{1} << 32)) {
      report(reading, stretch.place,
             fmt::format("{} ends beyond the 32-bit addresses: 0x{:X} + {} bytes", stretch.what, stretch.base,
                         thousands(stretch.bytes)));
      continue;
    }
    for (const Stretch& other : earlier) {
      const bool apart =
          stretch.base + stretch.bytes <= other.base || other.base + other.bytes <= stretch.base;
      if (!apart) {
        report(reading, stretch.place, fmt::format("{} and {} overlap", shown(stretch), shown(other)));
        break;
      }
    }
    earlier.push_back(stretch);
  }
}

}  // namespace heddle
