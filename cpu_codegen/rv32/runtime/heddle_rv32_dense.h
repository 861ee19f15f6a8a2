/* Fully connected layers. */
#ifndef HEDDLE_RV32_DENSE_H
#define HEDDLE_RV32_DENSE_H

#include "heddle_rv32.h"

/*
 * sums[k] = bias[k] + the dot product of x and the weights of output k, modulo 2^32, for `outputs`
 * outputs of `taps` weights each, one at least. Weights come in blocks of 8 outputs while there are
 * 8, then of 1; in a block, tap after tap.
 */
void heddle_rv32_dense(const int8_t *x, int32_t taps, const int8_t *weights, const int32_t *bias,
                       int32_t outputs, int32_t *sums);

#endif
