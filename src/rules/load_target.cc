// A target's folder: accelerator.toml, dma.toml or cpu.toml with the files it names.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

struct KindOfFolder {
  TargetKind kind;
  FileKind file;
};
constexpr std::array kKinds = {
    KindOfFolder{TargetKind::accelerator, FileKind::accelerator},
    KindOfFolder{TargetKind::dma, FileKind::dma},
    KindOfFolder{TargetKind::library, FileKind::library},
    KindOfFolder{TargetKind::cpu, FileKind::cpu},
};

Place place_of(const fs::path& path) {
  Place place;
  place.file = path.string();
  return place;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// Names of files that the folder must hold.
std::vector<std::string> read_files(const TomlValue& root, std::string_view key,
                                    std::string_view extension, const fs::path& folder,
                                    Reading& reading) {
  std::vector<std::string> files;
  for (const TomlValue& item : items_at(root, key)) {
    const std::string& name = item.text;
    if (item.kind != TomlKind::text || name.empty()) continue;
    if (file_name(name) != name) {
      report(reading, item.place, fmt::format("`{}` is not a plain file name", terminal_text(name)),
             "files lie in this folder itself; letters, digits, `_`, `-` and `.` are allowed");
    } else if (!name.ends_with(extension) || name.size() == extension.size()) {
      report(
          reading, item.place,
          fmt::format("a file in `{}` must end with `{}`, but this is `{}`", key, extension, name));
    } else if (!is_file(folder / name)) {
      report(reading, item.place, fmt::format("the folder has no file `{}`", name));
    } else {
      files.push_back(name);
    }
  }
  return files;
}

std::vector<Memory> read_private_memories(const TomlValue& root, Reading& reading) {
  std::vector<Memory> memories;
  for (const TomlValue& item : items_at(root, "memory")) {
    if (item.kind != TomlKind::table) continue;
    Memory memory;
    memory.name = identifier_at(item, "name", reading);
    memory.bytes = integer_at(item, "bytes");
    for (const Memory& other : memories) {
      if (memory.name.empty() || other.name != memory.name) continue;
      report(reading, place_at(item, "name"),
             fmt::format("two memories are called `{}`", memory.name));
    }
    memories.push_back(std::move(memory));
  }
  return memories;
}

std::vector<Rule> read_rules(const TomlValue& root, TargetKind kind, Reading& reading) {
  std::vector<Rule> rules;
  for (const TomlValue& item : items_at(root, "rule")) {
    if (item.kind != TomlKind::table) continue;
    Rule rule = read_rule(item, kind, reading);
    for (const Rule& other : rules) {
      if (rule.name.empty() || other.name != rule.name) continue;
      report(reading, place_at(item, "name"), fmt::format("two rules are called `{}`", rule.name));
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

bool accepts_everything(const Rule& rule) {
  if (!rule.when.empty() || rule.pattern.items.empty()) return false;
  // Any one operator alone: the first item is the class of all, and the rest may be absent.
  for (size_t i = 0; i < rule.pattern.items.size(); ++i) {
    const PatternItem& item = rule.pattern.items[i];
    if (i > 0 && item.repeat == PatternItem::Repeat::once) return false;
  }
  for (const std::string& name : rule.pattern.items[0].alternatives) {
    if (name == "any") return true;
  }
  return false;
}

void read_constants(const TomlValue& root, Target& target, Reading& reading) {
  const TomlValue* constants = table_at(root, "constants");
  if (constants == nullptr) return;
  for (const TomlMember& member : constants->members) {
    if (!is_c_identifier(member.key)) {
      report(reading, member.key_place,
             fmt::format("the constant `{}` must be a C identifier", terminal_text(member.key)));
    }
    target.constants.emplace_back(member.key, member.value.integer);
  }
}

// Holds `unit.<key>` against the unit's constants; what is left is the SoC's to check.
void check_constants(const Target& target, Reading& reading) {
  std::vector<std::string> known;
  for (const auto& [key, value] : target.constants) known.push_back(key);
  std::vector<OutsideName> left;
  for (const OutsideName& name : reading.outside) {
    if (name.kind != OutsideName::Kind::unit_constant) {
      left.push_back(name);
    } else if (std::find(known.begin(), known.end(), name.name) == known.end()) {
      report(reading, name.place,
             fmt::format("the unit `{}` has no constant `{}`{}", target.name,
                         terminal_text(name.name), did_you_mean(name.name, known)),
             target.kind == TargetKind::cpu ? "a processor's constants are the SoC's: `cpu.<key>`"
                                            : "add it to `[constants]`");
    }
  }
  reading.outside = std::move(left);
}

void read_transfer(const TomlValue& root, Target& target, Reading& reading) {
  const TomlValue* transfer = table_at(root, "transfer");
  if (transfer == nullptr) return;
  target.transfer_unit_bytes = integer_at(*transfer, "unit_bytes", 1);
  if (const TomlValue* cycles = text_at(*transfer, "cycles")) {
    target.transfer_cycles = read_expr(*cycles, {}, Scope::transfer, reading);
  }
  target.transfer = read_job(*transfer, {}, Scope::transfer, reading);
}

// Registers of the model that a run may set.
void read_options(const TomlValue& root, Target& target, Reading& reading) {
  for (const TomlValue& item : items_at(root, "option")) {
    if (item.kind != TomlKind::table) continue;
    UnitOption option;
    option.name = identifier_at(item, "name", reading);
    option.register_offset = integer_at(item, "register");
    option.standard = integer_at(item, "default");
    option.lo = integer_at(item, "lo");
    option.hi = integer_at(item, "hi");
    option.why = string_at(item, "why");
    for (const UnitOption& other : target.options) {
      if (option.name.empty() || other.name != option.name) continue;
      report(reading, place_at(item, "name"),
             fmt::format("two options are called `{}`", option.name));
    }
    if (option.register_offset % 4 != 0 || option.register_offset + 4 > target.register_bytes) {
      report(reading, place_at(item, "register"),
             fmt::format("no register of {} bytes has the offset {}", target.register_bytes,
                         option.register_offset),
             "registers are words: give a multiple of 4 inside the window");
    }
    if (option.standard < option.lo || option.standard > option.hi) {
      report(reading, place_at(item, "default"),
             fmt::format("the default {} of option `{}` lies outside of [{}, {}]", option.standard,
                         option.name, option.lo, option.hi));
    }
    target.options.push_back(std::move(option));
  }
}

// What a library has not: registers and a model.
void read_device(const TomlValue& root, Target& target, Reading& reading) {
  target.register_bytes = integer_at(root, "registers");
  target.wait_register = integer_at(root, "wait_register", -1);
  if (target.wait_register >= 0 &&
      (target.wait_register % 4 != 0 || target.wait_register + 4 > target.register_bytes)) {
    report(reading, place_at(root, "wait_register"),
           fmt::format("no register of {} bytes has the offset {}", target.register_bytes,
                       target.wait_register),
           "registers are words: give a multiple of 4 inside the window");
  }
  target.base_macro = identifier_at(root, "base_macro", reading);
  target.models = read_files(root, "models", ".c", target.folder, reading);
  read_options(root, target, reading);
}

}  // namespace

std::string_view name_of(TargetKind kind) {
  switch (kind) {
    case TargetKind::cpu:
      return "a CPU flavour";
    case TargetKind::accelerator:
      return "an accelerator";
    case TargetKind::dma:
      return "a DMA";
    case TargetKind::library:
      return "a library";
  }
  return "a target";
}

std::optional<Target> read_target(const fs::path& folder, Reading& reading) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    report(reading, place_of(folder), "there is no such folder");
    return std::nullopt;
  }
  Target target;
  target.folder = folder;
  const Schema* schema = nullptr;
  for (const KindOfFolder& candidate : kKinds) {
    const Schema& of_kind = schema_of(candidate.file);
    if (!is_file(folder / of_kind.file)) continue;
    if (schema != nullptr) {
      report(reading, place_of(folder),
             fmt::format("the folder has both `{}` and `{}`", schema->file, of_kind.file));
      return std::nullopt;
    }
    schema = &of_kind;
    target.kind = candidate.kind;
  }
  if (schema == nullptr) {
    report(reading, place_of(folder),
           "the folder has no `accelerator.toml`, `dma.toml`, `library.toml` or `cpu.toml`");
    return std::nullopt;
  }
  Result<TomlValue> read = read_toml(folder / schema->file);
  if (!read.ok()) {
    reading.errors.insert(reading.errors.end(), read.errors().begin(), read.errors().end());
    return std::nullopt;
  }
  TomlValue& root = *read;
  if (!check_against(*schema, root, reading.errors)) return std::nullopt;

  target.name = identifier_at(root, "name", reading);
  target.summary = string_at(root, "summary");
  if (target.kind == TargetKind::cpu) {
    target.rules = read_rules(root, target.kind, reading);
    check_constants(target, reading);
    read_constants(root, target, reading);
    if (reading.errors.empty() && !accepts_everything(target.rules.back())) {
      report(reading, target.rules.back().place,
             "the last rule of a CPU flavour must accept every operator",
             "give it the pattern `any` and no `when`");
    }
    return target;
  }
  if (target.name == "cpu") {
    report(reading, place_at(root, "name"), "`cpu` is the name of the processor",
           "choose another name");
  }
  target.headers = read_files(root, "headers", ".h", folder, reading);
  target.sources = read_files(root, "sources", ".c", folder, reading);
  if (target.kind != TargetKind::library) read_device(root, target, reading);
  if (target.kind == TargetKind::dma) {
    read_transfer(root, target, reading);
  } else {
    target.memories = read_private_memories(root, reading);
    target.rules = read_rules(root, target.kind, reading);
  }
  read_constants(root, target, reading);
  check_constants(target, reading);
  return target;
}

Result<Target> load_target(const fs::path& folder) {
  Reading reading;
  std::optional<Target> target = read_target(folder, reading);
  if (!reading.errors.empty()) return reading.errors;
  HEDDLE_CHECK(target.has_value(), "a target without a value and without an error");
  return *std::move(target);
}

}  // namespace heddle
