/* A weight-stationary systolic array of 16 x 16 behind a scratchpad. C99, freestanding.
 *
 * Tensors lie in the scratchpad channels last: a pixel is a run of rows of 16 bytes, the last one filled up. README.md
 * describes every register, the layouts and the cycles.
 */
#ifndef HEDDLE_GEMMINI_LIKE_DRIVER_H
#define HEDDLE_GEMMINI_LIKE_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* GEMMINI_LIKE_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from GEMMINI_LIKE_BASE, 32 bits each. */
enum {
  GEMMINI_LIKE_STATUS = 0x00,
  GEMMINI_LIKE_START = 0x04,
  GEMMINI_LIKE_X = 0x08,
  GEMMINI_LIKE_X_PITCH = 0x0C,
  GEMMINI_LIKE_X_PLANE = 0x10,
  GEMMINI_LIKE_Y = 0x14,
  GEMMINI_LIKE_Y_PITCH = 0x18,
  GEMMINI_LIKE_Y_PLANE = 0x1C,
  GEMMINI_LIKE_WEIGHTS = 0x20,
  GEMMINI_LIKE_IN_CHANNELS = 0x24,
  GEMMINI_LIKE_IN_HEIGHT = 0x28,
  GEMMINI_LIKE_IN_WIDTH = 0x2C,
  GEMMINI_LIKE_OUT_CHANNELS = 0x30,
  GEMMINI_LIKE_OUT_HEIGHT = 0x34,
  GEMMINI_LIKE_OUT_WIDTH = 0x38,
  GEMMINI_LIKE_KERNEL_HEIGHT = 0x3C,
  GEMMINI_LIKE_KERNEL_WIDTH = 0x40,
  GEMMINI_LIKE_STRIDE = 0x44,
  GEMMINI_LIKE_PAD_TOP = 0x48,
  GEMMINI_LIKE_PAD_LEFT = 0x4C,
  GEMMINI_LIKE_X_ZERO_POINT = 0x50,
  GEMMINI_LIKE_ZERO_POINT = 0x54,
  GEMMINI_LIKE_MINIMUM = 0x58,
  GEMMINI_LIKE_MAXIMUM = 0x5C
};

/* Bits of GEMMINI_LIKE_STATUS. */
enum {
  GEMMINI_LIKE_BUSY = 1,
  GEMMINI_LIKE_ERROR = 2 /* the last job was refused or left its memories */
};

enum {
  GEMMINI_LIKE_DIM = 16,   /* rows and columns of the array, bytes of a row of the scratchpad */
  GEMMINI_LIKE_ROWS = 1024 /* of the accumulator: pixels of a job */
};

/* y[oy][ox][k] = clamp(round(a * scale[k]) + zero_point), a = bias[k] + sum over fy, fx, c of
 *   (x[oy * stride + fy - pad_top][ox * stride + fx - pad_left][c] - x_zero_point) * weights[k][fy][fx][c]
 * in float32, to nearest, halves to even; what lies outside the image adds nothing. */
typedef struct gemmini_like_job {
  uint32_t x;           /* bus address of the image, a multiple of 16 like all distances */
  uint32_t x_pitch;     /* bytes from pixel to pixel */
  uint32_t x_plane;     /* bytes from row to row of pixels */
  uint32_t y;           /* the same of the result */
  uint32_t y_pitch;
  uint32_t y_plane;
  uint32_t weights;     /* bus address of the packed constants */
  uint32_t in_channels; /* sizes, 1 to 65535 */
  uint32_t in_height;
  uint32_t in_width;
  uint32_t out_channels;
  uint32_t out_height; /* out_height * out_width: 1 to 1024 */
  uint32_t out_width;
  uint32_t kernel_height; /* 1 to 15 */
  uint32_t kernel_width;
  uint32_t stride;  /* 1 to 15, of both directions */
  uint32_t pad_top; /* less than the kernel */
  uint32_t pad_left;
  int32_t x_zero_point; /* -128 to 127, like the rest */
  int32_t zero_point;
  int32_t minimum;
  int32_t maximum;
} gemmini_like_job;

/* Waits for the job before it, starts this one, and does not wait for it. */
void gemmini_like_start(const gemmini_like_job* job);

/* Returns when the array is idle. */
void gemmini_like_wait(void);

#ifdef __cplusplus
}
#endif
#endif
