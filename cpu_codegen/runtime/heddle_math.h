/* Functions of float32, the same bits on every machine: IEEE single precision arithmetic in a fixed
 * order, no libm. The compiler links them too, so that its reference computes what the network's C
 * computes. Compile with -ffp-contract=off: a fused multiply-add rounds once where this rounds twice.
 *
 * Errors, against the exact result, in units in the last place: sqrt and round_even 0.5 (correctly
 * rounded), all others below 2; subnormal results included. Special values as in C99's libm. */
#ifndef HEDDLE_MATH_H
#define HEDDLE_MATH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

float heddle_exp(float x);
float heddle_log(float x);
float heddle_log1p(float x); /* log(1 + x) */
float heddle_sqrt(float x);
float heddle_pow(float x, float y);
float heddle_tanh(float x);
float heddle_erf(float x);
float heddle_sin(float x);
float heddle_cos(float x);
float heddle_round_even(float x);
float heddle_floor(float x);
float heddle_ceil(float x);

/* The integer nearest to x / scale (which is rounded to float32 first), halves to even, within
 * [lo, hi], both of magnitude 2^22 at most; lo for NaN. 2^-100 <= scale <= 2^100; `inverse` is
 * 2^exponent / scale, rounded, and at least 2^31. In integers but next to halves: a division takes
 * hundreds of cycles where floating point is emulated. */
int32_t heddle_quantize(float x, float scale, uint32_t inverse, int32_t exponent, int32_t lo,
                        int32_t hi);

/* (int32_t)(x * 2^bits), towards zero, where int32 holds it; 0 for x of less than 2^-126. */
#if defined(__GNUC__)
__attribute__((const))
#endif
int32_t heddle_fixed(float x, int32_t bits);

#ifdef __cplusplus
}
#endif

#endif
