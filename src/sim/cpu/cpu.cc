#include "sim/cpu/cpu.h"

#include <algorithm>

namespace heddle::sim {
namespace {

uint64_t saturating_add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

enum Csr : uint32_t {
  kMstatus = 0x300,
  kMisa = 0x301,
  kMie = 0x304,
  kMtvec = 0x305,
  kMstatush = 0x310,
  kMcountinhibit = 0x320,
  kMscratch = 0x340,
  kMepc = 0x341,
  kMcause = 0x342,
  kMtval = 0x343,
  kMip = 0x344,
  kMcycle = 0xb00,
  kMinstret = 0xb02,
  kMcycleh = 0xb80,
  kMinstreth = 0xb82,
  kCycle = 0xc00,
  kInstret = 0xc02,
  kCycleh = 0xc80,
  kInstreth = 0xc82,
  kMvendorid = 0xf11,
  kMarchid = 0xf12,
  kMimpid = 0xf13,
  kMhartid = 0xf14,
};

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }
uint64_t with_low(uint64_t value, uint32_t part) { return (value >> 32 << 32) | part; }
uint64_t with_high(uint64_t value, uint32_t part) { return low(value) | uint64_t{part} << 32; }

}  // namespace

Cpu::Cpu(Bus& bus, const CpuConfig& config)
    : reads_(bus.read_pages()), writes_(bus.write_pages()), bus_(bus), config_(config) {
  const Costs& c = config_.costs;
  for (const uint32_t cost : {c.alu, c.load, c.store, c.mul, c.mulh, c.div, c.branch,
                              c.branch_taken, c.jump, c.csr, c.system})
    HEDDLE_CHECK(cost >= 1 && cost <= 10000, "the cycles of an instruction are 1 .. 10000");
  HEDDLE_CHECK(c.misaligned <= 10000 && c.load_use <= 10000, "extra cycles are 0 .. 10000");
  HEDDLE_CHECK(c.branch_taken >= c.branch, "a taken branch costs at least as much as another");
  taken_extra_ = static_cast<int32_t>(c.branch_taken - c.branch);
  arena_ = arena_owner_.get();
  slots_ = slots_owner_.get();
  interpret(nullptr);
  bus_.set_code_listener({this, [](void* cpu, uint32_t address, uint64_t bytes) {
                            static_cast<Cpu*>(cpu)->code_written(address, bytes);
                          }});
}

Cpu::~Cpu() {
  forget();
  bus_.set_code_listener({});
}

void Cpu::set_pc(uint32_t pc) {
  pc_ = pc & ~1u;
  passed_breakpoint_.reset();
  passed_probes_.reset();
}

StopReason Cpu::run(uint64_t until_cycles, uint64_t max_instructions) {
  const uint64_t last = saturating_add(instret_, max_instructions);
  // What the loads and stores of a segment may take beyond its static cycles.
  const uint64_t slack = uint64_t{kSegment} * bus_.most_extra_cycles();
  for (;;) {
    if (forget_soon_) forget();
    if (cycles_ >= until_cycles) return StopReason::until;
    if (instret_ >= last) return StopReason::instructions;
    if (interrupt_taken()) {
      if (enter_interrupt() == nullptr) return stop_;
      continue;
    }
    StopReason reason = StopReason::until;
    // An instruction takes a cycle at least, so a number of them bounds cycles, too.
    const uint64_t budget = std::min(until_cycles - cycles_, last - instret_);
    const Op* const op = find(pc_);
    const bool traced = trace_handler_.instruction != nullptr || trace_handler_.access != nullptr;
    if (!traced && budget > slack + op->rest_cycles) {
      limit_ = saturating_add(cycles_, budget - slack);
      reason = interpret(op);
    } else {
      reason = step_once();
    }
    if (reason != StopReason::until) return reason;
  }
}

// Its operation alone, in the scratch part of the arena, and then `leave`.
StopReason Cpu::step_once() {
  const Op* op = find(pc_);
  if (op->kind == Kind::probe) {
    op = slow_probe(op);
    if (op == nullptr) return stop_;
    if (op->kind == Kind::probe) return StopReason::until;  // all was forgotten: once more
  }
  const bool traced = trace_handler_.instruction != nullptr || trace_handler_.access != nullptr;
  if (trace_handler_.instruction != nullptr)
    if (const std::optional<Decoded> d = instruction_at(pc_))
      trace_handler_.instruction(trace_handler_.context, cycles_, pc_, *d);
  Op* to = arena_;
  *to = alone(op);
  for (++op; op->kind == Kind::sp_written || op->kind == Kind::loop_back; ++op) {
    *++to = *op;
    to->rest_cycles = to->rest_instructions = 0;
  }
  *++to = {};
  to->handler = labels_[static_cast<size_t>(Kind::leave)];
  to->kind = Kind::leave;
  to->pc = arena_->pc + arena_->bytes;
  limit_ = cycles_ + arena_->rest_cycles;
  if (traced) reads_ = writes_ = bus_.no_pages();  // so that every access is seen
  const StopReason reason = interpret(arena_);
  reads_ = bus_.read_pages();
  writes_ = bus_.write_pages();
  return reason;
}

