/*
 * Clamps for RV32. Bounds of a result are hardly ever passed from above, so that the branch which a
 * core without conditional moves needs is laid where it is not taken. With HEDDLE_XPULPV2 defined,
 * GCC and Clang are given the instructions of XpulpV2 by number; every other compiler gets C that
 * computes exactly the same.
 */
#ifndef HEDDLE_RV32_CLIP_H
#define HEDDLE_RV32_CLIP_H

#include "heddle_rv32.h"

#if defined(HEDDLE_XPULPV2) && defined(__riscv) && defined(__GNUC__)

/* p.min */
HEDDLE_RV32_INLINE int32_t heddle_rv32_at_most(int32_t value, int32_t hi) {
  int32_t y;
  __asm__(".insn r 0x33, 4, 0x02, %0, %1, %2" : "=r"(y) : "r"(value), "r"(hi));
  return y;
}

/* p.max */
HEDDLE_RV32_INLINE int32_t heddle_rv32_at_least(int32_t value, int32_t lo) {
  int32_t y;
  __asm__(".insn r 0x33, 6, 0x02, %0, %1, %2" : "=r"(y) : "r"(value), "r"(lo));
  return y;
}

/* To [-hi - 1, hi], hi >= 0: p.clipr. */
HEDDLE_RV32_INLINE int32_t heddle_rv32_clip(int32_t value, int32_t hi) {
  int32_t y;
  __asm__(".insn r 0x33, 5, 0x0a, %0, %1, %2" : "=r"(y) : "r"(value), "r"(hi));
  return y;
}

#else

HEDDLE_RV32_INLINE int32_t heddle_rv32_at_most(int32_t value, int32_t hi) {
#if defined(__riscv) && defined(__GNUC__)
  /* GCC would take an assignment for a minimum, and forget how rare it is. */
  if (__builtin_expect(value > hi, 0)) __asm__("mv %0, %1" : "=r"(value) : "r"(hi));
#else
  if (value > hi) value = hi;
#endif
  return value;
}

/* A ReLU's bound is passed by half of all values. */
HEDDLE_RV32_INLINE int32_t heddle_rv32_at_least(int32_t value, int32_t lo) {
  if (value < lo) value = lo;
  return value;
}

/* To [-hi - 1, hi], hi >= 0. */
HEDDLE_RV32_INLINE int32_t heddle_rv32_clip(int32_t value, int32_t hi) {
  return heddle_rv32_at_least(heddle_rv32_at_most(value, hi), -hi - 1);
}

#endif

#endif
