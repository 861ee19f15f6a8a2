/* For the model of a DMA (heddle_unit.h): transfers of boxes, planes of rows of bytes. C99, for hosts. */
#ifndef HEDDLE_TRANSFER_H
#define HEDDLE_TRANSFER_H

#include "heddle_unit.h"

enum { HEDDLE_TRANSFER_CHUNK_BYTES = 1024 }; /* of the copy loop; has no meaning on the device */

/* One register each, in the order in which both of Heddle's DMAs have them. */
typedef struct heddle_transfer {
  uint32_t source, destination, row_bytes, rows, planes;
  uint32_t source_row_stride, source_plane_stride, destination_row_stride, destination_plane_stride;
} heddle_transfer;

/* NULL, or why it is no transfer of 1 to `most` bytes; `too_many` says that it is more. */
static inline const char* heddle_check_transfer(const heddle_transfer* t, uint64_t most, const char* too_many) {
  if (t->row_bytes == 0u || t->rows == 0u || t->planes == 0u) return "a transfer of nothing: a count is 0";
  /* Divided, so that no product can overflow. */
  if (t->row_bytes > most || t->rows > most / t->row_bytes ||
      t->planes > most / ((uint64_t)t->row_bytes * t->rows))
    return too_many;
  return NULL;
}

static inline const char* heddle_copy_row(heddle_unit* unit, uint64_t from, uint64_t to, uint32_t bytes) {
  uint8_t chunk[HEDDLE_TRANSFER_CHUNK_BYTES];
  const uint64_t end = (uint64_t)UINT32_MAX + 1u;
  if (from + bytes > end) return "the source runs past the end of the address space";
  if (to + bytes > end) return "the destination runs past the end of the address space";
  const char* why = NULL;
  for (uint32_t done = 0; why == NULL && done < bytes; done += (uint32_t)sizeof chunk) {
    const uint32_t rest = bytes - done, part = rest < sizeof chunk ? rest : (uint32_t)sizeof chunk;
    why = heddle_load(unit, "the source", (uint32_t)from + done, chunk, part);
    if (why == NULL) why = heddle_store(unit, "the destination", (uint32_t)to + done, chunk, part);
  }
  return why;
}

/* Rows go strictly one after the other: a row may overwrite what the row before it has read or
 * written too much. */
static inline const char* heddle_perform_transfer(heddle_unit* unit, const heddle_transfer* t) {
  const char* why = NULL;
  for (uint32_t plane = 0; plane < t->planes; ++plane) {
    for (uint32_t row = 0; row < t->rows && why == NULL; ++row) {
      const uint64_t from =
          t->source + (uint64_t)plane * t->source_plane_stride + (uint64_t)row * t->source_row_stride;
      const uint64_t to =
          t->destination + (uint64_t)plane * t->destination_plane_stride + (uint64_t)row * t->destination_row_stride;
      why = heddle_copy_row(unit, from, to, t->row_bytes);
    }
  }
  return why;
}

#endif
