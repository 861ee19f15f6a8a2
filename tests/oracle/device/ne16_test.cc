// The engine of NE16's class, through driver, register map and model: random jobs against naive loops,
// every byte of the memory compared; cycles against the rules; every refusal with its words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "expr/expr.h"
#include "ne16/driver.h"
#include "rules/rules.h"
#include "tests/oracle/device/machine.h"

extern "C" {
extern const heddle_model ne16_model;
}

namespace heddle::device {
namespace {

constexpr uint32_t kX = TEST_L1_BASE + 3, kY = TEST_L1_BASE + 0x20000;

uint32_t number(Random& random, int64_t low, int64_t high) {
  return static_cast<uint32_t>(random.between(low, high));
}

ne16_job random_job(Random& random, bool depthwise, bool sums) {
  ne16_job job = {};
  job.x = kX, job.y = kY, job.weights = TEST_WEIGHTS_BASE;
  job.out_channels = number(random, 1, 40);
  job.in_channels = depthwise ? job.out_channels : number(random, 1, 40);
  job.in_height = number(random, 1, 9);
  job.in_width = number(random, 1, 9);
  job.kernel = depthwise || random.between(0, 1) == 0 ? 3 : 1;
  job.stride = number(random, 1, 2);
  job.pad_top = number(random, 0, job.kernel - 1);
  job.pad_left = number(random, 0, job.kernel - 1);
  job.out_height = number(random, 1, (job.in_height + job.pad_top - 1) / job.stride + 1);
  job.out_width = number(random, 1, (job.in_width + job.pad_left - 1) / job.stride + 1);
  job.x_pitch = job.in_channels + number(random, 0, 5);
  job.x_plane = job.in_width * job.x_pitch + number(random, 0, 9);
  const uint32_t element = sums ? 4 : 1;
  job.y_pitch = element * (job.out_channels + number(random, 0, 5));
  job.y_plane = job.out_width * job.y_pitch + element * number(random, 0, 9);
  job.x_signed = number(random, 0, 1);
  job.x_zero_point = static_cast<int32_t>(random.between(-128, 255));
  job.sums = sums;
  if (sums) return job;
  job.multiply = number(random, 0, 1);
  job.half_up = number(random, 0, 1);
  job.shift = number(random, 0, job.multiply != 0 ? 40 : 12);
  job.zero_point = static_cast<int32_t>(random.between(-300, 300));
  const bool negative = random.between(0, 1) == 0;
  job.minimum = static_cast<int32_t>(random.between(negative ? -128 : 0, negative ? -1 : 20));
  job.maximum = static_cast<int32_t>(random.between(100, negative ? 127 : 255));
  return job;
}

// Where a channel's constants are, in the weight memory: numbers p = 0 (bias) to 3 (shift), and the weight
// of input channel c and tap.
struct Packed {
  const ne16_job& job;
  bool depthwise;

