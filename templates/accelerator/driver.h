/* The driver of $NAME: what a job is, and the register map. C99, freestanding. */
#ifndef HEDDLE_$UPPER_DRIVER_H
#define HEDDLE_$UPPER_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* $UPPER_BASE, $UPPER_LANES */

#ifdef __cplusplus
extern "C" {
#endif

/* EDIT: byte offsets from $UPPER_BASE, 32 bits each. Offset 0 is always the status. */
enum {
  $UPPER_STATUS = 0x00,
  $UPPER_CONTROL = 0x04,
  $UPPER_X = 0x08,
  $UPPER_WEIGHTS = 0x0C,
  $UPPER_BIAS = 0x10,
  $UPPER_Y = 0x14,
  $UPPER_INPUTS = 0x18,
  $UPPER_OUTPUTS = 0x1C
};
enum { $UPPER_BUSY = 1 };  /* bit 0 of the status */
enum { $UPPER_START = 1 }; /* what starts a job when it is written to the control register */

/* EDIT: y[k] = bias[k] + sum over c of x[c] * weights[k][c], sums of 32 bits */
typedef struct $NAME_dense_job {
  uint32_t x;       /* bus address of int8 [inputs] */
  uint32_t weights; /* bus address of int8 [outputs][inputs] */
  uint32_t bias;    /* bus address of int32 [outputs], a multiple of 4 */
  uint32_t y;       /* bus address of int32 [outputs], a multiple of 4 */
  uint32_t inputs;  /* 1 to 4096 */
  uint32_t outputs; /* 1 to 4096 */
} $NAME_dense_job;

/* Waits for the job before it, starts this one, and does not wait for it. */
void $NAME_dense_start(const $NAME_dense_job* job);

/* Returns when the unit is idle. */
void $NAME_wait(void);

#ifdef __cplusplus
}
#endif
#endif
