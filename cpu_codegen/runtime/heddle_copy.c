#include "heddle_copy.h"

/*
 * Eight loads before eight stores: no stall for a value that has only just been loaded, and one
 * branch for all of them. Whatever a group overwrites of the source, it has read.
 */

#if defined(__GNUC__)
/* A word that may lie over elements of any type. */
typedef uint32_t __attribute__((may_alias)) heddle_word;

static uint32_t copy_words(void *to, const void *from, uint32_t bytes) {
  heddle_word *y = to;
  const heddle_word *x = from;
  uint32_t left = bytes;
  if ((((uintptr_t)to | (uintptr_t)from) & 3u) != 0u) return 0u;
  for (; left >= 32u; left -= 32u, x += 8, y += 8) {
    const uint32_t a = x[0], b = x[1], c = x[2], d = x[3], e = x[4], f = x[5], g = x[6], h = x[7];
    y[0] = a;
    y[1] = b;
    y[2] = c;
    y[3] = d;
    y[4] = e;
    y[5] = f;
    y[6] = g;
    y[7] = h;
  }
  if ((left & 16u) != 0u) {
    const uint32_t a = x[0], b = x[1], c = x[2], d = x[3];
    y[0] = a;
    y[1] = b;
    y[2] = c;
    y[3] = d;
    x += 4, y += 4;
  }
  if ((left & 8u) != 0u) {
    const uint32_t a = x[0], b = x[1];
    y[0] = a;
    y[1] = b;
    x += 2, y += 2;
  }
  if ((left & 4u) != 0u) *y = *x;
  return bytes - (left & 3u);
}
#else
static uint32_t copy_words(void *to, const void *from, uint32_t bytes) {
  (void)to;
  (void)from;
  (void)bytes;
  return 0u;
}
#endif

void heddle_copy(void *to, const void *from, uint32_t bytes) {
  const uint32_t done = copy_words(to, from, bytes);
  uint8_t *y = (uint8_t *)to + done;
  const uint8_t *x = (const uint8_t *)from + done;
  uint32_t left = bytes - done;
  for (; left >= 8u; left -= 8u, x += 8, y += 8) {
    const uint8_t a = x[0], b = x[1], c = x[2], d = x[3], e = x[4], f = x[5], g = x[6], h = x[7];
    y[0] = a;
    y[1] = b;
    y[2] = c;
    y[3] = d;
    y[4] = e;
    y[5] = f;
    y[6] = g;
    y[7] = h;
  }
  for (; left > 0u; --left) *y++ = *x++;
}
