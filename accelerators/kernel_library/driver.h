/* Kernels by hand for 8-bit networks quantised by channel, as TensorFlow Lite's are: the CPU runs them on the values
 * where they lie. C99, freestanding, no intrinsics.
 *
 * Tensors are dense: images C-y-x, results K-y-x. README.md says what each kernel costs and how its constants are packed.
 *
 *   y = clamp(r + zero_point),   r = floor((a * multiplier + 2^(shift - 1)) / 2^shift)
 *   a = bias + sum of (x - x_zero_point) * weight over the taps inside the image
 */
#ifndef HEDDLE_KERNEL_LIBRARY_DRIVER_H
#define HEDDLE_KERNEL_LIBRARY_DRIVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KERNEL_LIBRARY_LANES = 4, KERNEL_LIBRARY_WIDEST = 254 };

/* Four output channels: what lies in memory, int32 each. Lanes that no channel has are 0. */
typedef struct kernel_library_channels {
  int32_t bias[KERNEL_LIBRARY_LANES];
  int32_t multiplier[KERNEL_LIBRARY_LANES];
  int32_t shift[KERNEL_LIBRARY_LANES]; /* on top of the job's */
} kernel_library_channels;

/* A convolution with a 1x1 kernel and stride 1. */
typedef struct kernel_library_pointwise_job {
  const int8_t* x;       /* [in_channels][pixels] */
  const int8_t* weights; /* [out_channels / 4][in_channels][4], the last lanes 0 */
  const void* channels;  /* kernel_library_channels [out_channels / 4], aligned as int32_t */
  int8_t* y;             /* [out_channels][pixels] */
  uint32_t in_channels;
  uint32_t out_channels;
  uint32_t pixels;
  int32_t x_zero_point;
  int32_t shift;      /* beyond 32: with the channel's 33 to 62 in all */
  int32_t zero_point; /* of the result */
  int32_t minimum;    /* -128 to 127 */
  int32_t maximum;
} kernel_library_pointwise_job;

/* A convolution of each channel with a 3x3 kernel of its own; stride 1 or 2, padding up to 1 above and left. Below and right
 * there is padding as far as the windows reach, one row and one column at most. */
typedef struct kernel_library_depthwise_job {
  const int8_t* x;       /* [channels][in_height][in_width] */
  const int8_t* weights; /* [channels][9] */
  const void* channels;  /* kernel_library_channels [channels_count / 4] */
  int8_t* y;             /* [channels][out_height][out_width] */
  uint32_t count;        /* of channels */
  uint32_t in_height;
  uint32_t in_width; /* 1 to 254 */
  uint32_t out_height;
  uint32_t out_width;
  uint32_t stride;
  uint32_t pad_top;
  uint32_t pad_left;
  int32_t x_zero_point;
  int32_t shift;
  int32_t zero_point;
  int32_t minimum;
  int32_t maximum;
} kernel_library_depthwise_job;

/* A fully connected layer: a pointwise convolution of one pixel, read along its channels. */
typedef struct kernel_library_dense_job {
  const int8_t* x;       /* [in_channels] */
  const int8_t* weights; /* [out_channels / 4][in_channels][4] */
  const void* channels;  /* kernel_library_channels [out_channels / 4] */
  int8_t* y;             /* [out_channels] */
  uint32_t in_channels;
  uint32_t out_channels;
  int32_t x_zero_point;
  int32_t shift;
  int32_t zero_point;
  int32_t minimum;
  int32_t maximum;
} kernel_library_dense_job;

void kernel_library_pointwise(const kernel_library_pointwise_job* job);
void kernel_library_depthwise_3x3(const kernel_library_depthwise_job* job);
void kernel_library_dense(const kernel_library_dense_job* job);

#ifdef __cplusplus
}
#endif
#endif
