/* The driver of attention: what a job is, and the register map. C99, freestanding. */
#ifndef HEDDLE_ATTENTION_DRIVER_H
#define HEDDLE_ATTENTION_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* ATTENTION_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* Byte offsets from ATTENTION_BASE, 32 bits each. Offset 0 is always the status. */
enum {
  ATTENTION_STATUS = 0x00,
  ATTENTION_CONTROL = 0x04,
  ATTENTION_X = 0x08,
  ATTENTION_KEYS = 0x0C,
  ATTENTION_VALUES = 0x10,
  ATTENTION_Y = 0x14,
  ATTENTION_HEADS = 0x18,
  ATTENTION_QUERIES = 0x1C,
  ATTENTION_SIZE = 0x20,
  ATTENTION_KEYS_COUNT = 0x24,
  ATTENTION_VALUE_SIZE = 0x28,
  ATTENTION_MUL = 0x2C,
  ATTENTION_SHIFT = 0x30,
  ATTENTION_MUL_2 = 0x34,
  ATTENTION_SHIFT_2 = 0x38
};
enum { ATTENTION_BUSY = 1 };  /* bit 0 of the status */
enum { ATTENTION_START = 1 }; /* what starts a job when it is written to the control register */

/* Of each head: scores = requantised x * keys, weights = ita_max of their rows, y = requantised weights * values, where
 * requantised v is (v * mul + 2^(shift - 1)) >> shift, clamped to -128 ... 127. Tensors are dense. */
typedef struct attention_job {
  uint32_t x;          /* bus address of int8 [heads][queries][size] */
  uint32_t keys;       /* bus address of int8 [heads][size][keys_count] */
  uint32_t values;     /* bus address of int8 [heads][keys_count][value_size] */
  uint32_t y;          /* bus address of int8 [heads][queries][value_size] */
  uint32_t heads;
  uint32_t queries;
  uint32_t size;       /* 1 to 64 */
  uint32_t keys_count; /* 1 to 64 */
  uint32_t value_size;
  uint32_t mul, shift, mul_2, shift_2;
} attention_job;

/* Waits for the job before it, starts this one, and does not wait for it. */
void attention_start(const attention_job* job);

/* Returns when the unit is idle. */
void attention_wait(void);

#ifdef __cplusplus
}
#endif
#endif
