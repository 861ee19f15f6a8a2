#include "sim/unit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace heddle::sim {

volatile const char* model_at_work = nullptr;

namespace {

constexpr size_t kLargestState = size_t{64} << 20;
constexpr uint64_t kLongestJob = uint64_t{1} << 48;  // cycles; more is a model's mistake

// Names the model for as long as one of its functions runs.
class AtWork {
 public:
  explicit AtWork(const std::string& name) { model_at_work = name.c_str(); }
  ~AtWork() { model_at_work = nullptr; }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;
};

// FNV-1a in words: it must be quick, and any change of a word changes it.
uint64_t hash(uint64_t seed, const uint8_t* bytes, size_t count) {
  constexpr uint64_t kPrime = 0x100000001B3;
  uint64_t value = seed;
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    value = (value ^ word) * kPrime;
    value ^= value >> 32;
  }
  for (; count > 0; ++bytes, --count) value = (value ^ *bytes) * kPrime;
  return value;
}

}  // namespace

SimUnit::SimUnit(const UnitDescription& description, const heddle_model* model, Bus& bus)
    : description_(description), model_(model), bus_(&bus) {}

Result<std::unique_ptr<SimUnit>> SimUnit::make(const UnitDescription& description,
                                               const Description& soc, const heddle_model* model,
                                               Bus& bus) {
  const auto refuse = [&](const std::string& what) {
    return error_at(in_file(description.model),
                    fmt::format("the model of unit `{}` {}", terminal_text(description.name), what),
                    "see cpu_codegen/runtime/heddle_model.h");
  };
  if (model == nullptr) return refuse("is missing");
  if (model->version != HEDDLE_MODEL_VERSION)
    return refuse(
        fmt::format("is of version {}, but this is {}", model->version, int{HEDDLE_MODEL_VERSION}));
  if (model->reset == nullptr || model->read == nullptr || model->write == nullptr ||
      model->step == nullptr)
    return refuse("lacks one of its functions");
  if (model->state_bytes > kLargestState)
    return refuse(fmt::format("wants {} bytes of state", model->state_bytes));
  std::unique_ptr<SimUnit> unit(new SimUnit(description, model, bus));
  for (const size_t index : description.reaches) {
    const Memory& memory = soc.memories[index].memory;
    uint8_t* const host = bus.host(memory.base, memory.bytes);
    HEDDLE_CHECK(host != nullptr, "a unit reaches a memory that the bus has not");
    unit->reach_.push_back({memory.base, memory.bytes, host, memory.writable, memory.name,
                            RegionMarks(memory.base, memory.bytes),
                            RegionMarks(memory.base, memory.bytes)});
  }
  unit->state_.assign(std::max<size_t>(1, (model->state_bytes + 7) / 8), 0);
  unit->busy_state_ = unit->state_;
  {
    const AtWork at_work(unit->description_.name);
    model->reset(unit->state_.data());
  }
  unit->seen_ = unit->state_;
  return unit;
}

void SimUnit::set(uint32_t offset, uint32_t value) {
  const AtWork at_work(description_.name);
  model_->write(state_.data(), offset, value);
  busy_state_ = seen_ = state_;
}

// --- memory, as the model sees it ---

SimUnit::Reach* SimUnit::find(uint32_t address, uint32_t bytes, bool store) {
  for (Reach& reach : reach_) {
    if (address < reach.base || uint64_t{address} + bytes > reach.base + reach.bytes) continue;
    if (store && !reach.writable) break;
    return &reach;
  }
  // The first one explains the others.
  if (!refused_access_) {
    bool runs_over = false;
    for (const Reach& reach : reach_) {
      const uint64_t end = reach.base + reach.bytes;
      const bool starts_inside =
          address >= reach.base && address < end && !(store && !reach.writable);
      const bool goes_on =
          address == end && (reach.reads.holds(address - 1) || reach.writes.holds(address - 1));
      runs_over = runs_over || starts_inside || goes_on;
    }
    refused_access_ = {{address, bytes},
                       runs_over ? HazardKind::memory_overflow : HazardKind::outside_memory};
  }
  return nullptr;
}

int SimUnit::bus_load(void* self, uint32_t address, void* data, uint32_t bytes) {
  if (bytes == 0) return 0;
  Reach* const reach = static_cast<SimUnit*>(self)->find(address, bytes, false);
  if (reach == nullptr) return -1;
  std::memcpy(data, reach->host + (address - reach->base), bytes);
  reach->reads.mark(address, bytes);
  return 0;
}

int SimUnit::bus_store(void* self, uint32_t address, const void* data, uint32_t bytes) {
  if (bytes == 0) return 0;
  Reach* const reach = static_cast<SimUnit*>(self)->find(address, bytes, true);
  if (reach == nullptr) return -1;
  std::memcpy(reach->host + (address - reach->base), data, bytes);
  reach->writes.mark(address, bytes);
  return 0;
}

int SimUnit::discard_store(void* self, uint32_t address, const void* data, uint32_t bytes) {
  (void)data;
  return bytes == 0 || static_cast<SimUnit*>(self)->find(address, bytes, true) != nullptr ? 0 : -1;
}

