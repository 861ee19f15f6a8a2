// The pooling stage of the digital core, through driver, register map and model, against naive loops;
// every byte of L1 and the cycles are compared. Then what the model refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "diana_digital/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

struct Pool {
  Tile x, y;
  int64_t fy = 1, fx = 1, stride = 1, pad_top = 0, pad_left = 0;
  int64_t multiplier = 1, shift = 0, lo = -128, hi = 127;
};

// Windows of a few elements, or (`whole`) of the image.
Pool random_pool(Random& random, bool whole) {
  Pool pool;
  const int64_t k = random.between(1, 20), iy = random.between(1, 12), ix = random.between(1, 40);
  pool.stride = random.between(1, 2);
  pool.fy = whole ? iy : random.between(1, 6);
  pool.fx = whole ? ix : random.between(1, 6);
  pool.pad_top = whole ? 0 : random.between(0, pool.fy - 1);
  pool.pad_left = whole ? 0 : random.between(0, pool.fx - 1);
  // Windows may reach over the lower and the right edge too.
  const int64_t oy = whole ? 1 : random.between(1, (iy + pool.pad_top - 1) / pool.stride + 1);
  const int64_t ox = whole ? 1 : random.between(1, (ix + pool.pad_left - 1) / pool.stride + 1);
  uint32_t offset = static_cast<uint32_t>(random.between(0, 100000));
  pool.x = make_tile(random, offset, k, iy, ix);
  pool.y = make_tile(random, offset, k, oy, ox);
  pool.multiplier = random.between(-128, 127);
  pool.shift = random.between(0, 12);
  pool.lo = random.between(-128, 0);
  pool.hi = random.between(0, 127);
  return pool;
}

std::vector<int8_t> pooled(const Pool& pool, bool largest) {
  std::vector<int8_t> y;
  for (int64_t k = 0; k < pool.y.channels; ++k) {
    for (int64_t oy = 0; oy < pool.y.height; ++oy) {
      for (int64_t ox = 0; ox < pool.y.width; ++ox) {
        int64_t sum = 0, most = -128;
        for (int64_t fy = 0; fy < pool.fy; ++fy) {
          for (int64_t fx = 0; fx < pool.fx; ++fx) {
            const int64_t iy = oy * pool.stride + fy - pool.pad_top;
            const int64_t ix = ox * pool.stride + fx - pool.pad_left;
            if (iy < 0 || iy >= pool.x.height || ix < 0 || ix >= pool.x.width) continue;
            const int64_t value = static_cast<int8_t>(l1()[pool.x.at(k, iy, ix)]);
            sum += value;
            most = std::max(most, value);
          }
        }
        y.push_back(largest ? static_cast<int8_t>(most)
                            : requantise(sum * pool.multiplier, pool.shift, pool.lo, pool.hi));
      }
    }
  }
  return y;
}

diana_digital_mean_pool_job mean_job(const Pool& pool) {
  return {.x = pool.x.address(),
          .x_pitch = pool.x.pitch,
          .x_plane = pool.x.plane,
          .y = pool.y.address(),
          .y_pitch = pool.y.pitch,
          .y_plane = pool.y.plane,
          .channels = static_cast<uint32_t>(pool.y.channels),
          .in_height = static_cast<uint32_t>(pool.x.height),
          .in_width = static_cast<uint32_t>(pool.x.width),
          .out_height = static_cast<uint32_t>(pool.y.height),
          .out_width = static_cast<uint32_t>(pool.y.width),
          .kernel_height = static_cast<uint32_t>(pool.fy),
          .kernel_width = static_cast<uint32_t>(pool.fx),
          .stride = static_cast<uint32_t>(pool.stride),
          .pad_top = static_cast<uint32_t>(pool.pad_top),
          .pad_left = static_cast<uint32_t>(pool.pad_left),
          .multiplier = static_cast<int32_t>(pool.multiplier),
          .shift = static_cast<uint32_t>(pool.shift),
          .minimum = static_cast<int32_t>(pool.lo),
          .maximum = static_cast<int32_t>(pool.hi)};
}

diana_digital_max_pool_job max_job(const diana_digital_mean_pool_job& m) {
  return {.x = m.x,
          .x_pitch = m.x_pitch,
          .x_plane = m.x_plane,
          .y = m.y,
          .y_pitch = m.y_pitch,
          .y_plane = m.y_plane,
          .channels = m.channels,
          .in_height = m.in_height,
          .in_width = m.in_width,
          .out_height = m.out_height,
          .out_width = m.out_width,
          .kernel_height = m.kernel_height,
          .kernel_width = m.kernel_width,
          .stride = m.stride,
          .pad_top = m.pad_top,
          .pad_left = m.pad_left};
}

