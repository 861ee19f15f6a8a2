// The interpreter: one label per kind of operation, each jumping to the next through the operation.
//
// Registers, clock and counters are in local variables. NEXT() goes on inside a segment and counts
// nothing; ENTER() adds a whole segment, if the limit allows it. SLOW() makes the state exact
// (takes back what the segment has counted ahead), calls slow(), and enters what that returns.
#include <algorithm>
#include <cstring>

#include "sim/cpu/cpu.h"

#define NEXT()          \
  do {                  \
    ++op;               \
    goto * op->handler; \
  } while (false)
#define ENTER()                       \
  do {                                \
    cycles += op->rest_cycles;        \
    instret += op->rest_instructions; \
    if (cycles > limit_) [[unlikely]] \
      goto limit;                     \
    goto * op->handler;               \
  } while (false)
#define SLOW() goto slow

// Operands.
#define RD x[op->rd]
#define RS1 x[op->rs1]
#define RS2 x[op->rs2]
#define S1 static_cast<int32_t>(RS1)
#define S2 static_cast<int32_t>(RS2)
#define IMM static_cast<uint32_t>(op->immediate)
#define SHIFT2 (RS2 & 31)

#define COMPUTE(kind, value) \
  do_##kind : {              \
    RD = (value);            \
    NEXT();                  \
  }
#define BRANCH(kind, condition)                           \
  do_##kind : {                                           \
    if (condition) {                                      \
      cycles += taken_extra;                              \
      op = arena_ + static_cast<uint32_t>(op->immediate); \
    } else {                                              \
      ++op;                                               \
    }                                                     \
    ENTER();                                              \
  }
// `update` changes the base, before rd is written.
#define LOAD(kind, type, at, update)                                                  \
  do_##kind : {                                                                       \
    const uint32_t address = (at);                                                    \
    const Bus::Page& page = reads[address >> Bus::kPageBits];                         \
    if (address % sizeof(type) != 0 || page.host == nullptr) [[unlikely]]             \
      SLOW();                                                                         \
    type value;                                                                       \
    std::memcpy(&value, page.host + (address & (Bus::kPageBytes - 1)), sizeof value); \
    update;                                                                           \
    RD = static_cast<uint32_t>(static_cast<int32_t>(value));                          \
    cycles += page.cycles;                                                            \
    NEXT();                                                                           \
  }
#define STORE(kind, type, at, update)                                                 \
  do_##kind : {                                                                       \
    const uint32_t address = (at);                                                    \
    const Bus::Page& page = writes[address >> Bus::kPageBits];                        \
    if (address % sizeof(type) != 0 || page.host == nullptr) [[unlikely]]             \
      SLOW();                                                                         \
    const type value = static_cast<type>(RS2);                                        \
    std::memcpy(page.host + (address & (Bus::kPageBytes - 1)), &value, sizeof value); \
    update;                                                                           \
    cycles += page.cycles;                                                            \
    NEXT();                                                                           \
  }
