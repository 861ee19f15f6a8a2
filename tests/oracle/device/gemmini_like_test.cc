// The systolic array, through driver, register map and model: random jobs against naive loops, every
// byte of the memory compared; cycles against the rules; every refusal with its words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "expr/expr.h"
#include "gemmini_like/driver.h"
#include "rules/rules.h"
#include "tests/oracle/device/machine.h"

extern "C" {
extern const heddle_model gemmini_like_model;
}

namespace heddle::device {
namespace {

constexpr uint32_t kX = TEST_L1_BASE, kY = TEST_L1_BASE + 0x20000;

uint32_t number(Random& random, int64_t low, int64_t high) {
  return static_cast<uint32_t>(random.between(low, high));
}
uint32_t rows_of(uint32_t channels) { return (channels + 15) / 16 * 16; }

gemmini_like_job random_job(Random& random) {
  gemmini_like_job job = {};
  job.x = kX, job.y = kY, job.weights = TEST_WEIGHTS_BASE;
  job.in_channels = number(random, 1, 40);
  job.in_height = number(random, 1, 9);
  job.in_width = number(random, 1, 9);
  job.out_channels = number(random, 1, 40);
  job.kernel_height = number(random, 1, 3);
  job.kernel_width = number(random, 1, 4);
  job.stride = number(random, 1, 3);
  job.pad_top = number(random, 0, job.kernel_height - 1);
  job.pad_left = number(random, 0, job.kernel_width - 1);
  job.out_height = number(random, 1, (job.in_height + job.pad_top - 1) / job.stride + 1);
  job.out_width = number(random, 1, (job.in_width + job.pad_left - 1) / job.stride + 1);
  job.x_pitch = rows_of(job.in_channels) + 16 * number(random, 0, 1);
  job.x_plane = job.in_width * job.x_pitch + 16 * number(random, 0, 2);
  job.y_pitch = rows_of(job.out_channels) + 16 * number(random, 0, 1);
  job.y_plane = job.out_width * job.y_pitch + 16 * number(random, 0, 2);
  job.x_zero_point = static_cast<int32_t>(random.between(-128, 127));
  job.zero_point = static_cast<int32_t>(random.between(-128, 127));
  job.minimum = static_cast<int32_t>(random.between(-128, 0));
  job.maximum = static_cast<int32_t>(random.between(1, 127));
  return job;
}

int64_t word_at(uint32_t offset) {
  int32_t word;
  std::memcpy(&word, weights() + offset, sizeof word);
  return word;
}

// Biases and scales of every block: small enough that results do not all saturate.
void write_channels(Random& random, const gemmini_like_job& job) {
  const uint32_t taps = job.kernel_height * job.kernel_width * rows_of(job.in_channels);
  const uint32_t block = 128 + 16 * taps;
  ASSERT_LE(block * rows_of(job.out_channels) / 16, uint32_t{TEST_WEIGHTS_BYTES});
  for (uint32_t k = 0; k < rows_of(job.out_channels); ++k) {
    const int32_t bias = static_cast<int32_t>(random.between(-100'000, 100'000));
    // Halves now and then: powers of two.
    const float scale = random.between(0, 1) == 0 ? 0.0009765625f
                                                  : 1e-5f * static_cast<float>(random.between(1, 90));
    std::memcpy(weights() + k / 16 * block + 4 * (k % 16), &bias, 4);
    std::memcpy(weights() + k / 16 * block + 64 + 4 * (k % 16), &scale, 4);
    // Weights of channels that are not there are 0, as they are packed.
    for (uint32_t tap = 0; tap < job.kernel_height * job.kernel_width; ++tap) {
      for (uint32_t c = job.in_channels; c < rows_of(job.in_channels); ++c)
        weights()[k / 16 * block + 128 + (tap * rows_of(job.in_channels) + c) * 16 + k % 16] = 0;
    }
  }
}

int8_t expected(const gemmini_like_job& job, uint32_t k, uint32_t oy, uint32_t ox) {
  const uint32_t channels = rows_of(job.in_channels);
  const uint32_t block =
      k / 16 * (128 + 16 * job.kernel_height * job.kernel_width * channels);
  int64_t sum = word_at(block + 4 * (k % 16));
  for (uint32_t fy = 0; fy < job.kernel_height; ++fy) {
    for (uint32_t fx = 0; fx < job.kernel_width; ++fx) {
      const int64_t y = int64_t{oy} * job.stride + fy - job.pad_top;
      const int64_t x = int64_t{ox} * job.stride + fx - job.pad_left;
      if (y < 0 || y >= job.in_height || x < 0 || x >= job.in_width) continue;
      for (uint32_t c = 0; c < job.in_channels; ++c) {
        const uint32_t at = job.x - TEST_L1_BASE + static_cast<uint32_t>(y) * job.x_plane +
                            static_cast<uint32_t>(x) * job.x_pitch + c;
        const uint32_t weight =
            block + 128 + ((fy * job.kernel_width + fx) * channels + c) * 16 + k % 16;
        sum += int64_t{static_cast<int8_t>(l1()[at]) - job.x_zero_point} *
               static_cast<int8_t>(weights()[weight]);
      }
    }
  }
  float scale;
  std::memcpy(&scale, weights() + block + 64 + 4 * (k % 16), sizeof scale);
  const float rounded = std::nearbyint(static_cast<float>(static_cast<int32_t>(sum)) * scale);
  const int64_t value =
      static_cast<int64_t>(std::clamp(rounded, -100'000.f, 100'000.f)) + job.zero_point;
  return static_cast<int8_t>(std::clamp<int64_t>(value, job.minimum, job.maximum));
}

TEST(GemminiLike, RandomJobsAgainstLoops) {
  heddle_host_reset();
  Random random(11);
  int inside = 0;
  for (int i = 0; i < 300; ++i) {
    const gemmini_like_job job = random_job(random);
    fill_with_noise(random);
    write_channels(random, job);
    std::vector<uint8_t> wanted(l1(), l1() + TEST_L1_BYTES);
    for (uint32_t oy = 0; oy < job.out_height; ++oy) {
      for (uint32_t ox = 0; ox < job.out_width; ++ox) {
        for (uint32_t k = 0; k < rows_of(job.out_channels); ++k) {
          const int8_t value = k < job.out_channels ? expected(job, k, oy, ox) : int8_t{0};
          wanted[job.y - TEST_L1_BASE + oy * job.y_plane + ox * job.y_pitch + k] =
              static_cast<uint8_t>(value);
          inside += value > job.minimum && value < job.maximum;
        }
      }
    }
    gemmini_like_start(&job);
    gemmini_like_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), l1())) << i;
  }
  EXPECT_GT(inside, 10'000);
}

