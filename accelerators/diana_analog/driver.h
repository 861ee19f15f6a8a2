/* DIANA's analog in-memory core: convolution of ternary weights with batch norm and, if wanted, the
 * addition of a residual; addition alone; max pooling. C99, freestanding.
 *
 * A job computes one tile whose operands are already in L1 and in the core's weight memory.
 * Activations are signed bytes, pixel by pixel, the channels of a pixel side by side; README.md
 * describes their layout, the weights' layout and every register.
 */
#ifndef HEDDLE_DIANA_ANALOG_DRIVER_H
#define HEDDLE_DIANA_ANALOG_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* DIANA_ANALOG_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from DIANA_ANALOG_BASE, 32 bits each. */
enum {
  DIANA_ANALOG_STATUS = 0x00,
  DIANA_ANALOG_START = 0x04,
  DIANA_ANALOG_X = 0x08,
  DIANA_ANALOG_X_PIXEL = 0x0C,
  DIANA_ANALOG_X_ROW = 0x10,
  DIANA_ANALOG_RESIDUAL = 0x14,
  DIANA_ANALOG_RESIDUAL_PIXEL = 0x18,
  DIANA_ANALOG_RESIDUAL_ROW = 0x1C,
  DIANA_ANALOG_Y = 0x20,
  DIANA_ANALOG_Y_PIXEL = 0x24,
  DIANA_ANALOG_Y_ROW = 0x28,
  DIANA_ANALOG_WEIGHTS = 0x2C,
  DIANA_ANALOG_NORM = 0x30,
  DIANA_ANALOG_IN_CHANNELS = 0x34,
  DIANA_ANALOG_IN_HEIGHT = 0x38,
  DIANA_ANALOG_IN_WIDTH = 0x3C,
  DIANA_ANALOG_OUT_CHANNELS = 0x40,
  DIANA_ANALOG_OUT_HEIGHT = 0x44,
  DIANA_ANALOG_OUT_WIDTH = 0x48,
  DIANA_ANALOG_KERNEL_HEIGHT = 0x4C,
  DIANA_ANALOG_KERNEL_WIDTH = 0x50,
  DIANA_ANALOG_STRIDE = 0x54,
  DIANA_ANALOG_PAD_TOP = 0x58,
  DIANA_ANALOG_PAD_LEFT = 0x5C,
  DIANA_ANALOG_UNROLL = 0x60,
  DIANA_ANALOG_STEP = 0x64,
  DIANA_ANALOG_NORM_SHIFT = 0x68,
  DIANA_ANALOG_NORM_MINIMUM = 0x6C,
  DIANA_ANALOG_NORM_MAXIMUM = 0x70,
  DIANA_ANALOG_SHIFT = 0x74,
  DIANA_ANALOG_MINIMUM = 0x78,
  DIANA_ANALOG_MAXIMUM = 0x7C
};

/* Bits of DIANA_ANALOG_STATUS. */
enum {
  DIANA_ANALOG_BUSY = 1,
  DIANA_ANALOG_ERROR = 2 /* the last job was refused or left its memories */
};

/* Values of DIANA_ANALOG_START. */
enum {
  DIANA_ANALOG_CONV2D = 1,
  DIANA_ANALOG_CONV2D_ADD = 2, /* and a residual */
  DIANA_ANALOG_ADD = 3,
  DIANA_ANALOG_MAX_POOL = 4
};

/* a = clip(-32, 31, (sum of x * weights) >> step), what the converters give;
 * n = clip(norm_minimum, norm_maximum, (a * m[k] + b[k]) >> norm_shift), the batch norm;
 * y = n, or with a residual clip(minimum, maximum, (n + residual) >> shift). */
