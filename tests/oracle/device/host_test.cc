// The host machine: mapping of the program's memory, power-on, counters, errors.
#include <gtest/gtest.h>

#include "diana_dma/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

class Host : public testing::Test {
 protected:
  void SetUp() override { heddle_host_reset(); }
};

TEST_F(Host, MapsRegionsUpwardOnMultiplesOf64) {
  alignas(4) static uint8_t block[1000];
  static const uint8_t table[100] = {};
  const uint32_t first = heddle_bus_address(block, 100, HEDDLE_MAIN_MEMORY);
  EXPECT_EQ(first, TEST_L2_BASE);
  EXPECT_EQ(heddle_bus_address(block + 200, 300, HEDDLE_MAIN_MEMORY), TEST_L2_BASE + 128);
  EXPECT_EQ(heddle_bus_address(block + 600, 64, HEDDLE_MAIN_MEMORY), TEST_L2_BASE + 448);
  EXPECT_EQ(heddle_bus_address(table, 100, HEDDLE_CONSTANT_MEMORY), TEST_FLASH_BASE);
  EXPECT_EQ(heddle_bus_address(block, 100, HEDDLE_MAIN_MEMORY), first) << "the same region again";
  EXPECT_EQ(heddle_bus_address(block + 210, 10, HEDDLE_MAIN_MEMORY), TEST_L2_BASE + 138)
      << "a part of a region";
  // Memory that was freed and is used anew, with another size: the old region is gone, its room is
  // free.
  EXPECT_EQ(heddle_bus_address(block + 150, 300, HEDDLE_MAIN_MEMORY), TEST_L2_BASE + 128);
  heddle_host_unmap();
  EXPECT_EQ(heddle_bus_address(block + 600, 64, HEDDLE_MAIN_MEMORY), TEST_L2_BASE);
}

TEST_F(Host, SaysWhenThereIsNoRoom) {
  static const uint8_t table[TEST_FLASH_BYTES + 1] = {};
  static uint8_t block[65 * 16];
  EXPECT_EQ(heddle_bus_address(table, TEST_FLASH_BYTES + 1, HEDDLE_CONSTANT_MEMORY), 0u);
  EXPECT_EQ(heddle_bus_address(table, TEST_FLASH_BYTES, HEDDLE_CONSTANT_MEMORY), TEST_FLASH_BASE);
  EXPECT_EQ(heddle_bus_address(block, 16, HEDDLE_CONSTANT_MEMORY), 0u);
  EXPECT_EQ(heddle_bus_address(nullptr, 16, HEDDLE_MAIN_MEMORY), 0u);
  EXPECT_EQ(heddle_bus_address(block, 0, HEDDLE_MAIN_MEMORY), 0u);
  EXPECT_EQ(heddle_bus_address(block, 16, 0), 0u) << "a memory of no kind";
  for (int i = 0; i < 63; ++i)
    EXPECT_NE(heddle_bus_address(block + 16 * i, 16, HEDDLE_MAIN_MEMORY), 0u);
  EXPECT_EQ(heddle_bus_address(block + 16 * 64, 16, HEDDLE_MAIN_MEMORY), 0u)
      << "64 regions are all";
}

TEST_F(Host, KeepsTheFirstErrorAndGoesOn) {
  static uint8_t block[64];
  const uint32_t main = heddle_bus_address(block, sizeof block, HEDDLE_MAIN_MEMORY);
  heddle_reg_write(0x40, 0);
  diana_dma_job job = {.source = main,
                       .destination = TEST_L1_BASE,
                       .row_bytes = 33,
                       .rows = 1,
                       .planes = 1,
                       .source_row_stride = 0,
                       .source_plane_stride = 0,
                       .destination_row_stride = 0,
                       .destination_plane_stride = 0};
  diana_dma_start(&job);
  EXPECT_EQ(counters_of("diana_dma").jobs, 0u);
  job.row_bytes = 64;
  diana_dma_start(&job);
  EXPECT_EQ(counters_of("diana_dma").jobs, 1u);
  EXPECT_EQ(counters_of("diana_dma").cycles, 74u);
  EXPECT_STREQ(heddle_host_error(), "bus: no unit has a register at 0x00000040");
  EXPECT_EQ(heddle_status(), HEDDLE_ERROR_BUS);
  EXPECT_EQ(heddle_status(), HEDDLE_OK);
  EXPECT_EQ(counters_of("nobody").jobs, 0u);
  EXPECT_EQ(counters_of("nobody").cycles, 0u);
}

TEST_F(Host, PowersOnWithMemoriesThatShowUnwrittenReads) {
  l1()[5] = 1;
  static uint8_t block[64];
  ASSERT_NE(heddle_bus_address(block, sizeof block, HEDDLE_MAIN_MEMORY), 0u);
  const diana_dma_job job = {.source = TEST_L1_BASE,
                             .destination = TEST_L1_BASE + 64,
                             .row_bytes = 32,
                             .rows = 1,
                             .planes = 1,
                             .source_row_stride = 0,
                             .source_plane_stride = 0,
                             .destination_row_stride = 0,
                             .destination_plane_stride = 0};
  diana_dma_start(&job);
  heddle_reg_write(0x40, 0);
  heddle_host_reset();
  EXPECT_EQ(l1()[5], 0xA5);
  EXPECT_EQ(weights()[TEST_WEIGHTS_BYTES - 1], 0xA5);
  EXPECT_EQ(counters_of("diana_dma").jobs, 0u);
  EXPECT_EQ(counters_of("diana_dma").cycles, 0u);
  EXPECT_STREQ(heddle_host_error(), "");
  EXPECT_EQ(heddle_status(), HEDDLE_OK);
  EXPECT_EQ(heddle_reg_read(DIANA_DMA_BASE + DIANA_DMA_ROW_BYTES), 0u);
}

TEST_F(Host, RefusesAModelOfAnotherVersion) {
  const heddle_model* const good = heddle_host_units[0].model;
  heddle_model other = *good;
  other.version = HEDDLE_MODEL_VERSION + 1;
  heddle_host_units[0].model = &other;
  heddle_host_reset();
  EXPECT_EQ(heddle_status(), HEDDLE_ERROR_BUS);
  EXPECT_STREQ(heddle_host_error(),
               "diana_dma: its model was written for another version of heddle_model.h");
  heddle_reg_write(DIANA_DMA_BASE + DIANA_DMA_START, 2);
  EXPECT_EQ(heddle_reg_read(DIANA_DMA_BASE), 0u);
  EXPECT_EQ(heddle_status(), HEDDLE_OK) << "such a model is not run";
  heddle_host_units[0].model = good;
  heddle_host_reset();
  EXPECT_EQ(heddle_status(), HEDDLE_OK);
}

}  // namespace
}  // namespace heddle::device