TEST(GemminiLike, CyclesOfTheRulesAreThoseOfTheModel) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  Result<Target> target =
      load_target(std::string(HEDDLE_SOURCE_DIR) + "/accelerators/gemmini_like");
  ASSERT_TRUE(target.ok()) << format_diagnostics(target.errors());
  EXPECT_EQ(target->base_macro, "GEMMINI_LIKE_BASE");
  EXPECT_GE(target->register_bytes, GEMMINI_LIKE_MAXIMUM + 4);
  Random random(12);
  for (const Rule& rule : target->rules) {
    for (int i = 0; i < 200; ++i) {
      gemmini_like_job job = random_job(random);
      if (rule.name == "dense") {
        job.in_height = job.in_width = job.out_height = job.out_width = 1;
        job.kernel_height = job.kernel_width = job.stride = 1;
        job.pad_top = job.pad_left = 0;
      }
      const Counters before = counters_of("gemmini_like");
      gemmini_like_start(&job);
      ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
      const std::map<std::string, ExprValue> names = {
          {"c", int64_t{job.in_channels}},    {"k", int64_t{job.out_channels}},
          {"oy", int64_t{job.out_height}},    {"ox", int64_t{job.out_width}},
          {"fy", int64_t{job.kernel_height}}, {"fx", int64_t{job.kernel_width}},
          {"unit.launch_cycles", int64_t{GEMMINI_LIKE_LAUNCH_CYCLES}}};
      int64_t cycles = 0;
      for (const Expr* expr : {&rule.launch, &rule.compute}) {
        const auto value = evaluate_int(*expr, environment_of(names));
        ASSERT_TRUE(std::holds_alternative<int64_t>(value)) << rule.name;
        cycles += std::get<int64_t>(value);
      }
      ASSERT_EQ(counters_of("gemmini_like").cycles - before.cycles, static_cast<uint64_t>(cycles))
          << rule.name;
    }
  }
}

gemmini_like_job good() {
  gemmini_like_job job = {};
  job.x = kX, job.x_pitch = 16, job.x_plane = 64, job.y = kY, job.y_pitch = 16, job.y_plane = 64;
  job.weights = TEST_WEIGHTS_BASE, job.in_channels = 3, job.in_height = 4, job.in_width = 4;
  job.out_channels = 5, job.out_height = 4, job.out_width = 4, job.kernel_height = 3;
  job.kernel_width = 3, job.stride = 1, job.pad_top = 1, job.pad_left = 1;
  job.minimum = -128, job.maximum = 127;
  return job;
}

