#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)ATTENTION_BASE + offset, value);
}

void attention_wait(void) { heddle_wait_for_unit((uint32_t)ATTENTION_BASE); }

void attention_start(const attention_job* job) {
  attention_wait();
  set(ATTENTION_X, job->x);
  set(ATTENTION_KEYS, job->keys);
  set(ATTENTION_VALUES, job->values);
  set(ATTENTION_Y, job->y);
  set(ATTENTION_HEADS, job->heads);
  set(ATTENTION_QUERIES, job->queries);
  set(ATTENTION_SIZE, job->size);
  set(ATTENTION_KEYS_COUNT, job->keys_count);
  set(ATTENTION_VALUE_SIZE, job->value_size);
  set(ATTENTION_MUL, job->mul);
  set(ATTENTION_SHIFT, job->shift);
  set(ATTENTION_MUL_2, job->mul_2);
  set(ATTENTION_SHIFT_2, job->shift_2);
  set(ATTENTION_CONTROL, ATTENTION_START);
}
