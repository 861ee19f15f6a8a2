#include "sim/cpu/bus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace heddle::sim {
namespace {

// [a, a + a_bytes) and [b, b + b_bytes) share a byte.
bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

}  // namespace

Status Bus::claim(const std::string& name, uint32_t base, uint64_t bytes) const {
  if (bytes == 0 || base + bytes > uint64_t{1} << 32)
    return error_at({}, fmt::format("{} of {} bytes at {:#010x} does not fit into 32-bit addresses",
                                    name, bytes, base));
  const auto refuse = [&](const auto& other) {
    return error_at({}, fmt::format("{} at {:#010x} ({} bytes) overlaps {} at {:#010x} ({} bytes)",
                                    name, base, bytes, other.name, other.base, other.bytes));
  };
  for (const Memory& other : memories_)
    if (overlap(base, bytes, other.base, other.bytes)) return refuse(other);
  for (const Device& other : devices_)
    if (overlap(base, bytes, other.base, other.bytes)) return refuse(other);
  return Unit{};
}

Status Bus::add(Memory memory) {
  if (Status status = claim(memory.name, memory.base, memory.bytes); !status.ok()) return status;
  for (const uint32_t extra : {memory.load_cycles, memory.store_cycles, memory.fetch_cycles}) {
    HEDDLE_CHECK(extra <= 10000, "extra cycles of a memory are at most 10000");
    most_extra_cycles_ = std::max(most_extra_cycles_, extra);
  }
  storage_.emplace_back(memory.bytes);
  memories_.push_back(std::move(memory));
  refresh(memories_.back().base, memories_.back().bytes);
  return Unit{};
}

Status Bus::add(Device device) {
  if (Status status = claim(device.name, device.base, device.bytes); !status.ok()) return status;
  devices_.push_back(std::move(device));
  return Unit{};
}

const Memory* Bus::memory_at(uint32_t address) const {
  for (const Memory& memory : memories_)
    if (address >= memory.base && address - memory.base < memory.bytes) return &memory;
  return nullptr;
}

const Device* Bus::device_at(uint32_t address, int size) const {
  const uint32_t bytes = static_cast<uint32_t>(size);
  if (address % bytes != 0) return nullptr;
  for (const Device& device : devices_)
    if (address >= device.base && uint64_t{address} - device.base + bytes <= device.bytes)
      return &device;
  return nullptr;
}

std::string Bus::name_at(uint32_t address) const {
  if (const Memory* memory = memory_at(address)) return memory->name;
  const Device* const device = device_at(address, 1);
  return device ? device->name : "";
}

// --- the page tables ---

void Bus::refresh(uint32_t base, uint64_t bytes) {
  const uint64_t end = std::min(base + bytes, uint64_t{1} << 32);
  for (uint64_t page = base >> kPageBits; page << kPageBits < end; ++page)
    refresh_page(static_cast<uint32_t>(page));
}

void Bus::refresh_page(uint32_t page) {
  const uint32_t base = page << kPageBits;
  reads_[page] = writes_[page] = Page{};
  const Memory* const memory = memory_at(base);
  if (memory == nullptr || base - memory->base + uint64_t{kPageBytes} > memory->bytes) return;
  uint8_t* const bytes = host(base, kPageBytes);
  bool read = true, write = memory->writable && !is_code_[page];
  for (const Numbered& one : watches_) {
    if (!overlap(base, kPageBytes, one.watch.base, one.watch.bytes)) continue;
    if (one.watch.reads) read = false;
    if (one.watch.writes) write = false;
  }
  if (read) reads_[page] = {bytes, memory->load_cycles};
  if (write) writes_[page] = {bytes, memory->store_cycles};
}

void Bus::watch(const Watch& watch) {
  if (watch.bytes == 0) return;
  watches_.push_back({watch, next_watch_++});
  refresh(watch.base, watch.bytes);
}

void Bus::unwatch(uint32_t tag) {
  std::vector<Watch> gone;
  std::erase_if(watches_, [&](const Numbered& one) {
    if (one.watch.tag != tag) return false;
    gone.push_back(one.watch);
    return true;
  });
  for (const Watch& watch : gone) refresh(watch.base, watch.bytes);
}

void Bus::mark_code(uint32_t address) {
  const uint32_t page = address >> kPageBits;
  if (is_code_[page]) return;
  is_code_[page] = 1;
  code_pages_.push_back(page);
  refresh_page(page);
}

void Bus::forget_code() {
  for (const uint32_t page : code_pages_) {
    is_code_[page] = 0;
    refresh_page(page);
  }
  code_pages_.clear();
}

// --- accesses ---

