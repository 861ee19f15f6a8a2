// An RV32IMC core with exact virtual time.
//
// Instructions are translated once into operations of an arena (translate.cc): straight runs, with
// the cycles and instructions from each operation to the end of its segment added up, so that the
// interpreter (interpret.cc) counts once a segment. Whatever needs the exact clock (devices, CSRs,
// traps, probes) goes through slow.cc, where pc, cycles and instret are exact.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/cpu/bus.h"
#include "sim/cpu/isa.h"

namespace heddle::sim {

// Cycles of an instruction by class. All 1 .. 10000, the two extras 0 .. 10000;
// branch_taken >= branch.
struct Costs {
  uint32_t alu = 1, load = 1, store = 1, mul = 1, mulh = 5, div = 35;
  uint32_t branch = 1, branch_taken = 3;
  uint32_t jump = 2;
  uint32_t csr = 1;
  uint32_t system = 1;      // fence, ecall, ebreak, mret, wfi, and the entry of an interrupt
  uint32_t misaligned = 1;  // extra, of a load or store that is not naturally aligned
  uint32_t load_use = 1;    // extra, of a load whose result the next instruction in sequence reads
};

struct CpuConfig {
  Costs costs;
  IsaOptions isa;
};

enum class StopReason : uint8_t {
  until,         // the clock reached until_cycles
  instructions,  // max_instructions were retired
  breakpoint,    // at a breakpoint, or at an ebreak when set_ebreak_stops(); not executed yet
  wfi,           // wfi retired with no enabled interrupt pending; raise one, then run() again
  trap,          // mtvec is 0: trap() says what; pc is the instruction's
  device,        // a device said stop; the access is done and retired
  watch,         // a watch handler refused the access; pc is the instruction's
  probe,         // a probe handler said stop; its instruction is not executed yet
};

// mcause, the pc of the instruction and mtval.
struct Trap {
  uint32_t cause = 0;
  uint32_t pc = 0;
  uint32_t value = 0;
};
std::string trap_name(uint32_t cause);  // "load access fault"

struct ProbeHandler {
  void* context = nullptr;
  // Before the instruction at `pc` runs; false ends run(). It may use all of Cpu but run(), step()
  // and setters of pc.
  bool (*reached)(void* context, uint32_t pc, uint32_t tag) = nullptr;
};

// Called before the value of mip matters (a read of mip, wfi): due events may raise interrupts.
struct SyncHandler {
  void* context = nullptr;
  void (*sync)(void* context, uint64_t now) = nullptr;
};

// Sees everything, in order; while one is set the CPU runs one instruction at a time.
struct TraceHandler {
  void* context = nullptr;
  void (*instruction)(void* context, uint64_t cycle, uint32_t pc, const Decoded& what) = nullptr;
  void (*access)(void* context, uint64_t cycle, uint32_t pc, Access access, uint32_t address,
                 int bytes, uint32_t value) = nullptr;
};

// Interrupts by their bit in mip and mie.
inline constexpr int kExternalInterrupt = 11;

class Cpu {
 public:
  static constexpr uint64_t kForever = UINT64_MAX;

  Cpu(Bus& bus, const CpuConfig& config);
  ~Cpu();
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  // Runs until the clock is at until_cycles or beyond (the last instruction may pass it), or
  // max_instructions were retired, or something else ends it first. Exact: never an instruction
  // more.
  StopReason run(uint64_t until_cycles = kForever, uint64_t max_instructions = kForever);
  StopReason step() { return run(kForever, 1); }

  uint32_t reg(int i) const { return x_[i]; }  // 0 .. 31
  void set_reg(int i, uint32_t value) {
    if (i != 0) x_[i] = value;
  }
  uint32_t pc() const { return pc_; }
  void set_pc(uint32_t pc);
  uint64_t cycles() const { return cycles_; }  // since the start, whatever is written to mcycle
  void add_cycles(uint64_t cycles) { cycles_ += cycles; }
  uint64_t instret() const { return instret_; }
  const Trap& trap() const { return trap_; }

  // What csr instructions see; nullopt: no such register, or not writable.
  std::optional<uint32_t> read_csr(uint32_t number);
  bool write_csr(uint32_t number, uint32_t value);

  void set_interrupt(int bit, bool pending);
  bool interrupt_pending() const { return (mip_ & mie_) != 0; }  // wfi would not wait

  // The lowest value that an instruction wrote to sp since the start or since reset_lowest_sp().
  uint32_t lowest_sp() const { return lowest_sp_; }
  void reset_lowest_sp() { lowest_sp_ = x_[2]; }

  // Several tags may share an address; they are called in the order of their addition.
  void set_probe_handler(ProbeHandler handler) { probe_handler_ = handler; }
  void add_probe(uint32_t address, uint32_t tag);
  void remove_probes(uint32_t tag);
  void add_breakpoint(uint32_t address);
  void remove_breakpoint(uint32_t address);
  void set_ebreak_stops(bool stops) { ebreak_stops_ = stops; }  // for debuggers

