#include "driver.h"

/* Sums are unsigned: they are those of 32-bit registers, whatever the order. */

/* The stage behind the sums. The half that is rounded up is a multiple of 2^32, so the product's lower word decides
 * nothing, and `mulh` gives the rest. */
typedef struct output {
  int32_t shift, zero_point, minimum, maximum;
} output;

static inline int8_t requantised(uint32_t sum, int32_t multiplier, int32_t shift, const output* out) {
  const int32_t high = (int32_t)(((int64_t)(int32_t)sum * multiplier) >> 32);
  int32_t value = ((high + ((int32_t)1 << (shift - 1))) >> shift) + out->zero_point;
  if (value < out->minimum) value = out->minimum;
  if (value > out->maximum) value = out->maximum;
  return (int8_t)value;
}

static inline uint32_t product(int32_t a, int32_t b) { return (uint32_t)(a * b); }

/* What the zero point of x adds to the sums of four channels. */
static void add_zero_point(uint32_t sums[4], const int8_t* weights, uint32_t taps, int32_t zero_point) {
  int32_t w0 = 0, w1 = 0, w2 = 0, w3 = 0;
  for (uint32_t c = 0; c < taps; ++c, weights += 4) {
    w0 += weights[0];
    w1 += weights[1];
    w2 += weights[2];
    w3 += weights[3];
  }
  sums[0] -= product(w0, zero_point);
  sums[1] -= product(w1, zero_point);
  sums[2] -= product(w2, zero_point);
  sums[3] -= product(w3, zero_point);
}

/* Four channels of four pixels: 16 sums in registers. */
static void pointwise_block(const int8_t* x, uint32_t plane, const int8_t* weights, uint32_t in_channels,
                            const uint32_t start[4], uint32_t sums[16]) {
  uint32_t a0 = start[0], a1 = a0, a2 = a0, a3 = a0;
  uint32_t b0 = start[1], b1 = b0, b2 = b0, b3 = b0;
  uint32_t c0 = start[2], c1 = c0, c2 = c0, c3 = c0;
  uint32_t d0 = start[3], d1 = d0, d2 = d0, d3 = d0;
  const int8_t* const end = weights + 4u * in_channels;
  while (weights != end) {
    const int32_t w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    const int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    weights += 4;
    x += plane;
    a0 += product(x0, w0), b0 += product(x0, w1), c0 += product(x0, w2), d0 += product(x0, w3);
    a1 += product(x1, w0), b1 += product(x1, w1), c1 += product(x1, w2), d1 += product(x1, w3);
    a2 += product(x2, w0), b2 += product(x2, w1), c2 += product(x2, w2), d2 += product(x2, w3);
    a3 += product(x3, w0), b3 += product(x3, w1), c3 += product(x3, w2), d3 += product(x3, w3);
  }
  sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
  sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
  sums[8] = c0, sums[9] = c1, sums[10] = c2, sums[11] = c3;
  sums[12] = d0, sums[13] = d1, sums[14] = d2, sums[15] = d3;
}