int SimUnit::step(State& state, bool keep_stores, uint64_t* cycles, std::string* why) {
  const heddle_bus bus = {this, bus_load, keep_stores ? bus_store : discard_store};
  const char* said = nullptr;
  *cycles = 0;
  refused_access_.reset();
  const AtWork at_work(description_.name);
  const int done = model_->step(state.data(), &bus, cycles, &said);
  if (done < 0) *why = said == nullptr ? "no reason given" : said;
  return done;
}

// --- jobs ---

uint64_t SimUnit::hash_of_inputs() const {
  uint64_t value = 0xCBF29CE484222325;
  for (const Region& region : job_.reads) {
    const uint8_t* const host = bus_->host(region.address, region.bytes);
    value = hash(value, host, region.bytes);
  }
  return value;
}

void SimUnit::begin(uint64_t now, uint64_t cycles) {
  job_ = Job{now, now + cycles, {}, {}};
  Regions reads, writes;
  // Memories in the order of their addresses, so that regions are sorted; adjacent memories of
  // which each has a part stay two regions.
  std::vector<Reach*> by_address;
  for (Reach& reach : reach_) by_address.push_back(&reach);
  std::sort(by_address.begin(), by_address.end(),
            [](const Reach* a, const Reach* b) { return a->base < b->base; });
  for (Reach* const reach : by_address) {
    const Regions read = reach->reads.take(), written = reach->writes.take();
    reads.insert(reads.end(), read.begin(), read.end());
    writes.insert(writes.end(), written.begin(), written.end());
  }
  job_.reads = std::move(reads);
  job_.writes = std::move(writes);
  stores_.clear();
  for (const Region& region : job_.writes) {
    const uint8_t* const host = bus_->host(region.address, region.bytes);
    stores_.insert(stores_.end(), host, host + region.bytes);
  }
  if (cycles == 0) {
    put_stores(job_.writes);
    instant_ = std::move(job_);
    return;
  }
  busy_ = true;
  for (const Region& region : job_.writes)
    std::memset(bus_->host(region.address, region.bytes), kUnwritten, region.bytes);
  input_hash_ = hash_of_inputs();
}

// Through the bus, which tells the CPU if it has decoded what was there.
void SimUnit::put_stores(const Regions& regions) {
  const uint8_t* from = stores_.data();
  for (const Region& region : regions) {
    bus_->write(region.address, from, region.bytes);
    from += region.bytes;
  }
}

void SimUnit::changed() {
  seen_ = visible();
  cached_ = false;
}

// After a register access of the idle unit, which may have started a job.
void SimUnit::start_if_pending(uint64_t now) {
  busy_state_ = state_;
  uint64_t cycles = 0;
  std::string why;
  const int done = step(state_, true, &cycles, &why);
  if (free_) cycles = 0;
  if (done < 0 || cycles > kLongestJob) {
    if (done >= 0) why = fmt::format("the job would take {} cycles", cycles);
    fault_ = UnitFault{HazardKind::refused, why, {}};
    if (done < 0 && refused_access_) {
      fault_->region = refused_access_->first;
      fault_->kind = refused_access_->second;
    }
  } else if (done > 0) {
    begin(now, cycles);
  }
  changed();
}

// Whether the busy unit takes the access that has just changed busy_state_: its step() says so.
bool SimUnit::judge_busy_access(HazardKind kind) {
  State judged = busy_state_;
  uint64_t cycles = 0;
  std::string why;
  const int done = step(judged, false, &cycles, &why);
  for (Reach& reach : reach_) reach.reads.take();
  if (done < 0) fault_ = UnitFault{kind, why, {}};
  return done >= 0;
}

uint32_t SimUnit::read(uint32_t offset, uint64_t now) {
  if (cached_ && offset == cached_offset_) return cached_value_;
  State& state = visible();
  uint32_t value = 0;
  {
    const AtWork at_work(description_.name);
    value = model_->read(state.data(), offset);
  }
  if (std::memcmp(state.data(), seen_.data(), seen_.size() * sizeof seen_[0]) == 0) {
    cached_ = true;
    cached_offset_ = offset;
    cached_value_ = value;
  } else if (busy_) {
    judge_busy_access(HazardKind::refused);
    changed();
  } else {
    start_if_pending(now);
  }
  return value;
}

void SimUnit::write(uint32_t offset, uint32_t value, uint64_t now) {
  {
    const AtWork at_work(description_.name);
    model_->write(visible().data(), offset, value);
  }
  if (!busy_) {
    start_if_pending(now);
    return;
  }
  if (judge_busy_access(HazardKind::start_while_busy)) deferred_.emplace_back(offset, value);
  changed();
}

SimUnit::Completion SimUnit::complete() {
  HEDDLE_CHECK(busy_, "a unit that is idle has no job to end");
  Completion completion{std::move(job_), false};
  job_ = completion.job;
  completion.input_changed = hash_of_inputs() != input_hash_;
  put_stores(completion.job.writes);
  busy_ = false;
  changed();
  const auto deferred = std::exchange(deferred_, {});
  for (const auto& [offset, value] : deferred) {
    if (busy_) {
      deferred_.emplace_back(offset, value);  // for the end of the job that an earlier one started
    } else {
      write(offset, value, completion.job.end);
    }
    if (fault_) break;
  }
  return completion;
}

}  // namespace heddle::sim
