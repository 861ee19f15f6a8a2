/* Matrices of bytes, transposed. */
#ifndef HEDDLE_RV32_TURN_H
#define HEDDLE_RV32_TURN_H

#include <stdint.h>

/*
 * to[c * to_stride + r] = from[r * from_stride + c] for all r below `rows` and c below `columns`; the two
 * do not overlap. By words of four bytes where both places and both strides are multiples of 4.
 */
void heddle_rv32_turn(void *to, const void *from, int32_t rows, int32_t columns, int32_t to_stride,
                      int32_t from_stride);

#endif
