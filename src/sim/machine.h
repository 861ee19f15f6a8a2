// The virtual SoC at work: CPU, memories, units, UART and finisher on one virtual time line.
//
// docs/virtual_soc.md says what its behaviour is. Units end their jobs when somebody could notice:
// at an access to a register, to a watched page or to mip, in wfi, and at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rules/rules.h"
#include "sim/cpu/bus.h"
#include "sim/cpu/cpu.h"
#include "sim/cpu/elf.h"
#include "sim/description.h"
#include "sim/ledger.h"
#include "sim/residents.h"
#include "sim/result.h"
#include "sim/unit.h"

namespace heddle::sim {

struct MachineLimits {
  uint64_t max_cycles = 200'000'000'000;
  uint64_t max_instructions = 100'000'000'000;
  bool free_units = false;  // jobs of DMA and accelerators take no time
  std::vector<UnitSetting> settings{};  // of units that may not be there
};

class Machine {
 public:
  // `models` are those of the units, in their order. `description` and `elf` outlive the machine.
  // Errors: what does not fit the memory map, a model that cannot be used.
  static Result<std::unique_ptr<Machine>> make(const Description& description, const Elf& elf,
                                               const std::vector<const heddle_model*>& models,
                                               const MachineLimits& limits = {});

  // From reset to the end: by the finisher, a hazard or a limit. Once.
  SimulationResult run();

  // For debuggers and traces, before run().
  Cpu& cpu() { return *cpu_; }
  Bus& bus() { return bus_; }
  // Runs until the CPU stops for a reason that is not the machine's own business (a breakpoint, a
  // step), or until the end: then nullopt.
  std::optional<StopReason> resume(uint64_t max_instructions = Cpu::kForever);
  SimulationResult finish();
  std::optional<RunEnd> end() const { return end_; }  // empty: it can still go on

 private:
  struct Port {  // what a device's callbacks get
    Machine* machine;
    size_t unit;
  };
  // Probes by tag: layer i enters with 2 * i + kLayers and leaves with the number after it.
  enum Tag : uint32_t { kEnterRun, kLeaveRun, kTrapped, kLayers };

  Machine(const Description& description, const Elf& elf, const MachineLimits& limits);
  Status add_memories();
  Status add_devices(const std::vector<const heddle_model*>& models);
  Status load_segments();
  Status add_probes();

  BusAnswer load_register(size_t unit, uint32_t offset, uint64_t now, uint32_t* value,
                          uint64_t* stall);
  BusAnswer store_register(size_t unit, uint32_t offset, uint64_t now, uint32_t value);
  BusAnswer after_access(size_t unit, uint64_t now);
  BusAnswer store_uart(uint32_t offset, uint32_t value);
  BusAnswer store_finisher(uint32_t value);
  BusAnswer touched(const Watch& watch, Access access, uint32_t address, int size, uint64_t now);
  bool probed(uint32_t tag);
  void leave_at(uint32_t address, uint32_t tag);

  // Ends all jobs that are due.
  void settle(uint64_t now) {
    if (now >= next_due_) settle_due(now);
  }
  void settle_due(uint64_t now);
  void job_started(size_t unit, uint64_t now);
  // False, and a hazard: a job of this unit, or the CPU (-1), harms a value at home in shared memory.
  bool spares_residents(int unit, const Regions& reads, const Regions& writes, uint64_t now);
  void set_line(size_t unit, bool pending);
  bool interrupts_enabled();
  bool sleep();  // false: it would be for ever
  void trapped(const Trap& trap);
  void check_stack();
  void raise(Hazard hazard);
  Hazard hazard_at(HazardKind kind, uint64_t cycle, std::string text, std::string remedy) const;
  Ledger::Clock clock() const { return {cpu_->cycles(), cpu_->instret()}; }

  const Description& description_;
  const Elf& elf_;
  const MachineLimits limits_;
  Bus bus_;
  std::unique_ptr<Cpu> cpu_;
  std::vector<std::unique_ptr<SimUnit>> units_;
  std::vector<Port> ports_;
  Ledger ledger_;
  Residents residents_;
  uint64_t next_due_ = UINT64_MAX;
  uint32_t lines_ = 0;  // interrupts that are pending, by the unit's index
  std::set<std::pair<uint32_t, uint32_t>> exits_;  // probes at return addresses: address, tag
  uint32_t run_sp_ = 0, layer_sp_ = 0;             // at their entries
  uint32_t stack_top_ = 0;
  std::string console_;
  std::optional<RunEnd> end_;
  int64_t exit_code_ = 0;
  std::optional<Hazard> hazard_;
};

}  // namespace heddle::sim
