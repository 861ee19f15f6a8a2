/* Attention as a model: values, bit for bit, and cycles of a job. */
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum { kRegisters = ATTENTION_SHIFT_2 / 4 + 1, kMost = 64 };

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending;  /* a job was started */
  const char* fault; /* of a register access */
} state;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

static const char* refuse(const state* s) {
  if (get(s, ATTENTION_SIZE) < 1u || get(s, ATTENTION_SIZE) > kMost) return "the size must be 1 to 64";
  if (get(s, ATTENTION_KEYS_COUNT) < 1u || get(s, ATTENTION_KEYS_COUNT) > kMost)
    return "the number of keys must be 1 to 64";
  return NULL;
}

static int32_t load(const heddle_bus* bus, uint32_t address, int* failed) {
  uint8_t byte = 0u;
  if (bus->load(bus->context, address, &byte, 1u) != 0) *failed = 1;
  return byte < 128u ? byte : (int32_t)byte - 256;
}

static int32_t requantised(int32_t value, uint32_t mul, uint32_t shift) {
  const int64_t unit = (int64_t)1 << shift;
  const int64_t sum = (int64_t)value * mul + unit / 2;
  const int64_t down = sum >= 0 ? sum / unit : -((unit - 1 - sum) / unit);
  return down < -128 ? -128 : down > 127 ? 127 : (int32_t)down;
}

static const char* compute(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const uint32_t queries = get(s, ATTENTION_QUERIES), size = get(s, ATTENTION_SIZE);
  const uint32_t keys = get(s, ATTENTION_KEYS_COUNT), depth = get(s, ATTENTION_VALUE_SIZE);
  const uint32_t rows = get(s, ATTENTION_HEADS) * queries;
  int failed = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    const uint32_t head = row / queries;
    int32_t scores[kMost], most = -128, sum = 0;
    for (uint32_t k = 0; k < keys; ++k) {
      int32_t product = 0;
      for (uint32_t c = 0; c < size; ++c)
        product += load(bus, get(s, ATTENTION_X) + row * size + c, &failed) *
                   load(bus, get(s, ATTENTION_KEYS) + (head * size + c) * keys + k, &failed);
      scores[k] = requantised(product, get(s, ATTENTION_MUL), get(s, ATTENTION_SHIFT));
      if (scores[k] > most) most = scores[k];
    }
    for (uint32_t k = 0; k < keys; ++k) sum += 256 >> ((most - scores[k] + 16) >> 5);
    const int32_t inverse = 255 * 256 / sum;
    for (uint32_t d = 0; d < depth; ++d) {
      int32_t product = 0;
      for (uint32_t k = 0; k < keys; ++k)
        product += (inverse >> ((most - scores[k] + 16) >> 5)) *
                   load(bus, get(s, ATTENTION_VALUES) + (head * keys + k) * depth + d, &failed);
      const uint8_t byte = (uint8_t)requantised(product, get(s, ATTENTION_MUL_2), get(s, ATTENTION_SHIFT_2));
      if (bus->store(bus->context, get(s, ATTENTION_Y) + row * depth + d, &byte, 1u) != 0) failed = 1;
    }
  }
  *cycles = 20u + (uint64_t)rows * (size * keys + keys * depth);
  return failed ? "an operand lies outside the memories that the unit reaches" : NULL;
}

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == ATTENTION_STATUS) return s->pending ? (uint32_t)ATTENTION_BUSY : 0u;
  if (offset % 4u == 0u && offset / 4u < kRegisters) return get(s, offset);
  s->fault = "a read of an address that is no register";
  return 0u;
}

static void write_register(void* opaque, uint32_t offset, uint32_t value) {
  state* s = opaque;
  if (offset % 4u != 0u || offset / 4u >= kRegisters || offset == ATTENTION_STATUS) {
    s->fault = "a write to an address that is no register, or to the status";
  } else if (s->pending) {
    s->fault = "a register was written while the unit was busy";
  } else if (offset != ATTENTION_CONTROL) {
    s->registers[offset / 4u] = value;
  } else if (value == ATTENTION_START) {
    s->pending = 1u;
  } else {
    s->fault = "a value other than 1 was written to the control register";
  }
}

static int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  state* s = opaque;
  *cycles = 0u;
  *why = s->fault;
  s->fault = NULL;
  if (*why == NULL) {
    if (!s->pending) return 0;
    *why = refuse(s);
    if (*why == NULL) *why = compute(s, bus, cycles);
  }
  s->pending = 0u;
  return *why == NULL ? 1 : -1;
}

const heddle_model attention_model = {HEDDLE_MODEL_VERSION, "attention",        sizeof(state), reset,
                                  read_register,        write_register, step};
