/* The DMA as a model: values and cycles of its transfers. Its three rates SIMPLE_DMA_CYCLES_PER_ROW
 * and so on are the SoC's. */
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum {
  kRegisters = SIMPLE_DMA_DESTINATION_PLANE_STRIDE / 4 + 1,
  kChunkBytes = 1024 /* of the host's copy loop; has no meaning on the device */
};

/* More than the memories of a microcontroller: a larger transfer is a driver's mistake. */
static const uint64_t kLargestTransfer = 1u << 28;

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending; /* START was written */
  uint32_t error;
  const char* fault; /* of a register access */
  uint8_t chunk[kChunkBytes];
} state;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == SIMPLE_DMA_STATUS) {
    return (s->pending ? (uint32_t)SIMPLE_DMA_BUSY : 0u) |
           (s->error ? (uint32_t)SIMPLE_DMA_ERROR : 0u);
  }
  if (offset % 4u != 0u || offset / 4u >= kRegisters) {
    s->fault = "a read of an address that is no register";
    return 0u;
  }
  return get(s, offset);
}

static void write_register(void* opaque, uint32_t offset, uint32_t value) {
  state* s = opaque;
  if (offset % 4u != 0u || offset / 4u >= kRegisters) {
    s->fault = "a write to an address that is no register";
  } else if (offset == SIMPLE_DMA_STATUS) {
    s->fault = "a write to the status register";
  } else if (s->pending) {
    s->fault = "a register was written while the DMA was busy";
  } else if (offset == SIMPLE_DMA_START) {
    if (value == 1u) {
      s->pending = 1u;
    } else {
      s->fault = "a value other than 1 was written to the start register";
    }
  } else {
    s->registers[offset / 4u] = value;
  }
}

static const char* check(const state* s) {
  const uint64_t row_bytes = get(s, SIMPLE_DMA_ROW_BYTES);
  const uint64_t rows = get(s, SIMPLE_DMA_ROWS);
  const uint64_t planes = get(s, SIMPLE_DMA_PLANES);
  if (row_bytes == 0u || rows == 0u || planes == 0u) return "a transfer of nothing: a count is 0";
  /* Divided, so that no product can overflow. */
  if (row_bytes > kLargestTransfer || rows > kLargestTransfer / row_bytes ||
      planes > kLargestTransfer / (row_bytes * rows)) {
    return "a transfer of more than 256 MiB";
  }
  return NULL;
}

static const char* copy_row(state* s, const heddle_bus* bus, uint64_t from, uint64_t to,
                            uint32_t bytes) {
  if (from + bytes > (uint64_t)UINT32_MAX + 1u)
    return "the source runs past the end of the address space";
  if (to + bytes > (uint64_t)UINT32_MAX + 1u)
    return "the destination runs past the end of the address space";
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t part = bytes - done < kChunkBytes ? bytes - done : (uint32_t)kChunkBytes;
    if (bus->load(bus->context, (uint32_t)from + done, s->chunk, part) != 0) {
      return "the source lies outside the memories that the DMA reaches";
    }
    if (bus->store(bus->context, (uint32_t)to + done, s->chunk, part) != 0) {
      return "the destination lies outside the memories that the DMA may write";
    }
    done += part;
  }
  return NULL;
}

/* Rows go strictly one after the other. */
static const char* transfer(state* s, const heddle_bus* bus) {
  const uint32_t row_bytes = get(s, SIMPLE_DMA_ROW_BYTES);
  for (uint32_t plane = 0; plane < get(s, SIMPLE_DMA_PLANES); ++plane) {
    for (uint32_t row = 0; row < get(s, SIMPLE_DMA_ROWS); ++row) {
      const uint64_t from = get(s, SIMPLE_DMA_SOURCE) +
                            (uint64_t)plane * get(s, SIMPLE_DMA_SOURCE_PLANE_STRIDE) +
                            (uint64_t)row * get(s, SIMPLE_DMA_SOURCE_ROW_STRIDE);
      const uint64_t to = get(s, SIMPLE_DMA_DESTINATION) +
                          (uint64_t)plane * get(s, SIMPLE_DMA_DESTINATION_PLANE_STRIDE) +
                          (uint64_t)row * get(s, SIMPLE_DMA_DESTINATION_ROW_STRIDE);
      const char* why = copy_row(s, bus, from, to, row_bytes);
      if (why != NULL) return why;
    }
  }
  return NULL;
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (!s->pending) return 0;
    *why = check(s);
    if (*why == NULL) *why = transfer(s, bus);
  }
  s->pending = 0u;
  s->error = *why != NULL;
  if (*why != NULL) return -1;
  const uint64_t row_cycles = SIMPLE_DMA_CYCLES_PER_ROW + ((uint64_t)get(s, SIMPLE_DMA_ROW_BYTES) +
                                                           SIMPLE_DMA_BYTES_PER_CYCLE - 1u) /
                                                              SIMPLE_DMA_BYTES_PER_CYCLE;
  *cycles = SIMPLE_DMA_CYCLES_PER_TRANSFER +
            (uint64_t)get(s, SIMPLE_DMA_PLANES) * get(s, SIMPLE_DMA_ROWS) * row_cycles;
  return 1;
}

const heddle_model simple_dma_model = {HEDDLE_MODEL_VERSION, "simple_dma",   sizeof(state), reset,
                                       read_register,        write_register, step};