typedef struct diana_analog_conv2d_job {
  uint32_t x;              /* bus address of the input tile, in L1, a multiple of 32 */
  uint32_t x_pixel;        /* bytes from one pixel to the next, a multiple of 64 */
  uint32_t x_row;          /* bytes from one row to the next, a multiple of 64 */
  uint32_t residual;       /* bus address of what is added, in L1, a multiple of 32; 0: nothing */
  uint32_t residual_pixel; /* bytes, a multiple of 64 */
  uint32_t residual_row;   /* bytes, a multiple of 64 */
  uint32_t y;              /* bus address of the output tile, in L1, a multiple of 32 */
  uint32_t y_pixel;        /* bytes, a multiple of 64 */
  uint32_t y_row;          /* bytes, a multiple of 64 */
  uint32_t weights;        /* bus address in the weight memory, a multiple of 32: packed cells */
  uint32_t norm;           /* bus address of m and b, packed, in L1, a multiple of 32 */
  uint32_t in_channels;    /* channels of the input tile */
  uint32_t in_height;      /* rows of the input tile, padding not counted */
  uint32_t in_width;       /* columns of the input tile, padding not counted */
  uint32_t out_channels;   /* channels of the output tile, 1 to 512 */
  uint32_t out_height;     /* rows of the output tile */
  uint32_t out_width;      /* columns of the output tile */
  uint32_t kernel_height;  /* with kernel_width and in_channels: at most 1152 rows of the macro */
  uint32_t kernel_width;
  uint32_t stride;      /* 1 or 2, in both directions */
  uint32_t pad_top;     /* rows of zeros above the input tile, fewer than kernel_height */
  uint32_t pad_left;    /* columns of zeros to its left, fewer than kernel_width */
  uint32_t unroll;      /* columns of the output that one activation computes: 1, 2, 4 or 8 */
  uint32_t step;        /* 0 to 15: the converters' step is 2^step */
  uint32_t norm_shift;  /* 0 to 15 */
  int32_t norm_minimum; /* -128 to 127 */
  int32_t norm_maximum; /* norm_minimum to 127 */
  uint32_t shift;       /* of a residual: 0 to 15 */
  int32_t minimum;      /* of a residual: -128 to 127 */
  int32_t maximum;      /* of a residual: minimum to 127 */
} diana_analog_conv2d_job;

/* y = clip(minimum, maximum, (x + residual) >> shift) */
typedef struct diana_analog_add_job {
  uint32_t x;              /* bus address of one tile, in L1, a multiple of 32 */
  uint32_t x_pixel;        /* bytes, a multiple of 64 */
  uint32_t x_row;          /* bytes, a multiple of 64 */
  uint32_t residual;       /* bus address of the other tile, in L1, a multiple of 32 */
  uint32_t residual_pixel; /* bytes, a multiple of 64 */
  uint32_t residual_row;   /* bytes, a multiple of 64 */
  uint32_t y;              /* bus address of the output tile, in L1, a multiple of 32 */
  uint32_t y_pixel;        /* bytes, a multiple of 64 */
  uint32_t y_row;          /* bytes, a multiple of 64 */
  uint32_t channels;       /* of all three tiles */
  uint32_t height;         /* rows */
  uint32_t width;          /* columns */
  uint32_t shift;          /* 0 to 15 */
  int32_t minimum;         /* -128 to 127 */
  int32_t maximum;         /* minimum to 127 */
} diana_analog_add_job;

/* y = the largest x of each window, channel by channel; what lies outside the image is not looked at */
typedef struct diana_analog_max_pool_job {
  uint32_t x;             /* bus address of the input tile, in L1, a multiple of 32 */
  uint32_t x_pixel;       /* bytes, a multiple of 64 */
  uint32_t x_row;         /* bytes, a multiple of 64 */
  uint32_t y;             /* bus address of the output tile, in L1, a multiple of 32 */
  uint32_t y_pixel;       /* bytes, a multiple of 64 */
  uint32_t y_row;         /* bytes, a multiple of 64 */
  uint32_t channels;      /* of both tiles */
  uint32_t in_height;     /* rows of the input tile, padding not counted */
  uint32_t in_width;      /* columns of the input tile, padding not counted */
  uint32_t out_height;    /* rows of the output tile */
  uint32_t out_width;     /* columns of the output tile */
  uint32_t kernel_height; /* 1 to 7 */
  uint32_t kernel_width;  /* 1 to 7 */
  uint32_t stride;        /* 1 or 2, in both directions */
  uint32_t pad_top;       /* rows outside of the image, fewer than kernel_height */
  uint32_t pad_left;      /* columns outside of the image, fewer than kernel_width */
} diana_analog_max_pool_job;

/* Each waits for the job before it, starts this one, and does not wait for it. */
void diana_analog_conv2d_start(const diana_analog_conv2d_job* job);
void diana_analog_add_start(const diana_analog_add_job* job);
void diana_analog_max_pool_start(const diana_analog_max_pool_job* job);

/* Returns when the core is idle. */
void diana_analog_wait(void);

#ifdef __cplusplus
}
#endif
#endif
