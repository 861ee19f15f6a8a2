/* $NAME as a model: values, bit for bit, and cycles of a job. It shares nothing but the register map with the driver, so that
 * each checks the other. EDIT refuse() and perform(); heddle_unit.h has what is the same for most units. */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum { kMost = 4096 };

typedef struct state {
  heddle_unit unit; /* the registers */
  int8_t x[kMost], weights[kMost];
} state;

/* What the hardware would do wrongly: NULL, or why not. A model that tolerates a bug hides it. */
static const char* refuse(heddle_unit* unit) {
  const uint32_t inputs = heddle_get(unit, $UPPER_INPUTS), outputs = heddle_get(unit, $UPPER_OUTPUTS);
  const uint32_t x = heddle_get(unit, $UPPER_X), y = heddle_get(unit, $UPPER_Y);
  const heddle_range ranges[] = {
      {"the number of inputs", inputs, 1, kMost},
      {"the number of outputs", outputs, 1, kMost},
  };
  const char* why = heddle_check_ranges(unit, ranges, sizeof ranges / sizeof ranges[0]);
  if (why != NULL) return why;
  if (heddle_get(unit, $UPPER_BIAS) % 4u != 0u) return "the bias is not aligned to 4 bytes";
  if (y % 4u != 0u) return "the result is not aligned to 4 bytes";
  if (heddle_overlap(x, inputs, y, 4u * outputs)) return "the result overlaps the input";
  return NULL;
}

/* Performs the job and says what it takes: launch + compute of accelerator.toml. */
static const char* perform(void* opaque, uint64_t* cycles) {
  state* s = opaque;
  heddle_unit* unit = &s->unit;
  const char* why = refuse(unit);
  if (why != NULL) return why;
  const uint32_t inputs = heddle_get(unit, $UPPER_INPUTS), outputs = heddle_get(unit, $UPPER_OUTPUTS);
  why = heddle_load(unit, "the input", heddle_get(unit, $UPPER_X), s->x, inputs);
  for (uint32_t k = 0; k < outputs && why == NULL; ++k) {
    uint8_t word[4];
    why = heddle_load(unit, "the weights", heddle_get(unit, $UPPER_WEIGHTS) + k * inputs, s->weights, inputs);
    if (why == NULL) why = heddle_load(unit, "the bias", heddle_get(unit, $UPPER_BIAS) + 4u * k, word, 4u);
    if (why != NULL) break;
    uint32_t sum = heddle_word(word); /* unsigned: the adder wraps */
    for (uint32_t c = 0; c < inputs; ++c) sum += (uint32_t)(s->x[c] * s->weights[c]);
    heddle_put_word(word, sum);
    why = heddle_store(unit, "the result", heddle_get(unit, $UPPER_Y) + 4u * k, word, 4u);
  }
  *cycles = 20u + (uint64_t)heddle_ceil_div(outputs, $UPPER_LANES) * inputs;
  return why;
}

static const heddle_unit_kind kKind = {
    .noun = "unit",
    .last_register = $UPPER_OUTPUTS,
    .start_register = $UPPER_CONTROL,
    .operations = $UPPER_START,
    .no_operation = "a value other than 1 was written to the control register",
    .perform = perform};

static void reset(void* opaque) { heddle_unit_reset(opaque, sizeof(state), &kKind); }

const heddle_model $NAME_model = {HEDDLE_MODEL_VERSION, "$NAME",           sizeof(state), reset,
                                  heddle_unit_read,     heddle_unit_write, heddle_unit_step};
