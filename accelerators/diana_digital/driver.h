/* DIANA's digital core: convolution, depthwise convolution, dense layer, addition of two tensors,
 * and pooling. C99, freestanding.
 *
 * A job computes one tile whose operands are already in L1 and in the core's weight memory.
 * Activations are signed bytes, channel by channel, row by row; README.md describes their layout,
 * the weights' layout and every register.
 */
#ifndef HEDDLE_DIANA_DIGITAL_DRIVER_H
#define HEDDLE_DIANA_DIGITAL_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* DIANA_DIGITAL_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from DIANA_DIGITAL_BASE, 32 bits each. */
enum {
  DIANA_DIGITAL_STATUS = 0x00,
  DIANA_DIGITAL_START = 0x04,
  DIANA_DIGITAL_X = 0x08,
  DIANA_DIGITAL_X_PITCH = 0x0C,
  DIANA_DIGITAL_X_PLANE = 0x10,
  DIANA_DIGITAL_RESIDUAL = 0x14,
  DIANA_DIGITAL_RESIDUAL_PITCH = 0x18,
  DIANA_DIGITAL_RESIDUAL_PLANE = 0x1C,
  DIANA_DIGITAL_Y = 0x20,
  DIANA_DIGITAL_Y_PITCH = 0x24,
  DIANA_DIGITAL_Y_PLANE = 0x28,
  DIANA_DIGITAL_WEIGHTS = 0x2C,
  DIANA_DIGITAL_IN_CHANNELS = 0x30,
  DIANA_DIGITAL_IN_HEIGHT = 0x34,
  DIANA_DIGITAL_IN_WIDTH = 0x38,
  DIANA_DIGITAL_OUT_CHANNELS = 0x3C,
  DIANA_DIGITAL_OUT_HEIGHT = 0x40,
  DIANA_DIGITAL_OUT_WIDTH = 0x44,
  DIANA_DIGITAL_KERNEL_HEIGHT = 0x48,
  DIANA_DIGITAL_KERNEL_WIDTH = 0x4C,
  DIANA_DIGITAL_STRIDE = 0x50,
  DIANA_DIGITAL_PAD_TOP = 0x54,
  DIANA_DIGITAL_PAD_LEFT = 0x58,
  DIANA_DIGITAL_SHIFT = 0x5C,
  DIANA_DIGITAL_MINIMUM = 0x60,
  DIANA_DIGITAL_MAXIMUM = 0x64,
  DIANA_DIGITAL_MULTIPLIER = 0x68
};

/* Bits of DIANA_DIGITAL_STATUS. */
enum {
  DIANA_DIGITAL_BUSY = 1,
  DIANA_DIGITAL_ERROR = 2 /* the last job was refused or left its memories */
};

/* Values of DIANA_DIGITAL_START. */
enum {
  DIANA_DIGITAL_CONV2D = 1,
  DIANA_DIGITAL_DEPTHWISE = 2,
  DIANA_DIGITAL_DENSE = 3,
  DIANA_DIGITAL_ADD = 4,
  DIANA_DIGITAL_MAX_POOL = 5,
  DIANA_DIGITAL_MEAN_POOL = 6
};

