// Assembly, the run loop, sleep, probes. What devices and units do is in machine_devices.cc.
#include "sim/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace heddle::sim {
namespace {

constexpr uint32_t kMstatus = 0x300;
constexpr uint32_t kMstatusMie = 1u << 3;
constexpr int kReturnAddress = 1, kStackPointer = 2;
constexpr const char* kStackTop = "heddle_stack_top";       // of the linker script
constexpr const char* kTrapFunction = "heddle_bench_trap";  // where mtvec leads: cause, pc, address

// `name`, or a clone that GCC made of it: "name.constprop.0".
const Symbol* find_symbol(const std::vector<Symbol>& symbols, const std::string& name) {
  for (const Symbol& symbol : symbols) {
    if (symbol.name == name || symbol.name.starts_with(name + ".")) return &symbol;
  }
  return nullptr;
}

Result<CpuConfig> config_of(const Description& description) {
  CpuConfig config;
  if (description.isa == "rv32imc_xpulpv2") {
    config.isa.xpulpv2 = true;
  } else if (description.isa != "rv32imc") {
    return error_at(in_file("soc.json"),
                    fmt::format("the CPU is a {}, but the virtual SoC executes RV32IMC",
                                terminal_text(description.isa)),
                    "Cortex-M bundles run on QEMU, see docs/virtual_soc.md");
  }
  Costs& costs = config.costs;
  const std::vector<std::pair<const char*, uint32_t*>> classes = {
      {"alu", &costs.alu},           {"load", &costs.load},
      {"store", &costs.store},       {"mul", &costs.mul},
      {"mulh", &costs.mulh},         {"div", &costs.div},
      {"branch", &costs.branch},     {"branch_taken", &costs.branch_taken},
      {"jump", &costs.jump},         {"csr", &costs.csr},
      {"system", &costs.system},     {"misaligned", &costs.misaligned},
      {"load_use", &costs.load_use},
  };
  Diagnostics errors;
  for (const auto& [name, cycles] : description.cpu_cycles) {
    const auto found =
        std::find_if(classes.begin(), classes.end(),
                     // (clang 14 captures no structured bindings by reference)
                     [&, &wanted = name](const auto& known) { return wanted == known.first; });
    if (found == classes.end()) {
      errors.push_back(error_at(
          in_file("soc.json"),
          fmt::format("`cpu.cycles.{}` is no class of instructions", terminal_text(name))));
      continue;
    }
    const bool extra = name == "misaligned" || name == "load_use";
    if (cycles < (extra ? 0 : 1) || cycles > 10'000) {
      errors.push_back(error_at(in_file("soc.json"),
                                fmt::format("`cpu.cycles.{}` is {}, but {} to 10000 is right", name,
                                            cycles, extra ? 0 : 1)));
      continue;
    }
    *found->second = static_cast<uint32_t>(cycles);
  }
  if (!errors.empty()) return errors;
  return config;
}

}  // namespace

Machine::Machine(const Description& description, const Elf& elf, const MachineLimits& limits)
    : description_(description), elf_(elf), limits_(limits), ledger_(description), residents_(description) {}

Result<std::unique_ptr<Machine>> Machine::make(const Description& description, const Elf& elf,
                                               const std::vector<const heddle_model*>& models,
                                               const MachineLimits& limits) {
  HEDDLE_CHECK(models.size() == description.units.size(), "every unit needs its model");
  const Result<CpuConfig> config = config_of(description);
  if (!config.ok()) return config.errors();
  std::unique_ptr<Machine> machine(new Machine(description, elf, limits));
  if (Status status = machine->add_memories(); !status.ok()) return status.errors();
  machine->cpu_ = std::make_unique<Cpu>(machine->bus_, *config);
  if (Status status = machine->add_devices(models); !status.ok()) return status.errors();
  if (Status status = machine->load_segments(); !status.ok()) return status.errors();
  if (Status status = machine->add_probes(); !status.ok()) return status.errors();
  machine->cpu_->set_pc(elf.entry);
  return machine;
}

Status Machine::add_memories() {
  for (const MemoryDescription& m : description_.memories) {
    if (Status status = bus_.add(m.memory); !status.ok()) return status;
    std::memset(bus_.host(m.memory.base, m.memory.bytes), kUnwritten, m.memory.bytes);
  }
  Memory vectors;
  vectors.name = "the golden vectors";
  vectors.base = description_.vectors_base;
  vectors.bytes = description_.vectors_bytes;
  return bus_.add(vectors);
}

