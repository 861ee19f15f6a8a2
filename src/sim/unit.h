// One unit of the SoC (accelerator or DMA) in virtual time: its heddle_model behind registers.
//
// A register access that starts a job has the model perform it at once, on the memory as it is now.
// What it stored is taken out of the memory again (which holds 0xA5 there meanwhile), and so are
// the model's registers: while the job runs, registers read as they were when it started. At its
// end the stores are put in place and the model's new state shows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cpu_codegen/runtime/heddle_model.h"
#include "sim/cpu/bus.h"
#include "sim/description.h"
#include "sim/hazard.h"
#include "sim/regions.h"

namespace heddle::sim {

inline constexpr uint8_t kUnwritten = 0xA5;  // memory at power-on, and what a busy unit will write

// What a model said when it refused something. Its text is the model's own.
struct UnitFault {
  HazardKind kind = HazardKind::refused;
  std::string text;
  Region region;  // the access that left the memories
};

struct Job {
  uint64_t start = 0, end = 0;  // cycles
  Regions reads, writes;
};

// Which model runs, for whoever handles its crash; nullptr: none.
extern volatile const char* model_at_work;

class SimUnit {
 public:
  // The bus outlives the unit and has all its memories. Errors: a model of another version, without
  // functions, or with more state than 64 MiB.
  static Result<std::unique_ptr<SimUnit>> make(const UnitDescription& description,
                                               const Description& soc, const heddle_model* model,
                                               Bus& bus);

  const UnitDescription& description() const { return description_; }
  // An option of the model, before anything else happens to it.
  void set(uint32_t offset, uint32_t value);
  // From now on jobs take no time: what is left of a run is the CPU's own work.
  void make_free() { free_ = true; }
  bool busy() const { return busy_; }
  const Job& job() const { return job_; }  // while busy

  // Register accesses at `now`; the caller has finished what is due. A write, rarely a read, starts
  // a job: then busy() is true, unless it takes no cycles at all.
  uint32_t read(uint32_t offset, uint64_t now);
  void write(uint32_t offset, uint32_t value, uint64_t now);

  // Ends the job, as of job().end. Writes that the busy unit had accepted are made then and may
  // start the next one.
  struct Completion {
    Job job;
    bool input_changed = false;
  };
  Completion complete();

  // Of a job that took no cycles, which is over when the access returns: cleared by the call.
  bool has_instant_job() const { return instant_.has_value(); }
  std::optional<Job> take_instant_job() { return std::exchange(instant_, std::nullopt); }
  // The first fault; the unit is of no use any more.
  const std::optional<UnitFault>& fault() const { return fault_; }

 private:
  struct Reach {
    uint32_t base;
    uint64_t bytes;
    uint8_t* host;
    bool writable;
    std::string name;
    RegionMarks reads, writes;
  };
  using State = std::vector<uint64_t>;  // aligned as the model wants it

  SimUnit(const UnitDescription& description, const heddle_model* model, Bus& bus);
  static int bus_load(void* self, uint32_t address, void* data, uint32_t bytes);
  static int bus_store(void* self, uint32_t address, const void* data, uint32_t bytes);
  static int discard_store(void* self, uint32_t address, const void* data, uint32_t bytes);
  Reach* find(uint32_t address, uint32_t bytes, bool store);
  Region outside(uint32_t address, uint32_t bytes) const;
  int step(State& state, bool keep_stores, uint64_t* cycles, std::string* why);
  void start_if_pending(uint64_t now);
  void begin(uint64_t now, uint64_t cycles);
  void put_stores(const Regions& regions);
  bool judge_busy_access(HazardKind kind);
  uint64_t hash_of_inputs() const;
  State& visible() { return busy_ ? busy_state_ : state_; }
  void changed();  // the visible state is another one

  UnitDescription description_;
  const heddle_model* model_;
  Bus* bus_;
  std::vector<Reach> reach_;
  State state_;       // while busy: that after the job
  State busy_state_;  // while busy: what registers show
  State seen_;        // the visible state, as of the last access
  bool cached_ = false;
  uint32_t cached_offset_ = 0, cached_value_ = 0;

  bool free_ = false;
  bool busy_ = false;
  Job job_;
  std::vector<uint8_t> stores_;  // bytes of job_.writes, one region after the other
  uint64_t input_hash_ = 0;
  std::vector<std::pair<uint32_t, uint32_t>> deferred_;  // accepted while busy: offset, value
  std::optional<Job> instant_;
  std::optional<UnitFault> fault_;
  std::optional<std::pair<Region, HazardKind>> refused_access_;  // of the step that runs
};

}  // namespace heddle::sim
