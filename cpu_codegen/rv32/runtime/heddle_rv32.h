/* What the kernels of flavour rv32 share. All their arithmetic is modulo 2^32. */
#ifndef HEDDLE_RV32_H
#define HEDDLE_RV32_H

#include <stdint.h>

/* Sums stay in registers only where everything that touches them is inlined. */
#if defined(__GNUC__)
#define HEDDLE_RV32_INLINE static inline __attribute__((always_inline))
#else
#define HEDDLE_RV32_INLINE static inline
#endif

HEDDLE_RV32_INLINE uint32_t heddle_rv32_widened(int8_t value) { return (uint32_t)(int32_t)value; }

#endif
