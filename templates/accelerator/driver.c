#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)$UPPER_BASE + offset, value);
}

void $NAME_wait(void) { heddle_wait_for_unit((uint32_t)$UPPER_BASE); }

void $NAME_dense_start(const $NAME_dense_job* job) {
  $NAME_wait();
  set($UPPER_X, job->x); /* EDIT: the job's members into registers, the start last */
  set($UPPER_WEIGHTS, job->weights);
  set($UPPER_BIAS, job->bias);
  set($UPPER_Y, job->y);
  set($UPPER_INPUTS, job->inputs);
  set($UPPER_OUTPUTS, job->outputs);
  set($UPPER_CONTROL, $UPPER_START);
}
