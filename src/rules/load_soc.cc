// A SoC: its memories, its units, and what only they together can get wrong.
#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/text.h"
#include "rules/extends.h"
#include "rules/reading.h"
#include "rules/soc_with.h"

namespace heddle {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMaxDriverCycles = 1'000'000;

class SocReader {
 public:
  SocReader(const fs::path& file, const std::vector<fs::path>& search, std::string replaced = "",
            fs::path replacement = {})
      : file_(file), search_(search), replaced_(std::move(replaced)),
        replacement_(std::move(replacement)) {}

  Result<Soc> read() {
    Result<TomlValue> parsed = read_extended(file_);
    if (!parsed.ok()) return parsed.errors();
    TomlValue& root = *parsed;
    if (!check_against(schema_of(FileKind::soc), root, reading_.errors)) return reading_.errors;
    soc_.file = file_;
    soc_.name = identifier_at(root, "name", reading_);
    soc_.summary = string_at(root, "summary");
    soc_.clock_hz = integer_at(root, "clock_hz");
    read_memories(root);
    read_cpu(root);
    read_dma(root);
    read_accelerators(root);
    check_unit_count(root);
    read_libraries(root);
    read_bench(root, soc_, stretches_, reading_);
    check_overlaps(stretches_, reading_);
    if (!reading_.errors.empty()) return reading_.errors;
    return soc_;
  }

 private:
  void error(const Place& place, std::string message, std::string remedy = "") {
    report(reading_, place, std::move(message), std::move(remedy));
  }

  std::vector<std::string> shared_names() const {
    std::vector<std::string> names;
    for (const Memory& memory : soc_.memories) names.push_back(memory.name);
    return names;
  }

  void read_memories(const TomlValue& root) {
    for (const TomlValue& item : items_at(root, "memory")) {
      if (item.kind != TomlKind::table) continue;
      Memory memory;
      memory.name = identifier_at(item, "name", reading_);
      memory.bytes = integer_at(item, "bytes");
      const int64_t base = integer_at(item, "base");
      memory.base = static_cast<uint32_t>(base);
      memory.load_cycles = integer_at(item, "load_cycles");
      memory.store_cycles = integer_at(item, "store_cycles");
      memory.fetch_cycles = integer_at(item, "fetch_cycles");
      if (!memory.name.empty() && soc_.find_memory(memory.name) != nullptr) {
        error(place_at(item, "name"), fmt::format("two memories are called `{}`", memory.name));
      }
      stretches_.push_back({fmt::format("the memory `{}`", memory.name), base, memory.bytes,
                            place_at(item, "base")});
      soc_.memories.push_back(std::move(memory));
    }
    soc_.main_memory = shared_memory_at(root, "main_memory");
    soc_.constant_memory = shared_memory_at(root, "constant_memory");
    soc_.program_memory = root.find("program_memory") == nullptr
                              ? soc_.constant_memory
                              : shared_memory_at(root, "program_memory");
    soc_.reserved_bytes = integer_at(root, "reserved_bytes");
    const Memory* main = soc_.find_memory(soc_.main_memory);
    if (main != nullptr && soc_.reserved_bytes >= main->bytes) {
      error(place_at(root, "reserved_bytes"),
            fmt::format("`reserved_bytes` is {}, but the memory `{}` has {} bytes in all",
                        thousands(soc_.reserved_bytes), main->name, thousands(main->bytes)));
    }
  }

  std::string shared_memory_at(const TomlValue& root, std::string_view key) {
    const TomlValue* value = text_at(root, key);
    if (value == nullptr) return "";
    if (soc_.find_memory(value->text) == nullptr) {
      error(value->place,
            fmt::format("`{}` is `{}`, but there is no such memory{}", key,
                        terminal_text(value->text), did_you_mean(value->text, shared_names())));
    }
    return value->text;
  }

