#include "sim/regions.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace heddle::sim {
namespace {

constexpr uint64_t kBits = 64;

// Ones from bit `first` to bit `last`, both included.
uint64_t ones(uint64_t first, uint64_t last) {
  return (~uint64_t{0} << first) & (~uint64_t{0} >> (kBits - 1 - last));
}

void append(Regions& regions, uint64_t begin, uint64_t end) {
  if (!regions.empty() && regions.back().end() >= begin) {
    Region& back = regions.back();
    back.bytes = static_cast<uint32_t>(std::max(back.end(), end) - back.address);
  } else {
    regions.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)});
  }
}

}  // namespace

Region first_common(const Regions& a, const Regions& b) {
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const uint32_t begin = std::max(a[i].address, b[j].address);
    const uint64_t end = std::min(a[i].end(), b[j].end());
    if (begin < end) return {begin, static_cast<uint32_t>(end - begin)};
    if (a[i].end() < b[j].end()) {
      ++i;
    } else {
      ++j;
    }
  }
  return {};
}

Region first_common(const Regions& regions, uint32_t address, uint32_t bytes) {
  const auto found =
      std::upper_bound(regions.begin(), regions.end(), address,
                       [](uint32_t at, const Region& region) { return at < region.end(); });
  if (found == regions.end()) return {};
  const uint32_t begin = std::max(found->address, address);
  const uint64_t end = std::min(found->end(), uint64_t{address} + bytes);
  if (begin >= end) return {};
  return {begin, static_cast<uint32_t>(end - begin)};
}

Region hull(const Regions& regions) {
  if (regions.empty()) return {};
  const uint32_t begin = regions.front().address;
  return {begin, static_cast<uint32_t>(regions.back().end() - begin)};
}

Regions pages_of(const Regions& regions, int page_bits) {
  Regions pages;
  for (const Region& region : regions) {
    const uint64_t first = region.address >> page_bits;
    const uint64_t last = (region.end() - 1) >> page_bits;
    append(pages, first << page_bits, (last + 1) << page_bits);
  }
  return pages;
}

std::string to_string(const Region& region) {
  return fmt::format("0x{:08x}..0x{:08x}", region.address, region.end() - 1);
}

void RegionMarks::mark(uint32_t address, uint32_t bytes) {
  if (bytes == 0) return;
  if (words_.empty()) words_.resize((bytes_ + kBits - 1) / kBits);
  const uint64_t begin = address - base_;
  const uint64_t last = begin + bytes - 1;
  const uint64_t first_word = begin / kBits, last_word = last / kBits;
  first_ = std::min(first_, first_word);
  last_ = std::max(last_, last_word);
  if (first_word == last_word) {
    words_[first_word] |= ones(begin % kBits, last % kBits);
    return;
  }
  words_[first_word] |= ones(begin % kBits, kBits - 1);
  std::fill(words_.begin() + static_cast<ptrdiff_t>(first_word) + 1,
            words_.begin() + static_cast<ptrdiff_t>(last_word), ~uint64_t{0});
  words_[last_word] |= ones(0, last % kBits);
}

bool RegionMarks::holds(uint32_t address) const {
  const uint64_t at = address - base_;
  return !words_.empty() && (words_[at / kBits] >> at % kBits & 1) != 0;
}

Regions RegionMarks::take() {
  Regions regions;
  for (uint64_t word = first_; word <= last_ && first_ != UINT64_MAX; ++word) {
    uint64_t bits = words_[word];
    words_[word] = 0;
    while (bits != 0) {
      const uint64_t begin = static_cast<uint64_t>(std::countr_zero(bits));
      const uint64_t length = static_cast<uint64_t>(std::countr_one(bits >> begin));
      const uint64_t at = base_ + word * kBits + begin;
      append(regions, at, at + length);
      bits &= ~ones(begin, begin + length - 1);
    }
  }
  first_ = UINT64_MAX;
  last_ = 0;
  return regions;
}

}  // namespace heddle::sim