  void set_sync_handler(SyncHandler handler) { sync_handler_ = handler; }
  void set_trace_handler(TraceHandler handler) { trace_handler_ = handler; }

  // The instruction at an address, as far as there is memory.
  std::optional<Decoded> instruction_at(uint32_t pc) const;

 private:
  // One operation of the arena.
  struct Op {
    const void* handler;  // a label of interpret()
    int32_t immediate;    // of linked branches, jumps and go_to: the target's index in the arena
    uint32_t pc;
    uint16_t rest_cycles;  // from here to the end of the segment: what control transfer adds
    uint8_t rest_instructions;
    Kind kind;
    uint8_t rd, rs1, rs2;  // rd 32 stands for x0, so that nobody needs to ask
    uint8_t bytes;
  };
  static_assert(sizeof(Op) == 24);

  static constexpr uint32_t kArena = 1u << 20;  // operations; once used up, all is forgotten
  static constexpr uint32_t kScratch = 4;       // the first ones are for single steps
  static constexpr uint32_t kRoom = 4096;       // a translation starts with at least as many left
  static constexpr uint32_t kSegment = 64;      // instructions of a segment, at most
  static constexpr int kLink = kKinds;          // the label of what finds its target first
  static constexpr uint32_t kSlots = Bus::kPageBytes / 2;

  // interpret.cc. Runs from `op` until a handler stops or `limit_` cycles may be passed; with
  // nullptr it only fills in the labels.
  StopReason interpret(const Op* op);

  // translate.cc
  Op* find(uint32_t pc);
  Op* translate(uint32_t pc);
  uint32_t* slot(uint32_t pc);
  bool is_translated(uint32_t pc);
  void emit(Kind kind, uint32_t pc, const Decoded* d, uint32_t cycles);
  uint32_t cost_of(const Decoded& d, uint32_t pc, uint32_t fetch_cycles) const;
  void add_up(uint32_t first);
  void forget();
  void code_written(uint32_t address, uint64_t bytes);

  // slow.cc. On entry pc_, cycles_ and instret_ are those before `op`; they return the operation to
  // enter next, or nullptr when run() must return stop_.
  const Op* slow(const Op* op);
  const Op* slow_load(const Op* op);
  const Op* slow_store(const Op* op);
  const Op* slow_csr(const Op* op);
  const Op* slow_probe(const Op* op);
  const Op* slow_wfi(const Op* op);
  const Op* link(const Op* op);
  uint32_t address_of(const Op* op) const;
  void post_increment(const Op* op);
  void count(const Op* op);
  const Op* next(const Op* op);
  const Op* trap(const Op* op, uint32_t cause, uint32_t value);
  const Op* stop(StopReason reason);
  bool interrupt_taken();
  const Op* enter_interrupt();
  static Op alone(const Op* op);
  static bool ends_segment(Kind kind);
  StopReason step_once();

  uint32_t x_[33] = {};  // x_[32] takes what is written to x0
  uint32_t pc_ = 0;
  uint64_t cycles_ = 0, instret_ = 0;
  uint64_t limit_ = 0;  // a segment may be entered if the clock after it is at most this
  const Bus::Page* reads_;
  const Bus::Page* writes_;
  struct HardwareLoop {
    uint32_t start = 0, end = 0, count = 0;
  } loops_[2];
  int32_t taken_extra_ = 0;  // branch_taken - branch
  uint32_t lowest_sp_ = UINT32_MAX;
  Op* arena_;
  uint32_t** slots_;  // per page: per half-word: index in the arena, 0 none

  Bus& bus_;
  const CpuConfig config_;
  LazyZeros<Op> arena_owner_{kArena};
  LazyZeros<uint32_t*> slots_owner_{Bus::kPages};
  StopReason stop_ = StopReason::until;
  Trap trap_;
  uint32_t used_ = kScratch;
  std::vector<uint32_t> translated_pages_;
  uint32_t generation_ = 0;       // how often all was forgotten
  std::set<uint32_t> loop_ends_;  // last instructions of hardware loops, as far as they were seen
  bool forget_soon_ = false;      // code was written while one of its operations runs
  std::vector<const void*> labels_;

  std::map<uint32_t, std::vector<uint32_t>> probes_;  // tags by address
  std::set<uint32_t> breakpoints_;
  std::optional<uint32_t> passed_breakpoint_,
      passed_probes_;  // the stop there has happened already
  bool ebreak_stops_ = false;
  ProbeHandler probe_handler_;
  SyncHandler sync_handler_;
  TraceHandler trace_handler_;

  uint64_t mcycle_offset_ = 0, minstret_offset_ = 0;  // what was written, less the count then
  uint32_t mstatus_ = 0, mie_ = 0, mip_ = 0, mtvec_ = 0, mscratch_ = 0, mepc_ = 0, mcause_ = 0,
           mtval_ = 0;
};

}  // namespace heddle::sim