  // Beside the file that names it, or by its last part in one of the further folders.
  std::optional<fs::path> find_folder(const TomlValue& value) {
    std::error_code ignored;
    const fs::path named(value.text);
    const fs::path normal = named.lexically_normal();
    const fs::path last =
        normal.has_filename() ? normal.filename() : normal.parent_path().filename();
    if (!replaced_.empty() && last == replaced_) return replacement_;
    const fs::path beside = (fs::path(value.place.file).parent_path() / named).lexically_normal();
    if (fs::is_directory(beside, ignored)) return beside;
    if (!last.empty() && last != "." && last != "..") {
      for (const fs::path& folder : search_) {
        if (fs::is_directory(folder / last, ignored)) return (folder / last).lexically_normal();
      }
    }
    error(value.place, fmt::format("there is no folder `{}`", terminal_text(value.text)),
          "name it relative to this file, or put its parent into `--accelerators` or HEDDLE_PATH");
    return std::nullopt;
  }

  // Reads the folder named at `key`; reports if it is of another kind.
  std::optional<Target> target_at(const TomlValue& table, std::string_view key, TargetKind kind) {
    reading_.outside.clear();
    const TomlValue* value = text_at(table, key);
    if (value == nullptr) return std::nullopt;
    const std::optional<fs::path> folder = find_folder(*value);
    if (!folder) return std::nullopt;
    std::optional<Target> target = read_target(*folder, reading_);
    if (target && target->kind != kind) {
      error(value->place,
            fmt::format("`{}` is {}, but {} is needed here", terminal_text(value->text),
                        name_of(target->kind), name_of(kind)));
      return std::nullopt;
    }
    return target;
  }

  // What the target's expressions want from the SoC.
  void check_outside(const Target& target) {
    std::vector<std::string> memories = shared_names();
    for (const Memory& memory : target.memories) memories.push_back(memory.name);
    for (const auto& [name, memory] : target.uses) memories.push_back(name);
    std::vector<std::string> constants;
    for (const auto& [key, value] : soc_.cpu_constants) constants.push_back(key);
    for (const OutsideName& name : reading_.outside) {
      const bool is_memory = name.kind == OutsideName::Kind::memory;
      const std::vector<std::string>& known = is_memory ? memories : constants;
      if (std::find(known.begin(), known.end(), name.name) != known.end()) continue;
      error(name.place,
            fmt::format("the SoC `{}` has no {} `{}`{}", soc_.name,
                        is_memory ? "memory" : "CPU constant", terminal_text(name.name),
                        did_you_mean(name.name, known)),
            is_memory ? "" : "add it to `[cpu.constants]` of the SoC");
    }
  }

  void read_cpu(const TomlValue& root) {
    const TomlValue* cpu = table_at(root, "cpu");
    if (cpu == nullptr) return;
    if (const TomlValue* constants = table_at(*cpu, "constants")) {
      for (const TomlMember& member : constants->members) {
        if (!is_c_identifier(member.key)) {
          error(member.key_place, fmt::format("the CPU constant `{}` must be a C identifier",
                                              terminal_text(member.key)));
        }
        const bool driver = member.key == "driver_call" || member.key == "driver_field";
        if (driver && (member.value.integer < 0 || member.value.integer > kMaxDriverCycles)) {
          error(member.value.place, fmt::format("`{}` is {}, but it must be 0 to {} cycles",
                                                member.key, thousands(member.value.integer),
                                                thousands(kMaxDriverCycles)));
        }
        if (member.key == "isa")
          error(member.key_place, "`cpu.isa` is a text that rules see: no constant has its name");
        soc_.cpu_constants.emplace_back(member.key, member.value.integer);
      }
    }
    std::optional<Target> target = target_at(*cpu, "flavour", TargetKind::cpu);
    if (!target) return;
    soc_.cpu = *std::move(target);
    for (const auto& [key, value] : soc_.cpu.constants) {
      const auto same = [&name = key](const auto& own) { return own.first == name; };
      if (std::none_of(soc_.cpu_constants.begin(), soc_.cpu_constants.end(), same))
        soc_.cpu_constants.emplace_back(key, value);
    }
    check_outside(soc_.cpu);
  }

  void add_window(const SocUnit& unit, const Place& place) {
    if (unit.target.register_bytes <= 0) return;
    stretches_.push_back({fmt::format("the registers of `{}`", unit.target.name), unit.base,
                          unit.target.register_bytes, place});
  }