Status Machine::load_segments() {
  Diagnostics errors;
  for (const Segment& segment : elf_.segments) {
    if (segment.bytes == 0) continue;
    uint8_t* const host = bus_.host(segment.address, segment.bytes);
    if (host == nullptr) {
      const std::string memory = bus_.name_at(segment.address);
      errors.push_back(error_at(
          in_file("firmware.elf"),
          memory.empty()
              ? fmt::format("{} bytes are to lie at 0x{:08x}, where the SoC has no memory",
                            thousands(static_cast<int64_t>(segment.bytes)), segment.address)
              : fmt::format("{} bytes from 0x{:08x} on are more than the memory `{}` holds",
                            thousands(static_cast<int64_t>(segment.bytes)), segment.address,
                            memory),
          "the SoC's memories are too small for this network, or the firmware was built for "
          "another"));
      continue;
    }
    std::memcpy(host, segment.content.data(), segment.content.size());
    std::memset(host + segment.content.size(), 0, segment.bytes - segment.content.size());
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

Status Machine::add_probes() {
  cpu_->set_probe_handler({this, [](void* self, uint32_t, uint32_t tag) {
                             return static_cast<Machine*>(self)->probed(tag);
                           }});
  cpu_->set_sync_handler(
      {this, [](void* self, uint64_t now) { static_cast<Machine*>(self)->settle(now); }});
  if (const Symbol* top = find_symbol(elf_.objects, kStackTop)) stack_top_ = top->address;
  if (const Symbol* trap = find_symbol(elf_.functions, kTrapFunction))
    cpu_->add_probe(trap->address, kTrapped);
  Diagnostics errors;
  const auto probe = [&](const std::string& function, uint32_t tag) {
    if (const Symbol* symbol = find_symbol(elf_.functions, function)) {
      cpu_->add_probe(symbol->address, tag);
    } else {
      errors.push_back(error_at(in_file("firmware.elf"),
                                fmt::format("there is no function `{}`", terminal_text(function)),
                                "build it with the bundle's own Makefile, and do not strip it"));
    }
  };
  probe(description_.run, kEnterRun);
  for (size_t i = 0; i < description_.layers.size(); ++i) {
    const std::string& function = description_.layers[i].function;
    if (!function.empty()) probe(function, kLayers + 2 * static_cast<uint32_t>(i));
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

// --- probes ---

// A function that has been entered leaves at its return address.
void Machine::leave_at(uint32_t address, uint32_t tag) {
  if (exits_.insert({address, tag}).second) cpu_->add_probe(address, tag);
}

bool Machine::probed(uint32_t tag) {
  const uint32_t sp = cpu_->reg(kStackPointer);
  if (tag == kTrapped) {
    trapped({cpu_->reg(10), cpu_->reg(11), cpu_->reg(12)});
    return false;
  }
  if (tag == kEnterRun) {
    ledger_.enter_run(clock());
    residents_.enter_run();
    run_sp_ = sp;
    leave_at(cpu_->reg(kReturnAddress), kLeaveRun);
  } else if (tag == kLeaveRun) {
    if (!ledger_.in_run() || sp != run_sp_) return true;
    check_stack();
    ledger_.leave_run(clock());
  } else if ((tag - kLayers) % 2 == 0) {
    ledger_.enter_layer((tag - kLayers) / 2, clock());
    residents_.enter_layer((tag - kLayers) / 2);
    layer_sp_ = sp;
    leave_at(cpu_->reg(kReturnAddress), tag + 1);
  } else {
    if (!ledger_.in_layer() || sp != layer_sp_) return true;
    check_stack();
    ledger_.leave_layer(clock());
    residents_.leave_layer();
  }
  return !end_;
}

void Machine::check_stack() {
  if (stack_top_ == 0 || end_) return;
  const uint64_t peak = stack_top_ - std::min(stack_top_, cpu_->lowest_sp());
  if (peak <= static_cast<uint64_t>(description_.stack_bytes)) return;
  Hazard hazard = hazard_at(
      HazardKind::stack_overflow, cpu_->cycles(),
      fmt::format("the stack has grown to {} bytes, but it has {}",
                  thousands(static_cast<int64_t>(peak)), thousands(description_.stack_bytes)),
      "set `stack_bytes` of `[firmware]` in the SoC's file");
  hazard.region = {cpu_->lowest_sp(),
                   static_cast<uint32_t>(peak - static_cast<uint64_t>(description_.stack_bytes))};
  raise(std::move(hazard));
}

void Machine::trapped(const Trap& trap) {
  const bool fault = trap.cause == 1 || trap.cause == 5 || trap.cause == 7;
  Hazard hazard = hazard_at(
      fault ? HazardKind::bus_fault : HazardKind::trap, cpu_->cycles(),
      fault ? fmt::format("{}: nothing answers at 0x{:08x}{}", trap_name(trap.cause), trap.value,
                          bus_.name_at(trap.value).empty()
                              ? ""
                              : " (" + bus_.name_at(trap.value) + ", which refuses this access)")
            : fmt::format("{} (mcause {}, mtval 0x{:08x})", trap_name(trap.cause), trap.cause,
                          trap.value),
      "look at this place with `--gdb PORT`, or at what led there with `--trace FILE`");
  hazard.pc = trap.pc;
  if (const Symbol* function = function_at(elf_, trap.pc)) hazard.function = function->name;
  if (fault) hazard.region = {trap.value, 1};
  raise(std::move(hazard));
}

Hazard Machine::hazard_at(HazardKind kind, uint64_t cycle, std::string text,
                          std::string remedy) const {
  Hazard hazard;
  hazard.kind = kind;
  hazard.layer = ledger_.layer_name();
  hazard.cycle = cycle;
  hazard.pc = cpu_->pc();
  const Symbol* function = function_at(elf_, hazard.pc);
  // Of an access by way of the runtime's leaf functions, who called them says more.
  if (function != nullptr && function->name.starts_with("heddle_reg_")) {
    hazard.pc = cpu_->reg(kReturnAddress);
    function = function_at(elf_, hazard.pc);
  }
  if (function != nullptr) hazard.function = function->name;
  hazard.text = std::move(text);
  hazard.remedy = std::move(remedy);
  return hazard;
}

void Machine::raise(Hazard hazard) {
  if (end_) return;  // the first one explains the others
  hazard_ = std::move(hazard);
  end_ = RunEnd::hazard;
}

// --- running ---

bool Machine::interrupts_enabled() {
  return (cpu_->read_csr(kMstatus).value_or(0) & kMstatusMie) != 0;
}

// wfi ends when a line is pending that mie lets through.
bool Machine::sleep() {
  while (!cpu_->interrupt_pending()) {
    if (next_due_ == UINT64_MAX) return false;
    const uint64_t from = cpu_->cycles();
    if (next_due_ > from) {
      cpu_->add_cycles(next_due_ - from);
      ledger_.stood_still(from, next_due_);
    }
    settle(cpu_->cycles());
    if (end_) return true;
  }
  return true;
}

std::optional<StopReason> Machine::resume(uint64_t max_instructions) {
  const uint64_t first = cpu_->instret();
  while (!end_) {
    const uint64_t done = cpu_->instret() - first;
    if (done >= max_instructions) return StopReason::instructions;
    if (cpu_->cycles() >= limits_.max_cycles || cpu_->instret() >= limits_.max_instructions) {
      end_ = RunEnd::limit;
      break;
    }
    // An interrupt that is taken must come in time; else jobs end when somebody looks.
    const uint64_t until =
        interrupts_enabled() ? std::min(next_due_, limits_.max_cycles) : limits_.max_cycles;
    const StopReason reason = cpu_->run(
        until, std::min(max_instructions - done, limits_.max_instructions - cpu_->instret()));
    switch (reason) {
      case StopReason::until:
      case StopReason::device:
        settle(cpu_->cycles());
        break;
      case StopReason::instructions:
      case StopReason::watch:
      case StopReason::probe:
        break;
      case StopReason::wfi:
        if (!sleep()) {
          raise(hazard_at(HazardKind::nothing_pending, cpu_->cycles(),
                          "the CPU sleeps, and no unit works whose interrupt `mie` lets through",
                          "start a job before wfi, and look at its status before each wfi"));
        }
        break;
      case StopReason::trap:
        trapped(cpu_->trap());
        break;
      case StopReason::breakpoint:
        return reason;
    }
  }
  return std::nullopt;
}

SimulationResult Machine::run() {
  while (resume()) {
  }
  return finish();
}

SimulationResult Machine::finish() {
  SimulationResult result;
  result.network = description_.network;
  result.soc = description_.soc;
  result.isa = description_.isa;
  result.clock_hz = description_.clock_hz;
  result.cpu_cycles = description_.cpu_cycles;
  result.cycles_source = description_.cycles_source;
  for (const UnitDescription& unit : description_.units)
    result.units.emplace_back(unit.name, unit.kind);
  check_stack();
  result.end = end_.value_or(RunEnd::limit);
  result.exit_code = exit_code_;
  result.hazard = std::move(hazard_);
  result.console = std::move(console_);
  result.cycles = cpu_->cycles();
  result.instructions = cpu_->instret();
  ledger_.finish(clock(), result);
  result.energy = description_.energy;
  result.footprint.stack_reserved = static_cast<uint64_t>(description_.stack_bytes);
  if (stack_top_ != 0)
    result.footprint.stack_peak = stack_top_ - std::min(stack_top_, cpu_->lowest_sp());
  for (size_t at = 0; at < result.console.size();) {
    const size_t end = std::min(result.console.find('\n', at), result.console.size());
    const std::string line = result.console.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("sample ") && line.find(": exact") != std::string::npos)
      ++result.exact_samples;
  }
  return result;
}

}  // namespace heddle::sim
