#include "sim/hazard.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace heddle::sim {
namespace {

constexpr std::array<const char*, 13> kNames = {
    "start while busy",
    "busy regions overlap",
    "input changed while in use",
    "CPU access to a busy buffer",
    "access outside the memories",
    "memory overflow",
    "job refused",
    "stack overflow",
    "resident value overwritten",
    "resident value read before it is written",
    "wfi with nothing pending",
    "CPU bus fault",
    "unhandled trap",
};
static_assert(kNames.size() == static_cast<size_t>(HazardKind::trap) + 1);

}  // namespace

std::string name_of(HazardKind kind) { return kNames[static_cast<size_t>(kind)]; }

Result<HazardKind> hazard_kind_of(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<HazardKind>(i);
  }
  return error_at({}, fmt::format("no hazard is called `{}`", terminal_text(name)));
}

Diagnostic diagnostic_of(const Hazard& hazard) {
  std::string message =
      fmt::format("hazard: {}: {}; {}, cycle {}", name_of(hazard.kind), hazard.text,
                  hazard.layer.empty() ? "outside of the layers"
                                       : fmt::format("in layer `{}`", terminal_text(hazard.layer)),
                  thousands(static_cast<int64_t>(hazard.cycle)));
  if (!hazard.unit.empty()) message += ", unit " + terminal_text(hazard.unit);
  if (hazard.region.bytes > 0) message += ", " + to_string(hazard.region);
  message += fmt::format(", pc 0x{:08x}", hazard.pc);
  if (!hazard.function.empty()) message += " in " + terminal_text(hazard.function);
  return error_at({}, message, hazard.remedy);
}

}  // namespace heddle::sim