/* One pixel of four channels. */
static void pointwise_pixel(const int8_t* x, uint32_t plane, const int8_t* weights, uint32_t in_channels,
                            uint32_t sums[4]) {
  uint32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  const int8_t* const end = weights + 4u * in_channels;
  while (weights != end) {
    const int32_t value = *x, w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    weights += 4;
    x += plane;
    s0 += product(value, w0);
    s1 += product(value, w1);
    s2 += product(value, w2);
    s3 += product(value, w3);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

void kernel_library_pointwise(const kernel_library_pointwise_job* job) {
  const output out = {job->shift, job->zero_point, job->minimum, job->maximum};
  const kernel_library_channels* channels = job->channels;
  const int8_t* weights = job->weights;
  const uint32_t plane = job->pixels;
  for (uint32_t k = 0; k < job->out_channels; k += 4u, ++channels, weights += 4u * job->in_channels) {
    const uint32_t lanes = job->out_channels - k < 4u ? job->out_channels - k : 4u;
    uint32_t start[4], sums[16];
    for (uint32_t i = 0; i < 4u; ++i) start[i] = (uint32_t)channels->bias[i];
    add_zero_point(start, weights, job->in_channels, job->x_zero_point);
    int8_t* const y = job->y + k * plane;
    uint32_t p = 0;
    for (; p + 4u <= plane; p += 4u) {
      pointwise_block(job->x + p, plane, weights, job->in_channels, start, sums);
      for (uint32_t i = 0; i < lanes; ++i) {
        const int32_t multiplier = channels->multiplier[i], shift = out.shift + channels->shift[i];
        int8_t* const to = y + i * plane + p;
        to[0] = requantised(sums[4u * i], multiplier, shift, &out);
        to[1] = requantised(sums[4u * i + 1u], multiplier, shift, &out);
        to[2] = requantised(sums[4u * i + 2u], multiplier, shift, &out);
        to[3] = requantised(sums[4u * i + 3u], multiplier, shift, &out);
      }
    }
    for (; p < plane; ++p) {
      for (uint32_t i = 0; i < 4u; ++i) sums[i] = start[i];
      pointwise_pixel(job->x + p, plane, weights, job->in_channels, sums);
      for (uint32_t i = 0; i < lanes; ++i)
        y[i * plane + p] = requantised(sums[i], channels->multiplier[i], out.shift + channels->shift[i], &out);
    }
  }
}

void kernel_library_dense(const kernel_library_dense_job* job) {
  const output out = {job->shift, job->zero_point, job->minimum, job->maximum};
  const kernel_library_channels* channels = job->channels;
  const int8_t* weights = job->weights;
  const int32_t zero_point = job->x_zero_point;
  for (uint32_t k = 0; k < job->out_channels; k += 4u, ++channels) {
    const uint32_t lanes = job->out_channels - k < 4u ? job->out_channels - k : 4u;
    const int8_t* x = job->x;
    const int8_t* const end = x + job->in_channels;
    uint32_t s0 = (uint32_t)channels->bias[0], s1 = (uint32_t)channels->bias[1];
    uint32_t s2 = (uint32_t)channels->bias[2], s3 = (uint32_t)channels->bias[3];
    if (job->in_channels % 2u != 0u) {
      const int32_t value = *x++ - zero_point;
      s0 += product(value, weights[0]);
      s1 += product(value, weights[1]);
      s2 += product(value, weights[2]);
      s3 += product(value, weights[3]);
      weights += 4;
    }
    for (; x != end; x += 2, weights += 8) {
      const int32_t v0 = x[0] - zero_point, v1 = x[1] - zero_point;
      s0 += product(v0, weights[0]) + product(v1, weights[4]);
      s1 += product(v0, weights[1]) + product(v1, weights[5]);
      s2 += product(v0, weights[2]) + product(v1, weights[6]);
      s3 += product(v0, weights[3]) + product(v1, weights[7]);
    }
    const uint32_t sums[4] = {s0, s1, s2, s3};
    for (uint32_t i = 0; i < lanes; ++i)
      job->y[k + i] = requantised(sums[i], channels->multiplier[i], out.shift + channels->shift[i], &out);
  }
}

/* Depthwise: the three rows under a row of windows, with their padding. */
typedef int8_t padded_row[KERNEL_LIBRARY_WIDEST + 2];

/* Row `row` of the channel, or the zero point outside of it, between `pad_left` and one column of padding. */
static void fill_row(int8_t* to, const int8_t* x, int32_t row, const kernel_library_depthwise_job* job) {
  const int8_t zero = (int8_t)job->x_zero_point;
  const uint32_t width = job->in_width;
  if (job->pad_left != 0u) *to++ = zero;
  to[width] = zero;
  if (row < 0 || row >= (int32_t)job->in_height) {
    for (uint32_t i = 0; i < width; ++i) to[i] = zero;
    return;
  }
  const int8_t* from = x + (uint32_t)row * width;
  uint32_t i = 0;
  for (; i + 4u <= width; i += 4u) {
    const int8_t v0 = from[i], v1 = from[i + 1u], v2 = from[i + 2u], v3 = from[i + 3u];
    to[i] = v0, to[i + 1u] = v1, to[i + 2u] = v2, to[i + 3u] = v3;
  }
  for (; i < width; ++i) to[i] = from[i];
}

static void depthwise_row(const int8_t* r0, const int8_t* r1, const int8_t* r2, const int8_t* w, uint32_t start,
                          int32_t multiplier, int32_t shift, const output* job, uint32_t stride, int8_t* y,
                          const int8_t* end) {
  const output out = *job;
  const int32_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7], w8 = w[8];
  while (y != end) {
    uint32_t sum = start + product(r0[0], w0) + product(r0[1], w1) + product(r0[2], w2);
    sum += product(r1[0], w3) + product(r1[1], w4) + product(r1[2], w5);
    sum += product(r2[0], w6) + product(r2[1], w7) + product(r2[2], w8);
    r0 += stride;
    r1 += stride;
    r2 += stride;
    *y++ = requantised(sum, multiplier, shift, &out);
  }
}

void kernel_library_depthwise_3x3(const kernel_library_depthwise_job* job) {
  const output out = {job->shift, job->zero_point, job->minimum, job->maximum};
  padded_row rows[3];
  int8_t* y = job->y;
  for (uint32_t k = 0; k < job->count; ++k) {
    const kernel_library_channels* channels = (const kernel_library_channels*)job->channels + k / 4u;
    const int8_t* const x = job->x + k * job->in_height * job->in_width;
    const int8_t* const weights = job->weights + 9u * k;
    int32_t sum = 0;
    for (uint32_t i = 0; i < 9u; ++i) sum += weights[i];
    const uint32_t start = (uint32_t)channels->bias[k % 4u] - product(sum, job->x_zero_point);
    int32_t row = -(int32_t)job->pad_top, filled = row;
    int8_t *first = rows[0], *second = rows[1], *third = rows[2];
    for (uint32_t oy = 0; oy < job->out_height; ++oy, row += (int32_t)job->stride) {
      for (; filled < row + 3; ++filled) {
        int8_t* const free_row = first;
        first = second;
        second = third;
        third = free_row;
        fill_row(third, x, filled, job);
      }
      depthwise_row(first, second, third, weights, start, channels->multiplier[k % 4u],
                    out.shift + channels->shift[k % 4u], &out, job->stride, y, y + job->out_width);
      y += job->out_width;
    }
  }
}
