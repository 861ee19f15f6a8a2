/* The DMA as a model: values and cycles of its transfers. Its three rates SIMPLE_DMA_CYCLES_PER_ROW
 * and so on are the SoC's. */
#include "driver.h" /* the register map */
#include "heddle_transfer.h"

/* More than the memories of a microcontroller: a larger transfer is a driver's mistake. */
enum { kLargestTransfer = 1 << 28 };

static const char* perform(void* state, uint64_t* cycles) {
  heddle_unit* unit = state;
  heddle_transfer t;
  heddle_decode(unit, SIMPLE_DMA_SOURCE, &t, sizeof t);
  const char* why = heddle_check_transfer(&t, kLargestTransfer, "a transfer of more than 256 MiB");
  if (why == NULL) why = heddle_perform_transfer(unit, &t);
  if (why != NULL) return why;
  const uint64_t row_cycles = (uint64_t)SIMPLE_DMA_CYCLES_PER_ROW +
                              heddle_ceil_div(t.row_bytes, SIMPLE_DMA_BYTES_PER_CYCLE);
  *cycles = SIMPLE_DMA_CYCLES_PER_TRANSFER + (uint64_t)t.planes * t.rows * row_cycles;
  return NULL;
}

static const heddle_unit_kind kKind = {
    .noun = "DMA",
    .last_register = SIMPLE_DMA_DESTINATION_PLANE_STRIDE,
    .start_register = SIMPLE_DMA_START,
    .operations = 1u,
    .no_operation = "a value other than 1 was written to the start register",
    .perform = perform};

static void reset(void* state) { heddle_unit_reset(state, sizeof(heddle_unit), &kKind); }

const heddle_model simple_dma_model = {
    HEDDLE_MODEL_VERSION, "simple_dma",      sizeof(heddle_unit), reset,
    heddle_unit_read,     heddle_unit_write, heddle_unit_step};
