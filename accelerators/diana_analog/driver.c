#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)DIANA_ANALOG_BASE + offset, value);
}

static void set_tensor(uint32_t first_register, uint32_t address, uint32_t pixel, uint32_t row) {
  set(first_register, address);
  set(first_register + 4u, pixel);
  set(first_register + 8u, row);
}

static void set_output_stage(uint32_t shift, int32_t minimum, int32_t maximum) {
  set(DIANA_ANALOG_SHIFT, shift);
  set(DIANA_ANALOG_MINIMUM, (uint32_t)minimum);
  set(DIANA_ANALOG_MAXIMUM, (uint32_t)maximum);
}

void diana_analog_wait(void) { heddle_wait_for_unit((uint32_t)DIANA_ANALOG_BASE); }

/* There is one set of registers: every start waits first, so that they do not change under a
 * running job. */

void diana_analog_conv2d_start(const diana_analog_conv2d_job* job) {
  diana_analog_wait();
  set_tensor(DIANA_ANALOG_X, job->x, job->x_pixel, job->x_row);
  set_tensor(DIANA_ANALOG_Y, job->y, job->y_pixel, job->y_row);
  set(DIANA_ANALOG_WEIGHTS, job->weights);
  set(DIANA_ANALOG_NORM, job->norm);
  set(DIANA_ANALOG_IN_CHANNELS, job->in_channels);
  set(DIANA_ANALOG_IN_HEIGHT, job->in_height);
  set(DIANA_ANALOG_IN_WIDTH, job->in_width);
  set(DIANA_ANALOG_OUT_CHANNELS, job->out_channels);
  set(DIANA_ANALOG_OUT_HEIGHT, job->out_height);
  set(DIANA_ANALOG_OUT_WIDTH, job->out_width);
  set(DIANA_ANALOG_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_ANALOG_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_ANALOG_STRIDE, job->stride - 1u);
  set(DIANA_ANALOG_PAD_TOP, job->pad_top);
  set(DIANA_ANALOG_PAD_LEFT, job->pad_left);
  set(DIANA_ANALOG_UNROLL, job->unroll);
  set(DIANA_ANALOG_STEP, job->step);
  set(DIANA_ANALOG_NORM_SHIFT, job->norm_shift);
  set(DIANA_ANALOG_NORM_MINIMUM, (uint32_t)job->norm_minimum);
  set(DIANA_ANALOG_NORM_MAXIMUM, (uint32_t)job->norm_maximum);
  if (job->residual == 0u) {
    set(DIANA_ANALOG_START, DIANA_ANALOG_CONV2D);
    return;
  }
  set_tensor(DIANA_ANALOG_RESIDUAL, job->residual, job->residual_pixel, job->residual_row);
  set_output_stage(job->shift, job->minimum, job->maximum);
  set(DIANA_ANALOG_START, DIANA_ANALOG_CONV2D_ADD);
}

void diana_analog_add_start(const diana_analog_add_job* job) {
  diana_analog_wait();
  set_tensor(DIANA_ANALOG_X, job->x, job->x_pixel, job->x_row);
  set_tensor(DIANA_ANALOG_RESIDUAL, job->residual, job->residual_pixel, job->residual_row);
  set_tensor(DIANA_ANALOG_Y, job->y, job->y_pixel, job->y_row);
  set(DIANA_ANALOG_OUT_CHANNELS, job->channels);
  set(DIANA_ANALOG_OUT_HEIGHT, job->height);
  set(DIANA_ANALOG_OUT_WIDTH, job->width);
  set_output_stage(job->shift, job->minimum, job->maximum);
  set(DIANA_ANALOG_START, DIANA_ANALOG_ADD);
}

void diana_analog_max_pool_start(const diana_analog_max_pool_job* job) {
  diana_analog_wait();
  set_tensor(DIANA_ANALOG_X, job->x, job->x_pixel, job->x_row);
  set_tensor(DIANA_ANALOG_Y, job->y, job->y_pixel, job->y_row);
  set(DIANA_ANALOG_IN_CHANNELS, job->channels);
  set(DIANA_ANALOG_IN_HEIGHT, job->in_height);
  set(DIANA_ANALOG_IN_WIDTH, job->in_width);
  set(DIANA_ANALOG_OUT_CHANNELS, job->channels);
  set(DIANA_ANALOG_OUT_HEIGHT, job->out_height);
  set(DIANA_ANALOG_OUT_WIDTH, job->out_width);
  set(DIANA_ANALOG_KERNEL_HEIGHT, job->kernel_height);
  set(DIANA_ANALOG_KERNEL_WIDTH, job->kernel_width);
  set(DIANA_ANALOG_STRIDE, job->stride - 1u);
  set(DIANA_ANALOG_PAD_TOP, job->pad_top);
  set(DIANA_ANALOG_PAD_LEFT, job->pad_left);
  set(DIANA_ANALOG_START, DIANA_ANALOG_MAX_POOL);
}
