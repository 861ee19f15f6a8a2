/* DIANA's DMA: strided transfers between L2, L1 and the accelerators' memories. C99, freestanding.
 */
#ifndef HEDDLE_DIANA_DMA_DRIVER_H
#define HEDDLE_DIANA_DMA_DRIVER_H

#include <stdint.h>

#include "heddle_soc.h" /* DIANA_DMA_BASE */

#ifdef __cplusplus
extern "C" {
#endif

/* The register map: byte offsets from DIANA_DMA_BASE, 32 bits each. README.md describes every
 * register. */
enum {
  DIANA_DMA_STATUS = 0x00,
  DIANA_DMA_START = 0x04,
  DIANA_DMA_SOURCE = 0x08,
  DIANA_DMA_DESTINATION = 0x0C,
  DIANA_DMA_ROW_BYTES = 0x10,
  DIANA_DMA_ROWS = 0x14,
  DIANA_DMA_PLANES = 0x18,
  DIANA_DMA_SOURCE_ROW_STRIDE = 0x1C,
  DIANA_DMA_SOURCE_PLANE_STRIDE = 0x20,
  DIANA_DMA_DESTINATION_ROW_STRIDE = 0x24,
  DIANA_DMA_DESTINATION_PLANE_STRIDE = 0x28
};

/* Bits of DIANA_DMA_STATUS. */
enum {
  DIANA_DMA_BUSY = 1,
  DIANA_DMA_ERROR = 2 /* the last transfer was refused or left its memories */
};

/* One transfer: planes x rows x row_bytes. */
typedef struct diana_dma_job {
  uint32_t source;      /* bus address */
  uint32_t destination; /* bus address */
  uint32_t row_bytes;   /* a multiple of 32 */
  uint32_t rows;        /* of one plane */
  uint32_t planes;
  uint32_t source_row_stride;        /* bytes from one row to the next */
  uint32_t source_plane_stride;      /* bytes from one plane to the next */
  uint32_t destination_row_stride;   /* bytes */
  uint32_t destination_plane_stride; /* bytes */
} diana_dma_job;

/* Waits for the transfer before it, starts this one, and does not wait for it. Transfers happen in
 * the order of their starts. */
void diana_dma_start(const diana_dma_job* job);

/* Returns when the DMA is idle. */
void diana_dma_wait(void);

#ifdef __cplusplus
}
#endif
#endif
