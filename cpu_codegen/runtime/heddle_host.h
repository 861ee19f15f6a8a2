/* A host process as the machine that generated code runs on: memories are arrays, units are their
 * model.c. heddle_host.c implements heddle_runtime.h with the tables below, which the bundle's
 * heddle_soc.c defines. The machine is one per process and not for use by several threads at a
 * time. C99, hosted; never part of firmware.
 */
#ifndef HEDDLE_HOST_H
#define HEDDLE_HOST_H

#include <stdint.h>

#include "heddle_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A memory of the SoC. Main and constant memory hold regions of the process's own memory (the
 * arena, the constant table), mapped by heddle_bus_address(); every other memory is the array
 * `storage`. */
typedef struct heddle_host_memory {
  const char* name;
  uint32_t base; /* bus address, of a multiple of 64 */
  uint32_t bytes;
  uint32_t kinds;   /* HEDDLE_MAIN_MEMORY, HEDDLE_CONSTANT_MEMORY, both, or 0 */
  uint8_t* storage; /* `bytes` bytes; null if kinds != 0 */
} heddle_host_memory;

/* An accelerator or the DMA. */
typedef struct heddle_host_unit {
  const char* name;
  uint32_t base;  /* bus address of its register window */
  uint32_t bytes; /* size of the window */
  uint32_t reach; /* bit i: it can reach heddle_host_memories[i] */
  const heddle_model* model;
  /* The rest belongs to heddle_host.c; 0 in the table. */
  void* state;
  uint64_t cycles; /* modelled, of all its operations */
  uint64_t jobs;   /* operations performed */
} heddle_host_unit;

/* An empty table is an array of one element and a count of 0. At most 32 memories. */
extern heddle_host_memory heddle_host_memories[];
extern const unsigned heddle_host_memory_count;
extern heddle_host_unit heddle_host_units[];
extern const unsigned heddle_host_unit_count;

/* Powers the machine on anew: units reset, counters 0, no error, nothing mapped, every array filled
 * with 0xA5 (so that reading what was never written shows). The first use of the machine does the
 * same. */
void heddle_host_reset(void);

/* Forgets all mapped regions: before the arena's memory is freed and another arena is used. */
void heddle_host_unmap(void);

/* Cycles and operations of a unit since the last reset; 0 for an unknown name. */
uint64_t heddle_host_unit_cycles(const char* name);
uint64_t heddle_host_unit_jobs(const char* name);

/* The first error since the last heddle_status() or reset, in words: "diana_dma: ..."; still
 * readable after heddle_status() has cleared the code. "" if there was none. */
const char* heddle_host_error(void);

#ifdef __cplusplus
}
#endif
#endif
