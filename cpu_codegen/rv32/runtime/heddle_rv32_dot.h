/*
 * Inner loops of the rv32 kernels. Two activations travel in one word, word = x0 + 65536 * x1
 * modulo 2^32, so that one multiplication by a weight makes two products: of two neighbouring
 * pixels, in the lower and the upper half. A run of products may be added up before the halves are
 * taken apart where the compiler has proven that both sums of the run fit 16 bits.
 *
 * The names say channels x words: two output channels and 3, 2 or 1 words (6, 4 or 2 pixels) use
 * the registers of RV32 without spilling in the inner loop.
 */
#ifndef HEDDLE_RV32_DOT_H
#define HEDDLE_RV32_DOT_H

#include "heddle_rv32.h"

/*
 * Dot products of two output channels with `groups` groups of pixels, one after the other.
 *
 * strip: for every group, for every tap, its words (3, 2 or 1).
 * program: runs, each a byte n in [1, 16] and then n taps of two weights, one of each channel; a 0
 *   ends it. All taps of a group are read once.
 * start: for each of the channels two numbers, made from its bias b and the number r of runs:
 *   65537 * b - 32768 * r modulo 2^32, and b.
 * sums: b + the dot product for each pixel in order, those of the second channel `pitch` behind
 *   those of the first.
 *
 * Returns the end of the program, where that of the next two channels begins.
 */
const int8_t *heddle_rv32_dot_2x3(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch);
const int8_t *heddle_rv32_dot_2x2(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch);
const int8_t *heddle_rv32_dot_2x1(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch);

#endif
