// The machine's devices: units behind their registers, UART, finisher; and the hazards between
// units.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sim/machine.h"

namespace heddle::sim {
namespace {

constexpr uint32_t kUartBytes = 8;  // of a 16550
constexpr uint32_t kUartTransmit = 0, kUartLineStatus = 5;
constexpr uint32_t kTransmitterEmpty = 0x60;
constexpr size_t kLargestConsole = size_t{1} << 20;
constexpr uint32_t kPass = 0x5555, kFail = 0x3333;
constexpr uint32_t kResidentTag = 1000;  // of watches; units' are their indices
constexpr const char* kWaitRemedy = "wait for the unit before this access";

}  // namespace

Status Machine::add_devices(const std::vector<const heddle_model*>& models) {
  for (size_t u = 0; u < models.size(); ++u) ports_.push_back({this, u});
  for (size_t u = 0; u < models.size(); ++u) {
    const UnitDescription& described = description_.units[u];
    Result<std::unique_ptr<SimUnit>> unit = SimUnit::make(described, description_, models[u], bus_);
    if (!unit.ok()) return unit.errors();
    units_.push_back(std::move(*unit));
    if (limits_.free_units) units_.back()->make_free();
    for (const UnitSetting& setting : limits_.settings) {
      if (setting.unit == described.name)
        units_.back()->set(static_cast<uint32_t>(setting.register_offset),
                           static_cast<uint32_t>(setting.value));
    }
    Device device{described.name, described.base, described.bytes, &ports_[u], nullptr, nullptr};
    device.load = [](void* context, uint32_t offset, int size, uint64_t now, uint32_t* value,
                     uint64_t* stall) {
      const Port& port = *static_cast<Port*>(context);
      if (size != 4) return BusAnswer::fault;  // registers are words
      return port.machine->load_register(port.unit, offset, now, value, stall);
    };
    device.store = [](void* context, uint32_t offset, int size, uint64_t now, uint32_t value,
                      uint64_t*) {
      const Port& port = *static_cast<Port*>(context);
      if (size != 4) return BusAnswer::fault;
      return port.machine->store_register(port.unit, offset, now, value);
    };
    if (Status status = bus_.add(device); !status.ok()) return status;
  }
  Device uart{"uart", description_.uart, kUartBytes, this, nullptr, nullptr};
  uart.load = [](void*, uint32_t offset, int, uint64_t, uint32_t* value, uint64_t*) {
    *value = offset == kUartLineStatus ? kTransmitterEmpty : 0;
    return BusAnswer::ok;
  };
  uart.store = [](void* self, uint32_t offset, int, uint64_t, uint32_t value, uint64_t*) {
    return static_cast<Machine*>(self)->store_uart(offset, value);
  };
  if (Status status = bus_.add(uart); !status.ok()) return status;
  Device finisher{"finisher", description_.finisher, 4, this, nullptr, nullptr};
  finisher.load = [](void*, uint32_t, int, uint64_t, uint32_t* value, uint64_t*) {
    *value = 0;
    return BusAnswer::ok;
  };
  finisher.store = [](void* self, uint32_t, int, uint64_t, uint32_t value, uint64_t*) {
    return static_cast<Machine*>(self)->store_finisher(value);
  };
  if (Status status = bus_.add(finisher); !status.ok()) return status;
  bus_.set_watch_handler(
      {this,
       [](void* self, const Watch& watch, Access access, uint32_t address, int size, uint64_t now) {
         return static_cast<Machine*>(self)->touched(watch, access, address, size, now);
       }});
  Regions homes;
  for (const ResidentDescription& resident : description_.residents)
    homes.push_back(resident.region);
  std::sort(homes.begin(), homes.end(),
            [](const Region& a, const Region& b) { return a.address < b.address; });
  for (const Region& pages : pages_of(homes, Bus::kPageBits))
    bus_.watch({pages.address, pages.bytes, true, true, kResidentTag});
  return Unit{};
}

BusAnswer Machine::store_uart(uint32_t offset, uint32_t value) {
  ledger_.stored();
  if (offset == kUartTransmit && console_.size() < kLargestConsole)
    console_.push_back(static_cast<char>(value));
  return BusAnswer::ok;
}

BusAnswer Machine::store_finisher(uint32_t value) {
  const uint32_t what = value & 0xFFFF;
  if (end_ || (what != kPass && what != kFail)) return BusAnswer::ok;
  end_ = what == kPass ? RunEnd::passed : RunEnd::failed;
  exit_code_ = what == kPass ? 0 : value >> 16;
  return BusAnswer::stop;
}

// --- registers ---

BusAnswer Machine::load_register(size_t u, uint32_t offset, uint64_t now, uint32_t* value,
                                 uint64_t* stall) {
  settle(now);
  SimUnit& unit = *units_[u];
  if (end_) return BusAnswer::refused;
  if (unit.busy() && unit.description().wait_register == offset) {
    while (unit.busy() && !end_) {
      const uint64_t end = unit.job().end;
      ledger_.stood_still(now + *stall, end);
      *stall = end - now;
      settle(end);
    }
    if (end_) return BusAnswer::refused;
  }
  const bool busy = unit.busy();
  *value = unit.read(offset, now + *stall);
  ledger_.loaded(static_cast<int>(u), offset, busy, now);
  if (offset == HEDDLE_MODEL_STATUS && !busy) set_line(u, false);
  // The hot path of polling.
  if (busy == unit.busy() && !unit.fault() && !unit.has_instant_job()) return BusAnswer::ok;
  return after_access(u, now);
}

BusAnswer Machine::store_register(size_t u, uint32_t offset, uint64_t now, uint32_t value) {
  settle(now);
  if (end_) return BusAnswer::refused;
  ledger_.stored();
  const bool busy = units_[u]->busy();
  units_[u]->write(offset, value, now);
  if (busy && !units_[u]->fault()) return BusAnswer::ok;
  return after_access(u, now);
}

// The access has started a job, or gone wrong, or neither.
BusAnswer Machine::after_access(size_t u, uint64_t now) {
  SimUnit& unit = *units_[u];
  if (const std::optional<Job> instant = unit.take_instant_job()) {
    set_line(u, true);
    ledger_.started(u, *instant);
    if (!spares_residents(static_cast<int>(u), instant->reads, instant->writes, now))
      return BusAnswer::stop;
  }
  if (unit.fault()) {
    const UnitFault& fault = *unit.fault();
    std::string remedy = "the job that the driver describes is wrong; see the unit's README.md";
    if (fault.kind == HazardKind::start_while_busy) remedy = kWaitRemedy;
    if (fault.kind == HazardKind::memory_overflow || fault.kind == HazardKind::outside_memory)
      remedy = "check address and size of the job, and what soc.json says the unit reaches";
    Hazard hazard = hazard_at(fault.kind, now, terminal_text(fault.text, 200), remedy);
    hazard.unit = unit.description().name;
    hazard.region = fault.region;
    raise(std::move(hazard));
    return BusAnswer::stop;
  }
  if (!unit.busy()) return BusAnswer::ok;
  set_line(u, false);
  job_started(u, now);
  // The run loop looks at next_due_ anew if the end of the job is to interrupt.
  return end_ || interrupts_enabled() ? BusAnswer::stop : BusAnswer::ok;
}

void Machine::set_line(size_t u, bool pending) {
  const uint32_t bit = 1u << u;
  if (((lines_ & bit) != 0) == pending) return;
  lines_ ^= bit;
  cpu_->set_interrupt(units_[u]->description().interrupt, pending);
  cpu_->set_interrupt(kExternalInterrupt, lines_ != 0);
}

// --- jobs ---

bool Machine::spares_residents(int u, const Regions& reads, const Regions& writes, uint64_t now) {
  if (description_.residents.empty() || !ledger_.in_run()) return true;
  const std::string name = u < 0 ? "" : units_[static_cast<size_t>(u)]->description().name;
  std::optional<Residents::Wrong> wrong = residents_.access(name, reads, writes);
  if (!wrong) return true;
  Hazard hazard = hazard_at(wrong->kind, now, std::move(wrong->text), std::move(wrong->remedy));
  hazard.unit = name;
  hazard.region = wrong->region;
  raise(std::move(hazard));
  return false;
}

// A job runs from now on: nobody else may touch what it writes, nor write what it reads.
void Machine::job_started(size_t u, uint64_t now) {
  const Job& job = units_[u]->job();
  ledger_.started(u, job);
  next_due_ = std::min(next_due_, job.end);
  if (!spares_residents(static_cast<int>(u), job.reads, job.writes, now)) return;
  for (size_t o = 0; o < units_.size(); ++o) {
    if (o == u || !units_[o]->busy()) continue;
    const Job& other = units_[o]->job();
    const std::string& name = units_[u]->description().name;
    const std::string& other_name = units_[o]->description().name;
    struct Clash {
      Region region;
      const char *does, *other_does;
    };
    for (const Clash& clash : {Clash{first_common(job.writes, other.writes), "writes", "writes"},
                               Clash{first_common(job.writes, other.reads), "writes", "reads"},
                               Clash{first_common(job.reads, other.writes), "reads", "writes"}}) {
      if (clash.region.bytes == 0) continue;
      Hazard hazard =
          hazard_at(HazardKind::overlap, now,
                    fmt::format("{} starts a job that {} what {} {} until cycle {}",
                                terminal_text(name), clash.does, terminal_text(other_name),
                                clash.other_does, thousands(static_cast<int64_t>(other.end))),
                    fmt::format("wait for {} before this start", terminal_text(other_name)));
      hazard.unit = name;
      hazard.region = clash.region;
      return raise(std::move(hazard));
    }
  }
  const uint32_t tag = static_cast<uint32_t>(u);
  for (const Region& pages : pages_of(job.writes, Bus::kPageBits))
    bus_.watch({pages.address, pages.bytes, true, true, tag});
  for (const Region& pages : pages_of(job.reads, Bus::kPageBits))
    bus_.watch({pages.address, pages.bytes, false, true, tag});
}

void Machine::settle_due(uint64_t now) {
  while (now >= next_due_ && !end_) {
    size_t u = units_.size();
    for (size_t i = 0; i < units_.size(); ++i) {
      if (units_[i]->busy() && (u == units_.size() || units_[i]->job().end < units_[u]->job().end))
        u = i;
    }
    HEDDLE_CHECK(u < units_.size(), "an event is due, but no unit is busy");
    SimUnit& unit = *units_[u];
    bus_.unwatch(static_cast<uint32_t>(u));
    const SimUnit::Completion completion = unit.complete();
    set_line(u, true);
    if (completion.input_changed) {
      Hazard hazard =
          hazard_at(HazardKind::input_changed, completion.job.end,
                    fmt::format("what {} read from cycle {} on is not the same at its end",
                                terminal_text(unit.description().name),
                                thousands(static_cast<int64_t>(completion.job.start))),
                    kWaitRemedy);
      hazard.unit = unit.description().name;
      hazard.region = hull(completion.job.reads);
      raise(std::move(hazard));
    }
    next_due_ = UINT64_MAX;
    for (const auto& other : units_) {
      if (other->busy()) next_due_ = std::min(next_due_, other->job().end);
    }
    // A write that the busy unit had accepted may have started the next job.
    if (!end_) after_access(u, completion.job.end);
  }
}

// The CPU is about to touch a page of which a busy unit uses a part.
BusAnswer Machine::touched(const Watch& watch, Access access, uint32_t address, int size,
                           uint64_t now) {
  settle(now);
  if (end_) return BusAnswer::refused;
  const uint32_t bytes = static_cast<uint32_t>(size);
  const bool store = access == Access::store;
  if (watch.tag == kResidentTag) {
    const Regions here{{address, bytes}};
    const bool fine = spares_residents(-1, store ? Regions{} : here, store ? here : Regions{}, now);
    return fine ? BusAnswer::ok : BusAnswer::refused;
  }
  SimUnit& unit = *units_[watch.tag];
  if (!unit.busy()) return BusAnswer::ok;
  const Region written = first_common(unit.job().writes, address, bytes);
  const Region read = store ? first_common(unit.job().reads, address, bytes) : Region{};
  if (written.bytes == 0 && read.bytes == 0) return BusAnswer::ok;
  const std::string& name = unit.description().name;
  Hazard hazard =
      hazard_at(written.bytes > 0 ? HazardKind::busy_buffer : HazardKind::input_changed, now,
                fmt::format("the CPU {} what {} {} until cycle {}", store ? "writes" : "reads",
                            terminal_text(name), written.bytes > 0 ? "writes" : "reads",
                            thousands(static_cast<int64_t>(unit.job().end))),
                kWaitRemedy);
  hazard.unit = name;
  hazard.region = {address, bytes};
  raise(std::move(hazard));
  return BusAnswer::refused;
}

}  // namespace heddle::sim
