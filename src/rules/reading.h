// What the loaders of this folder share while they read files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rules/names.h"
#include "rules/rules.h"
#include "rules/schema.h"

namespace heddle {

struct Reading {
  Diagnostics errors;
  std::vector<OutsideName> outside;  // to be checked against the SoC
};

// A stretch of the bus: a memory, a register window, a part of the test bench.
struct Stretch {
  std::string what;
  int64_t base = 0;
  int64_t bytes = 0;
  Place place;
};

void report(Reading& reading, const Place& place, std::string message, std::string remedy = "");

// The text at `key`, which must be a C identifier; "" if it is not.
std::string identifier_at(const TomlValue& table, std::string_view key, Reading& reading);
// A text of an expression, already found. Reports what is wrong with it; the result is then a
// constant 0.
Expr read_expr(const TomlValue& value, const RuleNames& names, Scope scope, Reading& reading);
// Members of a struct in a call to a driver.
Job read_job(const TomlValue& table, const RuleNames& names, Scope scope, Reading& reading);

Rule read_rule(const TomlValue& table, TargetKind kind, Reading& reading);

// nullopt: the folder cannot be read at all. Otherwise the target is whole only if no error was
// reported.
std::optional<Target> read_target(const std::filesystem::path& folder, Reading& reading);
std::string_view name_of(TargetKind kind);  // "an accelerator"

// What firmware needs of a SoC whose memories and units are known: `[cpu.cycles]`, `[firmware]`,
// `[energy]`. `stretches` holds all of the SoC's; those of the test bench are added.
void read_bench(const TomlValue& root, Soc& soc, std::vector<Stretch>& stretches, Reading& reading);

// Any two stretches must lie apart, within 32-bit addresses. The one that comes later is to blame.
void check_overlaps(const std::vector<Stretch>& stretches, Reading& reading);

}  // namespace heddle
