/* DIANA's DMA as a model: values and cycles of its transfers. README.md says what is published and
 * what is assumed. */
#include "driver.h" /* the register map */
#include "heddle_transfer.h"

enum {
  kUnitBytes = 32,     /* lengths are counted in units of 32 B */
  kCyclesPerCall = 70, /* of every row */
  kBytesPerCycle = 16,
  kLargestTransfer = 1 << 24 /* more than every memory of DIANA together: a driver's mistake */
};

static const char* perform(void* state, uint64_t* cycles) {
  heddle_unit* unit = state;
  heddle_transfer t;
  heddle_decode(unit, DIANA_DMA_SOURCE, &t, sizeof t);
  const char* why = heddle_check_transfer(&t, kLargestTransfer, "a transfer of more than 16 MiB");
  if (why == NULL && t.row_bytes % kUnitBytes != 0u)
    why = "the bytes of a row are not a multiple of 32";
  if (why == NULL) why = heddle_perform_transfer(unit, &t);
  if (why != NULL) return why;
  const uint64_t row_cycles = kCyclesPerCall + heddle_ceil_div(t.row_bytes, kBytesPerCycle);
  *cycles = (uint64_t)t.planes * t.rows * row_cycles;
  return NULL;
}

static const heddle_unit_kind kKind = {
    .noun = "DMA",
    .last_register = DIANA_DMA_DESTINATION_PLANE_STRIDE,
    .start_register = DIANA_DMA_START,
    .operations = 1u,
    .no_operation = "a value other than 1 was written to the start register",
    .perform = perform};

static void reset(void* state) { heddle_unit_reset(state, sizeof(heddle_unit), &kKind); }

const heddle_model diana_dma_model = {
    HEDDLE_MODEL_VERSION, "diana_dma",       sizeof(heddle_unit), reset,
    heddle_unit_read,     heddle_unit_write, heddle_unit_step};
