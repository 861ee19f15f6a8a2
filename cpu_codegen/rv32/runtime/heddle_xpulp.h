/*
 * Inner loops for cores with XpulpV2 (PULP's RI5CY): four products of signed bytes an instruction.
 * With HEDDLE_XPULPV2 defined, GCC and Clang for RV32 are given the instructions by number, so that
 * they need not know the extension; every other compiler gets C that computes exactly the same.
 */
#ifndef HEDDLE_XPULP_H
#define HEDDLE_XPULP_H

#include <stdint.h>

/*
 * Where the bytes lie that one output pixel is made of, in words: `rows` runs of `words` (both at
 * least 1), `pitch` from one run to the next, `step` from a pixel to its neighbour.
 */
typedef struct {
  int32_t rows, words, pitch, step;
} heddle_xpulp_window;

/*
 * Dot products of four output channels with `pixels` neighbouring pixels.
 *
 * x: signed bytes, in the order of memory.
 * weights: for every word of the runs four words, one a channel; the first byte is the lowest.
 * start: one number a channel.
 * sums: start + the dot product modulo 2^32, pixel after pixel; each channel's are `sums_pitch`
 *   behind those of the one before it.
 */
void heddle_xpulp_dot_4(const uint32_t *x, int32_t pixels, const heddle_xpulp_window *window,
                        const int32_t *weights, const int32_t *start, int32_t *sums,
                        int32_t sums_pitch);

#endif
