/* For the model of a unit (heddle_model.h): what most models share. Registers of which one starts a
 * job, faults in words, memory through the bus, and arithmetic that hardware does and C leaves open.
 * C99, for hosts. A model may do without it.
 *
 * The state of a model that uses it begins with a heddle_unit:
 *
 *     typedef struct state {
 *       heddle_unit unit;
 *       ...                                   what else it holds
 *     } state;
 *
 *     static const char* perform(void* opaque, uint64_t* cycles);
 *     static const heddle_unit_kind kKind = {.noun = "core", ...};
 *     static void reset(void* opaque) { heddle_unit_reset(opaque, sizeof(state), &kKind); }
 *     const heddle_model NAME_model = {HEDDLE_MODEL_VERSION, "NAME", sizeof(state), reset,
 *                                      heddle_unit_read, heddle_unit_write, heddle_unit_step};
 */
#ifndef HEDDLE_UNIT_H
#define HEDDLE_UNIT_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "heddle_model.h"

enum {
  HEDDLE_UNIT_REGISTERS = 64, /* 32 bits each; the first is the status */
  HEDDLE_UNIT_ERROR = 2       /* of the status: the last job was refused or left its memories */
};

/* What one unit differs in from another. */
typedef struct heddle_unit_kind {
  const char* noun;       /* in messages: "core" */
  uint32_t last_register; /* its offset, a multiple of 4: every word before it is a register, too */
  uint32_t first_option;  /* options of accelerator.toml: registers behind those; 0 if there are none */
  uint32_t last_option;
  uint32_t start_register; /* a write of 1 to `operations` starts a job */
  uint32_t operations;
  const char* no_operation; /* what is wrong with another value */
  /* Performs the job of the registers; unit->pending says which operation. Returns NULL and its
   * cycles, or what is wrong. */
  const char* (*perform)(void* state, uint64_t* cycles);
} heddle_unit_kind;

typedef struct heddle_unit {
  const heddle_unit_kind* kind;
  const heddle_bus* bus; /* while a job is performed */
  uint32_t registers[HEDDLE_UNIT_REGISTERS];
  uint32_t pending;  /* the operation that was started, 0 if none */
  uint32_t error;    /* the last job was not performed */
  const char* fault; /* of a register access */
  char message[200];
} heddle_unit;

/* Registers. Offsets are bytes from the start of the unit's window. */

static inline uint32_t heddle_get(const heddle_unit* unit, uint32_t offset) {
  return unit->registers[offset / 4u];
}

static inline int32_t heddle_get_signed(const heddle_unit* unit, uint32_t offset) {
  return (int32_t)heddle_get(unit, offset);
}

/* Fills a struct whose members have 32 bits with the registers from `offset` on, in their order. */
static inline void heddle_decode(const heddle_unit* unit, uint32_t offset, void* members, size_t bytes) {
  memcpy(members, unit->registers + offset / 4u, bytes);
}

static inline int heddle_is_register(const heddle_unit_kind* kind, uint32_t offset) {
  const int option = kind->first_option > 0u && offset >= kind->first_option && offset <= kind->last_option;
  return offset % 4u == 0u && offset / 4u < HEDDLE_UNIT_REGISTERS && (offset <= kind->last_register || option);
}

/* Faults: what is wrong, in words. */

static inline const char* heddle_wrong(heddle_unit* unit, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(unit->message, sizeof unit->message, format, arguments);
  va_end(arguments);
  return unit->message;
}

/* The functions of a heddle_model; `state` begins with a heddle_unit. */

static inline void heddle_unit_reset(void* state, size_t bytes, const heddle_unit_kind* kind) {
  heddle_unit* unit = state;
  memset(state, 0, bytes);
  unit->kind = kind;
}

static inline uint32_t heddle_unit_read(void* state, uint32_t offset) {
  heddle_unit* unit = state;
  if (offset == HEDDLE_MODEL_STATUS) {
    return (unit->pending ? (uint32_t)HEDDLE_MODEL_BUSY : 0u) | (unit->error ? (uint32_t)HEDDLE_UNIT_ERROR : 0u);
  }
  if (heddle_is_register(unit->kind, offset)) return heddle_get(unit, offset);
  unit->fault = "a read of an address that is no register";
  return 0u;
}

