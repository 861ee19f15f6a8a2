#include "heddle_soc.h"

#include "heddle_host.h"
#include "heddle_runtime.h"

extern const heddle_model diana_dma_model;
extern const heddle_model diana_analog_model;
extern const heddle_model diana_digital_model;
extern const heddle_model gemmini_like_model;
extern const heddle_model ne16_model;
extern const heddle_model qvanilla_model;
extern const heddle_model simple_dma_model;

static uint8_t l1[TEST_L1_BYTES];
static uint8_t weights[TEST_WEIGHTS_BYTES];
static uint8_t cells[TEST_CELLS_BYTES];

heddle_host_memory heddle_host_memories[] = {
    {"l2", TEST_L2_BASE, TEST_L2_BYTES, HEDDLE_MAIN_MEMORY, 0},
    {"flash", TEST_FLASH_BASE, TEST_FLASH_BYTES, HEDDLE_CONSTANT_MEMORY, 0},
    {"l1", TEST_L1_BASE, TEST_L1_BYTES, 0, l1},
    {"weights", TEST_WEIGHTS_BASE, TEST_WEIGHTS_BYTES, 0, weights},
    {"cells", TEST_CELLS_BASE, TEST_CELLS_BYTES, 0, cells},
};
const unsigned heddle_host_memory_count = 5;

heddle_host_unit heddle_host_units[] = {
    {"diana_dma", DIANA_DMA_BASE, 0x40, 0xF, &diana_dma_model, 0, 0, 0},
    {"diana_digital", DIANA_DIGITAL_BASE, 0x100, 0xC, &diana_digital_model, 0, 0, 0},
    {"qvanilla", QVANILLA_BASE, 0x40, 0x7, &qvanilla_model, 0, 0, 0},
    {"simple_dma", SIMPLE_DMA_BASE, 0x40, 0xF, &simple_dma_model, 0, 0, 0},
    {"gemmini_like", GEMMINI_LIKE_BASE, 0x80, 0xC, &gemmini_like_model, 0, 0, 0},
    {"ne16", NE16_BASE, 0x68, 0xC, &ne16_model, 0, 0, 0},
    {"diana_analog", DIANA_ANALOG_BASE, 0x100, 0x14, &diana_analog_model, 0, 0, 0},
};
const unsigned heddle_host_unit_count = 7;