  uint32_t numbers() const { return job.sums != 0 ? 1 : 4; }
  uint32_t taps() const { return job.kernel * job.kernel; }
  uint32_t block() const {
    return depthwise ? 16 * (4 * numbers() + taps())
                     : 4 * numbers() + (job.in_channels + 15) / 16 * 16 * taps();
  }
  uint32_t number(uint32_t k, uint32_t p) const {
    return depthwise ? k / 16 * block() + 4 * (16 * p + k % 16) : k * block() + 4 * p;
  }
  uint32_t weight(uint32_t k, uint32_t c, uint32_t tap) const {
    if (depthwise) return k / 16 * block() + 64 * numbers() + 16 * tap + k % 16;
    return k * block() + 4 * numbers() + (c / 16 * taps() + tap) * 16 + c % 16;
  }
};

int32_t word_at(uint32_t offset) {
  int32_t word;
  std::memcpy(&word, weights() + offset, sizeof word);
  return word;
}

// Biases, multipliers, addends and shifts: results that do not all saturate. Weights stay noise.
void write_channels(Random& random, const ne16_job& job, bool depthwise) {
  const Packed packed{job, depthwise};
  ASSERT_LE(packed.block() * (depthwise ? (job.out_channels + 15) / 16 : job.out_channels),
            uint32_t{TEST_WEIGHTS_BYTES});
  for (uint32_t k = 0; k < job.out_channels; ++k) {
    const int64_t unit = int64_t{1} << std::min<uint32_t>(job.shift, 30);
    const int32_t numbers[4] = {
        static_cast<int32_t>(random.between(-100'000, 100'000)),
        static_cast<int32_t>(random.between(-1, 1) * random.between(0, unit / 200 + 1)),
        static_cast<int32_t>(random.between(-50 * unit, 50 * unit) / 32),
        static_cast<int32_t>(random.between(0, 3))};
    for (uint32_t p = 0; p < packed.numbers(); ++p)
      std::memcpy(weights() + packed.number(k, p), &numbers[p], 4);
  }
}

int64_t expected(const ne16_job& job, bool depthwise, uint32_t k, uint32_t oy, uint32_t ox) {
  const Packed packed{job, depthwise};
  int64_t sum = word_at(packed.number(k, 0));
  for (uint32_t tap = 0; tap < packed.taps(); ++tap) {
    const int64_t y = int64_t{oy} * job.stride + tap / job.kernel - job.pad_top;
    const int64_t x = int64_t{ox} * job.stride + tap % job.kernel - job.pad_left;
    if (y < 0 || y >= job.in_height || x < 0 || x >= job.in_width) continue;
    for (uint32_t c = depthwise ? k : 0; c < (depthwise ? k + 1 : job.in_channels); ++c) {
      const uint8_t byte = l1()[job.x - TEST_L1_BASE + static_cast<uint32_t>(y) * job.x_plane +
                                static_cast<uint32_t>(x) * job.x_pitch + c];
      const int64_t pixel = job.x_signed != 0 ? static_cast<int8_t>(byte) : byte;
      sum += (pixel - job.x_zero_point) * static_cast<int8_t>(weights()[packed.weight(k, c, tap)]);
    }
  }
  if (job.sums != 0) return sum;
  const int64_t divisor = int64_t{1} << (job.shift + static_cast<uint32_t>(word_at(packed.number(k, 3))));
  int64_t value = sum * (job.multiply != 0 ? word_at(packed.number(k, 1)) : 1) +
                  word_at(packed.number(k, 2)) + (job.half_up != 0 ? divisor / 2 : 0);
  value = value / divisor - (value % divisor < 0);
  return std::clamp<int64_t>(value + job.zero_point, job.minimum, job.maximum);
}

void start(const ne16_job& job, bool depthwise) {
  depthwise ? ne16_depthwise_start(&job) : ne16_conv2d_start(&job);
}

TEST(Ne16, RandomJobsAgainstLoops) {
  heddle_host_reset();
  Random random(21);
  int inside = 0;
  for (int i = 0; i < 400; ++i) {
    const bool depthwise = i % 2 == 1, sums = i % 8 >= 6;
    const ne16_job job = random_job(random, depthwise, sums);
    fill_with_noise(random);
    write_channels(random, job, depthwise);
    std::vector<uint8_t> wanted(l1(), l1() + TEST_L1_BYTES);
    for (uint32_t oy = 0; oy < job.out_height; ++oy) {
      for (uint32_t ox = 0; ox < job.out_width; ++ox) {
        for (uint32_t k = 0; k < job.out_channels; ++k) {
          const int64_t value = expected(job, depthwise, k, oy, ox);
          const uint32_t bytes = sums ? 4 : 1;
          const uint32_t at = job.y - TEST_L1_BASE + oy * job.y_plane + ox * job.y_pitch + k * bytes;
          for (uint32_t b = 0; b < bytes; ++b) wanted[at + b] = static_cast<uint8_t>(value >> 8 * b);
          inside += !sums && value > job.minimum && value < job.maximum;
        }
      }
    }
    start(job, depthwise);
    ne16_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), l1())) << i;
  }
  EXPECT_GT(inside, 10'000);
}

