// From instructions in memory to runs of operations in the arena.
//
// A run is straight: it goes on over branches that are not taken, and ends with a jump, a trap, or
// where it meets an instruction that is already translated. It consists of segments, which end with
// branches; add_up() gives each operation the sums to the end of its segment. Targets are linked
// when a branch first runs. Nothing is ever patched away: what changes (code, probes) forgets
// everything.
#include <cstdlib>
#include <cstring>

#include "sim/cpu/cpu.h"

namespace heddle::sim {

bool Cpu::ends_segment(Kind kind) {
  switch (kind) {
    case Kind::beq:
    case Kind::bne:
    case Kind::blt:
    case Kind::bge:
    case Kind::bltu:
    case Kind::bgeu:
    case Kind::jal:
    case Kind::jalr:
    case Kind::ecall:
    case Kind::ebreak:
    case Kind::mret:
    case Kind::illegal:
    case Kind::fetch_fault:
    case Kind::cut:
    case Kind::loop_back:
    case Kind::go_to:
    case Kind::leave:
      return true;
    default:
      return false;
  }
}

namespace {

// Its target is a fixed one, to be linked.
bool has_target(Kind kind) {
  return is_instruction(kind) && (info(kind).form == Form::branch || info(kind).form == Form::jump);
}

// Where a hardware loop ends that this instruction sets up, or 0.
uint32_t loop_end(uint32_t pc, const Decoded& d) {
  const bool ends =
      d.kind == Kind::lp_endi || d.kind == Kind::lp_setup || d.kind == Kind::lp_setupi;
  return ends ? pc + static_cast<uint32_t>(d.immediate) : 0;
}

// After these the next instruction is not the one that follows.
bool ends_run(Kind kind) {
  switch (kind) {
    case Kind::jal:
    case Kind::jalr:
    case Kind::ecall:
    case Kind::ebreak:
    case Kind::mret:
    case Kind::illegal:
      return true;
    default:
      return false;
  }
}

}  // namespace

uint32_t* Cpu::slot(uint32_t pc) {
  uint32_t*& page = slots_[pc >> Bus::kPageBits];
  if (page == nullptr) {
    page = static_cast<uint32_t*>(std::calloc(kSlots, sizeof(uint32_t)));
    HEDDLE_CHECK(page != nullptr, "out of memory");
    translated_pages_.push_back(pc >> Bus::kPageBits);
  }
  return &page[(pc & (Bus::kPageBytes - 1)) / 2];
}

bool Cpu::is_translated(uint32_t pc) {
  const uint32_t* const page = slots_[pc >> Bus::kPageBits];
  return page != nullptr && page[(pc & (Bus::kPageBytes - 1)) / 2] != 0;
}

Cpu::Op* Cpu::find(uint32_t pc) { return is_translated(pc) ? arena_ + *slot(pc) : translate(pc); }

std::optional<Decoded> Cpu::instruction_at(uint32_t pc) const {
  uint16_t low, high = 0;
  uint32_t cycles;
  if (!bus_.fetch(pc, &low, &cycles)) return std::nullopt;
  if (instruction_bytes(low) == 4 && !bus_.fetch(pc + 2, &high, &cycles)) return std::nullopt;
  return decode(low | uint32_t{high} << 16, config_.isa);
}

void Cpu::emit(Kind kind, uint32_t pc, const Decoded* d, uint32_t cycles) {
  Op& op = arena_[used_++];
  op = {};
  op.handler = labels_[static_cast<size_t>(kind)];
  op.pc = pc;
  op.kind = kind;
  op.rest_cycles = static_cast<uint16_t>(cycles);  // add_up() completes it
  if (d == nullptr) return;
  op.rest_instructions = 1;
  op.immediate = d->immediate;
  op.bytes = d->bytes;
  if (!is_instruction(kind)) return;
  op.rd = writes_rd(info(kind).form) && d->rd == 0 ? 32 : d->rd;
  op.rs1 = d->rs1;
  op.rs2 = d->rs2;
  const Form form = info(kind).form;
  const bool of_pc = form == Form::upper_pc || form == Form::loop_offset ||
                     form == Form::loop_setup || form == Form::loop_setup_immediate;
  if (of_pc) op.immediate = static_cast<int32_t>(static_cast<uint32_t>(d->immediate) + pc);
  if (kind == Kind::lp_setupi) {  // 12 bits where its registers would be
    op.rs1 = static_cast<uint8_t>(d->count);
    op.rs2 = static_cast<uint8_t>(d->count >> 8);
  }
}

uint32_t Cpu::cost_of(const Decoded& d, uint32_t pc, uint32_t fetch_cycles) const {
  const Costs& costs = config_.costs;
  if (d.kind == Kind::illegal) return costs.system + fetch_cycles;
  switch (info(d.kind).cost) {
    case CostClass::alu:
      return costs.alu + fetch_cycles;
    case CostClass::store:
      return costs.store + fetch_cycles;
    case CostClass::mul:
      return costs.mul + fetch_cycles;
    case CostClass::mulh:
      return costs.mulh + fetch_cycles;
    case CostClass::div:
      return costs.div + fetch_cycles;
    case CostClass::branch:
      return costs.branch + fetch_cycles;
    case CostClass::jump:
      return costs.jump + fetch_cycles;
    case CostClass::csr:
      return costs.csr + fetch_cycles;
    case CostClass::system:
      return costs.system + fetch_cycles;
    case CostClass::load: {
      const std::optional<Decoded> next = instruction_at(pc + d.bytes);
      const bool used = next && reads_register(*next, d.rd);
      return costs.load + fetch_cycles + (used ? costs.load_use : 0);
    }
  }
  return 0;
}

Cpu::Op* Cpu::translate(uint32_t pc) {
  const uint32_t start = pc;
  if (used_ + kRoom > kArena) forget();
  const uint32_t first = used_;
  uint32_t segment = 0, segment_cycles = 0;
  for (;;) {
    if (is_translated(pc)) {
      emit(Kind::go_to, pc, nullptr, 0);
      arena_[used_ - 1].immediate = static_cast<int32_t>(*slot(pc));
      break;
    }
    if (used_ + kScratch + 4 > kArena) {  // full; the next translation forgets all
      emit(Kind::go_to, pc, nullptr, 0);
      arena_[used_ - 1].handler = labels_[kLink];
      break;
    }
    const std::optional<Decoded> d = instruction_at(pc);
    if (!d) {
      *slot(pc) = used_;
      emit(Kind::fetch_fault, pc, nullptr, config_.costs.system);
      break;
    }
    uint16_t bits;
    uint32_t fetch_cycles = 0;
    bus_.fetch(pc, &bits, &fetch_cycles);
    const uint32_t cycles = cost_of(*d, pc, fetch_cycles);
    if (segment == kSegment || segment_cycles + cycles > UINT16_MAX) {
      emit(Kind::cut, pc, nullptr, 0);
      segment = segment_cycles = 0;
    }
    *slot(pc) = used_;
    bus_.mark_code(pc);
    bus_.mark_code(pc + d->bytes - 1);
    if (probes_.contains(pc) || breakpoints_.contains(pc)) emit(Kind::probe, pc, nullptr, 0);
    emit(d->kind, pc, &*d, cycles);
    if (has_target(d->kind)) arena_[used_ - 1].handler = labels_[kLink];
    if (ends_run(d->kind)) break;
    ++segment;
    segment_cycles += cycles;
    if (ends_segment(d->kind)) segment = segment_cycles = 0;
    const uint32_t end = loop_end(pc, *d);
    if (end != 0 && loop_ends_.insert(end).second && is_translated(end)) {
      forget();  // it was translated without loop_back
      return translate(start);
    }
    const bool last_of_loop = loop_ends_.contains(pc);
    pc += d->bytes;
    if (writes_register(*d, 2)) emit(Kind::sp_written, pc, nullptr, 0);
    if (last_of_loop) {
      emit(Kind::loop_back, pc, nullptr, 0);
      arena_[used_ - 1].immediate = static_cast<int32_t>(pc - d->bytes);
      segment = segment_cycles = 0;
    }
  }
  emit(Kind::leave, pc, nullptr, 0);  // so that every operation has a next one with its sums
  add_up(first);
  return arena_ + first;
}

// From the last operation to the first: what it costs itself, and the sums of its successor.
void Cpu::add_up(uint32_t first) {
  for (uint32_t i = used_ - 1; i-- > first;) {
    Op& op = arena_[i];
    const Op& after = arena_[i + 1];
    if (ends_segment(op.kind)) continue;
    op.rest_cycles = static_cast<uint16_t>(op.rest_cycles + after.rest_cycles);
    op.rest_instructions = static_cast<uint8_t>(op.rest_instructions + after.rest_instructions);
  }
}

void Cpu::forget() {
  for (const uint32_t page : translated_pages_) {
    std::free(slots_[page]);
    slots_[page] = nullptr;
  }
  translated_pages_.clear();
  used_ = kScratch;
  ++generation_;
  forget_soon_ = false;
  bus_.forget_code();
}

// An operation holds two or four bytes; it starts at most two before what was written.
void Cpu::code_written(uint32_t address, uint64_t bytes) {
  for (uint64_t at = (address & ~1u) - uint64_t{2}; at < address + bytes; at += 2)
    if (is_translated(static_cast<uint32_t>(at))) forget_soon_ = true;
}

}  // namespace heddle::sim