static inline void heddle_unit_write(void* state, uint32_t offset, uint32_t value) {
  heddle_unit* unit = state;
  if (!heddle_is_register(unit->kind, offset)) {
    unit->fault = "a write to an address that is no register";
  } else if (offset == HEDDLE_MODEL_STATUS) {
    unit->fault = "a write to the status register";
  } else if (unit->pending) {
    unit->fault = heddle_wrong(unit, "a register was written while the %s was busy", unit->kind->noun);
  } else if (offset != unit->kind->start_register) {
    unit->registers[offset / 4u] = value;
  } else if (value >= 1u && value <= unit->kind->operations) {
    unit->pending = value;
  } else {
    unit->fault = unit->kind->no_operation;
  }
}

static inline int heddle_unit_step(void* state, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  heddle_unit* unit = state;
  *cycles = 0u;
  *why = unit->fault;
  unit->fault = NULL;
  if (*why == NULL) {
    if (unit->pending == 0u) return 0;
    unit->bus = bus;
    *why = unit->kind->perform(state, cycles);
    unit->bus = NULL;
  }
  unit->pending = 0u;
  unit->error = *why != NULL;
  return *why == NULL ? 1 : -1;
}

/* Memory, while a job is performed. `name` is the operand in messages; NULL, or what is wrong. */

static inline const char* heddle_load(heddle_unit* unit, const char* name, uint32_t address, void* data,
                                      uint32_t bytes) {
  if (unit->bus->load(unit->bus->context, address, data, bytes) == 0) return NULL;
  return heddle_wrong(unit, "%s lies outside the memories that the %s reaches", name, unit->kind->noun);
}

static inline const char* heddle_store(heddle_unit* unit, const char* name, uint32_t address, const void* data,
                                       uint32_t bytes) {
  if (unit->bus->store(unit->bus->context, address, data, bytes) == 0) return NULL;
  return heddle_wrong(unit, "%s lies outside the memories that the %s may write", name, unit->kind->noun);
}

/* A word of memory, its least byte first. */
static inline uint32_t heddle_word(const uint8_t* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline void heddle_put_word(uint8_t* bytes, uint32_t word) {
  for (uint32_t i = 0; i < 4u; ++i) bytes[i] = (uint8_t)(word >> 8u * i);
}

/* Checks of registers. */

typedef struct heddle_range {
  const char* name;
  int64_t value, least, most;
} heddle_range;

/* NULL, or the first value that is out of its range. */
static inline const char* heddle_check_ranges(heddle_unit* unit, const heddle_range* ranges, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const heddle_range* r = &ranges[i];
    if (r->value >= r->least && r->value <= r->most) continue;
    return heddle_wrong(unit, "%s is %lld, but it must be %lld to %lld", r->name, (long long)r->value,
                        (long long)r->least, (long long)r->most);
  }
  return NULL;
}

static inline const char* heddle_check_end(heddle_unit* unit, const char* name, uint32_t address, uint64_t bytes) {
  if (bytes <= (uint64_t)UINT32_MAX + 1u - address) return NULL;
  return heddle_wrong(unit, "%s runs past the end of the address space", name);
}

static inline int heddle_overlap(uint32_t a, uint64_t a_bytes, uint32_t b, uint64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

/* Arithmetic. */

static inline uint32_t heddle_ceil_div(uint32_t value, uint32_t by) { return (value + by - 1u) / by; }

/* floor(value / 2^shift), 0 <= shift <= 63. */
static inline int64_t heddle_shift_down(int64_t value, uint32_t shift) {
  return value >= 0 ? value >> shift : ~(~value >> shift);
}

static inline int32_t heddle_clip(int64_t value, int32_t least, int32_t most) {
  return value < least ? least : value > most ? most : (int32_t)value;
}

#endif