  // The SoC's own values for constants of the unit.
  void set_constants(const TomlValue& item, Target& target) {
    const TomlValue* constants = table_at(item, "constants");
    if (constants == nullptr) return;
    std::vector<std::string> known;
    for (const auto& [key, value] : target.constants) known.push_back(key);
    for (const TomlMember& member : constants->members) {
      const auto found = std::find(known.begin(), known.end(), member.key);
      if (found == known.end()) {
        error(member.key_place,
              fmt::format("`{}` has no constant `{}`{}", target.name, terminal_text(member.key),
                          did_you_mean(member.key, known)));
        continue;
      }
      target.constants[static_cast<size_t>(found - known.begin())].second = member.value.integer;
    }
  }

  // Which of the SoC's memories the unit's rules mean, here.
  void read_uses(const TomlValue& item, Target& target) {
    const TomlValue* uses = table_at(item, "uses");
    if (uses == nullptr) return;
    std::vector<std::string> named;
    for (const OutsideName& name : reading_.outside) {
      if (name.kind == OutsideName::Kind::memory) named.push_back(name.name);
    }
    for (const TomlMember& member : uses->members) {
      const auto own = [&](const Memory& memory) { return memory.name == member.key; };
      if (std::any_of(target.memories.begin(), target.memories.end(), own)) {
        error(
            member.key_place,
            fmt::format("`{}` is a private memory of `{}`", terminal_text(member.key), target.name),
            "its base stands in `memory`");
        continue;
      }
      if (std::find(named.begin(), named.end(), member.key) == named.end()) {
        error(member.key_place,
              fmt::format("the rules of `{}` name no memory `{}`{}", target.name,
                          terminal_text(member.key), did_you_mean(member.key, named)));
        continue;
      }
      if (soc_.find_memory(member.value.text) == nullptr) {
        error(member.value.place, fmt::format("the SoC `{}` has no memory `{}`{}", soc_.name,
                                              terminal_text(member.value.text),
                                              did_you_mean(member.value.text, shared_names())));
      }
      target.uses.emplace_back(member.key, member.value.text);
    }
    for (Rule& rule : target.rules) {
      for (OperandPlacement& placement : rule.operands) {
        const auto meant =
            std::find_if(target.uses.begin(), target.uses.end(),
                         [&](const auto& use) { return use.first == placement.memory; });
        if (meant != target.uses.end()) placement.memory = meant->second;
      }
    }
  }

  // An accelerator whose rules want tiles in another memory than the SoC's main memory.
  void check_dma(const Target& target, const Place& place) {
    if (soc_.dma || no_dma_reported_) return;
    for (const Rule& rule : target.rules) {
      for (const OperandPlacement& placement : rule.operands) {
        if (soc_.in_place(placement, rule.packs(placement.operand))) continue;
        error(place, "accelerators need a DMA", "add a `[dma]` table");
        no_dma_reported_ = true;
        return;
      }
    }
  }

  void read_dma(const TomlValue& root) {
    const TomlValue* dma = table_at(root, "dma");
    if (dma == nullptr) return;
    no_dma_reported_ = true;  // if it cannot be read, that is the error
    std::optional<Target> target = target_at(*dma, "unit", TargetKind::dma);
    if (!target) return;
    set_constants(*dma, *target);
    soc_.dma = SocUnit{*std::move(target), static_cast<uint32_t>(integer_at(*dma, "base"))};
    add_window(*soc_.dma, place_at(*dma, "base"));
  }

  void read_accelerators(const TomlValue& root) {
    for (const TomlValue& item : items_at(root, "accelerator")) {
      if (item.kind != TomlKind::table) continue;
      std::optional<Target> target = target_at(item, "unit", TargetKind::accelerator);
      if (!target) continue;
      read_uses(item, *target);
      check_outside(*target);
      set_constants(item, *target);
      check_dma(*target, item.place);
      SocUnit unit{*std::move(target), static_cast<uint32_t>(integer_at(item, "base"))};
      check_name_is_free(item, unit);
      place_private_memories(item, unit);
      add_window(unit, place_at(item, "base"));
      soc_.accelerators.push_back(std::move(unit));
    }
  }

  void check_name_is_free(const TomlValue& item, const SocUnit& unit) {
    const auto same = [&](const SocUnit& other) { return other.target.name == unit.target.name; };
    const bool taken = std::any_of(soc_.accelerators.begin(), soc_.accelerators.end(), same) ||
                       (soc_.dma && same(*soc_.dma));
    if (taken && !unit.target.name.empty())
      error(place_at(item, "unit"), fmt::format("two units are called `{}`", unit.target.name));
  }

