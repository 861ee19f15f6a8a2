/* Functions of float32, the same bits on every machine: IEEE single precision arithmetic in a fixed
 * order, no libm. The compiler links them too, so that its reference computes what the network's C
 * computes. Compile with -ffp-contract=off: a fused multiply-add rounds once where this rounds twice.
 *
 * Errors, against the exact result, in units in the last place: sqrt and round_even 0.5 (correctly
 * rounded), all others below 2; subnormal results included. Special values as in C99's libm. */
#ifndef HEDDLE_MATH_H
#define HEDDLE_MATH_H

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

#ifdef __cplusplus
}
#endif

#endif
