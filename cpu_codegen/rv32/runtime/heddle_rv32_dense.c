/* Fully connected layers: 8 outputs at a time in registers. All arithmetic is modulo 2^32. */
#include "heddle_rv32_dense.h"

typedef struct {
  uint32_t a, b, c, d, e, f, g, h;
} eight;

/* One activation for 8 outputs. */
HEDDLE_RV32_INLINE eight tap_of_8(eight s, const int8_t *w, int8_t x) {
  const uint32_t value = heddle_rv32_widened(x);
  s.a += heddle_rv32_widened(w[0]) * value;
  s.b += heddle_rv32_widened(w[1]) * value;
  s.c += heddle_rv32_widened(w[2]) * value;
  s.d += heddle_rv32_widened(w[3]) * value;
  s.e += heddle_rv32_widened(w[4]) * value;
  s.f += heddle_rv32_widened(w[5]) * value;
  s.g += heddle_rv32_widened(w[6]) * value;
  s.h += heddle_rv32_widened(w[7]) * value;
  return s;
}

/* Four taps a turn; the first turn has the odd ones. The labels also keep compilers from reading the
 * weights of several taps at once, more than there are registers. */
static void outputs_8(const int8_t *x, int32_t taps, const int8_t *w, const int32_t *bias,
                      int32_t *sums) {
  eight s = {(uint32_t)bias[0], (uint32_t)bias[1], (uint32_t)bias[2], (uint32_t)bias[3],
             (uint32_t)bias[4], (uint32_t)bias[5], (uint32_t)bias[6], (uint32_t)bias[7]};
  const int32_t first = ((taps - 1) & 3) + 1;
  const int8_t *const last = x + taps;
  x += first;
  w += 8 * first;
  switch (first) {
    case 4:
      do {
        s = tap_of_8(s, w - 32, x[-4]); /* fall through */
        case 3: s = tap_of_8(s, w - 24, x[-3]); /* fall through */
        case 2: s = tap_of_8(s, w - 16, x[-2]); /* fall through */
        default: s = tap_of_8(s, w - 8, x[-1]);
        if (x == last) break;
        x += 4;
        w += 32;
      } while (1);
  }
  sums[0] = (int32_t)s.a;
  sums[1] = (int32_t)s.b;
  sums[2] = (int32_t)s.c;
  sums[3] = (int32_t)s.d;
  sums[4] = (int32_t)s.e;
  sums[5] = (int32_t)s.f;
  sums[6] = (int32_t)s.g;
  sums[7] = (int32_t)s.h;
}

void heddle_rv32_dense(const int8_t *x, int32_t taps, const int8_t *weights, const int32_t *bias,
                       int32_t outputs, int32_t *sums) {
  int32_t k = 0;
  for (; k + 8 <= outputs; k += 8, weights += 8 * taps)
    outputs_8(x, taps, weights, bias + k, sums + k);
  for (; k < outputs; ++k) {
    uint32_t sum = (uint32_t)bias[k];
    for (int32_t i = 0; i < taps; ++i)
      sum += heddle_rv32_widened(*weights++) * heddle_rv32_widened(x[i]);
    sums[k] = (int32_t)sum;
  }
}
