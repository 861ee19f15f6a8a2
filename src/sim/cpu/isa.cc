#include "sim/cpu/isa.h"

#include "base/diagnostic.h"

namespace heddle::sim {
namespace {

// The bits of a pattern that are fixed (`fixed`), or those that are ones.
constexpr uint32_t pattern_bits(std::string_view pattern, bool fixed) {
  uint32_t bits = 0;
  int count = 0;
  for (const char c : pattern) {
    if (c == ' ') continue;
    bits = bits << 1 | (fixed ? c != '.' : c == '1');
    ++count;
  }
  return count == 32 ? bits : throw "a pattern has 32 bits";
}

constexpr InstructionInfo kTable[] = {
#define I(kind, name, form, cost, pattern) \
  {name, Form::form, CostClass::cost, pattern_bits(pattern, true), pattern_bits(pattern, false)},
#define X I
#include "sim/cpu/instructions.inc"
#undef X
#undef I
};

// The base instructions come first in the table.
constexpr int kBaseInstructions = static_cast<int>(Kind::p_lb_post);

// Bits [low, low + count) of an encoding, unsigned or with the highest of them as the sign.
constexpr uint32_t field(uint32_t bits, int low, int count) {
  return bits >> low & ((1u << count) - 1);
}
constexpr int32_t signed_field(uint32_t bits, int low, int count) {
  return static_cast<int32_t>(bits << (32 - low - count)) >> (32 - count);
}

int32_t immediate_of(Form form, uint32_t bits) {
  switch (form) {
    case Form::immediate:
    case Form::load:
    case Form::load_post:
      return signed_field(bits, 20, 12);
    case Form::shift:
      return static_cast<int32_t>(field(bits, 20, 5));
    case Form::store:
    case Form::store_post:
      return signed_field(bits, 25, 7) * 32 + static_cast<int32_t>(field(bits, 7, 5));
    case Form::branch:
      return signed_field(bits, 31, 1) * 4096 + static_cast<int32_t>(field(bits, 7, 1) << 11 |
                                                                     field(bits, 25, 6) << 5 |
                                                                     field(bits, 8, 4) << 1);
    case Form::upper:
    case Form::upper_pc:
      return static_cast<int32_t>(bits & 0xfffff000u);
    case Form::jump:
      return signed_field(bits, 31, 1) * (1 << 20) + static_cast<int32_t>(field(bits, 12, 8) << 12 |
                                                                          field(bits, 20, 1) << 11 |
                                                                          field(bits, 21, 10) << 1);
    case Form::csr:
    case Form::csr_immediate:
    case Form::loop_immediate:
      return static_cast<int32_t>(field(bits, 20, 12));
    case Form::loop_offset:
    case Form::loop_setup:
      return static_cast<int32_t>(2 * field(bits, 20, 12));
    case Form::loop_setup_immediate:
      return static_cast<int32_t>(2 * field(bits, 15, 5));
    case Form::none:
    case Form::registers:
    case Form::load_post_register:
    case Form::load_register:
    case Form::store_post_register:
    case Form::store_register:
    case Form::accumulate:
    case Form::unary:
    case Form::loop_register:
      return 0;
  }
  return 0;
}

}  // namespace

const InstructionInfo& info(Kind kind) {
  HEDDLE_CHECK(static_cast<int>(kind) < kInstructions, "info() of the translator's own");
  return kTable[static_cast<int>(kind)];
}

Decoded decode(uint32_t bits, const IsaOptions& options) {
  Decoded d;
  uint32_t word = bits;
  if ((bits & 3) != 3) {
    bits &= 0xffff;
    word = expand_compressed(static_cast<uint16_t>(bits));
    d.bytes = 2;
  }
  d.bits = bits;
  const int count = options.xpulpv2 ? kInstructions : kBaseInstructions;
  for (int i = 0; i < count; ++i) {
    if ((word & kTable[i].mask) != kTable[i].match) continue;
    d.kind = static_cast<Kind>(i);
    d.rd = static_cast<uint8_t>(field(word, 7, 5));
    d.rs1 = static_cast<uint8_t>(field(word, 15, 5));
    d.rs2 = static_cast<uint8_t>(field(word, 20, 5));
    d.immediate = immediate_of(kTable[i].form, word);
    if (kTable[i].form == Form::loop_setup_immediate)
      d.count = static_cast<uint16_t>(field(word, 20, 12));
    break;
  }
  return d;
}

bool is_instruction(Kind kind) { return static_cast<int>(kind) < kInstructions; }

bool reads_register(const Decoded& d, int reg) {
  if (reg == 0 || !is_instruction(d.kind)) return false;
  switch (info(d.kind).form) {
    case Form::registers:
    case Form::store:
    case Form::branch:
    case Form::load_post_register:
    case Form::load_register:
    case Form::store_post:
      return d.rs1 == reg || d.rs2 == reg;
    case Form::store_post_register:
    case Form::store_register:
    case Form::accumulate:
      return d.rs1 == reg || d.rs2 == reg || d.rd == reg;
    case Form::immediate:
    case Form::shift:
    case Form::load:
    case Form::csr:
    case Form::load_post:
    case Form::unary:
    case Form::loop_register:
    case Form::loop_setup:
      return d.rs1 == reg;
    case Form::none:
    case Form::upper:
    case Form::upper_pc:
    case Form::jump:
    case Form::csr_immediate:
    case Form::loop_offset:
    case Form::loop_immediate:
    case Form::loop_setup_immediate:
      return false;
  }
  return false;
}

bool writes_register(const Decoded& d, int reg) {
  if (reg == 0 || !is_instruction(d.kind)) return false;
  const Form form = info(d.kind).form;
  return (writes_rd(form) && d.rd == reg) || (is_post_increment(form) && d.rs1 == reg);
}

bool writes_rd(Form form) {
  switch (form) {
    case Form::none:
    case Form::store:
    case Form::branch:
    case Form::store_post:
    case Form::store_post_register:
    case Form::store_register:
    case Form::loop_offset:
    case Form::loop_register:
    case Form::loop_immediate:
    case Form::loop_setup:
    case Form::loop_setup_immediate:
      return false;
    default:
      return true;
  }
}

bool is_post_increment(Form form) {
  return form == Form::load_post || form == Form::load_post_register || form == Form::store_post ||
         form == Form::store_post_register;
}

}  // namespace heddle::sim