void Cpu::set_interrupt(int bit, bool pending) {
  mip_ = pending ? mip_ | 1u << bit : mip_ & ~(1u << bit);
}

void Cpu::add_probe(uint32_t address, uint32_t tag) {
  std::vector<uint32_t>& tags = probes_[address];
  if (std::find(tags.begin(), tags.end(), tag) != tags.end()) return;
  tags.push_back(tag);
  if (tags.size() == 1 && is_translated(address)) forget_soon_ = true;
}

void Cpu::remove_probes(uint32_t tag) {
  for (auto& [address, tags] : probes_) std::erase(tags, tag);
  std::erase_if(probes_, [&](const auto& probe) {
    if (probe.second.empty() && is_translated(probe.first)) forget_soon_ = true;
    return probe.second.empty();
  });
}

void Cpu::add_breakpoint(uint32_t address) {
  if (breakpoints_.insert(address).second && is_translated(address)) forget_soon_ = true;
}

void Cpu::remove_breakpoint(uint32_t address) {
  if (breakpoints_.erase(address) != 0 && is_translated(address)) forget_soon_ = true;
}

std::optional<uint32_t> Cpu::read_csr(uint32_t number) {
  const uint64_t mcycle = cycles_ + mcycle_offset_, minstret = instret_ + minstret_offset_;
  switch (number) {
    case kMstatus:
      return mstatus_ | 3u << 11;  // MPP: there is machine mode only
    case kMisa:
      return 1u << 30 | 1u << ('I' - 'A') | 1u << ('M' - 'A') | 1u << ('C' - 'A') |
             (config_.isa.xpulpv2 ? 1u << ('X' - 'A') : 0);
    case kMie:
      return mie_;
    case kMtvec:
      return mtvec_;
    case kMscratch:
      return mscratch_;
    case kMepc:
      return mepc_;
    case kMcause:
      return mcause_;
    case kMtval:
      return mtval_;
    case kMip:
      if (sync_handler_.sync != nullptr) sync_handler_.sync(sync_handler_.context, cycles_);
      return mip_;
    case kMcycle:
    case kCycle:
      return low(mcycle);
    case kMcycleh:
    case kCycleh:
      return high(mcycle);
    case kMinstret:
    case kInstret:
      return low(minstret);
    case kMinstreth:
    case kInstreth:
      return high(minstret);
    case kMstatush:
    case kMcountinhibit:
    case kMvendorid:
    case kMarchid:
    case kMimpid:
    case kMhartid:
      return 0;
    default:
      return std::nullopt;
  }
}

bool Cpu::write_csr(uint32_t number, uint32_t value) {
  const uint64_t mcycle = cycles_ + mcycle_offset_, minstret = instret_ + minstret_offset_;
  switch (number) {
    case kMstatus:
      mstatus_ = value & 0x88;
      return true;  // MIE, MPIE
    case kMie:
      mie_ = value;
      return true;
    case kMtvec:
      mtvec_ = value & ~2u;
      return true;
    case kMscratch:
      mscratch_ = value;
      return true;
    case kMepc:
      mepc_ = value & ~1u;
      return true;
    case kMcause:
      mcause_ = value;
      return true;
    case kMtval:
      mtval_ = value;
      return true;
    case kMcycle:
      mcycle_offset_ = with_low(mcycle, value) - cycles_;
      return true;
    case kMcycleh:
      mcycle_offset_ = with_high(mcycle, value) - cycles_;
      return true;
    case kMinstret:
      minstret_offset_ = with_low(minstret, value) - instret_;
      return true;
    case kMinstreth:
      minstret_offset_ = with_high(minstret, value) - instret_;
      return true;
    case kMisa:  // fixed: writes change nothing
    case kMip:
    case kMstatush:
    case kMcountinhibit:
      return true;
    default:
      return false;
  }
}

}  // namespace heddle::sim
