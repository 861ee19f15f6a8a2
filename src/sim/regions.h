// Sets of addresses: what a unit's job reads and writes, byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace heddle::sim {

// [address, address + bytes), bytes > 0, address + bytes <= 2^32.
struct Region {
  uint32_t address = 0;
  uint32_t bytes = 0;
  uint64_t end() const { return uint64_t{address} + bytes; }
  bool operator==(const Region&) const = default;
};

// Sorted by address, disjoint, not touching each other.
using Regions = std::vector<Region>;

// The first bytes that both have; bytes == 0: none.
Region first_common(const Regions& a, const Regions& b);
Region first_common(const Regions& regions, uint32_t address, uint32_t bytes);

// From the first byte to the last one, gaps included; {} of nothing.
Region hull(const Regions& regions);

// Whole pages of 2^page_bits bytes that the regions touch, adjacent ones joined.
Regions pages_of(const Regions& regions, int page_bits);

// "0x10000000..0x1000001f", the last byte included.
std::string to_string(const Region& region);

// Collects accesses to one memory. A job makes hundreds of thousands of small ones, so that bytes
// are bits here; marking costs a few operations on words.
class RegionMarks {
 public:
  RegionMarks(uint32_t base, uint64_t bytes) : base_(base), bytes_(bytes) {}
  // [address, address + bytes) lies inside the memory; bytes may be 0.
  void mark(uint32_t address, uint32_t bytes);
  bool holds(uint32_t address) const;
  // What was marked since the last call.
  Regions take();

 private:
  uint32_t base_;
  uint64_t bytes_;
  std::vector<uint64_t> words_;  // a bit a byte; empty until the first mark
  uint64_t first_ = UINT64_MAX;  // word
  uint64_t last_ = 0;
};

}  // namespace heddle::sim
