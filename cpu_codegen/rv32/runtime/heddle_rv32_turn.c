/* Matrices of bytes, transposed in blocks of 4 x 4: 4 loads, 4 exchanges of parts of words, 4 stores. */
#include "heddle_rv32_turn.h"

/* The longer side is walked along by the inner loop: a row of a small image has few elements. */

static void turn_bytes(uint8_t *to, const uint8_t *from, int32_t rows, int32_t columns, int32_t to_stride,
                       int32_t from_stride) {
  const int along_rows = rows > columns;
  const int32_t outer = along_rows ? columns : rows, inner = along_rows ? rows : columns;
  const int32_t y_step = along_rows ? 1 : to_stride, x_step = along_rows ? from_stride : 1;
  const int32_t y_next = along_rows ? to_stride : 1, x_next = along_rows ? 1 : from_stride;
  for (int32_t i = 0; i < outer; ++i, to += y_next, from += x_next) {
    uint8_t *y = to;
    const uint8_t *x = from;
    int32_t left = inner;
    for (; left >= 4; left -= 4) { /* four loads before four stores: nothing is waited for */
      const uint8_t a = *x, b = *(x += x_step), c = *(x += x_step), d = *(x += x_step);
      x += x_step;
      *y = a;
      *(y += y_step) = b;
      *(y += y_step) = c;
      *(y += y_step) = d;
      y += y_step;
    }
    for (; left > 0; --left, x += x_step, y += y_step) *y = *x;
  }
}

#if defined(__GNUC__)
/* A word that may lie over elements of any type. */
typedef uint32_t __attribute__((may_alias)) heddle_word;

/* Exchanges the odd bytes of a with the even ones of b. */
#define SWAP_BYTES(a, b)                                \
  do {                                                  \
    const uint32_t odd = (((a) >> 8) ^ (b)) & 0xFF00FFu; \
    (b) ^= odd;                                         \
    (a) ^= odd << 8;                                    \
  } while (0)

/* Exchanges the upper half of a with the lower one of b. */
#define SWAP_HALVES(a, b)                      \
  do {                                         \
    const uint32_t upper = (((a) >> 16) ^ (b)) << 16; \
    (a) ^= upper;                              \
    (b) ^= upper >> 16;                        \
  } while (0)

/* Blocks of 4 x 4; `rows` and `columns` are multiples of 4. */
static void turn_words(uint8_t *to, const uint8_t *from, int32_t rows, int32_t columns, int32_t to_stride,
                       int32_t from_stride) {
  const int along_rows = rows > columns;
  const int32_t outer = along_rows ? columns : rows, inner = along_rows ? rows : columns;
  const int32_t y_step = along_rows ? 4 : 4 * to_stride, x_step = along_rows ? 4 * from_stride : 4;
  const int32_t y_next = along_rows ? 4 * to_stride : 4, x_next = along_rows ? 4 : 4 * from_stride;
  for (int32_t i = 0; i < outer; i += 4, to += y_next, from += x_next) {
    uint8_t *y = to;
    const uint8_t *x = from;
    for (int32_t j = 0; j < inner; j += 4, x += x_step, y += y_step) {
      uint32_t a = *(const heddle_word *)(const void *)x;
      uint32_t b = *(const heddle_word *)(const void *)(x + from_stride);
      uint32_t c = *(const heddle_word *)(const void *)(x + 2 * from_stride);
      uint32_t d = *(const heddle_word *)(const void *)(x + 3 * from_stride);
      SWAP_BYTES(a, b);
      SWAP_BYTES(c, d);
      SWAP_HALVES(a, c);
      SWAP_HALVES(b, d);
      *(heddle_word *)(void *)y = a;
      *(heddle_word *)(void *)(y + to_stride) = b;
      *(heddle_word *)(void *)(y + 2 * to_stride) = c;
      *(heddle_word *)(void *)(y + 3 * to_stride) = d;
    }
  }
}
#endif

void heddle_rv32_turn(void *to, const void *from, int32_t rows, int32_t columns, int32_t to_stride,
                      int32_t from_stride) {
  uint8_t *const y = to;
  const uint8_t *const x = from;
  int32_t row = 0, column = 0; /* what is left begins here */
#if defined(__GNUC__)
  if ((((uintptr_t)to | (uintptr_t)from | (uint32_t)to_stride | (uint32_t)from_stride) & 3u) == 0u) {
    row = rows & ~3;
    column = columns & ~3;
    turn_words(y, x, row, column, to_stride, from_stride);
  }
#endif
  if (column < columns)
    turn_bytes(y + column * to_stride, x + column, row, columns - column, to_stride, from_stride);
  if (row < rows) turn_bytes(y + row, x + row * from_stride, rows - row, columns, to_stride, from_stride);
}