// x0 may be the base; it stays 0.
#define POST(by) (RS1 += (by), x[0] = 0)
namespace heddle::sim {
namespace {

uint32_t high_half(int64_t product) {
  return static_cast<uint32_t>(static_cast<uint64_t>(product) >> 32);
}

// Division by zero gives all ones and the dividend; the one overflow gives the dividend and zero.
uint32_t divide(int32_t a, int32_t b) {
  if (b == 0) return UINT32_MAX;
  return static_cast<uint32_t>(int64_t{a} / b);
}
uint32_t remainder(int32_t a, int32_t b) {
  return static_cast<uint32_t>(b == 0 ? a : int64_t{a} % b);
}

template <class Byte>
struct Bytes {
  Byte at[4];
};
template <class Byte>
Bytes<Byte> bytes(uint32_t word) {
  Bytes<Byte> four;
  std::memcpy(&four, &word, 4);
  return four;
}
template <class A, class B>
uint32_t dot(const Bytes<A>& a, const Bytes<B>& b) {
  int32_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += a.at[i] * b.at[i];
  return static_cast<uint32_t>(sum);
}

// The lower bound wins where a register's bounds cross, as in the core.
uint32_t clip(int64_t value, int64_t low, int64_t high) {
  return static_cast<uint32_t>(value <= low ? low : value >= high ? high : value);
}
int64_t clip_bound(uint32_t n) { return n == 0 ? 0 : (int64_t{1} << (n - 1)) - 1; }

}  // namespace

StopReason Cpu::interpret(const Op* op) {
  static const void* const labels[kKinds + 1] = {
#define I(kind, name, form, cost, pattern) &&do_##kind,
#define X I
#include "sim/cpu/instructions.inc"
#undef X
#undef I
      &&slow /* illegal */,
      &&slow /* fetch_fault */,
      &&slow /* probe */,
      &&do_sp_written,
      &&do_cut,
      &&do_loop_back,
      &&do_go_to,
      &&do_leave,
      &&slow /* link */,
  };
  if (op == nullptr) {
    labels_.assign(labels, labels + kKinds + 1);
    return StopReason::until;
  }
  uint32_t* const x = x_;
  const Bus::Page* const reads = reads_;
  const Bus::Page* const writes = writes_;
  const uint64_t taken_extra = static_cast<uint64_t>(taken_extra_);
  uint64_t cycles = cycles_ + op->rest_cycles;
  uint64_t instret = instret_ + op->rest_instructions;
  goto * op->handler;

slow:
  cycles_ = cycles - op->rest_cycles;
  instret_ = instret - op->rest_instructions;
  pc_ = op->pc;
  op = slow(op);
  if (op == nullptr) return stop_;
  cycles = cycles_;
  instret = instret_;
  ENTER();

limit:
  cycles_ = cycles - op->rest_cycles;
  instret_ = instret - op->rest_instructions;
  pc_ = op->pc;
  return StopReason::until;

do_leave:
  cycles_ = cycles;
  instret_ = instret;
  pc_ = op->pc;
  return StopReason::until;

  COMPUTE(lui, IMM)
  COMPUTE(auipc, IMM)
  COMPUTE(addi, RS1 + IMM)
  COMPUTE(slti, S1 < op->immediate)
  COMPUTE(sltiu, RS1 < IMM)
  COMPUTE(xori, RS1 ^ IMM)
  COMPUTE(ori, RS1 | IMM)
  COMPUTE(andi, RS1 & IMM)
  COMPUTE(slli, RS1 << IMM)
  COMPUTE(srli, RS1 >> IMM)
  COMPUTE(srai, static_cast<uint32_t>(S1 >> IMM))
  COMPUTE(add, RS1 + RS2)
  COMPUTE(sub, RS1 - RS2)
  COMPUTE(sll, RS1 << SHIFT2)
  COMPUTE(slt, S1 < S2)
  COMPUTE(sltu, RS1 < RS2)
  COMPUTE(xor_, RS1 ^ RS2)
  COMPUTE(srl, RS1 >> SHIFT2)
  COMPUTE(sra, static_cast<uint32_t>(S1 >> SHIFT2))
  COMPUTE(or_, RS1 | RS2)
  COMPUTE(and_, RS1 & RS2)
  COMPUTE(mul, RS1 * RS2)
  COMPUTE(mulh, high_half(int64_t{S1} * S2))
  COMPUTE(mulhsu, high_half(int64_t{S1} * int64_t{RS2}))
  COMPUTE(mulhu, high_half(static_cast<int64_t>(uint64_t{RS1} * RS2)))
  COMPUTE(div, divide(S1, S2))
  COMPUTE(divu, RS2 == 0 ? UINT32_MAX : RS1 / RS2)
  COMPUTE(rem, remainder(S1, S2))
  COMPUTE(remu, RS2 == 0 ? RS1 : RS1 % RS2)

  LOAD(lb, int8_t, RS1 + IMM, (void)0)
  LOAD(lh, int16_t, RS1 + IMM, (void)0)
  LOAD(lw, int32_t, RS1 + IMM, (void)0)
  LOAD(lbu, uint8_t, RS1 + IMM, (void)0)
  LOAD(lhu, uint16_t, RS1 + IMM, (void)0)
  STORE(sb, uint8_t, RS1 + IMM, (void)0)
  STORE(sh, uint16_t, RS1 + IMM, (void)0)
  STORE(sw, uint32_t, RS1 + IMM, (void)0)

  BRANCH(beq, RS1 == RS2)
  BRANCH(bne, RS1 != RS2)
  BRANCH(blt, S1 < S2)
  BRANCH(bge, S1 >= S2)
  BRANCH(bltu, RS1 < RS2)
  BRANCH(bgeu, RS1 >= RS2)

do_jal:
  RD = op->pc + op->bytes;
  op = arena_ + static_cast<uint32_t>(op->immediate);
  ENTER();

do_jalr : {
  const uint32_t target = (RS1 + IMM) & ~1u;
  RD = op->pc + op->bytes;
  const uint32_t* const page = slots_[target >> Bus::kPageBits];
  const uint32_t index = page == nullptr ? 0 : page[(target & (Bus::kPageBytes - 1)) / 2];
  op = index != 0 ? arena_ + index : find(target);
  ENTER();
}

do_fence:  // one core that sees its own accesses in order
  NEXT();

do_sp_written:
  if (x[2] < lowest_sp_) lowest_sp_ = x[2];
  NEXT();
do_cut:
  ++op;
  ENTER();
do_go_to:
  op = arena_ + static_cast<uint32_t>(op->immediate);
  ENTER();

  // XpulpV2
  LOAD(p_lb_post, int8_t, RS1, POST(IMM))
  LOAD(p_lh_post, int16_t, RS1, POST(IMM))
  LOAD(p_lw_post, int32_t, RS1, POST(IMM))
  LOAD(p_lbu_post, uint8_t, RS1, POST(IMM))
  LOAD(p_lhu_post, uint16_t, RS1, POST(IMM))
  LOAD(p_lb_post_r, int8_t, RS1, POST(RS2))
  LOAD(p_lh_post_r, int16_t, RS1, POST(RS2))
  LOAD(p_lw_post_r, int32_t, RS1, POST(RS2))
  LOAD(p_lbu_post_r, uint8_t, RS1, POST(RS2))
  LOAD(p_lhu_post_r, uint16_t, RS1, POST(RS2))
  LOAD(p_lb_r, int8_t, RS1 + RS2, (void)0)
  LOAD(p_lh_r, int16_t, RS1 + RS2, (void)0)
  LOAD(p_lw_r, int32_t, RS1 + RS2, (void)0)
  LOAD(p_lbu_r, uint8_t, RS1 + RS2, (void)0)
  LOAD(p_lhu_r, uint16_t, RS1 + RS2, (void)0)
  STORE(p_sb_post, uint8_t, RS1, POST(IMM))
  STORE(p_sh_post, uint16_t, RS1, POST(IMM))
  STORE(p_sw_post, uint32_t, RS1, POST(IMM))
  STORE(p_sb_post_r, uint8_t, RS1, POST(RD))
  STORE(p_sh_post_r, uint16_t, RS1, POST(RD))
  STORE(p_sw_post_r, uint32_t, RS1, POST(RD))
  STORE(p_sb_r, uint8_t, RS1 + RD, (void)0)
  STORE(p_sh_r, uint16_t, RS1 + RD, (void)0)
  STORE(p_sw_r, uint32_t, RS1 + RD, (void)0)

  COMPUTE(pv_sdotup_b, RD + dot(bytes<uint8_t>(RS1), bytes<uint8_t>(RS2)))
  COMPUTE(pv_sdotusp_b, RD + dot(bytes<uint8_t>(RS1), bytes<int8_t>(RS2)))
  COMPUTE(pv_sdotsp_b, RD + dot(bytes<int8_t>(RS1), bytes<int8_t>(RS2)))
  COMPUTE(p_mac, RD + RS1 * RS2)
  COMPUTE(p_msu, RD - RS1 * RS2)
  COMPUTE(p_abs, S1 < 0 ? 0 - RS1 : RS1)
  COMPUTE(p_min, static_cast<uint32_t>(std::min(S1, S2)))
  COMPUTE(p_minu, std::min(RS1, RS2))
  COMPUTE(p_max, static_cast<uint32_t>(std::max(S1, S2)))
  COMPUTE(p_maxu, std::max(RS1, RS2))
  COMPUTE(p_exths, static_cast<uint32_t>(static_cast<int16_t>(RS1)))
  COMPUTE(p_exthz, static_cast<uint16_t>(RS1))
  COMPUTE(p_extbs, static_cast<uint32_t>(static_cast<int8_t>(RS1)))
  COMPUTE(p_extbz, static_cast<uint8_t>(RS1))
  COMPUTE(p_clip, clip(S1, -clip_bound(IMM) - 1, clip_bound(IMM)))
  COMPUTE(p_clipu, clip(S1, 0, clip_bound(IMM)))
  COMPUTE(p_clipr, clip(S1, -int64_t{S2} - 1, S2))
  COMPUTE(p_clipur, clip(S1, 0, S2))

do_lp_starti:
  loops_[op->rd].start = IMM;
  NEXT();
do_lp_endi:
  loops_[op->rd].end = IMM;
  NEXT();
do_lp_count:
  loops_[op->rd].count = RS1;
  NEXT();
do_lp_counti:
  loops_[op->rd].count = IMM;
  NEXT();
do_lp_setup:
  loops_[op->rd] = {op->pc + op->bytes, IMM, RS1};
  NEXT();
do_lp_setupi:
  loops_[op->rd] = {op->pc + op->bytes, IMM, uint32_t{op->rs1} | uint32_t{op->rs2} << 8};
  NEXT();

do_loop_back:
  for (HardwareLoop& loop : loops_) {
    if (loop.end != IMM || loop.count == 0 || --loop.count == 0) continue;
    op = find(loop.start);
    ENTER();
  }
  ++op;
  ENTER();

do_fence_i:
do_ecall:
do_ebreak:
do_mret:
do_wfi:
do_csrrw:
do_csrrs:
do_csrrc:
do_csrrwi:
do_csrrsi:
do_csrrci:
  SLOW();
}

}  // namespace heddle::sim
