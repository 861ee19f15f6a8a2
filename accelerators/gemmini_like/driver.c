#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)GEMMINI_LIKE_BASE + offset, value);
}

void gemmini_like_wait(void) { heddle_wait_for_unit((uint32_t)GEMMINI_LIKE_BASE); }

void gemmini_like_start(const gemmini_like_job* job) {
  /* There is one set of registers: they must not change under a running job. */
  gemmini_like_wait();
  set(GEMMINI_LIKE_X, job->x);
  set(GEMMINI_LIKE_X_PITCH, job->x_pitch);
  set(GEMMINI_LIKE_X_PLANE, job->x_plane);
  set(GEMMINI_LIKE_Y, job->y);
  set(GEMMINI_LIKE_Y_PITCH, job->y_pitch);
  set(GEMMINI_LIKE_Y_PLANE, job->y_plane);
  set(GEMMINI_LIKE_WEIGHTS, job->weights);
  set(GEMMINI_LIKE_IN_CHANNELS, job->in_channels);
  set(GEMMINI_LIKE_IN_HEIGHT, job->in_height);
  set(GEMMINI_LIKE_IN_WIDTH, job->in_width);
  set(GEMMINI_LIKE_OUT_CHANNELS, job->out_channels);
  set(GEMMINI_LIKE_OUT_HEIGHT, job->out_height);
  set(GEMMINI_LIKE_OUT_WIDTH, job->out_width);
  set(GEMMINI_LIKE_KERNEL_HEIGHT, job->kernel_height);
  set(GEMMINI_LIKE_KERNEL_WIDTH, job->kernel_width);
  set(GEMMINI_LIKE_STRIDE, job->stride);
  set(GEMMINI_LIKE_PAD_TOP, job->pad_top);
  set(GEMMINI_LIKE_PAD_LEFT, job->pad_left);
  set(GEMMINI_LIKE_X_ZERO_POINT, (uint32_t)job->x_zero_point);
  set(GEMMINI_LIKE_ZERO_POINT, (uint32_t)job->zero_point);
  set(GEMMINI_LIKE_MINIMUM, (uint32_t)job->minimum);
  set(GEMMINI_LIKE_MAXIMUM, (uint32_t)job->maximum);
  set(GEMMINI_LIKE_START, 1u);
}
