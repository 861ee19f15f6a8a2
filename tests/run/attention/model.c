/* Attention as a model: values, bit for bit, and cycles of a job. */
#include "driver.h" /* the register map */
#include "heddle_unit.h"

enum { kMost = 64 };

static const char* refuse(const heddle_unit* unit) {
  if (heddle_get(unit, ATTENTION_SIZE) < 1u || heddle_get(unit, ATTENTION_SIZE) > kMost) return "the size must be 1 to 64";
  if (heddle_get(unit, ATTENTION_KEYS_COUNT) < 1u || heddle_get(unit, ATTENTION_KEYS_COUNT) > kMost)
    return "the number of keys must be 1 to 64";
  return NULL;
}

static int32_t load(const heddle_unit* unit, uint32_t address, int* failed) {
  int8_t byte = 0;
  if (unit->bus->load(unit->bus->context, address, &byte, 1u) != 0) *failed = 1;
  return byte;
}

static int32_t requantised(int32_t value, uint32_t mul, uint32_t shift) {
  const int64_t half = (int64_t)1 << shift >> 1;
  return heddle_clip(heddle_shift_down((int64_t)value * mul + half, shift), -128, 127);
}

static const char* perform(void* state, uint64_t* cycles) {
  heddle_unit* unit = state;
  const char* why = refuse(unit);
  if (why != NULL) return why;
  const uint32_t queries = heddle_get(unit, ATTENTION_QUERIES), size = heddle_get(unit, ATTENTION_SIZE);
  const uint32_t keys = heddle_get(unit, ATTENTION_KEYS_COUNT), depth = heddle_get(unit, ATTENTION_VALUE_SIZE);
  const uint32_t rows = heddle_get(unit, ATTENTION_HEADS) * queries;
  int failed = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    const uint32_t head = row / queries;
    int32_t scores[kMost], most = -128, sum = 0;
    for (uint32_t k = 0; k < keys; ++k) {
      int32_t product = 0;
      for (uint32_t c = 0; c < size; ++c)
        product += load(unit, heddle_get(unit, ATTENTION_X) + row * size + c, &failed) *
                   load(unit, heddle_get(unit, ATTENTION_KEYS) + (head * size + c) * keys + k, &failed);
      scores[k] = requantised(product, heddle_get(unit, ATTENTION_MUL), heddle_get(unit, ATTENTION_SHIFT));
      if (scores[k] > most) most = scores[k];
    }
    for (uint32_t k = 0; k < keys; ++k) sum += 256 >> ((most - scores[k] + 16) >> 5);
    const int32_t inverse = 255 * 256 / sum;
    for (uint32_t d = 0; d < depth; ++d) {
      int32_t product = 0;
      for (uint32_t k = 0; k < keys; ++k)
        product += (inverse >> ((most - scores[k] + 16) >> 5)) *
                   load(unit, heddle_get(unit, ATTENTION_VALUES) + (head * keys + k) * depth + d, &failed);
      const uint8_t byte = (uint8_t)requantised(product, heddle_get(unit, ATTENTION_MUL_2), heddle_get(unit, ATTENTION_SHIFT_2));
      if (unit->bus->store(unit->bus->context, heddle_get(unit, ATTENTION_Y) + row * depth + d, &byte, 1u) != 0) failed = 1;
    }
  }
  *cycles = 20u + (uint64_t)rows * (size * keys + keys * depth);
  return failed ? "an operand lies outside the memories that the unit reaches" : NULL;
}

static const heddle_unit_kind kKind = {.noun = "unit",
                                       .last_register = ATTENTION_SHIFT_2,
                                       .start_register = ATTENTION_CONTROL,
                                       .operations = ATTENTION_START,
                                       .no_operation = "a value other than 1 was written to the control register",
                                       .perform = perform};

static void reset(void* state) { heddle_unit_reset(state, sizeof(heddle_unit), &kKind); }

const heddle_model attention_model = {HEDDLE_MODEL_VERSION, "attention",       sizeof(heddle_unit), reset,
                                      heddle_unit_read,     heddle_unit_write, heddle_unit_step};