TEST(Ne16, CyclesOfTheRulesAreThoseOfTheModel) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  Result<Target> target = load_target(std::string(HEDDLE_SOURCE_DIR) + "/accelerators/ne16");
  ASSERT_TRUE(target.ok()) << format_diagnostics(target.errors());
  EXPECT_EQ(target->base_macro, "NE16_BASE");
  EXPECT_GE(target->register_bytes, NE16_MAXIMUM + 4);
  Random random(22);
  for (const Rule& rule : target->rules) {
    const bool depthwise = rule.name.starts_with("depthwise"), sums = rule.name.ends_with("sums");
    const std::string op = depthwise ? "depthwise_conv2d" : "conv2d";
    for (int i = 0; i < 200; ++i) {
      const ne16_job job = random_job(random, depthwise, sums);
      const Counters before = counters_of("ne16");
      start(job, depthwise);
      ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
      const std::map<std::string, ExprValue> names = {
          {"c", int64_t{job.in_channels}},   {"k", int64_t{job.out_channels}},
          {"oy", int64_t{job.out_height}},   {"ox", int64_t{job.out_width}},
          {"fy", int64_t{job.kernel}},       {op + ".stride_h", int64_t{job.stride}},
          {"mul.present", int64_t{job.multiply}},
          {"unit.launch_cycles", int64_t{NE16_LAUNCH_CYCLES}}};
      int64_t cycles = 0;
      for (const Expr* expr : {&rule.launch, &rule.compute}) {
        const auto value = evaluate_int(*expr, environment_of(names));
        ASSERT_TRUE(std::holds_alternative<int64_t>(value)) << rule.name;
        cycles += std::get<int64_t>(value);
      }
      ASSERT_EQ(counters_of("ne16").cycles - before.cycles, static_cast<uint64_t>(cycles))
          << rule.name;
    }
  }
}

// README.md's examples.
TEST(Ne16, CyclesOfLayersThatAreWrittenDown) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  ne16_job job = {};
  job.x = TEST_L1_BASE, job.y = TEST_L1_BASE + 0x10000, job.weights = TEST_WEIGHTS_BASE;
  job.in_channels = job.out_channels = 64, job.in_height = job.in_width = 24;
  job.out_height = job.out_width = 24, job.kernel = 3, job.stride = 1;
  job.pad_top = job.pad_left = 1, job.multiply = 1;
  job.x_pitch = job.y_pitch = 64, job.x_plane = job.y_plane = 24 * 64;
  uint64_t before = counters_of("ne16").cycles;
  ne16_conv2d_start(&job);
  EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
  EXPECT_EQ(counters_of("ne16").cycles - before, 162'482 - 50 + NE16_LAUNCH_CYCLES);
}

ne16_job good() {
  ne16_job job = {};
  job.x = kX, job.x_pitch = 3, job.x_plane = 12, job.y = kY, job.y_pitch = 5, job.y_plane = 20;
  job.weights = TEST_WEIGHTS_BASE, job.in_channels = 3, job.in_height = 4, job.in_width = 4;
  job.out_channels = 5, job.out_height = 4, job.out_width = 4, job.kernel = 3, job.stride = 1;
  job.pad_top = 1, job.pad_left = 1, job.minimum = -128, job.maximum = 127;
  return job;
}

