#include "driver.h"

#include "heddle_runtime.h"

static void set(uint32_t offset, uint32_t value) {
  heddle_reg_write((uint32_t)DIANA_DMA_BASE + offset, value);
}

void diana_dma_wait(void) { heddle_wait_for_unit((uint32_t)DIANA_DMA_BASE); }

void diana_dma_start(const diana_dma_job* job) {
  /* There is one set of registers: they must not change under a running transfer. */
  diana_dma_wait();
  set(DIANA_DMA_SOURCE, job->source);
  set(DIANA_DMA_DESTINATION, job->destination);
  set(DIANA_DMA_ROW_BYTES, job->row_bytes);
  set(DIANA_DMA_ROWS, job->rows);
  set(DIANA_DMA_PLANES, job->planes);
  set(DIANA_DMA_SOURCE_ROW_STRIDE, job->source_row_stride);
  set(DIANA_DMA_SOURCE_PLANE_STRIDE, job->source_plane_stride);
  set(DIANA_DMA_DESTINATION_ROW_STRIDE, job->destination_row_stride);
  set(DIANA_DMA_DESTINATION_PLANE_STRIDE, job->destination_plane_stride);
  set(DIANA_DMA_START, 1u);
}
