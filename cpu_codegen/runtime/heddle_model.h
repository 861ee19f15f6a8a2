/* The contract between the model of a unit (accelerator, DMA) and a machine that hosts it: a host
 * process, or the virtual SoC. A model gives values and cycles; it is never linked into firmware.
 * C99. */
#ifndef HEDDLE_MODEL_H
#define HEDDLE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEDDLE_MODEL_VERSION 1

/* Memory access for a model. Both return 0, or -1 for an address range outside the memories that
 * the unit can reach. */
typedef struct heddle_bus {
  void* context;
  int (*load)(void* context, uint32_t address, void* data, uint32_t bytes);
  int (*store)(void* context, uint32_t address, const void* data, uint32_t bytes);
} heddle_bus;

/* The word at offset 0 of every unit is its status. Bit 0 says that it is busy: the model sets it
 * from the start of an operation until step() has performed it; a machine with virtual time keeps
 * it set until the cycles have passed. */
enum { HEDDLE_MODEL_STATUS = 0, HEDDLE_MODEL_BUSY = 1 };

/* The model.c of a folder NAME defines `const heddle_model NAME_model`. */
typedef struct heddle_model {
  uint32_t version; /* HEDDLE_MODEL_VERSION */
  const char* name;
  size_t state_bytes; /* the host allocates this much, zeroed, aligned for uint64_t */
  void (*reset)(void* state);
  /* Register access, 32 bits, `offset` from the start of the unit's window. */
  uint32_t (*read)(void* state, uint32_t offset);
  void (*write)(void* state, uint32_t offset, uint32_t value);
  /* If a write has started an operation: performs it and gives its cycles in *cycles. Returns 1 if
   * an operation was performed, 0 if none was pending, -1 if it could not be (bad registers, bad
   * address); `why` then says so in words. The unit is busy for *cycles; a host process calls
   * step() after every write, a virtual SoC in virtual time. */
  int (*step)(void* state, const heddle_bus* bus, uint64_t* cycles, const char** why);
} heddle_model;

#ifdef __cplusplus
}
#endif
#endif
