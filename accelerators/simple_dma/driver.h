/* A DMA: strided transfers of any number of bytes between any two places of the bus. C99,
 * freestanding.
 */
#ifndef HEDDLE_SIMPLE_DMA_DRIVER_H
#define HEDDLE_SIMPLE_DMA_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* SIMPLE_DMA_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from SIMPLE_DMA_BASE, 32 bits each. */
enum {
  SIMPLE_DMA_STATUS = 0x00,
  SIMPLE_DMA_START = 0x04,
  SIMPLE_DMA_SOURCE = 0x08,
  SIMPLE_DMA_DESTINATION = 0x0C,
  SIMPLE_DMA_ROW_BYTES = 0x10,
  SIMPLE_DMA_ROWS = 0x14,
  SIMPLE_DMA_PLANES = 0x18,
  SIMPLE_DMA_SOURCE_ROW_STRIDE = 0x1C,
  SIMPLE_DMA_SOURCE_PLANE_STRIDE = 0x20,
  SIMPLE_DMA_DESTINATION_ROW_STRIDE = 0x24,
  SIMPLE_DMA_DESTINATION_PLANE_STRIDE = 0x28
};

/* Bits of SIMPLE_DMA_STATUS. */
enum {
  SIMPLE_DMA_BUSY = 1,
  SIMPLE_DMA_ERROR = 2 /* the last transfer was refused or left its memories */
};

/* One transfer: planes x rows x row_bytes. */
typedef struct simple_dma_job {
  uint32_t source;      /* bus address */
  uint32_t destination; /* bus address */
  uint32_t row_bytes;
  uint32_t rows; /* of one plane */
  uint32_t planes;
  uint32_t source_row_stride;        /* bytes from one row to the next */
  uint32_t source_plane_stride;      /* bytes from one plane to the next */
  uint32_t destination_row_stride;   /* bytes */
  uint32_t destination_plane_stride; /* bytes */
} simple_dma_job;

/* Waits for the transfer before it, starts this one, and does not wait for it. Transfers happen in
 * the order of their starts. */
void simple_dma_start(const simple_dma_job* job);

/* Returns when the DMA is idle. */
void simple_dma_wait(void);

#ifdef __cplusplus
}
#endif
#endif
