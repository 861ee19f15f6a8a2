// Random transfers of the neutral DMA against memcpy row by row, and what it refuses.
#include <gtest/gtest.h>

#include <cstring>

#include "simple_dma/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

TEST(SimpleDma, TransfersEqualMemcpyRowByRow) {
  heddle_host_reset();
  Random random(41);
  fill_with_noise(random);
  std::vector<uint8_t> arena(200000);
  for (uint8_t& byte : arena) byte = static_cast<uint8_t>(random.byte());
  const uint32_t main =
      heddle_bus_address(arena.data(), static_cast<uint32_t>(arena.size()), HEDDLE_MAIN_MEMORY);
  ASSERT_NE(main, 0u);
  const auto number = [&](int64_t low, int64_t high) {
    return static_cast<uint32_t>(random.between(low, high));
  };
  for (int i = 0; i < 800; ++i) {
    simple_dma_job job = {};
    job.row_bytes = number(1, random.between(0, 30) == 0 ? 3000 : 100);
    job.rows = number(1, 8);
    job.planes = number(1, 6);
    job.source_row_stride = job.row_bytes + number(0, 20);
    job.source_plane_stride = job.source_row_stride * job.rows + number(0, 20);
    job.destination_row_stride = job.row_bytes + number(0, 20);
    job.destination_plane_stride = job.destination_row_stride * job.rows + number(0, 20);
    const bool to_l1 = random.between(0, 1) == 0;
    const uint32_t in = number(0, 999), out = number(0, 999);
    job.source = (to_l1 ? main : TEST_L1_BASE) + in;
    job.destination = (to_l1 ? TEST_L1_BASE : main) + out;
    uint8_t* const from = to_l1 ? arena.data() : l1();
    uint8_t* const to = to_l1 ? l1() : arena.data();
    std::vector<uint8_t> expected(to, to + arena.size());
    for (uint32_t plane = 0; plane < job.planes; ++plane) {
      for (uint32_t row = 0; row < job.rows; ++row) {
        std::memcpy(expected.data() + out + plane * job.destination_plane_stride +
                        row * job.destination_row_stride,
                    from + in + plane * job.source_plane_stride + row * job.source_row_stride,
                    job.row_bytes);
      }
    }
    const Counters before = counters_of("simple_dma");
    simple_dma_start(&job);
    simple_dma_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_EQ(std::memcmp(to, expected.data(), expected.size()), 0) << i;
    ASSERT_EQ(counters_of("simple_dma").jobs - before.jobs, 1u);
  }
}

TEST(SimpleDma, EveryRefusal) {
  heddle_host_reset();
  static const uint8_t constants[64] = {};
  ASSERT_EQ(heddle_bus_address(constants, sizeof constants, HEDDLE_CONSTANT_MEMORY),
            TEST_FLASH_BASE);
  using Job = simple_dma_job;
  const Job good = {.source = TEST_L1_BASE,
                    .destination = TEST_L1_BASE + 0x8000,
                    .row_bytes = 65,
                    .rows = 3,
                    .planes = 2,
                    .source_row_stride = 65,
                    .source_plane_stride = 256,
                    .destination_row_stride = 80,
                    .destination_plane_stride = 240};
  const struct {
    void (*change)(Job&);
    const char* why;
  } rows[] = {
      {[](Job& j) { j.row_bytes = 0; }, "simple_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.rows = 0; }, "simple_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.planes = 0; }, "simple_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.row_bytes = 1u << 29; }, "simple_dma: a transfer of more than 256 MiB"},
      {[](Job& j) { j.rows = 0xFFFFFFFFu; }, "simple_dma: a transfer of more than 256 MiB"},
      {[](Job& j) { j.planes = 0xFFFFFFFFu; }, "simple_dma: a transfer of more than 256 MiB"},
      {[](Job& j) { j.source = 0xFFFFFFE0u; },
       "simple_dma: the source runs past the end of the address space"},
      {[](Job& j) { j.destination = 0xFFFFFFE0u; },
       "simple_dma: the destination runs past the end of the address space"},
      {[](Job& j) { j.source = 0x40; },
       "simple_dma: the source lies outside the memories that the DMA reaches"},
      {[](Job& j) { j.destination = TEST_FLASH_BASE; },
       "simple_dma: the destination lies outside the memories that the DMA may write"},
  };
  for (const auto& row : rows) {
    simple_dma_start(&good);
    EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    EXPECT_EQ(heddle_reg_read(SIMPLE_DMA_BASE), 0u);
    Job job = good;
    row.change(job);
    simple_dma_start(&job);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_STREQ(heddle_host_error(), row.why);
    EXPECT_EQ(heddle_reg_read(SIMPLE_DMA_BASE), uint32_t{SIMPLE_DMA_ERROR}) << row.why;
  }
  const struct {
    uint32_t offset, value;
    bool write;
    const char* why;
  } registers[] = {
      {0x2C, 1, true, "simple_dma: a write to an address that is no register"},
      {0x06, 1, false, "simple_dma: a read of an address that is no register"},
      {0x00, 1, true, "simple_dma: a write to the status register"},
      {0x04, 2, true, "simple_dma: a value other than 1 was written to the start register"},
  };
  for (const auto& row : registers) {
    row.write ? heddle_reg_write(SIMPLE_DMA_BASE + row.offset, row.value)
              : (void)heddle_reg_read(SIMPLE_DMA_BASE + row.offset);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_STREQ(heddle_host_error(), row.why);
  }
}

}  // namespace
}  // namespace heddle::device
