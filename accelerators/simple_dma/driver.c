#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)SIMPLE_DMA_BASE + offset, value);
}

void simple_dma_wait(void) { heddle_wait_for_unit((uint32_t)SIMPLE_DMA_BASE); }

void simple_dma_start(const simple_dma_job* job) {
  /* There is one set of registers: they must not change under a running transfer. */
  simple_dma_wait();
  set(SIMPLE_DMA_SOURCE, job->source);
  set(SIMPLE_DMA_DESTINATION, job->destination);
  set(SIMPLE_DMA_ROW_BYTES, job->row_bytes);
  set(SIMPLE_DMA_ROWS, job->rows);
  set(SIMPLE_DMA_PLANES, job->planes);
  set(SIMPLE_DMA_SOURCE_ROW_STRIDE, job->source_row_stride);
  set(SIMPLE_DMA_SOURCE_PLANE_STRIDE, job->source_plane_stride);
  set(SIMPLE_DMA_DESTINATION_ROW_STRIDE, job->destination_row_stride);
  set(SIMPLE_DMA_DESTINATION_PLANE_STRIDE, job->destination_plane_stride);
  set(SIMPLE_DMA_START, 1u);
}
