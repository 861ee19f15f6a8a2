#include "sim/footprint.h"

namespace heddle::sim {
namespace {

// ELF32, little endian: offsets of what is read here.
constexpr size_t kTableOffset = 32, kEntryBytes = 46, kEntries = 48, kNames = 50;
constexpr uint64_t kHeaderBytes = 40;
constexpr size_t kName = 0, kFlags = 8, kOffset = 16, kSize = 20;
constexpr uint32_t kAllocated = 2;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  // 0 outside of the file.
  uint32_t number(uint64_t at, size_t bytes) const {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && at + i < bytes_.size(); ++i)
      value |= uint32_t{static_cast<uint8_t>(bytes_[at + i])} << 8 * i;
    return value;
  }
  std::string_view text(uint64_t at) const {
    if (at >= bytes_.size()) return {};
    const std::string_view rest = bytes_.substr(at);
    return rest.substr(0, rest.find('\0'));
  }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

uint64_t* field_of(std::string_view section, Footprint& footprint) {
  const bool bench = section.starts_with(".bench") || section == ".heddle_vectors";
  if (bench) return &footprint.bench;
  if (section == ".text") return &footprint.code;
  if (section == ".rodata") return &footprint.constants;
  if (section == ".data") return &footprint.data;
  if (section == ".bss") return &footprint.zeros;
  if (section == ".heddle_arena") return &footprint.arena;
  if (section == ".heddle_stack") return &footprint.stack_reserved;
  return nullptr;
}

}  // namespace

void add_sections(std::string_view elf, Footprint& footprint) {
  const Reader file(elf);
  const uint64_t table = file.number(kTableOffset, 4);
  const uint64_t entry_bytes = file.number(kEntryBytes, 2);
  const uint64_t entries = file.number(kEntries, 2);
  if (table == 0 || entry_bytes < kHeaderBytes || table + entries * entry_bytes > file.size())
    return;
  const uint64_t names = file.number(table + file.number(kNames, 2) * entry_bytes + kOffset, 4);
  footprint.stack_reserved = 0;
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t header = table + i * entry_bytes;
    if ((file.number(header + kFlags, 4) & kAllocated) == 0) continue;
    uint64_t* const field = field_of(file.text(names + file.number(header + kName, 4)), footprint);
    if (field != nullptr) *field += file.number(header + kSize, 4);
  }
}

}  // namespace heddle::sim
