// What firmware and the virtual SoC need to know: what instructions cost, the test bench, energy.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "rules/reading.h"

namespace heddle {
namespace {

constexpr int64_t kAddresses = int64_t{1} << 32;
constexpr int64_t kVectorBytes = int64_t{16} << 20;
constexpr int64_t kUartBytes = 0x20;  // of a CMSDK UART; a 16550 has 8
constexpr int64_t kFinisherBytes = 4;
// Where QEMU's `virt` has them.
constexpr int64_t kUart = 0x10000000;
constexpr int64_t kFinisher = 0x00100000;
constexpr int64_t kVectors = 0x80000000;

class BenchReader {
 public:
  BenchReader(Soc& soc, std::vector<Stretch>& stretches, Reading& reading)
      : soc_(soc), stretches_(stretches), reading_(reading) {}

  void read_cycles(const TomlValue& cpu) {
    const TomlValue* isa = text_at(cpu, "isa");
    if (isa != nullptr) {
      const auto found = std::find(kIsaNames.begin(), kIsaNames.end(), isa->text);
      if (found != kIsaNames.end()) soc_.isa = static_cast<Isa>(found - kIsaNames.begin());
    }
    const TomlValue* cycles = table_at(cpu, "cycles");
    if (cycles != nullptr) soc_.cpu_cycles_source = string_at(*cycles, "source");
    for (const CycleClass& c : kCycleClasses) {
      const int64_t otherwise = std::stoll(std::string(c.fallback));
      soc_.cpu_cycles.emplace_back(
          c.name, cycles == nullptr ? otherwise : integer_at(*cycles, c.name, otherwise));
    }
  }

  void read_firmware(const TomlValue& root) {
    static const TomlValue nothing;
    const TomlValue* table = table_at(root, "firmware");
    const TomlValue& given = table == nullptr ? nothing : *table;
    soc_.firmware.stack_bytes = integer_at(given, "stack_bytes", soc_.firmware.stack_bytes);
    const Memory* main = soc_.find_memory(soc_.main_memory);
    if (main != nullptr && soc_.firmware.stack_bytes >= main->bytes) {
      report(reading_, table == nullptr ? root.place : place_at(given, "stack_bytes"),
             fmt::format("the stack has {} bytes, but the memory `{}` has {} in all",
                         thousands(soc_.firmware.stack_bytes), main->name, thousands(main->bytes)),
             "set `stack_bytes` of `[firmware]`");
    }
    // What the file places comes first, so that what is placed here keeps out of its way.
    const std::optional<int64_t> uart = placed(given, "uart", "the UART", kUartBytes);
    const std::optional<int64_t> finisher =
        placed(given, "finisher", "the finisher", kFinisherBytes);
    const TomlValue* vectors = table_at(given, "vectors");
    if (vectors != nullptr) {
      soc_.firmware.vectors_bytes = integer_at(*vectors, "bytes");
      const std::optional<int64_t> base =
          placed(*vectors, "base", "the memory of golden vectors", soc_.firmware.vectors_bytes);
      soc_.firmware.vectors_base = static_cast<uint32_t>(base.value_or(0));
    } else {
      soc_.firmware.vectors_bytes = kVectorBytes;
      soc_.firmware.vectors_base = free_place(root, kVectors, kVectorBytes, kVectorBytes);
    }
    constexpr int64_t kStep = 0x10000;
    soc_.firmware.uart =
        uart ? static_cast<uint32_t>(*uart) : free_place(root, kUart, kUartBytes, kStep);
    soc_.firmware.finisher = finisher ? static_cast<uint32_t>(*finisher)
                                      : free_place(root, kFinisher, kFinisherBytes, kStep);
  }

  void read_energy(const TomlValue& root) {
    const TomlValue* table = table_at(root, "energy");
    if (table == nullptr) return;
    Energy energy;
    energy.source = string_at(*table, "source");
    energy.cpu_pj_per_cycle = integer_at(*table, "cpu_pj_per_cycle");
    std::vector<std::string> units;
    if (soc_.dma) units.push_back(soc_.dma->target.name);
    for (const SocUnit& unit : soc_.accelerators)
      if (unit.target.kind != TargetKind::library) units.push_back(unit.target.name);
    if (const TomlValue* given = table_at(*table, "units")) {
      for (const TomlMember& member : given->members) {
        if (std::find(units.begin(), units.end(), member.key) == units.end()) {
          report(reading_, member.key_place,
                 fmt::format("the SoC has no unit `{}`{}", terminal_text(member.key),
                             did_you_mean(member.key, units)));
        } else if (member.value.integer < 0) {
          report(reading_, member.value.place,
                 fmt::format("a busy cycle of `{}` takes {} pJ, less than nothing", member.key,
                             member.value.integer));
        }
        energy.units.emplace_back(member.key, member.value.integer);
      }
    }
    soc_.energy = std::move(energy);
  }

 private:
  // The address at `key`; its overlaps are reported with those of the whole SoC.
  std::optional<int64_t> placed(const TomlValue& table, std::string_view key,
                                const std::string& what, int64_t bytes) {
    const TomlValue* value = table.find(key);
    if (value == nullptr || value->kind != TomlKind::integer) return std::nullopt;
    stretches_.push_back({what, value->integer, bytes, value->place});
    return value->integer;
  }

  // The first multiple of `step` from `wanted` upwards, and around, where nothing else is.
  uint32_t free_place(const TomlValue& root, int64_t wanted, int64_t bytes, int64_t step) {
    for (int64_t tried = 0; tried < kAddresses; tried += step) {
      const int64_t base = (wanted + tried) % kAddresses;
      const bool taken =
          base == 0 || std::any_of(stretches_.begin(), stretches_.end(), [&](const Stretch& other) {
            return base < other.base + other.bytes && other.base < base + bytes;
          });
      if (taken) continue;
      stretches_.push_back({"the test bench", base, bytes, {}});
      return static_cast<uint32_t>(base);
    }
    report(reading_, root.place,
           fmt::format("the SoC leaves no {} bytes free for the test bench", thousands(bytes)),
           "make its memories smaller, or place `uart`, `finisher` and `vectors` in `[firmware]`");
    return 0;
  }

  Soc& soc_;
  std::vector<Stretch>& stretches_;
  Reading& reading_;
};

}  // namespace

void read_bench(const TomlValue& root, Soc& soc, std::vector<Stretch>& stretches,
                Reading& reading) {
  BenchReader reader(soc, stretches, reading);
  static const TomlValue nothing;
  const TomlValue* cpu = table_at(root, "cpu");
  reader.read_cycles(cpu == nullptr ? nothing : *cpu);
  reader.read_firmware(root);
  reader.read_energy(root);
}

}  // namespace heddle
