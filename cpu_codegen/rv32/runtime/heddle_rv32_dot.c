/*
 * All arithmetic is modulo 2^32. A run starts at 32768, so that its lower half is never negative
 * and its upper half is exact. Over all runs, `whole` adds up the words and `upper` the upper
 * halves: what `whole` holds beyond 65536 * upper is the sum of the lower halves. The offset of
 * 32768 a run is taken out by the start.
 *
 * The switch jumps into an unrolled loop over the taps of a run: no tap has a loop's overhead. Its
 * body must be inlined for the sums to stay in registers.
 */
#include "heddle_rv32_dot.h"

#define HEDDLE_RV32_OFFSET 32768u /* of the lower half of a run */

/* Arithmetic, as every compiler does it. */
HEDDLE_RV32_INLINE uint32_t upper_half(uint32_t word) { return (uint32_t)((int32_t)word >> 16); }

typedef struct {
  uint32_t a, b, c, d, e, f;
} six;

HEDDLE_RV32_INLINE six tap_2x3(six p, const int8_t *w, const uint32_t *x) {
  const uint32_t w0 = heddle_rv32_widened(w[0]), w1 = heddle_rv32_widened(w[1]);
  p.a += w0 * x[0];
  p.b += w0 * x[1];
  p.c += w0 * x[2];
  p.d += w1 * x[0];
  p.e += w1 * x[1];
  p.f += w1 * x[2];
  return p;
}

const int8_t *heddle_rv32_dot_2x3(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch) {
  const six offset = {HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET,
                      HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET};
  const uint32_t whole_0 = (uint32_t)start[0], upper_0 = (uint32_t)start[1];
  const uint32_t whole_1 = (uint32_t)start[2], upper_1 = (uint32_t)start[3];
  const int8_t *w = program;
  for (; groups > 0; --groups) {
    six whole = {whole_0, whole_0, whole_0, whole_1, whole_1, whole_1};
    six upper = {upper_0, upper_0, upper_0, upper_1, upper_1, upper_1};
    int32_t taps = program[0];
    w = program + 1;
    do {
      six p = tap_2x3(offset, w, strip);
      w += 2 * taps;
      strip += 3 * taps;
      switch (taps & 15) {
        case 0: p = tap_2x3(p, w - 30, strip - 45); /* fall through */
        case 15: p = tap_2x3(p, w - 28, strip - 42); /* fall through */
        case 14: p = tap_2x3(p, w - 26, strip - 39); /* fall through */
        case 13: p = tap_2x3(p, w - 24, strip - 36); /* fall through */
        case 12: p = tap_2x3(p, w - 22, strip - 33); /* fall through */
        case 11: p = tap_2x3(p, w - 20, strip - 30); /* fall through */
        case 10: p = tap_2x3(p, w - 18, strip - 27); /* fall through */
        case 9: p = tap_2x3(p, w - 16, strip - 24); /* fall through */
        case 8: p = tap_2x3(p, w - 14, strip - 21); /* fall through */
        case 7: p = tap_2x3(p, w - 12, strip - 18); /* fall through */
        case 6: p = tap_2x3(p, w - 10, strip - 15); /* fall through */
        case 5: p = tap_2x3(p, w - 8, strip - 12); /* fall through */
        case 4: p = tap_2x3(p, w - 6, strip - 9); /* fall through */
        case 3: p = tap_2x3(p, w - 4, strip - 6); /* fall through */
        case 2: p = tap_2x3(p, w - 2, strip - 3); /* fall through */
        default: break;
      }
      whole.a += p.a;
      whole.b += p.b;
      whole.c += p.c;
      whole.d += p.d;
      whole.e += p.e;
      whole.f += p.f;
      upper.a += upper_half(p.a);
      upper.b += upper_half(p.b);
      upper.c += upper_half(p.c);
      upper.d += upper_half(p.d);
      upper.e += upper_half(p.e);
      upper.f += upper_half(p.f);
      taps = *w++;
    } while (taps != 0);
    sums[0] = (int32_t)(whole.a - (upper.a << 16));
    sums[1] = (int32_t)upper.a;
    sums[2] = (int32_t)(whole.b - (upper.b << 16));
    sums[3] = (int32_t)upper.b;
    sums[4] = (int32_t)(whole.c - (upper.c << 16));
    sums[5] = (int32_t)upper.c;
    sums[pitch] = (int32_t)(whole.d - (upper.d << 16));
    sums[pitch + 1] = (int32_t)upper.d;
    sums[pitch + 2] = (int32_t)(whole.e - (upper.e << 16));
    sums[pitch + 3] = (int32_t)upper.e;
    sums[pitch + 4] = (int32_t)(whole.f - (upper.f << 16));
    sums[pitch + 5] = (int32_t)upper.f;
    sums += 6;
  }
  return w;
}

typedef struct {
  uint32_t a, b, c, d;
} four;

HEDDLE_RV32_INLINE four tap_2x2(four p, const int8_t *w, const uint32_t *x) {
  const uint32_t w0 = heddle_rv32_widened(w[0]), w1 = heddle_rv32_widened(w[1]);
  p.a += w0 * x[0];
  p.b += w0 * x[1];
  p.c += w1 * x[0];
  p.d += w1 * x[1];
  return p;
}

