#include "check/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "compile/resources.h"
#include "rules/extends.h"
#include "rules/soc_with.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;

std::string last_part(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return (normal.has_filename() ? normal.filename() : normal.parent_path().filename()).string();
}

// The installed DMA whose transfers have the smallest unit: a rule that says nothing of units suits it.
fs::path plainest_dma() {
  fs::path best;
  int64_t unit = 0;
  for (const fs::path& folder : accelerator_folders({})) {
    std::set<fs::path> units;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) units.insert(entry.path());
    for (const fs::path& each : units) {
      if (!fs::exists(each / "dma.toml")) continue;
      const Result<Target> dma = load_target(each);
      if (!dma.ok() || (!best.empty() && dma->transfer_unit_bytes >= unit)) continue;
      best = each;
      unit = dma->transfer_unit_bytes;
    }
  }
  return best;
}

// How the SoC's file calls the folder of the unit; empty: it has none.
std::string unit_folder_in(const fs::path& file, const Target& target) {
  const Result<TomlValue> root = read_extended(file);
  if (!root.ok()) return "";
  for (const char* const list : {"accelerator", "library"}) {
    const TomlValue* const units = root->find(list);
    if (units == nullptr) continue;
    for (const TomlValue& item : units->items) {
      const TomlValue* const unit = item.find("unit");
      if (unit == nullptr || unit->kind != TomlKind::text) continue;
      const std::string last = last_part(unit->text);
      if (last == target.name || last == last_part(fs::absolute(target.folder))) return last;
    }
  }
  return "";
}

Result<CheckMachine> on(const fs::path& file, const std::string& name, const Target& target,
                        const std::vector<fs::path>& accelerators) {
  Result<Soc> soc = load_soc_with(file, accelerator_folders(accelerators), name, target.folder);
  if (!soc.ok()) return soc.errors();
  CheckMachine machine{std::move(*soc), -1, false};
  for (size_t u = 0; u < machine.soc.accelerators.size(); ++u)
    if (machine.soc.accelerators[u].target.name == target.name) machine.unit = static_cast<int>(u);
  if (machine.unit < 0)
    return error_at(in_file(file.string()), fmt::format("the SoC has no unit `{}`", target.name));
  return machine;
}

void names_of_memories(const Expr& expr, std::set<std::string>& names) {
  for (const std::string& name : names_in(expr)) {
    constexpr std::string_view kHead = "memory.", kTail = ".bytes";
    if (name.starts_with(kHead) && name.ends_with(kTail))
      names.insert(name.substr(kHead.size(), name.size() - kHead.size() - kTail.size()));
  }
}

// A SoC of 64 kB for each memory that the rules name and nobody has, beside a large main memory.
Result<std::string> made_soc(const Target& target) {
  std::set<std::string> memories;
  for (const Rule& rule : target.rules) {
    for (const OperandPlacement& placement : rule.operands) memories.insert(placement.memory);
    for (const std::vector<Condition>* list : {&rule.when, &rule.require})
      for (const Condition& condition : *list) names_of_memories(condition.expr, memories);
    names_of_memories(rule.launch, memories);
    names_of_memories(rule.compute, memories);
  }
  for (const Memory& memory : target.memories) memories.erase(memory.name);
  std::string cpu;
  const std::string dma = plainest_dma().string();
  for (const fs::path& folder : resource_folders())
    if (cpu.empty() && fs::exists(folder / "cpu_codegen/generic/cpu.toml"))
      cpu = (folder / "cpu_codegen/generic").string();
  if (cpu.empty() || dma.empty())
    return error_at(target.rules.empty() ? in_file(target.folder.string()) : target.rules[0].place,
                    "no SoC has this unit, and what one could be made of is not installed",
                    "name one with `--soc`");
  const std::string main = memories.contains("main") ? "main_memory_of_check" : "main";
  std::string text = fmt::format(
      "schema = 1\nname = \"made_by_check\"\nsummary = \"made from the rules\"\nclock_hz = 100_000_000\nmain_memory = \"{0}\"\n"
      "constant_memory = \"{0}\"\nreserved_bytes = 65536\n\n"
      "[[memory]]\nname = \"{0}\"\nbytes = 16777216\nbase = 0x1C000000\n", main);
  int64_t base = 0x10000000;
  for (const std::string& memory : memories) {
    text += fmt::format("\n[[memory]]\nname = \"{}\"\nbytes = 65536\nbase = {}\n", memory, base);
    base += 0x10000;
  }
  text += fmt::format(
      "\n[cpu]\nflavour = '{}'\n[cpu.constants]\nmac_x10 = 48\ndepthwise_mac_x10 = 123\nmap_x10 = 80\n"
      "move_x10 = 120\nkernel = 300\n[cpu.cycles]\nsource = \"none\"\n\n"
      "[firmware]\nstack_bytes = 8192\nuart = 0x1B000000\nfinisher = 0x1B001000\n"
      "vectors = {{ base = 0x80000000, bytes = 16777216 }}\n\n"
      "[dma]\nunit = '{}'\nbase = 0x1A100000\n\n", cpu, dma);
  const fs::path folder = fs::absolute(target.folder).lexically_normal();
  if (target.kind == TargetKind::library)
    return text + fmt::format("[[library]]\nunit = '{}'\n", folder.string());
  text += fmt::format("[[accelerator]]\nunit = '{}'\nbase = 0x1A200000\n", folder.string());
  if (target.memories.empty()) return text;
  std::string bases;
  int64_t address = 0x40000000;
  for (const Memory& memory : target.memories) {
    bases += fmt::format("{}{} = {}", bases.empty() ? "" : ", ", memory.name, address);
    address += (memory.bytes + 0xFFFF) / 0x10000 * 0x10000;
  }
  return text + fmt::format("memory = {{ {} }}\n", bases);
}

}  // namespace

Result<CheckMachine> machine_for(const Target& target, const std::string& soc,
                                 const std::vector<fs::path>& accelerators) {
  if (!soc.empty()) {
    const Result<fs::path> file = find_rules_file("soc", soc);
    if (!file.ok()) return file.errors();
    return on(*file, unit_folder_in(*file, target), target, accelerators);
  }
  if (const fs::path own = target.folder / "soc.toml"; fs::exists(own))
    return on(own, "", target, accelerators);
  for (const fs::path& resource : resource_folders()) {
    std::vector<fs::path> files;
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(resource / "rules/soc", ignored))
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files)
      if (const std::string name = unit_folder_in(file, target); !name.empty())
        return on(file, name, target, accelerators);
  }
  Result<std::string> text = made_soc(target);
  if (!text.ok()) return text.errors();
  const TemporaryFolder temporary;
  const fs::path file = temporary.path() / "made_by_check.toml";
  if (Status written = write_file(file, *text); !written.ok()) return written.errors();
  Result<CheckMachine> machine = on(file, "", target, accelerators);
  if (machine.ok()) machine->made = true;
  return machine;
}

}  // namespace heddle
