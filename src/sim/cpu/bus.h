// The 32-bit address space of the virtual SoC: memories, device windows, watched ranges.
//
// A page of 4 KiB that lies in one memory is one load in a table for the CPU; everything else
// (devices, watched pages, pages that hold decoded code, ragged ends of memories) has a null entry
// there and takes the slow path load() / store().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/cpu/lazy_zeros.h"

namespace heddle::sim {

enum class Access : uint8_t { load, store };

// How an access ended. stop: the run ends; of a device the access was done, of a watch it was
// refused.
enum class BusAnswer : uint8_t { ok, fault, stop, refused };

struct Memory {
  std::string name;
  uint32_t base = 0;
  uint64_t bytes = 0;        // base + bytes <= 2^32
  uint32_t load_cycles = 0;  // extra CPU cycles of an access, 0 .. 10000
  uint32_t store_cycles = 0;
  uint32_t fetch_cycles = 0;
  bool writable = true;  // by the CPU; a store elsewise is a bus fault
};

// Registers. Accesses are naturally aligned, of 1, 2 or 4 bytes, inside the window; others fault
// before they get here. `now` is the clock when the instruction starts, *stall_cycles (0 on entry)
// what the access takes beyond the instruction's own cycles.
struct Device {
  std::string name;
  uint32_t base = 0;
  uint32_t bytes = 0;
  void* context = nullptr;
  BusAnswer (*load)(void* context, uint32_t offset, int size, uint64_t now, uint32_t* value,
                    uint64_t* stall_cycles) = nullptr;
  BusAnswer (*store)(void* context, uint32_t offset, int size, uint64_t now, uint32_t value,
                     uint64_t* stall_cycles) = nullptr;
};

struct Watch {
  uint32_t base = 0;
  uint32_t bytes = 0;
  bool reads = false;
  bool writes = false;
  uint32_t tag = 0;
};

// Called before the CPU touches a watched range. It may do anything to the bus, as unwatch() when
// an event was due; then ok lets the access happen, refused ends the run before the instruction.
struct WatchHandler {
  void* context = nullptr;
  BusAnswer (*touched)(void* context, const Watch& watch, Access access, uint32_t address, int size,
                       uint64_t now) = nullptr;
};

class Bus {
 public:
  static constexpr int kPageBits = 12;
  static constexpr uint32_t kPageBytes = 1u << kPageBits;
  static constexpr uint32_t kPages = 1u << (32 - kPageBits);

  struct Page {
    uint8_t* host = nullptr;  // of the page's first byte; nullptr: slow path
    uint64_t cycles = 0;      // extra cycles of an access
  };

  Bus() = default;
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Memory starts as zeros. Errors: it overlaps another memory or device, or leaves the address
  // space.
  Status add(Memory memory);
  Status add(Device device);
  void set_watch_handler(WatchHandler handler) { watch_handler_ = handler; }

  // Ranges may overlap and span memories. unwatch() removes all ranges of the tag.
  void watch(const Watch& watch);
  void unwatch(uint32_t tag);

  // An access of the CPU by the slow path: size 1, 2 or 4, at any alignment inside memories. A load
  // gives zero-extended values. Extra cycles are added to *cycles.
  BusAnswer load(uint32_t address, int size, uint64_t now, uint32_t* value, uint64_t* cycles);
  BusAnswer store(uint32_t address, int size, uint64_t now, uint32_t value, uint64_t* cycles);
  // 16 bits of an instruction; false: no memory there.
  bool fetch(uint32_t address, uint16_t* bits, uint32_t* cycles) const;

  // Accesses of the machine itself: no cycles, no watches, no devices. The range must lie in one
  // memory: host() is nullptr, read() and write() are false otherwise. Who writes through host()
  // and hits code must have the CPU execute fence.i; write() cares for that.
  uint8_t* host(uint32_t address, uint64_t bytes);
  const uint8_t* host(uint32_t address, uint64_t bytes) const;
  bool read(uint32_t address, void* to, uint64_t bytes) const;
  bool write(uint32_t address, const void* from, uint64_t bytes);

  // "l2" or "uart", for messages; empty: nothing there.
  std::string name_at(uint32_t address) const;
  const std::vector<Memory>& memories() const { return memories_; }
  uint32_t most_extra_cycles() const { return most_extra_cycles_; }

  // --- for the CPU ---
  const Page* read_pages() const { return reads_.get(); }
  const Page* write_pages() const { return writes_.get(); }
  const Page* no_pages() const { return none_.get(); }  // every access takes the slow path
  // From now on a store into the pages of the range calls `listener`, until forget_code().
  void mark_code(uint32_t address);
  void forget_code();
  struct CodeListener {
    void* context = nullptr;
    void (*written)(void* context, uint32_t address, uint64_t bytes) = nullptr;
  };
  void set_code_listener(CodeListener listener) { code_listener_ = listener; }

 private:
  const Memory* memory_at(uint32_t address) const;
  const Device* device_at(uint32_t address, int size) const;
  Status claim(const std::string& name, uint32_t base, uint64_t bytes) const;
  void refresh(uint32_t base, uint64_t bytes);
  void refresh_page(uint32_t page);
  BusAnswer ask_watches(Access access, uint32_t address, int size, uint64_t now);
  // Where each byte lies, which may be in two memories; false: not all are in one.
  bool pointers(uint32_t address, int size, uint8_t* (&bytes)[4], const Memory** first) const;

  struct Numbered {
    Watch watch;
    uint64_t number;
  };
  std::vector<Memory> memories_;
  std::vector<LazyZeros<uint8_t>> storage_;  // one per memory
  std::vector<Device> devices_;
  std::vector<Numbered> watches_;
  uint64_t next_watch_ = 0;
  WatchHandler watch_handler_;
  CodeListener code_listener_;
  uint32_t most_extra_cycles_ = 0;
  LazyZeros<Page> reads_{kPages}, writes_{kPages}, none_{kPages};
  LazyZeros<uint8_t> is_code_{kPages};
  std::vector<uint32_t> code_pages_;
};

}  // namespace heddle::sim
