/* The machine of these tests, in the place of a bundle's heddle_soc.h: DIANA with a flash for the
 * constants, and the units of other SoCs beside its own. */
#ifndef HEDDLE_SOC_H
#define HEDDLE_SOC_H

#define DIANA_DMA_BASE 0x1A100000u
#define DIANA_DIGITAL_BASE 0x1A200000u
#define QVANILLA_BASE 0x70000000u
#define SIMPLE_DMA_BASE 0x70001000u
#define GEMMINI_LIKE_BASE 0x70002000u
#define NE16_BASE 0x70003000u

#define QVANILLA_CYCLES_PER_1000_MACS 333u
#define SIMPLE_DMA_CYCLES_PER_TRANSFER 11u
#define SIMPLE_DMA_CYCLES_PER_ROW 3u
#define SIMPLE_DMA_BYTES_PER_CYCLE 8u
#define GEMMINI_LIKE_LAUNCH_CYCLES 37u
#define NE16_LAUNCH_CYCLES 41u

#define TEST_L1_BASE 0x10000000u
#define TEST_L1_BYTES 262144u
#define TEST_WEIGHTS_BASE 0x12000000u
#define TEST_WEIGHTS_BYTES 65536u
#define TEST_L2_BASE 0x1C000000u
#define TEST_L2_BYTES 524288u
#define TEST_FLASH_BASE 0x20000000u
#define TEST_FLASH_BYTES 4096u

#endif
