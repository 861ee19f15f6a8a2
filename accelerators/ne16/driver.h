/* An engine of NE16's class: 3x3 and 1x1 convolutions and depthwise 3x3 ones on images in L1, channels
 * last, with weights of 8 bits. C99, freestanding. README.md describes every register, the layouts
 * and the cycles.
 */
#ifndef HEDDLE_NE16_DRIVER_H
#define HEDDLE_NE16_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* NE16_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from NE16_BASE, 32 bits each. */
enum {
  NE16_STATUS = 0x00,
  NE16_START = 0x04,
  NE16_X = 0x08,
  NE16_X_PITCH = 0x0C,
  NE16_X_PLANE = 0x10,
  NE16_Y = 0x14,
  NE16_Y_PITCH = 0x18,
  NE16_Y_PLANE = 0x1C,
  NE16_WEIGHTS = 0x20,
  NE16_IN_CHANNELS = 0x24,
  NE16_IN_HEIGHT = 0x28,
  NE16_IN_WIDTH = 0x2C,
  NE16_OUT_CHANNELS = 0x30,
  NE16_OUT_HEIGHT = 0x34,
  NE16_OUT_WIDTH = 0x38,
  NE16_KERNEL = 0x3C,
  NE16_STRIDE = 0x40,
  NE16_PAD_TOP = 0x44,
  NE16_PAD_LEFT = 0x48,
  NE16_FLAGS = 0x4C,
  NE16_X_ZERO_POINT = 0x50,
  NE16_SHIFT = 0x54,
  NE16_ZERO_POINT = 0x58,
  NE16_MINIMUM = 0x5C,
  NE16_MAXIMUM = 0x60
};

/* Bits of NE16_STATUS. */
enum {
  NE16_BUSY = 1,
  NE16_ERROR = 2 /* the last job was refused or left its memories */
};

/* Values of NE16_START. */
enum {
  NE16_CONV2D = 1,
  NE16_DEPTHWISE = 2
};

/* Bits of NE16_FLAGS. */
enum {
  NE16_X_SIGNED = 1,
  NE16_SUMS = 2,     /* the result is the sums: int32, no requantisation */
  NE16_MULTIPLY = 4, /* by the channel's multiplier */
  NE16_HALF_UP = 8   /* add half of what is shifted out */
};

/* sum[k] = bias[k] + sum over the window, and all input channels or channel k alone, of (x - x_zero_point) * weights;
 *   what lies outside the image adds nothing
 * y[k] = clamp(((sum[k] * mul[k] + add[k] + half) >> (shift + shifts[k])) + zero_point), or sum[k] itself */
typedef struct ne16_job {
  uint32_t x;       /* bus address of the image, one byte a channel, channels last */
  uint32_t x_pitch; /* bytes from pixel to pixel, at least in_channels */
  uint32_t x_plane; /* bytes from row to row of pixels */
  uint32_t y;       /* the same of the result; of sums all three are multiples of 4 */
  uint32_t y_pitch;
  uint32_t y_plane;
  uint32_t weights;     /* bus address of the packed constants, a multiple of 4 */
  uint32_t in_channels; /* sizes, 1 to 65535; a depthwise job has as many input as output channels */
  uint32_t in_height;
  uint32_t in_width;
  uint32_t out_channels;
  uint32_t out_height;
  uint32_t out_width;
  uint32_t kernel;  /* 1 or 3, in both directions; 3 of a depthwise job */
  uint32_t stride;  /* 1 or 2, in both directions */
  uint32_t pad_top; /* less than the kernel */
  uint32_t pad_left;
  uint32_t x_signed;    /* 1: pixels are int8, 0: uint8 */
  int32_t x_zero_point; /* -128 to 255 */
  uint32_t sums;        /* 1: y is int32 sums, and what follows is not looked at */
  uint32_t multiply;    /* 0: mul[k] is 1 */
  uint32_t half_up;     /* 1: half is half of what is shifted out; 0: none */
  uint32_t shift;       /* 0 to 62, with the channel's own in all */
  int32_t zero_point;   /* -32768 to 32767 */
  int32_t minimum;      /* -128 to 255 */
  int32_t maximum;
} ne16_job;

/* Each waits for the job before it, starts this one, and does not wait for it. */
void ne16_conv2d_start(const ne16_job* job);
void ne16_depthwise_start(const ne16_job* job);

/* Returns when the engine is idle. */
void ne16_wait(void);

#ifdef __cplusplus
}
#endif
#endif
