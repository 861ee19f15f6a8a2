/* QVanilla: int8 convolution with bias, int32 result. C99, freestanding.
 *
 * A job reads and writes dense tensors wherever its addresses point: image C-y-x, weights K-C-y-x,
 * result K-y-x. README.md describes every register.
 */
#ifndef HEDDLE_QVANILLA_DRIVER_H
#define HEDDLE_QVANILLA_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* QVANILLA_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from QVANILLA_BASE, 32 bits each. */
enum {
  QVANILLA_STATUS = 0x00,
  QVANILLA_CONTROL = 0x04,
  QVANILLA_IFMAP = 0x08,
  QVANILLA_WEIGHTS = 0x0C,
  QVANILLA_BIAS = 0x10,
  QVANILLA_RESULT = 0x14,
  QVANILLA_OC = 0x18,
  QVANILLA_IW = 0x1C,
  QVANILLA_IH = 0x20,
  QVANILLA_IC = 0x24,
  QVANILLA_KH = 0x28,
  QVANILLA_KW = 0x2C,
  QVANILLA_INPUT_ZERO_POINT = 0x30,
  QVANILLA_KERNEL_ZERO_POINT = 0x34
};

/* Bits of QVANILLA_STATUS. */
enum {
  QVANILLA_BUSY = 1,
  QVANILLA_ERROR = 2 /* the last job was refused or left its memories */
};

/* The value of QVANILLA_CONTROL that starts a job. */
enum { QVANILLA_START = 1 };

/* result[k][y][x] = bias[k] + sum over c, fy, fx of
 *   (ifmap[c][y + fy - (kh - 1) / 2][x + fx - (kw - 1) / 2] - input_zero_point)
 *   * (weights[k][c][fy][fx] - kernel_zero_point)
 * where what lies outside the image adds nothing. */
typedef struct qvanilla_conv2d_job {
  uint32_t ifmap;            /* bus address of int8 [ic][ih][iw] */
  uint32_t weights;          /* bus address of int8 [oc][ic][kh][kw] */
  uint32_t bias;             /* bus address of int32 [oc], a multiple of 4 */
  uint32_t result;           /* bus address of int32 [oc][ih][iw], a multiple of 4 */
  uint32_t oc;               /* output channels */
  uint32_t iw;               /* columns of the image, and of the result */
  uint32_t ih;               /* rows of the image, and of the result */
  uint32_t ic;               /* input channels */
  uint32_t kh;               /* rows of the kernel, 1 to 255 */
  uint32_t kw;               /* columns of the kernel, 1 to 255 */
  int32_t input_zero_point;  /* -128 to 127 */
  int32_t kernel_zero_point; /* -128 to 127 */
} qvanilla_conv2d_job;

/* Waits for the job before it, starts this one, and does not wait for it. */
void qvanilla_conv2d_start(const qvanilla_conv2d_job* job);

/* Returns when the accelerator is idle. */
void qvanilla_wait(void);

#ifdef __cplusplus
}
#endif
#endif
