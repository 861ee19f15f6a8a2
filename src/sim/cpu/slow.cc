// What happens rarely, with pc, cycles and instret exact: devices, watched memory, CSRs, traps,
// interrupts, probes, links. Each function gets the operation that pc_ stands at and returns the
// one to enter next, or nullptr: run() returns stop_.
#include <algorithm>
#include <cstdlib>

#include "sim/cpu/cpu.h"

namespace heddle::sim {
namespace {

enum : uint32_t {
  kFetchFault = 1,
  kIllegal = 2,
  kBreakpoint = 3,
  kLoadFault = 5,
  kStoreFault = 7,
  kEcallFromMachine = 11,
};
constexpr uint32_t kMie = 1u << 3, kMpie = 1u << 7;  // of mstatus

// Bytes of a load or store, negative for those that extend the sign.
int access_bytes(Kind kind) {
  switch (kind) {
    case Kind::lb:
    case Kind::p_lb_post:
    case Kind::p_lb_post_r:
    case Kind::p_lb_r:
      return -1;
    case Kind::lh:
    case Kind::p_lh_post:
    case Kind::p_lh_post_r:
    case Kind::p_lh_r:
      return -2;
    case Kind::lbu:
    case Kind::sb:
    case Kind::p_lbu_post:
    case Kind::p_lbu_post_r:
    case Kind::p_lbu_r:
    case Kind::p_sb_post:
    case Kind::p_sb_post_r:
    case Kind::p_sb_r:
      return 1;
    case Kind::lhu:
    case Kind::sh:
    case Kind::p_lhu_post:
    case Kind::p_lhu_post_r:
    case Kind::p_lhu_r:
    case Kind::p_sh_post:
    case Kind::p_sh_post_r:
    case Kind::p_sh_r:
      return 2;
    default:
      return 4;
  }
}

}  // namespace

std::string trap_name(uint32_t cause) {
  switch (cause) {
    case kFetchFault:
      return "instruction access fault";
    case kIllegal:
      return "illegal instruction";
    case kBreakpoint:
      return "breakpoint";
    case kLoadFault:
      return "load access fault";
    case kStoreFault:
      return "store access fault";
    case kEcallFromMachine:
      return "environment call";
    default:
      return cause >> 31 ? "interrupt" : "trap";
  }
}

// The operation with its own cycles and instructions only.
Cpu::Op Cpu::alone(const Op* op) {
  Op own = *op;
  if (ends_segment(op->kind)) return own;
  own.rest_cycles = static_cast<uint16_t>(op->rest_cycles - op[1].rest_cycles);
  own.rest_instructions = static_cast<uint8_t>(op->rest_instructions - op[1].rest_instructions);
  return own;
}

// One instruction is done: clock, counter, and where it goes on.
void Cpu::count(const Op* op) {
  cycles_ += alone(op).rest_cycles;
  ++instret_;
  pc_ = op->pc + op->bytes;
  const Op* after = op + 1;
  if (after->kind == Kind::sp_written) {
    lowest_sp_ = std::min(lowest_sp_, x_[2]);
    ++after;
  }
  if (after->kind != Kind::loop_back) return;
  for (HardwareLoop& loop : loops_) {
    if (loop.end != op->pc || loop.count == 0 || --loop.count == 0) continue;
    pc_ = loop.start;
    return;
  }
}

const Cpu::Op* Cpu::stop(StopReason reason) {
  stop_ = reason;
  return nullptr;
}

// After count(): on with what follows `op`, unless it is gone or interrupted.
const Cpu::Op* Cpu::next(const Op* op) {
  if (interrupt_taken()) return enter_interrupt();
  if (forget_soon_) {
    forget();
    return find(pc_);
  }
  const Op* after = op + 1;
  if (after->kind == Kind::sp_written) ++after;
  return after->kind == Kind::loop_back ? find(pc_) : after;
}

const Cpu::Op* Cpu::trap(const Op* op, uint32_t cause, uint32_t value) {
  trap_ = {cause, pc_, value};
  if (mtvec_ == 0) return stop(StopReason::trap);
  cycles_ += alone(op).rest_cycles;
  mepc_ = pc_;
  mcause_ = cause;
  mtval_ = value;
  mstatus_ = mstatus_ & kMie ? kMpie : 0;
  pc_ = mtvec_ & ~3u;
  return find(pc_);
}

bool Cpu::interrupt_taken() { return (mstatus_ & kMie) != 0 && interrupt_pending(); }

const Cpu::Op* Cpu::enter_interrupt() {
  const uint32_t pending = mip_ & mie_;
  uint32_t bit = 0;
  for (const uint32_t standard : {11u, 3u, 7u})  // external, software, timer
    if (bit == 0 && pending & 1u << standard) bit = standard;
  if (bit == 0) bit = static_cast<uint32_t>(__builtin_ctz(pending));
  trap_ = {1u << 31 | bit, pc_, 0};
  if (mtvec_ == 0) return stop(StopReason::trap);
  cycles_ += config_.costs.system;
  mepc_ = pc_;
  mcause_ = trap_.cause;
  mtval_ = 0;
  mstatus_ = kMpie;
  pc_ = (mtvec_ & ~3u) + (mtvec_ & 1 ? 4 * bit : 0);
  if (forget_soon_) forget();
  return find(pc_);
}

const Cpu::Op* Cpu::slow(const Op* op) {
  if (is_instruction(op->kind)) {
    if (info(op->kind).cost == CostClass::load) return slow_load(op);
    if (info(op->kind).cost == CostClass::store) return slow_store(op);
    if (info(op->kind).cost == CostClass::csr) return slow_csr(op);
  }
  switch (op->kind) {
    case Kind::probe:
      return slow_probe(op);
    case Kind::wfi:
      return slow_wfi(op);
    case Kind::fence_i:
      count(op);
      forget_soon_ = true;
      return next(op);
    case Kind::ecall:
      return trap(op, kEcallFromMachine, 0);
    case Kind::ebreak:
      return ebreak_stops_ ? stop(StopReason::breakpoint) : trap(op, kBreakpoint, pc_);
    case Kind::mret:
      count(op);
      mstatus_ = kMpie | (mstatus_ & kMpie ? kMie : 0);
      pc_ = mepc_;
      if (interrupt_taken()) return enter_interrupt();
      return find(pc_);
    case Kind::fetch_fault:
      return trap(op, kFetchFault, pc_);
    case Kind::illegal:
      return trap(op, kIllegal, instruction_at(pc_)->bits);
    default:
      return link(op);
  }
}

uint32_t Cpu::address_of(const Op* op) const {
  switch (info(op->kind).form) {
    case Form::load:
    case Form::store:
      return x_[op->rs1] + static_cast<uint32_t>(op->immediate);
    case Form::load_register:
      return x_[op->rs1] + x_[op->rs2];
    case Form::store_register:
      return x_[op->rs1] + x_[op->rd];
    default:
      return x_[op->rs1];
  }
}

void Cpu::post_increment(const Op* op) {
  switch (info(op->kind).form) {
    case Form::load_post:
    case Form::store_post:
      x_[op->rs1] += static_cast<uint32_t>(op->immediate);
      break;
    case Form::load_post_register:
      x_[op->rs1] += x_[op->rs2];
      break;
    case Form::store_post_register:
      x_[op->rs1] += x_[op->rd];
      break;
    default:
      break;
  }
  x_[0] = 0;
}

const Cpu::Op* Cpu::slow_load(const Op* op) {
  const uint32_t address = address_of(op);
  const int signed_bytes = access_bytes(op->kind), bytes = std::abs(signed_bytes);
  uint32_t value;
  uint64_t extra = address % static_cast<uint32_t>(bytes) == 0 ? 0 : config_.costs.misaligned;
  const uint64_t now = cycles_;
  const BusAnswer answer = bus_.load(address, bytes, now, &value, &extra);
  if (answer == BusAnswer::fault) return trap(op, kLoadFault, address);
  if (answer == BusAnswer::refused) return stop(StopReason::watch);
  if (trace_handler_.access != nullptr)
    trace_handler_.access(trace_handler_.context, now, op->pc, Access::load, address, bytes, value);
  if (signed_bytes == -1) value = static_cast<uint32_t>(static_cast<int8_t>(value));
  if (signed_bytes == -2) value = static_cast<uint32_t>(static_cast<int16_t>(value));
  post_increment(op);
  x_[op->rd] = value;
  cycles_ += extra;
  count(op);
  return answer == BusAnswer::stop ? stop(StopReason::device) : next(op);
}

const Cpu::Op* Cpu::slow_store(const Op* op) {
  const uint32_t address = address_of(op);
  const int bytes = access_bytes(op->kind);
  const uint32_t value = x_[op->rs2] & (bytes == 4 ? UINT32_MAX : (1u << 8 * bytes) - 1);
  uint64_t extra = address % static_cast<uint32_t>(bytes) == 0 ? 0 : config_.costs.misaligned;
  const uint64_t now = cycles_;
  const BusAnswer answer = bus_.store(address, bytes, now, value, &extra);
  if (answer == BusAnswer::fault) return trap(op, kStoreFault, address);
  if (answer == BusAnswer::refused) return stop(StopReason::watch);
  if (trace_handler_.access != nullptr)
    trace_handler_.access(trace_handler_.context, now, op->pc, Access::store, address, bytes,
                          value);
  post_increment(op);
  cycles_ += extra;
  count(op);
  return answer == BusAnswer::stop ? stop(StopReason::device) : next(op);
}

const Cpu::Op* Cpu::slow_csr(const Op* op) {
  const uint32_t number = static_cast<uint32_t>(op->immediate);
  const Kind kind = op->kind;
  const bool immediate = info(kind).form == Form::csr_immediate;
  const uint32_t source = immediate ? op->rs1 : x_[op->rs1];
  const bool replaces = kind == Kind::csrrw || kind == Kind::csrrwi;
  const bool clears = kind == Kind::csrrc || kind == Kind::csrrci;
  const bool writes = replaces || op->rs1 != 0;
  const std::optional<uint32_t> old = read_csr(number);
  const bool read_only = number >> 10 == 3;
  if (!old || (writes && read_only)) return trap(op, kIllegal, instruction_at(pc_)->bits);
  count(op);  // first: the next instruction reads a written counter unchanged
  if (writes) write_csr(number, replaces ? source : clears ? *old & ~source : *old | source);
  x_[op->rd] = *old;
  return next(op);
}

const Cpu::Op* Cpu::slow_probe(const Op* op) {
  if (breakpoints_.contains(pc_) && passed_breakpoint_ != pc_) {
    passed_breakpoint_ = pc_;
    return stop(StopReason::breakpoint);
  }
  const auto probes = probes_.find(pc_);
  if (probes != probes_.end() && passed_probes_ != pc_ && probe_handler_.reached != nullptr) {
    bool go_on = true;
    const std::vector<uint32_t> tags = probes->second;  // the handler may add and remove some
    for (const uint32_t tag : tags)
      go_on = probe_handler_.reached(probe_handler_.context, pc_, tag) && go_on;
    passed_probes_ = pc_;
    if (!go_on) return stop(StopReason::probe);
  }
  if (forget_soon_) {
    forget();
    return find(pc_);
  }
  passed_breakpoint_.reset();
  passed_probes_.reset();
  return op + 1;
}

const Cpu::Op* Cpu::slow_wfi(const Op* op) {
  if (sync_handler_.sync != nullptr) sync_handler_.sync(sync_handler_.context, cycles_);
  count(op);
  return interrupt_pending() ? next(op) : stop(StopReason::wfi);
}

// The first time that a branch, jump or full arena's go_to runs.
const Cpu::Op* Cpu::link(const Op* op) {
  const uint32_t pc = op->pc;
  const uint32_t target =
      op->kind == Kind::go_to ? pc : pc + static_cast<uint32_t>(instruction_at(pc)->immediate);
  const uint32_t generation = generation_;
  const Op* const found = find(target);
  if (generation != generation_ && op >= arena_ + kScratch) return find(pc);  // `op` is gone, too
  Op& linked = arena_[op - arena_];
  linked.immediate = static_cast<int32_t>(found - arena_);
  linked.handler = labels_[static_cast<size_t>(linked.kind)];
  return op;
}

}  // namespace heddle::sim
