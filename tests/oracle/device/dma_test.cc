// Random transfers of the DMA, through driver, register map and model, against memcpy row by row.
#include <gtest/gtest.h>

#include <cstring>

#include "diana_dma/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

struct Shape {
  uint32_t row_bytes, rows, planes;
};

struct Side {
  uint32_t offset, row_stride, plane_stride;
};

Side random_side(Random& random, const Shape& shape, bool overlapping) {
  Side side;
  side.row_stride = shape.row_bytes + static_cast<uint32_t>(random.between(0, 40));
  if (overlapping) side.row_stride = shape.row_bytes - static_cast<uint32_t>(random.between(0, 31));
  side.plane_stride = side.row_stride * shape.rows + static_cast<uint32_t>(random.between(0, 40));
  side.offset = static_cast<uint32_t>(random.between(0, 1000));
  return side;
}

TEST(Dma, TransfersEqualMemcpyRowByRow) {
  heddle_host_reset();
  Random random(5);
  fill_with_noise(random);
  std::vector<uint8_t> arena(300000);
  for (uint8_t& byte : arena) byte = static_cast<uint8_t>(random.byte());
  const uint32_t main =
      heddle_bus_address(arena.data(), static_cast<uint32_t>(arena.size()), HEDDLE_MAIN_MEMORY);
  ASSERT_NE(main, 0u);

  for (int i = 0; i < 1500; ++i) {
    const bool large = random.between(0, 30) == 0;
    const Shape shape = {
        .row_bytes = 32 * static_cast<uint32_t>(random.between(1, large ? 100 : 6)),
        .rows = static_cast<uint32_t>(random.between(1, large ? 4 : 10)),
        .planes = static_cast<uint32_t>(random.between(1, 8))};
    // A row that is longer than the stride is overwritten by the next one, and must not be the
    // other way round.
    const Side in = random_side(random, shape, false);
    const Side out = random_side(random, shape, random.between(0, 1) == 0);
    const bool to_l1 = random.between(0, 1) == 0;
    uint8_t* const from = to_l1 ? arena.data() : l1();
    uint8_t* const to = to_l1 ? l1() : arena.data();
    std::vector<uint8_t> expected(to, to + TEST_L1_BYTES);
    for (uint32_t plane = 0; plane < shape.planes; ++plane) {
      for (uint32_t row = 0; row < shape.rows; ++row) {
        std::memcpy(expected.data() + out.offset + plane * out.plane_stride + row * out.row_stride,
                    from + in.offset + plane * in.plane_stride + row * in.row_stride,
                    shape.row_bytes);
      }
    }
    const diana_dma_job job = {.source = (to_l1 ? main : TEST_L1_BASE) + in.offset,
                               .destination = (to_l1 ? TEST_L1_BASE : main) + out.offset,
                               .row_bytes = shape.row_bytes,
                               .rows = shape.rows,
                               .planes = shape.planes,
                               .source_row_stride = in.row_stride,
                               .source_plane_stride = in.plane_stride,
                               .destination_row_stride = out.row_stride,
                               .destination_plane_stride = out.plane_stride};
    const Counters old = counters_of("diana_dma");
    diana_dma_start(&job);
    diana_dma_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_EQ(std::memcmp(to, expected.data(), TEST_L1_BYTES), 0) << i;
    ASSERT_EQ(counters_of("diana_dma").jobs - old.jobs, 1u);
    ASSERT_EQ(counters_of("diana_dma").cycles - old.cycles,
              uint64_t{shape.planes} * shape.rows * (70 + (shape.row_bytes + 15) / 16));
  }
}

TEST(Dma, ConstantsGoToTheWeightMemory) {
  heddle_host_reset();
  alignas(4) static const uint8_t table[96] = {1, 2, 3, 4};
  const uint32_t source = heddle_bus_address(table, sizeof table, HEDDLE_CONSTANT_MEMORY);
  ASSERT_EQ(source, TEST_FLASH_BASE);
  const diana_dma_job job = {.source = source,
                             .destination = TEST_WEIGHTS_BASE + 8,
                             .row_bytes = 96,
                             .rows = 1,
                             .planes = 1,
                             .source_row_stride = 0,
                             .source_plane_stride = 0,
                             .destination_row_stride = 0,
                             .destination_plane_stride = 0};
  diana_dma_start(&job);
  EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
  EXPECT_EQ(std::memcmp(weights() + 8, table, sizeof table), 0);
  EXPECT_EQ(weights()[7], 0xA5);
  EXPECT_EQ(weights()[104], 0xA5);
}

}  // namespace
}  // namespace heddle::device