TEST(GemminiLike, RefusesBadJobs) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  using Job = gemmini_like_job;
  const struct {
    void (*change)(Job&);
    const char* why;
  } rows[] = {
      {[](Job& j) { j.in_channels = 0; }, "IN_CHANNELS is 0, but it must be 1 to 65535"},
      {[](Job& j) { j.kernel_width = 16; }, "KERNEL_WIDTH is 16, but it must be 1 to 15"},
      {[](Job& j) { j.stride = 0; }, "STRIDE is 0, but it must be 1 to 15"},
      {[](Job& j) { j.out_height = 33, j.out_width = 32; },
       "1056 pixels, but the accumulator has 1024 rows"},
      {[](Job& j) { j.pad_top = 3; },
       "padding of 3 rows and 1 columns is not less than the kernel"},
      {[](Job& j) { j.out_height = 6; }, "the last window lies outside the image"},
      {[](Job& j) { j.x_zero_point = 128; }, "X_ZERO_POINT is 128, but it must be -128 to 127"},
      {[](Job& j) { j.minimum = 3, j.maximum = 2; }, "the minimum is greater than the maximum"},
      {[](Job& j) { j.x += 8; },
       "the image at 0x10000008, with pitch 16 and plane 64, is not in rows of 16 bytes"},
      {[](Job& j) { j.out_channels = 17; },
       "the result has pitch 16 and plane 64, too little for 4 columns of 17 channels"},
      {[](Job& j) { j.x_plane = 48; },
       "the image has pitch 16 and plane 48, too little for 4 columns of 3 channels"},
      {[](Job& j) { j.y = 0xFFFFFFF0u; }, "the result runs past the end of the address space"},
      {[](Job& j) { j.x = j.y + 16; }, "the result overlaps the image"},
      {[](Job& j) { j.weights = j.y; }, "the result overlaps the weights"},
      {[](Job& j) { j.x = TEST_L2_BASE; },
       "the image lies outside the memories that the array reaches"},
      {[](Job& j) { j.weights = TEST_WEIGHTS_BASE + TEST_WEIGHTS_BYTES; },
       "the weights lies outside the memories that the array reaches"},
      {[](Job& j) { j.y = TEST_L1_BASE + TEST_L1_BYTES - 64; },
       "the result lies outside the memories that the array may write"},
  };
  for (const auto& row : rows) {
    Job job = good();
    gemmini_like_start(&job);
    EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    row.change(job);
    gemmini_like_start(&job);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_EQ(heddle_host_error(), std::string("gemmini_like: ") + row.why);
    EXPECT_EQ(heddle_reg_read(GEMMINI_LIKE_BASE), uint32_t{GEMMINI_LIKE_ERROR});
  }
}

TEST(GemminiLike, RefusesWhatIsNoRegister) {
  heddle_host_reset();
  const struct {
    uint32_t offset, value;
    bool write;
    const char* why;
  } rows[] = {
      {0x60, 1, true, "gemmini_like: a write to an address that is no register"},
      {0x0A, 1, false, "gemmini_like: a read of an address that is no register"},
      {0x00, 1, true, "gemmini_like: a write to the status register"},
      {0x04, 2, true, "gemmini_like: a value other than 1 was written to the start register"},
  };
  for (const auto& row : rows) {
    row.write ? heddle_reg_write(GEMMINI_LIKE_BASE + row.offset, row.value)
              : (void)heddle_reg_read(GEMMINI_LIKE_BASE + row.offset);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_STREQ(heddle_host_error(), row.why);
  }
  std::vector<uint64_t> state(gemmini_like_model.state_bytes / 8 + 1, ~uint64_t{0});
  gemmini_like_model.reset(state.data());
  gemmini_like_model.write(state.data(), GEMMINI_LIKE_START, 1);
  EXPECT_EQ(gemmini_like_model.read(state.data(), HEDDLE_MODEL_STATUS), 1u);
  gemmini_like_model.write(state.data(), GEMMINI_LIKE_START, 1);
  const heddle_bus bus = {};
  uint64_t cycles = 1;
  const char* why = nullptr;
  EXPECT_EQ(gemmini_like_model.step(state.data(), &bus, &cycles, &why), -1);
  EXPECT_STREQ(why, "a register was written while the array was busy");
}

}  // namespace
}  // namespace heddle::device
