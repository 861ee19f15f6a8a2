/* What generated code and drivers may ask of the machine they run on. C99, freestanding.
 *
 * Two implementations: heddle_host.c (a host process: memories are arrays, units are their
 * model.c), and on firmware the few lines of heddle_firmware.c. All addresses are 32-bit bus
 * addresses.
 */
#ifndef HEDDLE_RUNTIME_H
#define HEDDLE_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Stands before the function of every layer. Firmware is built with HEDDLE_KEEP_LAYERS defined: each of them then is a
 * function of its own under its own name, by which a simulator or a profiler tells the layers apart. */
#if !defined(HEDDLE_LAYER) && defined(HEDDLE_KEEP_LAYERS) && defined(__clang__)
#define HEDDLE_LAYER __attribute__((noinline))
#elif !defined(HEDDLE_LAYER) && defined(HEDDLE_KEEP_LAYERS) && defined(__GNUC__)
#define HEDDLE_LAYER __attribute__((noipa))
#elif !defined(HEDDLE_LAYER)
#define HEDDLE_LAYER
#endif

/* Status codes of NAME_run(). */
enum {
  HEDDLE_OK = 0,
  HEDDLE_ERROR_ARGUMENT = 1, /* a null pointer, or an arena that is not aligned */
  HEDDLE_ERROR_BUS = 2       /* an address outside every memory, or a unit that reported an error */
};

/* Which of the SoC's memories a region of the program's memory belongs to; they may be one and the
 * same memory. */
enum {
  HEDDLE_MAIN_MEMORY = 1,    /* the arena */
  HEDDLE_CONSTANT_MEMORY = 2 /* the constant table; units must not write there */
};

/* The bus address of `bytes` bytes of the program's memory at `memory`, of one of the kinds above.
 * On silicon it is the address itself; on the host the region is mapped into the SoC's memory on
 * first use, and asking again for the region or a part of it gives the same addresses. 0 if there
 * is no room. */
uint32_t heddle_bus_address(const void* memory, uint32_t bytes, int kind);

/* The other way round, for the memories that are neither: where the program finds `bytes` bytes at this
 * bus address. On silicon it is the address itself. Null if no such memory holds all of them. */
void* heddle_memory(uint32_t address, uint32_t bytes);

/* A unit's registers, 32 bits each. */
uint32_t heddle_reg_read(uint32_t address);
void heddle_reg_write(uint32_t address, uint32_t value);

/* For the loops of drivers that wait for a unit, between two looks at its status: firmware sleeps (wfi) until a
 * unit has ended its job, a host process returns at once. It may return before. Without it a loop polls. */
void heddle_idle(void);

/* Polls the unit whose registers begin at `base` until it is idle: bit 0 of the first of them, its
 * status, says that it is busy. */
static inline void heddle_wait_for_unit(uint32_t base) {
  while ((heddle_reg_read(base) & 1u) != 0u) {
  }
}

/* HEDDLE_OK, or the first error since the last call. */
int heddle_status(void);

#ifdef __cplusplus
}
#endif
#endif
