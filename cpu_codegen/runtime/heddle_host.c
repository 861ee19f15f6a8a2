/* The host machine; see heddle_host.h. It is "the hardware", so it has state; generated code has
 * none. */
#include "heddle_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_runtime.h"

enum { kWindows = 64, kAlignment = 64, kUnwritten = 0xA5 };

/* A region of the process's memory, as the units see it. */
typedef struct window {
  const uint8_t* host;
  uint32_t bytes; /* 0: unused */
  uint32_t address;
  uint32_t memory; /* index into heddle_host_memories */
  int kind;
} window;

/* What a model's bus needs to know. */
typedef struct bus_context {
  const heddle_host_unit* unit;
} bus_context;

static window windows[kWindows];
static int powered;
static int error_code;
static char error_text[320];

static void fail(const char* who, const char* why) {
  if (error_code != HEDDLE_OK) return; /* the first error explains the others */
  error_code = HEDDLE_ERROR_BUS;
  snprintf(error_text, sizeof error_text, "%s: %s", who, why);
}

/* True if [address, address + bytes) lies inside [base, base + size). */
static int inside(uint32_t address, uint32_t bytes, uint32_t base, uint32_t size) {
  return address >= base && (uint64_t)address + bytes <= (uint64_t)base + size;
}

void heddle_host_unmap(void) { memset(windows, 0, sizeof windows); }

void heddle_host_reset(void) {
  powered = 1;
  error_code = HEDDLE_OK;
  error_text[0] = '\0';
  heddle_host_unmap();
  for (unsigned i = 0; i < heddle_host_memory_count; ++i) {
    const heddle_host_memory* memory = &heddle_host_memories[i];
    if (memory->storage != NULL) memset(memory->storage, kUnwritten, memory->bytes);
  }
  for (unsigned i = 0; i < heddle_host_unit_count; ++i) {
    heddle_host_unit* unit = &heddle_host_units[i];
    unit->cycles = 0;
    unit->jobs = 0;
    if (unit->model->version != HEDDLE_MODEL_VERSION) {
      fail(unit->name, "its model was written for another version of heddle_model.h");
      continue;
    }
    /* Kept for the life of the process. */
    if (unit->state == NULL) unit->state = calloc(1, unit->model->state_bytes);
    if (unit->state == NULL) {
      fail(unit->name, "there is no memory for the state of its model");
      continue;
    }
    unit->model->reset(unit->state);
  }
}

static void power_on(void) {
  if (!powered) heddle_host_reset();
}

/* Memory as units see it. */

static uint8_t* find(const heddle_host_unit* unit, uint32_t address, uint32_t bytes, int store) {
  for (unsigned i = 0; i < heddle_host_memory_count && i < 32u; ++i) {
    const heddle_host_memory* memory = &heddle_host_memories[i];
    if (!inside(address, bytes, memory->base, memory->bytes)) continue;
    if ((unit->reach >> i & 1u) == 0u) return NULL;
    if (memory->kinds == 0u) return memory->storage + (address - memory->base);
    for (unsigned j = 0; j < kWindows; ++j) {
      const window* w = &windows[j];
      if (w->bytes == 0u || w->memory != i || !inside(address, bytes, w->address, w->bytes))
        continue;
      if (store && w->kind == HEDDLE_CONSTANT_MEMORY) return NULL;
      /* The arena came in as a pointer to const only because one function maps both kinds. */
      return (uint8_t*)(uintptr_t)w->host + (address - w->address);
    }
    return NULL;
  }
  return NULL;
}

static int bus_load(void* context, uint32_t address, void* data, uint32_t bytes) {
  const bus_context* bus = context;
  const uint8_t* from = find(bus->unit, address, bytes, 0);
  if (from == NULL) return -1;
  memcpy(data, from, bytes);
  return 0;
}

static int bus_store(void* context, uint32_t address, const void* data, uint32_t bytes) {
  const bus_context* bus = context;
  uint8_t* to = find(bus->unit, address, bytes, 1);
  if (to == NULL) return -1;
  memcpy(to, data, bytes);
  return 0;
}

void* heddle_memory(uint32_t address, uint32_t bytes) {
  power_on();
  for (unsigned i = 0; i < heddle_host_memory_count; ++i) {
    const heddle_host_memory* memory = &heddle_host_memories[i];
    if (memory->storage == NULL || !inside(address, bytes, memory->base, memory->bytes)) continue;
    return memory->storage + (address - memory->base);
  }
  return NULL;
}

/* Mapping: the lowest free place, on multiples of 64, that no other window of the memory occupies.
 */