void start(const diana_digital_mean_pool_job& job, bool largest) {
  if (largest) {
    const diana_digital_max_pool_job same = max_job(job);
    diana_digital_max_pool_start(&same);
  } else {
    diana_digital_mean_pool_start(&job);
  }
}

TEST(Pool, EqualsNaiveLoops) {
  heddle_host_reset();
  Random random(5);
  fill_with_noise(random);
  for (int i = 0; i < 800; ++i) {
    SCOPED_TRACE(i);
    const bool largest = i % 2 == 0;
    const Pool pool = random_pool(random, i % 5 == 0);
    const std::vector<uint8_t> before(l1(), l1() + TEST_L1_BYTES);
    const std::vector<uint8_t> expected = expect(before, pool.y, pooled(pool, largest));
    const Counters old = counters_of("diana_digital");
    start(mean_job(pool), largest);
    diana_digital_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_EQ(std::memcmp(l1(), expected.data(), TEST_L1_BYTES), 0);
    const int64_t elements =
        pool.y.channels * pool.y.height * pool.y.width * pool.fy * pool.fx;
    ASSERT_EQ(counters_of("diana_digital").cycles - old.cycles,
              static_cast<uint64_t>(600 + 4 * elements));
  }
}

TEST(Pool, Errors) {
  using Job = diana_digital_mean_pool_job;
  const Job good = {.x = TEST_L1_BASE,
                    .x_pitch = 16,
                    .x_plane = 128,
                    .y = TEST_L1_BASE + 0x8000,
                    .y_pitch = 16,
                    .y_plane = 128,
                    .channels = 3,
                    .in_height = 8,
                    .in_width = 9,
                    .out_height = 4,
                    .out_width = 4,
                    .kernel_height = 2,
                    .kernel_width = 2,
                    .stride = 2,
                    .pad_top = 0,
                    .pad_left = 0,
                    .multiplier = 128 / 4,
                    .shift = 7,
                    .minimum = -128,
                    .maximum = 127};
  const struct {
    void (*change)(Job&);
    const char* why;
    bool mean_only = false;
  } rows[] = {
      {[](Job& j) { j.kernel_height = 0; }, "the window is 0 x 2, but sizes are 1 to 255"},
      {[](Job& j) { j.kernel_width = 256; }, "the window is 2 x 256, but sizes are 1 to 255"},
      {[](Job& j) { j.stride = 3; }, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)"},
      {[](Job& j) { j.pad_top = 2; }, "the padding 2, 0 is not less than the kernel"},
      {[](Job& j) { j.out_height = 5; }, "the last window lies outside the input"},
      {[](Job& j) { j.y = j.x; }, "y overlaps x"},
      {[](Job& j) { j.x += 4; }, "x has the address 0x10000004, which is not a multiple of 16"},
      {[](Job& j) { j.x = 0x40; }, "x lies outside the memories that the core reaches"},
      {[](Job& j) { j.multiplier = 128; }, "the multiplier is 128, which is no signed byte", true},
      {[](Job& j) { j.shift = 32; }, "the shift is 32, but the register has 5 bits", true},
      {[](Job& j) { j.minimum = -129; },
       "the bounds are -129 and 127, which is no range of signed bytes", true},
  };
  for (const bool largest : {false, true}) {
    for (const auto& row : rows) {
      if (largest && row.mean_only) continue;
      heddle_host_reset();
      start(good, largest);
      EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
      Job job = good;
      row.change(job);
      start(job, largest);
      EXPECT_EQ(heddle_status(), HEDDLE_ERROR_BUS) << row.why;
      EXPECT_EQ(heddle_host_error(), std::string("diana_digital: ") + row.why);
    }
  }
  // No driver call can give unequal channels.
  heddle_host_reset();
  start(good, false);
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_IN_CHANNELS, 2);
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_START, DIANA_DIGITAL_MEAN_POOL);
  EXPECT_EQ(heddle_status(), HEDDLE_ERROR_BUS);
  EXPECT_STREQ(heddle_host_error(), "diana_digital: a pooling job has x and y of unequal channels");
}

}  // namespace
}  // namespace heddle::device