const int8_t *heddle_rv32_dot_2x2(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch) {
  const four offset = {HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET,
                       HEDDLE_RV32_OFFSET};
  const uint32_t whole_0 = (uint32_t)start[0], upper_0 = (uint32_t)start[1];
  const uint32_t whole_1 = (uint32_t)start[2], upper_1 = (uint32_t)start[3];
  const int8_t *w = program;
  for (; groups > 0; --groups) {
    four whole = {whole_0, whole_0, whole_1, whole_1};
    four upper = {upper_0, upper_0, upper_1, upper_1};
    int32_t taps = program[0];
    w = program + 1;
    do {
      four p = tap_2x2(offset, w, strip);
      w += 2 * taps;
      strip += 2 * taps;
      switch (taps & 15) {
        case 0: p = tap_2x2(p, w - 30, strip - 30); /* fall through */
        case 15: p = tap_2x2(p, w - 28, strip - 28); /* fall through */
        case 14: p = tap_2x2(p, w - 26, strip - 26); /* fall through */
        case 13: p = tap_2x2(p, w - 24, strip - 24); /* fall through */
        case 12: p = tap_2x2(p, w - 22, strip - 22); /* fall through */
        case 11: p = tap_2x2(p, w - 20, strip - 20); /* fall through */
        case 10: p = tap_2x2(p, w - 18, strip - 18); /* fall through */
        case 9: p = tap_2x2(p, w - 16, strip - 16); /* fall through */
        case 8: p = tap_2x2(p, w - 14, strip - 14); /* fall through */
        case 7: p = tap_2x2(p, w - 12, strip - 12); /* fall through */
        case 6: p = tap_2x2(p, w - 10, strip - 10); /* fall through */
        case 5: p = tap_2x2(p, w - 8, strip - 8); /* fall through */
        case 4: p = tap_2x2(p, w - 6, strip - 6); /* fall through */
        case 3: p = tap_2x2(p, w - 4, strip - 4); /* fall through */
        case 2: p = tap_2x2(p, w - 2, strip - 2); /* fall through */
        default: break;
      }
      whole.a += p.a;
      whole.b += p.b;
      whole.c += p.c;
      whole.d += p.d;
      upper.a += upper_half(p.a);
      upper.b += upper_half(p.b);
      upper.c += upper_half(p.c);
      upper.d += upper_half(p.d);
      taps = *w++;
    } while (taps != 0);
    sums[0] = (int32_t)(whole.a - (upper.a << 16));
    sums[1] = (int32_t)upper.a;
    sums[2] = (int32_t)(whole.b - (upper.b << 16));
    sums[3] = (int32_t)upper.b;
    sums[pitch] = (int32_t)(whole.c - (upper.c << 16));
    sums[pitch + 1] = (int32_t)upper.c;
    sums[pitch + 2] = (int32_t)(whole.d - (upper.d << 16));
    sums[pitch + 3] = (int32_t)upper.d;
    sums += 4;
  }
  return w;
}

typedef struct {
  uint32_t a, b;
} two;

HEDDLE_RV32_INLINE two tap_2x1(two p, const int8_t *w, const uint32_t *x) {
  const uint32_t w0 = heddle_rv32_widened(w[0]), w1 = heddle_rv32_widened(w[1]);
  p.a += w0 * x[0];
  p.b += w1 * x[0];
  return p;
}

const int8_t *heddle_rv32_dot_2x1(const uint32_t *strip, int32_t groups, const int8_t *program,
                                  const int32_t *start, int32_t *sums, int32_t pitch) {
  const two offset = {HEDDLE_RV32_OFFSET, HEDDLE_RV32_OFFSET};
  const uint32_t whole_0 = (uint32_t)start[0], upper_0 = (uint32_t)start[1];
  const uint32_t whole_1 = (uint32_t)start[2], upper_1 = (uint32_t)start[3];
  const int8_t *w = program;
  for (; groups > 0; --groups) {
    two whole = {whole_0, whole_1};
    two upper = {upper_0, upper_1};
    int32_t taps = program[0];
    w = program + 1;
    do {
      two p = tap_2x1(offset, w, strip);
      w += 2 * taps;
      strip += taps;
      switch (taps & 15) {
        case 0: p = tap_2x1(p, w - 30, strip - 15); /* fall through */
        case 15: p = tap_2x1(p, w - 28, strip - 14); /* fall through */
        case 14: p = tap_2x1(p, w - 26, strip - 13); /* fall through */
        case 13: p = tap_2x1(p, w - 24, strip - 12); /* fall through */
        case 12: p = tap_2x1(p, w - 22, strip - 11); /* fall through */
        case 11: p = tap_2x1(p, w - 20, strip - 10); /* fall through */
        case 10: p = tap_2x1(p, w - 18, strip - 9); /* fall through */
        case 9: p = tap_2x1(p, w - 16, strip - 8); /* fall through */
        case 8: p = tap_2x1(p, w - 14, strip - 7); /* fall through */
        case 7: p = tap_2x1(p, w - 12, strip - 6); /* fall through */
        case 6: p = tap_2x1(p, w - 10, strip - 5); /* fall through */
        case 5: p = tap_2x1(p, w - 8, strip - 4); /* fall through */
        case 4: p = tap_2x1(p, w - 6, strip - 3); /* fall through */
        case 3: p = tap_2x1(p, w - 4, strip - 2); /* fall through */
        case 2: p = tap_2x1(p, w - 2, strip - 1); /* fall through */
        default: break;
      }
      whole.a += p.a;
      whole.b += p.b;
      upper.a += upper_half(p.a);
      upper.b += upper_half(p.b);
      taps = *w++;
    } while (taps != 0);
    sums[0] = (int32_t)(whole.a - (upper.a << 16));
    sums[1] = (int32_t)upper.a;
    sums[pitch] = (int32_t)(whole.b - (upper.b << 16));
    sums[pitch + 1] = (int32_t)upper.b;
    sums += 2;
  }
  return w;
}
