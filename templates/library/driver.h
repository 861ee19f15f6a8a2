/* $NAME: kernels by hand. C99, freestanding; the CPU runs them on the values where they lie. */
#ifndef HEDDLE_$UPPER_DRIVER_H
#define HEDDLE_$UPPER_DRIVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* EDIT: y[k] = bias[k] + sum over c of x[c] * weights[k][c], sums of 32 bits */
typedef struct $NAME_dense_job {
  const int8_t* x;       /* [inputs] */
  const int8_t* weights; /* [outputs][inputs] */
  const void* bias;      /* int32_t [outputs] */
  void* y;               /* int32_t [outputs] */
  uint32_t inputs;
  uint32_t outputs;
} $NAME_dense_job;

/* Has done the job when it returns. */
void $NAME_dense(const $NAME_dense_job* job);

#ifdef __cplusplus
}
#endif
#endif
