#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)DIANA_DIGITAL_BASE + offset, value);
}

static void set_requantisation(uint32_t shift, int32_t minimum, int32_t maximum) {
  set(DIANA_DIGITAL_SHIFT, shift);
  set(DIANA_DIGITAL_MINIMUM, (uint32_t)minimum);
  set(DIANA_DIGITAL_MAXIMUM, (uint32_t)maximum);
}

void diana_digital_wait(void) { heddle_wait_for_unit((uint32_t)DIANA_DIGITAL_BASE); }

/* There is one set of registers: every start waits first, so that they do not change under a
 * running job. */

void diana_digital_conv2d_start(const diana_digital_conv2d_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_X_PITCH, job->x_pitch);
  set(DIANA_DIGITAL_X_PLANE, job->x_plane);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_Y_PITCH, job->y_pitch);
  set(DIANA_DIGITAL_Y_PLANE, job->y_plane);
  set(DIANA_DIGITAL_WEIGHTS, job->weights);
  set(DIANA_DIGITAL_IN_CHANNELS, job->in_channels);
  set(DIANA_DIGITAL_IN_HEIGHT, job->in_height);
  set(DIANA_DIGITAL_IN_WIDTH, job->in_width);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->out_channels);
  set(DIANA_DIGITAL_OUT_HEIGHT, job->out_height);
  set(DIANA_DIGITAL_OUT_WIDTH, job->out_width);
  set(DIANA_DIGITAL_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_DIGITAL_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_DIGITAL_STRIDE, job->stride - 1u);
  set(DIANA_DIGITAL_PAD_TOP, job->pad_top);
  set(DIANA_DIGITAL_PAD_LEFT, job->pad_left);
  set_requantisation(job->shift, job->minimum, job->maximum);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_CONV2D);
}

void diana_digital_depthwise_start(const diana_digital_depthwise_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_X_PITCH, job->x_pitch);
  set(DIANA_DIGITAL_X_PLANE, job->x_plane);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_Y_PITCH, job->y_pitch);
  set(DIANA_DIGITAL_Y_PLANE, job->y_plane);
  set(DIANA_DIGITAL_WEIGHTS, job->weights);
  set(DIANA_DIGITAL_IN_CHANNELS, job->channels);
  set(DIANA_DIGITAL_IN_HEIGHT, job->in_height);
  set(DIANA_DIGITAL_IN_WIDTH, job->in_width);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->channels);
  set(DIANA_DIGITAL_OUT_HEIGHT, job->out_height);
  set(DIANA_DIGITAL_OUT_WIDTH, job->out_width);
  set(DIANA_DIGITAL_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_DIGITAL_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_DIGITAL_STRIDE, job->stride - 1u);
  set(DIANA_DIGITAL_PAD_TOP, job->pad_top);
  set(DIANA_DIGITAL_PAD_LEFT, job->pad_left);
  set_requantisation(job->shift, job->minimum, job->maximum);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_DEPTHWISE);
}

void diana_digital_dense_start(const diana_digital_dense_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_WEIGHTS, job->weights);
  set(DIANA_DIGITAL_IN_CHANNELS, job->in_channels);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->out_channels);
  set_requantisation(job->shift, job->minimum, job->maximum);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_DENSE);
}

void diana_digital_add_start(const diana_digital_add_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_X_PITCH, job->x_pitch);
  set(DIANA_DIGITAL_X_PLANE, job->x_plane);
  set(DIANA_DIGITAL_RESIDUAL, job->residual);
  set(DIANA_DIGITAL_RESIDUAL_PITCH, job->residual_pitch);
  set(DIANA_DIGITAL_RESIDUAL_PLANE, job->residual_plane);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_Y_PITCH, job->y_pitch);
  set(DIANA_DIGITAL_Y_PLANE, job->y_plane);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->channels);
  set(DIANA_DIGITAL_OUT_HEIGHT, job->height);
  set(DIANA_DIGITAL_OUT_WIDTH, job->width);
  set_requantisation(job->shift, job->minimum, job->maximum);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_ADD);
}

void diana_digital_max_pool_start(const diana_digital_max_pool_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_X_PITCH, job->x_pitch);
  set(DIANA_DIGITAL_X_PLANE, job->x_plane);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_Y_PITCH, job->y_pitch);
  set(DIANA_DIGITAL_Y_PLANE, job->y_plane);
  set(DIANA_DIGITAL_IN_CHANNELS, job->channels);
  set(DIANA_DIGITAL_IN_HEIGHT, job->in_height);
  set(DIANA_DIGITAL_IN_WIDTH, job->in_width);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->channels);
  set(DIANA_DIGITAL_OUT_HEIGHT, job->out_height);
  set(DIANA_DIGITAL_OUT_WIDTH, job->out_width);
  set(DIANA_DIGITAL_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_DIGITAL_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_DIGITAL_STRIDE, job->stride - 1u);
  set(DIANA_DIGITAL_PAD_TOP, job->pad_top);
  set(DIANA_DIGITAL_PAD_LEFT, job->pad_left);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_MAX_POOL);
}

void diana_digital_mean_pool_start(const diana_digital_mean_pool_job* job) {
  diana_digital_wait();
  set(DIANA_DIGITAL_X, job->x);
  set(DIANA_DIGITAL_X_PITCH, job->x_pitch);
  set(DIANA_DIGITAL_X_PLANE, job->x_plane);
  set(DIANA_DIGITAL_Y, job->y);
  set(DIANA_DIGITAL_Y_PITCH, job->y_pitch);
  set(DIANA_DIGITAL_Y_PLANE, job->y_plane);
  set(DIANA_DIGITAL_IN_CHANNELS, job->channels);
  set(DIANA_DIGITAL_IN_HEIGHT, job->in_height);
  set(DIANA_DIGITAL_IN_WIDTH, job->in_width);
  set(DIANA_DIGITAL_OUT_CHANNELS, job->channels);
  set(DIANA_DIGITAL_OUT_HEIGHT, job->out_height);
  set(DIANA_DIGITAL_OUT_WIDTH, job->out_width);
  set(DIANA_DIGITAL_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_DIGITAL_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_DIGITAL_STRIDE, job->stride - 1u);
  set(DIANA_DIGITAL_PAD_TOP, job->pad_top);
  set(DIANA_DIGITAL_PAD_LEFT, job->pad_left);
  set(DIANA_DIGITAL_MULTIPLIER, (uint32_t)job->multiplier);
  set_requantisation(job->shift, job->minimum, job->maximum);
  set(DIANA_DIGITAL_START, DIANA_DIGITAL_MEAN_POOL);
}
