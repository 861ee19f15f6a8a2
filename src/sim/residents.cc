#include "sim/residents.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace heddle::sim {

// Inputs are copied before the first layer. Of a layer on a unit only that unit writes the result: the
// DMA has no business there.
bool Residents::may_write(const ResidentDescription& resident, const std::string& unit) const {
  if (!position_) return unit.empty() && resident.writers.empty();
  if (!in_layer_ || !resident.writers.contains(*position_)) return false;
  const std::string& target = soc_.layers[*position_].target;
  const bool on_unit = std::any_of(soc_.units.begin(), soc_.units.end(),
                                   [&](const UnitDescription& u) { return u.name == target; });
  return on_unit ? unit == target : unit.empty();
}

std::optional<Residents::Wrong> Residents::access(const std::string& unit, const Regions& reads,
                                                  const Regions& writes) {
  for (size_t r = 0; r < soc_.residents.size(); ++r) {
    const ResidentDescription& resident = soc_.residents[r];
    const size_t now = position_.value_or(0);
    if (now < resident.first || now > resident.last) continue;
    const std::string who = unit.empty() ? "the CPU" : terminal_text(unit);
    const Region read = first_common(reads, {resident.region});
    if (read.bytes > 0 && !written_[r] && in_layer_ && resident.readers.contains(now)) {
      return Wrong{HazardKind::unwritten, read,
                   fmt::format("{} reads value `{}`, which nobody has written in this run", who,
                               terminal_text(resident.value)),
                   "the layer that makes it must run first"};
    }
    const Region write = first_common(writes, {resident.region});
    if (write.bytes == 0) continue;
    if (!may_write(resident, unit)) {
      return Wrong{HazardKind::overwritten, write,
                   fmt::format("{} writes to value `{}`, which is at home there until the end of "
                               "layer `{}`",
                               who, terminal_text(resident.value),
                               terminal_text(soc_.layers[resident.last].name)),
                   "tile buffers and values that live at the same time must not share bytes"};
    }
    written_[r] = true;
  }
  return std::nullopt;
}

}  // namespace heddle::sim
