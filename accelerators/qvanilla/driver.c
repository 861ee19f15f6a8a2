#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)QVANILLA_BASE + offset, value);
}

void qvanilla_wait(void) { heddle_wait_for_unit((uint32_t)QVANILLA_BASE); }

void qvanilla_conv2d_start(const qvanilla_conv2d_job* job) {
  /* There is one set of registers: they must not change under a running job. */
  qvanilla_wait();
  set(QVANILLA_IFMAP, job->ifmap);
  set(QVANILLA_WEIGHTS, job->weights);
  set(QVANILLA_BIAS, job->bias);
  set(QVANILLA_RESULT, job->result);
  set(QVANILLA_OC, job->oc);
  set(QVANILLA_IW, job->iw);
  set(QVANILLA_IH, job->ih);
  set(QVANILLA_IC, job->ic);
  set(QVANILLA_KH, job->kh);
  set(QVANILLA_KW, job->kw);
  set(QVANILLA_INPUT_ZERO_POINT, (uint32_t)job->input_zero_point);
  set(QVANILLA_KERNEL_ZERO_POINT, (uint32_t)job->kernel_zero_point);
  set(QVANILLA_CONTROL, QVANILLA_START);
}