  // After the accelerators, so that the units' interrupts are the same with and without libraries.
  void read_libraries(const TomlValue& root) {
    for (const TomlValue& item : items_at(root, "library")) {
      if (item.kind != TomlKind::table) continue;
      std::optional<Target> target = target_at(item, "unit", TargetKind::library);
      if (!target) continue;
      read_uses(item, *target);
      check_outside(*target);
      set_constants(item, *target);
      check_all_in_place(*target, item.place);
      const SocUnit unit{*std::move(target), 0};
      check_name_is_free(item, unit);
      soc_.accelerators.push_back(unit);
    }
  }

  // The CPU works where the values are.
  void check_all_in_place(const Target& target, const Place& place) {
    for (const Rule& rule : target.rules) {
      for (const OperandPlacement& placement : rule.operands) {
        const bool packed = rule.packs(placement.operand);
        if (soc_.in_place(placement, packed) || soc_.find_memory(placement.memory) == nullptr)
          continue;
        const std::string& wanted = packed ? soc_.constant_memory : soc_.main_memory;
        error(place,
              fmt::format("a library works in place, but rule `{}` of `{}` places `{}` in `{}`",
                          rule.name, target.name, placement.operand, placement.memory),
              fmt::format("its memory is `{}`: say so with `uses`", wanted));
        return;
      }
    }
  }

  void place_private_memories(const TomlValue& item, SocUnit& unit) {
    const TomlValue* bases = table_at(item, "memory");
    std::vector<std::string> names;
    for (Memory& memory : unit.target.memories) {
      if (memory.name.empty()) continue;
      names.push_back(memory.name);
      if (soc_.find_memory(memory.name) != nullptr) {
        error(place_at(item, "unit"),
              fmt::format("the private memory `{}` of `{}` has the name of a memory of the SoC",
                          memory.name, unit.target.name));
      }
      const TomlValue* base = bases == nullptr ? nullptr : bases->find(memory.name);
      if (base == nullptr) {
        error(bases == nullptr ? item.place : bases->place,
              fmt::format("the private memory `{}` of `{}` has no base", memory.name,
                          unit.target.name),
              fmt::format("write `memory = {{ {} = 0x... }}`", memory.name));
        continue;
      }
      if (base->kind != TomlKind::integer) continue;
      if (base->integer < 0 || base->integer > 0xFFFFFFFF) {
        error(base->place, fmt::format("the base of `{}` is {}, but it must fit into 32 bits",
                                       memory.name, base->integer));
        continue;
      }
      memory.base = static_cast<uint32_t>(base->integer);
      stretches_.push_back({fmt::format("the memory `{}` of `{}`", memory.name, unit.target.name),
                            base->integer, memory.bytes, base->place});
    }
    if (bases == nullptr) return;
    for (const TomlMember& member : bases->members) {
      if (std::find(names.begin(), names.end(), member.key) != names.end()) continue;
      error(member.key_place,
            fmt::format("`{}` has no private memory `{}`{}", unit.target.name,
                        terminal_text(member.key), did_you_mean(member.key, names)));
    }
  }

  // Each has a bit of the processor's own in its register of pending interrupts.
  void check_unit_count(const TomlValue& root) {
    if (soc_.accelerators.size() + (soc_.dma ? 1 : 0) <= kMaxUnits) return;
    error(place_at(root, "accelerator"),
          fmt::format("{} accelerators and a DMA, but a SoC has at most {} units",
                      soc_.accelerators.size(), kMaxUnits));
  }

  const fs::path& file_;
  const std::vector<fs::path>& search_;
  const std::string replaced_;  // a unit's folder, and what is read instead
  const fs::path replacement_;
  Reading reading_;
  Soc soc_;
  std::vector<Stretch> stretches_;
  bool no_dma_reported_ = false;  // or there is one
};

}  // namespace

Result<Soc> load_soc(const fs::path& file, const std::vector<fs::path>& search) {
  return SocReader(file, search).read();
}

Result<Soc> load_soc_with(const fs::path& file, const std::vector<fs::path>& search,
                          const std::string& name, const fs::path& folder) {
  return SocReader(file, search, name, folder).read();
}

}  // namespace heddle