/* y = clip(minimum, maximum, (bias + sum of x * weights) >> shift) */
typedef struct diana_digital_conv2d_job {
  uint32_t x;       /* bus address of the input tile, in L1, a multiple of 16 */
  uint32_t x_pitch; /* bytes from one row to the next, a multiple of 16 */
  uint32_t x_plane; /* bytes from one channel to the next, a multiple of 16 */
  uint32_t y;       /* bus address of the output tile, in L1, a multiple of 16 */
  uint32_t y_pitch; /* bytes, a multiple of 16 */
  uint32_t y_plane; /* bytes, a multiple of 16 */
  uint32_t
      weights; /* bus address in the weight memory, a multiple of 16: biases and weights, packed */
  uint32_t in_channels;   /* channels of the input tile */
  uint32_t in_height;     /* rows of the input tile, padding not counted */
  uint32_t in_width;      /* columns of the input tile, padding not counted */
  uint32_t out_channels;  /* channels of the output tile */
  uint32_t out_height;    /* rows of the output tile */
  uint32_t out_width;     /* columns of the output tile */
  uint32_t kernel_height; /* 1, 3, 5 or 7 */
  uint32_t kernel_width;  /* 1, 3, 5 or 7 */
  uint32_t stride;        /* 1 or 2, in both directions */
  uint32_t pad_top;       /* rows of zeros above the input tile, fewer than kernel_height */
  uint32_t pad_left;      /* columns of zeros to its left, fewer than kernel_width */
  uint32_t shift;         /* 0 to 31 */
  int32_t minimum;        /* -128 to 127 */
  int32_t maximum;        /* minimum to 127 */
} diana_digital_conv2d_job;

/* The same with one input channel for every output channel. */
typedef struct diana_digital_depthwise_job {
  uint32_t x;       /* bus address of the input tile, in L1, a multiple of 16 */
  uint32_t x_pitch; /* bytes, a multiple of 16 */
  uint32_t x_plane; /* bytes, a multiple of 16 */
  uint32_t y;       /* bus address of the output tile, in L1, a multiple of 16 */
  uint32_t y_pitch; /* bytes, a multiple of 16 */
  uint32_t y_plane; /* bytes, a multiple of 16 */
  uint32_t
      weights; /* bus address in the weight memory, a multiple of 4: biases and weights, packed */
  uint32_t channels;      /* of input and output tile */
  uint32_t in_height;     /* rows of the input tile, padding not counted */
  uint32_t in_width;      /* columns of the input tile, padding not counted */
  uint32_t out_height;    /* rows of the output tile */
  uint32_t out_width;     /* columns of the output tile */
  uint32_t kernel_height; /* 1, 3, 5 or 7 */
  uint32_t kernel_width;  /* 1, 3, 5 or 7 */
  uint32_t stride;        /* 1 or 2, in both directions */
  uint32_t pad_top;       /* rows of zeros, fewer than kernel_height */
  uint32_t pad_left;      /* columns of zeros, fewer than kernel_width */
  uint32_t shift;         /* 0 to 31 */
  int32_t minimum;        /* -128 to 127 */
  int32_t maximum;        /* minimum to 127 */
} diana_digital_depthwise_job;

/* y[k] = clip(minimum, maximum, (bias[k] + sum over c of x[c] * weights[k][c]) >> shift) */
typedef struct diana_digital_dense_job {
  uint32_t x; /* bus address of the input vector, in L1, a multiple of 16 */
  uint32_t y; /* bus address of the output vector, in L1, a multiple of 16 */
  uint32_t
      weights; /* bus address in the weight memory, a multiple of 16: biases and weights, packed */
  uint32_t in_channels;  /* elements of x; the vector is read up to a multiple of 16 */
  uint32_t out_channels; /* elements of y; the vector is written up to a multiple of 16 */
  uint32_t shift;        /* 0 to 31 */
  int32_t minimum;       /* -128 to 127 */
  int32_t maximum;       /* minimum to 127 */
} diana_digital_dense_job;

/* y = clip(minimum, maximum, (x + residual) >> shift) */
typedef struct diana_digital_add_job {
  uint32_t x;              /* bus address of one tile, in L1, a multiple of 16 */
  uint32_t x_pitch;        /* bytes, a multiple of 16 */
  uint32_t x_plane;        /* bytes, a multiple of 16 */
  uint32_t residual;       /* bus address of the other tile, in L1, a multiple of 16 */
  uint32_t residual_pitch; /* bytes, a multiple of 16 */
  uint32_t residual_plane; /* bytes, a multiple of 16 */
  uint32_t y;              /* bus address of the output tile, in L1, a multiple of 16 */
  uint32_t y_pitch;        /* bytes, a multiple of 16 */
  uint32_t y_plane;        /* bytes, a multiple of 16 */
  uint32_t channels;       /* of all three tiles */
  uint32_t height;         /* rows */
  uint32_t width;          /* columns */
  uint32_t shift;          /* 0 to 31 */
  int32_t minimum;         /* -128 to 127 */
  int32_t maximum;         /* minimum to 127 */
} diana_digital_add_job;

