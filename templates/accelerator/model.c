/* $NAME as a model: values, bit for bit, and cycles of a job. It shares nothing but the register map with the driver, so that
 * each checks the other. EDIT refuse() and compute(); the rest is the same for most units. */
#include <string.h>

#include "driver.h" /* the register map */
#include "heddle_model.h"

enum { kRegisters = $UPPER_OUTPUTS / 4 + 1, kMost = 4096 };

typedef struct state {
  uint32_t registers[kRegisters];
  uint32_t pending;  /* a job was started */
  const char* fault; /* of a register access */
  int8_t x[kMost], weights[kMost];
} state;

static uint32_t get(const state* s, uint32_t offset) { return s->registers[offset / 4u]; }

/* What the hardware would do wrongly: NULL, or why not. A model that tolerates a bug hides it. */
static const char* refuse(const state* s) {
  const uint64_t inputs = get(s, $UPPER_INPUTS), outputs = get(s, $UPPER_OUTPUTS);
  const uint64_t x = get(s, $UPPER_X), y = get(s, $UPPER_Y);
  if (inputs < 1u || inputs > kMost) return "the number of inputs must be 1 to 4096";
  if (outputs < 1u || outputs > kMost) return "the number of outputs must be 1 to 4096";
  if (get(s, $UPPER_BIAS) % 4u != 0u) return "the bias is not aligned to 4 bytes";
  if (y % 4u != 0u) return "the result is not aligned to 4 bytes";
  if (x < y + 4u * outputs && y < x + inputs) return "the result overlaps the input";
  return NULL;
}

static uint32_t word_of(const uint8_t* bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Performs the job and says what it takes: launch + compute of accelerator.toml. */
static const char* compute(state* s, const heddle_bus* bus, uint64_t* cycles) {
  const uint32_t inputs = get(s, $UPPER_INPUTS), outputs = get(s, $UPPER_OUTPUTS);
  const uint32_t lanes = $UPPER_LANES;
  uint8_t word[4];
  if (bus->load(bus->context, get(s, $UPPER_X), s->x, inputs) != 0)
    return "the input lies outside the memories that the unit reaches";
  for (uint32_t k = 0; k < outputs; ++k) {
    if (bus->load(bus->context, get(s, $UPPER_WEIGHTS) + k * inputs, s->weights, inputs) != 0)
      return "the weights lie outside the memories that the unit reaches";
    if (bus->load(bus->context, get(s, $UPPER_BIAS) + 4u * k, word, 4u) != 0)
      return "the bias lies outside the memories that the unit reaches";
    uint32_t sum = word_of(word); /* unsigned: the adder wraps */
    for (uint32_t c = 0; c < inputs; ++c) sum += (uint32_t)(s->x[c] * s->weights[c]);
    for (uint32_t i = 0; i < 4u; ++i) word[i] = (uint8_t)(sum >> 8u * i);
    if (bus->store(bus->context, get(s, $UPPER_Y) + 4u * k, word, 4u) != 0)
      return "the result lies outside the memories that the unit may write";
  }
  *cycles = 20u + (uint64_t)((outputs + lanes - 1u) / lanes) * inputs;
  return NULL;
}

static void reset(void* opaque) { memset(opaque, 0, sizeof(state)); }

static uint32_t read_register(void* opaque, uint32_t offset) {
  state* s = opaque;
  if (offset == $UPPER_STATUS) return s->pending ? (uint32_t)$UPPER_BUSY : 0u;
  if (offset % 4u == 0u && offset / 4u < kRegisters) return get(s, offset);
  s->fault = "a read of an address that is no register";
  return 0u;
}

static void write_register(void* opaque, uint32_t offset, uint32_t value) {
  state* s = opaque;
  if (offset % 4u != 0u || offset / 4u >= kRegisters || offset == $UPPER_STATUS) {
    s->fault = "a write to an address that is no register, or to the status";
  } else if (s->pending) {
    s->fault = "a register was written while the unit was busy";
  } else if (offset != $UPPER_CONTROL) {
    s->registers[offset / 4u] = value;
  } else if (value == $UPPER_START) {
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

const heddle_model $NAME_model = {HEDDLE_MODEL_VERSION, "$NAME",        sizeof(state), reset,
                                  read_register,        write_register, step};