TEST(Ne16, RefusesBadJobs) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  using Job = ne16_job;
  const struct {
    void (*change)(Job&);
    bool depthwise;
    const char* why;
  } rows[] = {
      {[](Job& j) { j.in_channels = 0; }, false, "IN_CHANNELS is 0, but it must be 1 to 65535"},
      {[](Job& j) { j.out_width = 65536; }, false, "OUT_WIDTH is 65536, but it must be 1 to 65535"},
      {[](Job& j) { j.kernel = 2; }, false, "a filter of 2 x 2"},
      {[](Job& j) { j.kernel = 1, j.pad_top = j.pad_left = 0; }, true, "a filter of 1 x 1"},
      {[](Job&) {}, true, "a depthwise job of 3 input and 5 output channels"},
      {[](Job& j) { j.stride = 3; }, false, "a stride of 3"},
      {[](Job& j) { j.pad_top = 3; }, false,
       "padding of 3 rows and 1 columns is not less than the filter"},
      {[](Job& j) { j.out_height = 6; }, false, "the last window lies outside the image"},
      {[](Job& j) { j.x_zero_point = -129; }, false,
       "X_ZERO_POINT is -129, but it must be -128 to 255"},
      {[](Job& j) { j.shift = 63; }, false, "SHIFT is 63, but it must be 0 to 62"},
      {[](Job& j) { j.sums = 1, j.shift = 1; }, false, "SHIFT is 1, but it must be 0 to 0"},
      {[](Job& j) { j.zero_point = 32768; }, false,
       "ZERO_POINT is 32768, but it must be -32768 to 32767"},
      {[](Job& j) { j.minimum = -129; }, false, "MINIMUM is -129, but it must be -128 to 255"},
      {[](Job& j) { j.maximum = 256; }, false, "MAXIMUM is 256, but it must be -128 to 255"},
      {[](Job& j) { j.minimum = 3, j.maximum = 2; }, false,
       "the minimum is greater than the maximum"},
      {[](Job& j) { j.minimum = -1, j.maximum = 128; }, false, "results from -1 to 128 fit no byte"},
      {[](Job& j) { j.sums = 1, j.y_pitch = 22, j.y_plane = 88; }, false,
       "the result at 0x10020000, with pitch 22 and plane 88, is not aligned to 4 bytes"},
      {[](Job& j) { j.weights += 2; }, false,
       "the weights at 0x12000002, with pitch 4 and plane 4, is not aligned to 4 bytes"},
      {[](Job& j) { j.y_pitch = 4; }, false,
       "the result has pitch 4 and plane 20, too little for 4 columns of 5 bytes"},
      {[](Job& j) { j.x_plane = 11; }, false,
       "the image has pitch 3 and plane 11, too little for 4 columns of 3 bytes"},
      {[](Job& j) { j.y = 0xFFFFFFF0u; }, false, "the result runs past the end of the address space"},
      {[](Job& j) { j.x = j.y + 79; }, false, "the result overlaps the image"},
      {[](Job& j) { j.weights = j.y; }, false, "the result overlaps the weights"},
      {[](Job& j) { j.x = TEST_L2_BASE; }, false,
       "the image lies outside the memories that the engine reaches"},
      {[](Job& j) { j.weights = TEST_WEIGHTS_BASE + TEST_WEIGHTS_BYTES; }, false,
       "the weights lies outside the memories that the engine reaches"},
      {[](Job& j) { j.y = TEST_L1_BASE + TEST_L1_BYTES - 79; }, false,
       "the result lies outside the memories that the engine may write"},
  };
  for (const auto& row : rows) {
    Job job = good();
    ne16_conv2d_start(&job);
    EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    row.change(job);
    start(job, row.depthwise);
    EXPECT_NE(heddle_status(), HEDDLE_OK) << row.why;
    EXPECT_EQ(heddle_host_error(), std::string("ne16: ") + row.why);
    EXPECT_EQ(heddle_reg_read(NE16_BASE), uint32_t{NE16_ERROR});
  }
  Job job = good();
  job.shift = 60;
  weights()[12] = 3;  // the first channel's own shift
  ne16_conv2d_start(&job);
  EXPECT_NE(heddle_status(), HEDDLE_OK);
  EXPECT_STREQ(heddle_host_error(), "ne16: a channel is shifted by 63 bits, but it must be 0 to 62");
}

TEST(Ne16, RefusesWhatIsNoRegister) {
  heddle_host_reset();
  const struct {
    uint32_t offset, value;
    bool write;
    const char* why;
  } rows[] = {
      {0x64, 1, true, "ne16: a write to an address that is no register"},
      {0x0A, 1, false, "ne16: a read of an address that is no register"},
      {0x00, 1, true, "ne16: a write to the status register"},
      {0x04, 3, true, "ne16: the start register got the number of no operation"},
  };
  for (const auto& row : rows) {
    row.write ? heddle_reg_write(NE16_BASE + row.offset, row.value)
              : (void)heddle_reg_read(NE16_BASE + row.offset);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_STREQ(heddle_host_error(), row.why);
  }
  std::vector<uint64_t> state(ne16_model.state_bytes / 8 + 1, ~uint64_t{0});
  ne16_model.reset(state.data());
  ne16_model.write(state.data(), NE16_START, NE16_CONV2D);
  EXPECT_EQ(ne16_model.read(state.data(), HEDDLE_MODEL_STATUS), 1u);
  ne16_model.write(state.data(), NE16_START, NE16_CONV2D);
  const heddle_bus bus = {};
  uint64_t cycles = 1;
  const char* why = nullptr;
  EXPECT_EQ(ne16_model.step(state.data(), &bus, &cycles, &why), -1);
  EXPECT_STREQ(why, "a register was written while the engine was busy");
  // Bits that mean nothing, which no driver sets.
  heddle_host_reset();
  heddle_reg_write(NE16_BASE + NE16_FLAGS, 16);
  for (const uint32_t offset : {NE16_IN_CHANNELS, NE16_IN_HEIGHT, NE16_IN_WIDTH, NE16_OUT_CHANNELS,
                                NE16_OUT_HEIGHT, NE16_OUT_WIDTH, NE16_KERNEL, NE16_STRIDE})
    heddle_reg_write(NE16_BASE + offset, 1);
  heddle_reg_write(NE16_BASE + NE16_START, NE16_CONV2D);
  EXPECT_STREQ(heddle_host_error(), "ne16: FLAGS has bits that mean nothing");
}

}  // namespace
}  // namespace heddle::device
