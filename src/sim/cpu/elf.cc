#include "sim/cpu/elf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace heddle::sim {
namespace {

// The fields of the System V ABI's ELF32 structures, by their offsets.
constexpr uint64_t kHeaderBytes = 52, kProgramHeaderBytes = 32, kSectionHeaderBytes = 40,
                   kSymbolBytes = 16;
constexpr uint32_t kExecutable = 2, kRiscv = 243, kLoad = 1, kSymbolTable = 2;
constexpr uint32_t kFunction = 2, kObject = 1, kNoType = 0;
constexpr uint32_t kUndefinedSection = 0;

class Reader {
 public:
  Reader(const std::string& name, std::string_view bytes) : name_(name), bytes_(bytes) {}

  Result<Elf> read() {
    if (bytes_.size() < kHeaderBytes || bytes_.substr(0, 4) !=
                                            "\x7f"
                                            "ELF")
      return fail("is not an ELF file");
    if (bytes_[4] != 1 || bytes_[5] != 1)
      return fail("is not a 32-bit little-endian ELF file",
                  "link with riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32");
    if (half(16) != kExecutable)
      return fail(fmt::format("has ELF type {}, not an executable (2)", half(16)),
                  "link it without -r, -shared and -pie");
    if (half(18) != kRiscv)
      return fail(fmt::format("is for machine {}, not for RISC-V (243)", half(18)),
                  "link with riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32");
    elf_.entry = word(24);
    if (auto error = read_segments()) return *error;
    if (auto error = read_symbols()) return *error;
    return std::move(elf_);
  }

 private:
  using Failure = std::optional<Diagnostic>;

  Diagnostic fail(std::string what, std::string remedy = "build the firmware again") const {
    return error_at(in_file(name_), what, std::move(remedy));
  }
  bool inside(uint64_t offset, uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  // Preconditions of the readers: inside(offset, size).
  uint32_t half(uint64_t offset) const { return byte(offset) | byte(offset + 1) << 8; }
  uint32_t word(uint64_t offset) const { return half(offset) | half(offset + 2) << 16; }
  uint32_t byte(uint64_t offset) const { return static_cast<uint8_t>(bytes_[offset]); }

  Failure read_segments() {
    const uint64_t table = word(28), entry_bytes = half(42), count = half(44);
    if (count == 0) return fail("has no program headers, so nothing to load");
    if (entry_bytes < kProgramHeaderBytes || !inside(table, entry_bytes * count))
      return fail(fmt::format("says {} program headers of {} bytes at {}, outside its {} bytes",
                              count, entry_bytes, table, bytes_.size()));
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = table + i * entry_bytes;
      if (word(at) != kLoad) continue;
      const uint64_t offset = word(at + 4), file_bytes = word(at + 16),
                     memory_bytes = word(at + 20);
      const uint32_t address = word(at + 12), flags = word(at + 24);
      if (!inside(offset, file_bytes) || file_bytes > memory_bytes)
        return fail(
            fmt::format("segment {} has {} bytes at {} of the file for {} bytes of memory; "
                        "the file has {} bytes",
                        i, file_bytes, offset, memory_bytes, bytes_.size()));
      if (address + memory_bytes > uint64_t{1} << 32)
        return fail(
            fmt::format("segment {} of {} bytes at {:#010x} ends beyond the 32-bit "
                        "addresses",
                        i, memory_bytes, address));
      if (memory_bytes == 0) continue;
      elf_.segments.push_back({address, std::string(bytes_.substr(offset, file_bytes)),
                               memory_bytes, (flags & 1) != 0, (flags & 2) != 0});
    }
    if (elf_.segments.empty()) return fail("has no segment to load");
    return {};
  }

  Failure read_symbols() {
    const uint64_t table = word(32), entry_bytes = half(46), count = half(48);
    if (table == 0 || count == 0) return {};  // stripped of everything: fine
    if (entry_bytes < kSectionHeaderBytes || !inside(table, entry_bytes * count))
      return fail(fmt::format("says {} section headers of {} bytes at {}, outside its {} bytes",
                              count, entry_bytes, table, bytes_.size()));
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = table + i * entry_bytes;
      if (word(at + 4) != kSymbolTable) continue;
      const uint64_t names_index = word(at + 24);
      if (names_index >= count)
        return fail(
            fmt::format("the names of its symbols are in section {} of {}", names_index, count));
      const uint64_t names_at = table + names_index * entry_bytes;
      const uint64_t offset = word(at + 16), size = word(at + 20);
      const uint64_t names = word(names_at + 16), names_size = word(names_at + 20);
      if (!inside(offset, size) || !inside(names, names_size))
        return fail("its symbol table lies outside the file");
      add_symbols(bytes_.substr(offset, size), bytes_.substr(names, names_size), offset);
    }
    const auto by_address = [](const Symbol& a, const Symbol& b) {
      return std::tie(a.address, a.name) < std::tie(b.address, b.name);
    };
    std::sort(elf_.functions.begin(), elf_.functions.end(), by_address);
    std::sort(elf_.objects.begin(), elf_.objects.end(), by_address);
    return {};
  }

  void add_symbols(std::string_view table, std::string_view names, uint64_t offset) {
    for (uint64_t i = 0; i + kSymbolBytes <= table.size(); i += kSymbolBytes) {
      const uint64_t at = offset + i;
      const uint64_t name = word(at);
      const uint32_t type = byte(at + 12) & 15, section = half(at + 14);
      if (section == kUndefinedSection || name == 0 || name >= names.size()) continue;
      const std::string_view rest = names.substr(name);
      Symbol symbol{std::string(rest.substr(0, rest.find('\0'))), word(at + 4), word(at + 8)};
      if (type == kFunction)
        elf_.functions.push_back(std::move(symbol));
      else if (type == kObject || type == kNoType)
        elf_.objects.push_back(std::move(symbol));
    }
  }

  const std::string& name_;
  std::string_view bytes_;
  Elf elf_;
};

}  // namespace

Result<Elf> load_elf(const std::string& name, std::string_view bytes) {
  return Reader(name, bytes).read();
}

const Symbol* function_at(const Elf& elf, uint32_t address) {
  auto after = std::upper_bound(elf.functions.begin(), elf.functions.end(), address,
                                [](uint32_t a, const Symbol& s) { return a < s.address; });
  while (after != elf.functions.begin()) {
    const Symbol& symbol = *--after;
    if (symbol.bytes == 0 || address - symbol.address < symbol.bytes) return &symbol;
    if (symbol.address != address) return nullptr;  // an alias at the same address may be longer
  }
  return nullptr;
}

}  // namespace heddle::sim
