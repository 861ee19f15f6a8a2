#include "heddle_xpulp.h"

#if defined(__GNUC__)
#define HEDDLE_XPULP_INLINE static inline __attribute__((always_inline))
#else
#define HEDDLE_XPULP_INLINE static inline
#endif

typedef struct {
  uint32_t a, b, c, d; /* sums of one pixel, modulo 2^32 */
} four;

#if defined(HEDDLE_XPULPV2) && defined(__riscv) && defined(__GNUC__)

/*
 * lp.setup 0, COUNT: repeats what follows it, up to the instruction LAST half-words behind itself.
 * p.lw TO, 4(AT!): loads, and moves AT on. pv.sdotsp.b SUM, X, Y.
 * All are four bytes long, so that distances are known. The value that is loaded last is not used
 * by the next instruction, which would wait for it. Hardware loop 0 is the network's own: nothing
 * that interrupts it may use that without saving it, as RI5CY's ABI has it.
 */
#define LP_SETUP(count, last) ".insn i 0x7b, 4, x0, " count ", " last "\n\t"
#define P_LW_POST(to, at) ".insn i 0x0b, 2, " to ", " at ", 4\n\t"
#define PV_SDOTSP_B(sum, x, y) ".insn r 0x57, 1, 0x5c, " sum ", " x ", " y "\n\t"

HEDDLE_XPULP_INLINE const int32_t *run_of_two(four *p, four *q, const uint32_t *x,
                                              const uint32_t *y, const int32_t *w, int32_t words) {
  uint32_t vx, vy, wa, wb, wc, wd;
  /* clang-format off */
  __asm__(
      LP_SETUP("%[words]", "28")
      P_LW_POST("%[vx]", "%[x]") P_LW_POST("%[vy]", "%[y]")
      P_LW_POST("%[wa]", "%[w]") P_LW_POST("%[wb]", "%[w]")
      P_LW_POST("%[wc]", "%[w]") P_LW_POST("%[wd]", "%[w]")
      PV_SDOTSP_B("%[pa]", "%[vx]", "%[wa]") PV_SDOTSP_B("%[qa]", "%[vy]", "%[wa]")
      PV_SDOTSP_B("%[pb]", "%[vx]", "%[wb]") PV_SDOTSP_B("%[qb]", "%[vy]", "%[wb]")
      PV_SDOTSP_B("%[pc]", "%[vx]", "%[wc]") PV_SDOTSP_B("%[qc]", "%[vy]", "%[wc]")
      PV_SDOTSP_B("%[pd]", "%[vx]", "%[wd]") PV_SDOTSP_B("%[qd]", "%[vy]", "%[wd]")
      : [pa] "+r"(p->a), [pb] "+r"(p->b), [pc] "+r"(p->c), [pd] "+r"(p->d), [qa] "+r"(q->a),
        [qb] "+r"(q->b), [qc] "+r"(q->c), [qd] "+r"(q->d), [x] "+r"(x), [y] "+r"(y), [w] "+r"(w),
        [vx] "=&r"(vx), [vy] "=&r"(vy), [wa] "=&r"(wa), [wb] "=&r"(wb), [wc] "=&r"(wc),
        [wd] "=&r"(wd)
      : [words] "r"(words)
      : "memory");
  /* clang-format on */
  return w;
}

HEDDLE_XPULP_INLINE const int32_t *run_of_one(four *p, const uint32_t *x, const int32_t *w,
                                              int32_t words) {
  uint32_t vx, wa, wb, wc, wd;
  /* clang-format off */
  __asm__(
      LP_SETUP("%[words]", "18")
      P_LW_POST("%[vx]", "%[x]")
      P_LW_POST("%[wa]", "%[w]") P_LW_POST("%[wb]", "%[w]")
      P_LW_POST("%[wc]", "%[w]") P_LW_POST("%[wd]", "%[w]")
      PV_SDOTSP_B("%[pa]", "%[vx]", "%[wa]") PV_SDOTSP_B("%[pb]", "%[vx]", "%[wb]")
      PV_SDOTSP_B("%[pc]", "%[vx]", "%[wc]") PV_SDOTSP_B("%[pd]", "%[vx]", "%[wd]")
      : [pa] "+r"(p->a), [pb] "+r"(p->b), [pc] "+r"(p->c), [pd] "+r"(p->d), [x] "+r"(x),
        [w] "+r"(w), [vx] "=&r"(vx), [wa] "=&r"(wa), [wb] "=&r"(wb), [wc] "=&r"(wc),
        [wd] "=&r"(wd)
      : [words] "r"(words)
      : "memory");
  /* clang-format on */
  return w;
}

#else

HEDDLE_XPULP_INLINE uint32_t dot(const int8_t *x, int32_t w) {
  int32_t sum = 0;
  for (int32_t i = 0; i < 4; ++i) {
    const int32_t byte = (int32_t)(((uint32_t)w >> (8 * i)) & 255u);
    sum += x[i] * (byte < 128 ? byte : byte - 256);
  }
  return (uint32_t)sum;
}

HEDDLE_XPULP_INLINE const int32_t *run_of_one(four *p, const uint32_t *x, const int32_t *w,
                                              int32_t words) {
  const int8_t *bytes = (const int8_t *)x;
  for (; words > 0; --words, bytes += 4, w += 4) {
    p->a += dot(bytes, w[0]);
    p->b += dot(bytes, w[1]);
    p->c += dot(bytes, w[2]);
    p->d += dot(bytes, w[3]);
  }
  return w;
}

HEDDLE_XPULP_INLINE const int32_t *run_of_two(four *p, four *q, const uint32_t *x,
                                              const uint32_t *y, const int32_t *w, int32_t words) {
  (void)run_of_one(p, x, w, words);
  return run_of_one(q, y, w, words);
}

#endif

HEDDLE_XPULP_INLINE void store(int32_t *sums, int32_t pitch, four p) {
  sums[0] = (int32_t)p.a;
  sums[pitch] = (int32_t)p.b;
  sums[2 * pitch] = (int32_t)p.c;
  sums[3 * pitch] = (int32_t)p.d;
}

void heddle_xpulp_dot_4(const uint32_t *x, int32_t pixels, const heddle_xpulp_window *window,
                        const int32_t *weights, const int32_t *start, int32_t *sums,
                        int32_t sums_pitch) {
  const int32_t words = window->words, pitch = window->pitch, step = window->step;
  const four from = {(uint32_t)start[0], (uint32_t)start[1], (uint32_t)start[2],
                     (uint32_t)start[3]};
  for (; pixels >= 2; pixels -= 2) {
    four p = from, q = from;
    const uint32_t *at = x;
    const int32_t *w = weights;
    for (int32_t rows = window->rows; rows > 0; --rows) {
      w = run_of_two(&p, &q, at, at + step, w, words);
      at += pitch;
    }
    store(sums, sums_pitch, p);
    store(sums + 1, sums_pitch, q);
    sums += 2;
    x += 2 * step;
  }
  if (pixels > 0) {
    four p = from;
    const int32_t *w = weights;
    for (int32_t rows = window->rows; rows > 0; --rows) {
      w = run_of_one(&p, x, w, words);
      x += pitch;
    }
    store(sums, sums_pitch, p);
  }
}