/* y = the greatest element of each window; padding never wins */
typedef struct diana_digital_max_pool_job {
  uint32_t x;             /* bus address of the input tile, in L1, a multiple of 16 */
  uint32_t x_pitch;       /* bytes, a multiple of 16 */
  uint32_t x_plane;       /* bytes, a multiple of 16 */
  uint32_t y;             /* bus address of the output tile, in L1, a multiple of 16 */
  uint32_t y_pitch;       /* bytes, a multiple of 16 */
  uint32_t y_plane;       /* bytes, a multiple of 16 */
  uint32_t channels;      /* of input and output tile */
  uint32_t in_height;     /* rows of the input tile, padding not counted */
  uint32_t in_width;      /* columns of the input tile, padding not counted */
  uint32_t out_height;    /* rows of the output tile */
  uint32_t out_width;     /* columns of the output tile */
  uint32_t kernel_height; /* of the window, 1 to 255 */
  uint32_t kernel_width;  /* 1 to 255 */
  uint32_t stride;        /* 1 or 2, in both directions */
  uint32_t pad_top;       /* rows of padding, fewer than kernel_height */
  uint32_t pad_left;      /* columns of padding, fewer than kernel_width */
} diana_digital_max_pool_job;

/* y = clip(minimum, maximum, (multiplier * sum of the window) >> shift); padding adds nothing */
typedef struct diana_digital_mean_pool_job {
  uint32_t x;             /* bus address of the input tile, in L1, a multiple of 16 */
  uint32_t x_pitch;       /* bytes, a multiple of 16 */
  uint32_t x_plane;       /* bytes, a multiple of 16 */
  uint32_t y;             /* bus address of the output tile, in L1, a multiple of 16 */
  uint32_t y_pitch;       /* bytes, a multiple of 16 */
  uint32_t y_plane;       /* bytes, a multiple of 16 */
  uint32_t channels;      /* of input and output tile */
  uint32_t in_height;     /* rows of the input tile, padding not counted */
  uint32_t in_width;      /* columns of the input tile, padding not counted */
  uint32_t out_height;    /* rows of the output tile */
  uint32_t out_width;     /* columns of the output tile */
  uint32_t kernel_height; /* of the window, 1 to 255 */
  uint32_t kernel_width;  /* 1 to 255 */
  uint32_t stride;        /* 1 or 2, in both directions */
  uint32_t pad_top;       /* rows of padding, fewer than kernel_height */
  uint32_t pad_left;      /* columns of padding, fewer than kernel_width */
  int32_t multiplier;     /* -128 to 127 */
  uint32_t shift;         /* 0 to 31 */
  int32_t minimum;        /* -128 to 127 */
  int32_t maximum;        /* minimum to 127 */
} diana_digital_mean_pool_job;

/* Each waits for the job before it, starts this one, and does not wait for it. */
void diana_digital_conv2d_start(const diana_digital_conv2d_job* job);
void diana_digital_depthwise_start(const diana_digital_depthwise_job* job);
void diana_digital_dense_start(const diana_digital_dense_job* job);
void diana_digital_add_start(const diana_digital_add_job* job);
void diana_digital_max_pool_start(const diana_digital_max_pool_job* job);
void diana_digital_mean_pool_start(const diana_digital_mean_pool_job* job);

/* Returns when the core is idle. */
void diana_digital_wait(void);

#ifdef __cplusplus
}
#endif
#endif