static uint32_t place_in(uint32_t memory_index, uint32_t bytes) {
  const heddle_host_memory* memory = &heddle_host_memories[memory_index];
  /* Address 0 means "no room". */
  uint64_t address = memory->base == 0u ? (uint64_t)kAlignment : memory->base;
  for (;;) {
    uint64_t next = address;
    for (unsigned i = 0; i < kWindows; ++i) {
      const window* w = &windows[i];
      if (w->bytes == 0u || w->memory != memory_index) continue;
      const uint64_t end =
          ((uint64_t)w->address + w->bytes + kAlignment - 1u) / kAlignment * kAlignment;
      if (w->address < address + bytes && address < end) next = end;
    }
    if (next == address) break;
    address = next;
  }
  return address + bytes <= (uint64_t)memory->base + memory->bytes ? (uint32_t)address : 0u;
}

uint32_t heddle_bus_address(const void* memory, uint32_t bytes, int kind) {
  power_on();
  const uint8_t* host = memory;
  if (host == NULL || bytes == 0u) return 0u;
  window* unused = NULL;
  for (unsigned i = 0; i < kWindows; ++i) {
    window* w = &windows[i];
    const uintptr_t begin = (uintptr_t)host, known = (uintptr_t)w->host;
    if (w->bytes != 0u && begin < known + w->bytes && known < begin + bytes) {
      if (w->kind == kind && begin >= known && begin + bytes <= known + w->bytes) {
        return w->address + (uint32_t)(begin - known);
      }
      /* A region that overlaps this one otherwise is gone: its memory was freed and is now used
       * anew. */
      memset(w, 0, sizeof *w);
    }
    if (w->bytes == 0u && unused == NULL) unused = w;
  }
  for (uint32_t i = 0; unused != NULL && i < heddle_host_memory_count; ++i) {
    if ((heddle_host_memories[i].kinds & (uint32_t)kind) == 0u) continue;
    const uint32_t address = place_in(i, bytes);
    if (address == 0u) continue;
    unused->host = host;
    unused->bytes = bytes;
    unused->address = address;
    unused->memory = i;
    unused->kind = kind;
    return address;
  }
  return 0u;
}

/* Registers. */

static heddle_host_unit* unit_at(uint32_t address) {
  power_on();
  for (unsigned i = 0; i < heddle_host_unit_count; ++i) {
    heddle_host_unit* unit = &heddle_host_units[i];
    if (!inside(address, 4u, unit->base, unit->bytes)) continue;
    /* NULL if power-on has failed, and said so. */
    return unit->model->version == HEDDLE_MODEL_VERSION && unit->state != NULL ? unit : NULL;
  }
  char text[80];
  snprintf(text, sizeof text, "no unit has a register at 0x%08lx", (unsigned long)address);
  fail("bus", text);
  return NULL;
}

/* Performs what a register access has started; the unit is idle again before the program goes on.
 */
static void step(heddle_host_unit* unit) {
  bus_context context = {unit};
  const heddle_bus bus = {&context, bus_load, bus_store};
  uint64_t cycles = 0;
  const char* why = "";
  const int done = unit->model->step(unit->state, &bus, &cycles, &why);
  if (done < 0) {
    fail(unit->name, why);
  } else if (done > 0) {
    unit->cycles += cycles;
    ++unit->jobs;
  }
}

uint32_t heddle_reg_read(uint32_t address) {
  heddle_host_unit* unit = unit_at(address);
  if (unit == NULL) return 0u;
  const uint32_t value = unit->model->read(unit->state, address - unit->base);
  step(unit);
  return value;
}

void heddle_reg_write(uint32_t address, uint32_t value) {
  heddle_host_unit* unit = unit_at(address);
  if (unit == NULL) return;
  unit->model->write(unit->state, address - unit->base, value);
  step(unit);
}

/* A unit is idle again before the program goes on. */
void heddle_idle(void) {}

int heddle_status(void) {
  power_on();
  const int code = error_code;
  error_code = HEDDLE_OK;
  return code;
}

/* Reports. */

static const heddle_host_unit* unit_named(const char* name) {
  for (unsigned i = 0; i < heddle_host_unit_count; ++i) {
    if (strcmp(heddle_host_units[i].name, name) == 0) return &heddle_host_units[i];
  }
  return NULL;
}

uint64_t heddle_host_unit_cycles(const char* name) {
  const heddle_host_unit* unit = unit_named(name);
  return unit == NULL ? 0u : unit->cycles;
}

uint64_t heddle_host_unit_jobs(const char* name) {
  const heddle_host_unit* unit = unit_named(name);
  return unit == NULL ? 0u : unit->jobs;
}

const char* heddle_host_error(void) { return error_text; }
