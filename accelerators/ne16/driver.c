#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) { heddle_reg_write((uint32_t)NE16_BASE + offset, value); }

void ne16_wait(void) { heddle_wait_for_unit((uint32_t)NE16_BASE); }

static void start(const ne16_job* job, uint32_t operation) {
  const uint32_t flags = (job->x_signed != 0u ? (uint32_t)NE16_X_SIGNED : 0u) |
                         (job->sums != 0u ? (uint32_t)NE16_SUMS : 0u) |
                         (job->multiply != 0u ? (uint32_t)NE16_MULTIPLY : 0u) |
                         (job->half_up != 0u ? (uint32_t)NE16_HALF_UP : 0u);
  /* There is one set of registers: they must not change under a running job. */
  ne16_wait();
  set(NE16_X, job->x);
  set(NE16_X_PITCH, job->x_pitch);
  set(NE16_X_PLANE, job->x_plane);
  set(NE16_Y, job->y);
  set(NE16_Y_PITCH, job->y_pitch);
  set(NE16_Y_PLANE, job->y_plane);
  set(NE16_WEIGHTS, job->weights);
  set(NE16_IN_CHANNELS, job->in_channels);
  set(NE16_IN_HEIGHT, job->in_height);
  set(NE16_IN_WIDTH, job->in_width);
  set(NE16_OUT_CHANNELS, job->out_channels);
  set(NE16_OUT_HEIGHT, job->out_height);
  set(NE16_OUT_WIDTH, job->out_width);
  set(NE16_KERNEL, job->kernel);
  set(NE16_STRIDE, job->stride);
  set(NE16_PAD_TOP, job->pad_top);
  set(NE16_PAD_LEFT, job->pad_left);
  set(NE16_FLAGS, flags);
  set(NE16_X_ZERO_POINT, (uint32_t)job->x_zero_point);
  set(NE16_SHIFT, job->shift);
  set(NE16_ZERO_POINT, (uint32_t)job->zero_point);
  set(NE16_MINIMUM, (uint32_t)job->minimum);
  set(NE16_MAXIMUM, (uint32_t)job->maximum);
  set(NE16_START, operation);
}

void ne16_conv2d_start(const ne16_job* job) { start(job, NE16_CONV2D); }

void ne16_depthwise_start(const ne16_job* job) { start(job, NE16_DEPTHWISE); }