// The handler may add and remove watches, so each round looks for the next number again.
BusAnswer Bus::ask_watches(Access access, uint32_t address, int size, uint64_t now) {
  for (uint64_t next = 0;;) {
    const auto found = std::find_if(watches_.begin(), watches_.end(), [&](const Numbered& one) {
      const bool asked = access == Access::load ? one.watch.reads : one.watch.writes;
      return one.number >= next && asked &&
             overlap(address, static_cast<uint64_t>(size), one.watch.base, one.watch.bytes);
    });
    if (found == watches_.end()) return BusAnswer::ok;
    next = found->number + 1;
    if (watch_handler_.touched == nullptr) continue;
    const Watch watch = found->watch;
    const BusAnswer answer =
        watch_handler_.touched(watch_handler_.context, watch, access, address, size, now);
    if (answer != BusAnswer::ok) return answer;
  }
}

bool Bus::pointers(uint32_t address, int size, uint8_t* (&bytes)[4], const Memory** first) const {
  *first = memory_at(address);
  for (int i = 0; i < size; ++i) {
    const uint32_t at = address + static_cast<uint32_t>(i);
    const Memory* const memory = memory_at(at);
    if (memory == nullptr) return false;
    bytes[i] = storage_[static_cast<size_t>(memory - memories_.data())].get() + (at - memory->base);
  }
  return true;
}

BusAnswer Bus::load(uint32_t address, int size, uint64_t now, uint32_t* value, uint64_t* cycles) {
  *value = 0;
  if (const Device* const device = device_at(address, size)) {
    uint64_t stall = 0;
    const BusAnswer answer =
        device->load(device->context, address - device->base, size, now, value, &stall);
    *cycles += stall;
    return answer;
  }
  if (!watches_.empty()) {
    const BusAnswer answer = ask_watches(Access::load, address, size, now);
    if (answer != BusAnswer::ok) return answer;
  }
  uint8_t* bytes[4];
  const Memory* memory;
  if (!pointers(address, size, bytes, &memory)) return BusAnswer::fault;
  for (int i = 0; i < size; ++i) *value |= uint32_t{*bytes[i]} << 8 * i;
  *cycles += memory->load_cycles;
  return BusAnswer::ok;
}

BusAnswer Bus::store(uint32_t address, int size, uint64_t now, uint32_t value, uint64_t* cycles) {
  if (const Device* const device = device_at(address, size)) {
    uint64_t stall = 0;
    const BusAnswer answer =
        device->store(device->context, address - device->base, size, now, value, &stall);
    *cycles += stall;
    return answer;
  }
  if (!watches_.empty()) {
    const BusAnswer answer = ask_watches(Access::store, address, size, now);
    if (answer != BusAnswer::ok) return answer;
  }
  uint8_t* bytes[4];
  const Memory* memory;
  if (!pointers(address, size, bytes, &memory)) return BusAnswer::fault;
  const uint32_t last = address + static_cast<uint32_t>(size) - 1;
  if (!memory->writable || !memory_at(last)->writable) return BusAnswer::fault;
  for (int i = 0; i < size; ++i) *bytes[i] = static_cast<uint8_t>(value >> 8 * i);
  *cycles += memory->store_cycles;
  if (is_code_[address >> kPageBits] || is_code_[last >> kPageBits])
    code_listener_.written(code_listener_.context, address, static_cast<uint64_t>(size));
  return BusAnswer::ok;
}

bool Bus::fetch(uint32_t address, uint16_t* bits, uint32_t* cycles) const {
  const uint8_t* const bytes = host(address, 2);
  if (bytes == nullptr) return false;
  *bits = static_cast<uint16_t>(bytes[0] | bytes[1] << 8);
  *cycles = memory_at(address)->fetch_cycles;
  return true;
}

const uint8_t* Bus::host(uint32_t address, uint64_t bytes) const {
  const Memory* const memory = memory_at(address);
  if (memory == nullptr || bytes > memory->bytes - (address - memory->base)) return nullptr;
  return storage_[static_cast<size_t>(memory - memories_.data())].get() + (address - memory->base);
}

uint8_t* Bus::host(uint32_t address, uint64_t bytes) {
  return const_cast<uint8_t*>(std::as_const(*this).host(address, bytes));
}

bool Bus::read(uint32_t address, void* to, uint64_t bytes) const {
  const uint8_t* const from = host(address, bytes);
  if (from != nullptr) std::memcpy(to, from, bytes);
  return from != nullptr;
}

bool Bus::write(uint32_t address, const void* from, uint64_t bytes) {
  uint8_t* const to = host(address, bytes);
  if (to == nullptr) return false;
  std::memcpy(to, from, bytes);
  for (const uint32_t page : code_pages_) {
    if (!overlap(address, bytes, uint64_t{page} << kPageBits, kPageBytes)) continue;
    code_listener_.written(code_listener_.context, address, bytes);
    break;
  }
  return true;
}

}  // namespace heddle::sim
