// DIANA's analog core, through driver, register map and model: random jobs against naive loops,
// every byte of L1 compared; cycles and unrolling against the rules; noise; every refusal with its
// words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "diana_analog/driver.h"
#include "expr/expr.h"
#include "rules/rules.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

using Names = std::map<std::string, ExprValue>;

constexpr uint32_t kX = TEST_L1_BASE + 32, kResidual = TEST_L1_BASE + 0x10000, kY = TEST_L1_BASE + 0x20000,
                   kNorm = TEST_L1_BASE + 0x3F000;
constexpr uint32_t kNoise = DIANA_ANALOG_BASE + 0xF0, kSeed = DIANA_ANALOG_BASE + 0xF4;

uint32_t number(Random& random, int64_t low, int64_t high) {
  return static_cast<uint32_t>(random.between(low, high));
}

uint32_t blocks(uint32_t channels) { return (channels + 63) / 64 * 64; }

// A job with its constants, unpacked.
struct Layer {
  diana_analog_conv2d_job job = {};
  std::vector<int> weights;  // [fy][fx][c][k]
  std::vector<int> m, b;     // [k]

  int weight(uint32_t k, uint32_t c, uint32_t fy, uint32_t fx) const {
    return weights[((fy * job.kernel_width + fx) * job.in_channels + c) * job.out_channels + k];
  }
};

int64_t rows_of(const diana_analog_conv2d_job& job, uint32_t unroll) {
  return int64_t{std::max(64u, job.in_channels)} * job.kernel_height *
         (job.kernel_width + (unroll - 1) * job.stride);
}

bool fits(const diana_analog_conv2d_job& job, uint32_t unroll) {
  return unroll * job.out_channels <= 512 && rows_of(job, unroll) <= 1152;
}

// Published: 8 cycles a row, 18.2 an activation; fitted: those of a job. README.md.
int64_t cycles_of(const diana_analog_conv2d_job& job, uint32_t unroll) {
  const int64_t activations = int64_t{job.out_height} * ((job.out_width + unroll - 1) / unroll);
  const int64_t added =
      job.residual == 0 ? 0 : int64_t{job.out_height} * job.out_width * ((job.out_channels + 15) / 16);
  return DIANA_ANALOG_LAUNCH_CYCLES + 8 * rows_of(job, unroll) + (91 * activations + 4) / 5 + added;
}

// Cells of two bits, blocks of 128 columns, 288 rows at a time; multipliers and addends of each
// block.
void pack(const Layer& layer) {
  const diana_analog_conv2d_job& job = layer.job;
  const uint32_t at_each = std::max(64u, job.in_channels);
  const uint32_t rows = (at_each * job.kernel_height * job.kernel_width + 287) / 288 * 288;
  uint8_t* const cells = static_cast<uint8_t*>(heddle_memory(TEST_CELLS_BASE, TEST_CELLS_BYTES));
  std::memset(cells, 0, TEST_CELLS_BYTES);
  uint8_t* const norm = l1() + (kNorm - TEST_L1_BASE);
  for (uint32_t k = 0; k < job.out_channels; ++k) {
    for (uint32_t fy = 0; fy < job.kernel_height; ++fy) {
      for (uint32_t fx = 0; fx < job.kernel_width; ++fx) {
        for (uint32_t c = 0; c < job.in_channels; ++c) {
          const uint32_t row = (fy * job.kernel_width + fx) * at_each + c;
          const uint32_t cell = (k / 128 * rows + row) * 128 + k % 128;
          cells[cell / 4] =
              static_cast<uint8_t>(cells[cell / 4] | (layer.weight(k, c, fy, fx) & 3) << (2 * (cell % 4)));
        }
      }
    }
    uint8_t* const block = norm + k / 128 * 384;
    block[k % 128] = static_cast<uint8_t>(layer.m[k]);
    block[128 + 2 * (k % 128)] = static_cast<uint8_t>(layer.b[k] & 255);
    block[129 + 2 * (k % 128)] = static_cast<uint8_t>(layer.b[k] >> 8 & 255);
  }
}

Layer random_layer(Random& random, bool residual) {
  Layer layer;
  diana_analog_conv2d_job& job = layer.job;
  job.x = kX, job.y = kY, job.weights = TEST_CELLS_BASE, job.norm = kNorm;
  job.in_channels = number(random, 1, random.between(0, 4) == 0 ? 200 : 30);
  job.out_channels = number(random, 1, random.between(0, 4) == 0 ? 300 : 40);
  job.in_height = number(random, 1, 6);
  job.in_width = number(random, 1, 9);
  job.stride = number(random, 1, 2);
  do {
    job.kernel_height = number(random, 1, 5);
    job.kernel_width = number(random, 1, 5);
  } while (rows_of(job, 1) > 1152);
  job.pad_top = number(random, 0, job.kernel_height - 1);
  job.pad_left = number(random, 0, job.kernel_width - 1);
  job.out_height = number(random, 1, (job.in_height + job.pad_top - 1) / job.stride + 1);
  job.out_width = number(random, 1, (job.in_width + job.pad_left - 1) / job.stride + 1);
  job.x_pixel = blocks(job.in_channels) + 64 * number(random, 0, 1);
  job.x_row = job.in_width * job.x_pixel + 64 * number(random, 0, 1);
  job.y_pixel = blocks(job.out_channels) + 64 * number(random, 0, 1);
  job.y_row = job.out_width * job.y_pixel + 64 * number(random, 0, 1);
  do job.unroll = uint32_t{1} << number(random, 0, 3);
  while (!fits(job, job.unroll));
  job.step = number(random, 0, 7);
  job.norm_shift = number(random, 0, 10);
  job.norm_minimum = static_cast<int32_t>(random.one_of({-128, -64, 0}));
  job.norm_maximum = static_cast<int32_t>(random.one_of({63, 127}));
  if (residual) {
    job.residual = kResidual, job.residual_pixel = blocks(job.out_channels);
    job.residual_row = job.out_width * job.residual_pixel;
    job.shift = number(random, 0, 2);
    job.minimum = static_cast<int32_t>(random.one_of({-128, 0})), job.maximum = 100;
  }
  layer.weights.resize(size_t{job.kernel_height} * job.kernel_width * job.in_channels * job.out_channels);
  for (int& weight : layer.weights) weight = static_cast<int>(random.between(-1, 1));
  for (uint32_t k = 0; k < job.out_channels; ++k) {
    layer.m.push_back(static_cast<int>(random.between(-128, 127)));
    layer.b.push_back(static_cast<int>(random.between(-32768, 32767)));
  }
  return layer;
}

int64_t floored(int64_t value, int64_t shift) {
  return static_cast<int64_t>(std::floor(static_cast<double>(value) / std::exp2(shift)));
}

int8_t value_at(uint32_t address) { return static_cast<int8_t>(l1()[address - TEST_L1_BASE]); }

int8_t expected_at(const Layer& layer, uint32_t oy, uint32_t ox, uint32_t k) {
  const diana_analog_conv2d_job& job = layer.job;
  int64_t sum = 0;
  for (uint32_t fy = 0; fy < job.kernel_height; ++fy) {
    for (uint32_t fx = 0; fx < job.kernel_width; ++fx) {
      const int64_t iy = int64_t{oy} * job.stride + fy - job.pad_top;
      const int64_t ix = int64_t{ox} * job.stride + fx - job.pad_left;
      if (iy < 0 || iy >= job.in_height || ix < 0 || ix >= job.in_width) continue;
      const uint32_t pixel =
          job.x + static_cast<uint32_t>(iy) * job.x_row + static_cast<uint32_t>(ix) * job.x_pixel;
      for (uint32_t c = 0; c < job.in_channels; ++c) sum += value_at(pixel + c) * layer.weight(k, c, fy, fx);
    }
  }
  const int64_t level = std::clamp<int64_t>(floored(sum, job.step), -32, 31);
  int64_t y = std::clamp<int64_t>(floored(level * layer.m[k] + layer.b[k], job.norm_shift), job.norm_minimum,
                                  job.norm_maximum);
  if (job.residual != 0) {
    const int8_t other = value_at(job.residual + oy * job.residual_row + ox * job.residual_pixel + k);
    y = std::clamp<int64_t>(floored(y + other, job.shift), job.minimum, job.maximum);
  }
  return static_cast<int8_t>(y);
}

void fill(Random& random) {
  fill_with_noise(random);
  for (uint32_t i = kX - TEST_L1_BASE; i < kResidual - TEST_L1_BASE; ++i)
    l1()[i] = static_cast<uint8_t>(random.between(-64, 63));
}

TEST(DianaAnalog, ConvolutionsAreThoseOfNaiveLoops) {
  heddle_host_reset();
  Random random(1);
  for (int i = 0; i < 120; ++i) {
    const Layer layer = random_layer(random, i % 2 == 1);
    const diana_analog_conv2d_job& job = layer.job;
    fill(random);
    pack(layer);
    std::vector<uint8_t> wanted(l1(), l1() + TEST_L1_BYTES);
    for (uint32_t oy = 0; oy < job.out_height; ++oy) {
      for (uint32_t ox = 0; ox < job.out_width; ++ox) {
        const uint32_t pixel = job.y - TEST_L1_BASE + oy * job.y_row + ox * job.y_pixel;
        for (uint32_t k = 0; k < blocks(job.out_channels); ++k)
          wanted[pixel + k] = k < job.out_channels ? static_cast<uint8_t>(expected_at(layer, oy, ox, k)) : 0;
      }
    }
    const Counters before = counters_of("diana_analog");
    diana_analog_conv2d_start(&job);
    diana_analog_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), l1())) << i;
    ASSERT_EQ(counters_of("diana_analog").cycles - before.cycles,
              static_cast<uint64_t>(cycles_of(job, job.unroll)));
  }
}

const Target& target() {
  static const Target loaded = [] {
    Result<Target> read = load_target(std::string(HEDDLE_SOURCE_DIR) + "/accelerators/diana_analog");
    if (read.ok()) return std::move(read).value();
    ADD_FAILURE() << format_diagnostics(read.errors());
    return Target{};
  }();
  return loaded;
}

const Rule& rule_called(const std::string& name) {
  for (const Rule& rule : target().rules)
    if (rule.name == name) return rule;
  static const Rule none;
  ADD_FAILURE() << "no rule " << name;
  return none;
}

int64_t value_of(const Expr& expr, Names names) {
  for (const auto& [key, value] : target().constants) names["unit." + key] = value;
  names["unit.launch_cycles"] = int64_t{DIANA_ANALOG_LAUNCH_CYCLES};
  const std::variant<int64_t, ExprError> value = evaluate_int(expr, environment_of(names));
  if (const ExprError* error = std::get_if<ExprError>(&value)) {
    ADD_FAILURE() << error->message;
    return -1;
  }
  return std::get<int64_t>(value);
}

int64_t field_of(const Rule& rule, const std::string& name, const Names& names) {
  for (const JobField& field : rule.job->fields)
    if (field.name == name) return value_of(field.expr, names);
  ADD_FAILURE() << "no field " << name;
  return -1;
}

// The rule's cost is that of its `unroll`, which is the cheapest that fits.
TEST(DianaAnalog, TheRulesChooseTheCheapestUnrolling) {
  Random random(2);
  std::map<int64_t, int> chosen;
  for (int i = 0; i < 3000; ++i) {
    Layer layer;
    diana_analog_conv2d_job& job = layer.job;
    job.residual = i % 2;
    job.stride = number(random, 1, 2);
    job.in_channels = number(random, 1, i % 3 == 0 ? 1152 : 100);
    job.out_channels = number(random, 1, i % 5 == 0 ? 512 : 130);
    job.out_height = number(random, 1, 40);
    job.out_width = number(random, 1, 40);
    do job.kernel_height = number(random, 1, 5), job.kernel_width = number(random, 1, 5);
    while (rows_of(job, 1) > 1152);
    const Names names = {{"c", job.in_channels},         {"k", job.out_channels},   {"oy", job.out_height},
                         {"ox", job.out_width},          {"fy", job.kernel_height}, {"fx", job.kernel_width},
                         {"conv2d.stride_w", job.stride}};
    int64_t best = INT64_MAX;
    for (const uint32_t unroll : {1u, 2u, 4u, 8u})
      if (fits(job, unroll)) best = std::min(best, cycles_of(job, unroll));
    const Rule& rule = rule_called(job.residual != 0 ? "conv2d_add" : "conv2d");
    const int64_t unroll = field_of(rule, "unroll", names);
    ASSERT_TRUE(fits(job, static_cast<uint32_t>(unroll))) << unroll;
    ASSERT_EQ(value_of(rule.launch, names) + value_of(rule.compute, names), best);
    ASSERT_EQ(cycles_of(job, static_cast<uint32_t>(unroll)), best) << unroll;
    ++chosen[unroll];
  }
  EXPECT_EQ(chosen.size(), 4u);  // each of them was worth it
  EXPECT_GE(target().register_bytes, DIANA_ANALOG_MAXIMUM + 4);
  EXPECT_EQ(target().memories.at(0).bytes, int64_t{TEST_CELLS_BYTES});
}

TEST(DianaAnalog, AddsAndPools) {
  heddle_host_reset();
  Random random(3);
  for (int i = 0; i < 100; ++i) {
    fill(random);
    const bool pools = i % 2 == 1;
    const uint32_t channels = number(random, 1, 150), height = number(random, 1, 6), width = number(random, 1, 6);
    const uint32_t pixel = blocks(channels), fy = pools ? number(random, 1, 7) : 1,
                   fx = pools ? number(random, 1, 7) : 1;
    const uint32_t stride = pools ? number(random, 1, 2) : 1, top = number(random, 0, fy - 1),
                   left = number(random, 0, fx - 1);
    const uint32_t oy = pools ? number(random, 1, (height + top - 1) / stride + 1) : height;
    const uint32_t ox = pools ? number(random, 1, (width + left - 1) / stride + 1) : width;
    std::vector<uint8_t> wanted(l1(), l1() + TEST_L1_BYTES);
    for (uint32_t y = 0; y < oy; ++y) {
      for (uint32_t x = 0; x < ox; ++x) {
        for (uint32_t k = 0; k < pixel; ++k) {
          int64_t value = pools ? -128 : 0;
          for (uint32_t f = 0; f < fy * fx; ++f) {
            const int64_t iy = int64_t{y} * stride + f / fx - top, ix = int64_t{x} * stride + f % fx - left;
            if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
            value = std::max<int64_t>(value, value_at(kX + static_cast<uint32_t>(iy * width + ix) * pixel + k));
          }
          const uint32_t at = (y * ox + x) * pixel + k;
          if (!pools)
            value = std::clamp<int64_t>(floored(value_at(kX + at) + value_at(kResidual + at), 1), -50, 127);
          wanted[kY - TEST_L1_BASE + at] = k < channels ? static_cast<uint8_t>(value) : 0;
        }
      }
    }
    const Counters before = counters_of("diana_analog");
    if (pools) {
      const diana_analog_max_pool_job job = {kX,       pixel,  width * pixel, kY,  pixel, ox * pixel,
                                             channels, height, width,         oy,  ox,    fy,
                                             fx,       stride, top,           left};
      diana_analog_max_pool_start(&job);
    } else {
      const diana_analog_add_job job = {
          kX,    pixel, width * pixel, kResidual, pixel, width * pixel, kY, pixel, width * pixel, channels, height,
          width, 1,     -50,           127};
      diana_analog_add_start(&job);
    }
    diana_analog_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), l1())) << i;
    const int64_t cycles = DIANA_ANALOG_LAUNCH_CYCLES + int64_t{oy} * ox * fy * fx * ((channels + 15) / 16);
    ASSERT_EQ(counters_of("diana_analog").cycles - before.cycles, static_cast<uint64_t>(cycles));
    if (pools) continue;
    const Names names = {{"k", channels}, {"oy", oy}, {"ox", ox}};
    ASSERT_EQ(cycles, value_of(rule_called("add").launch, names) + value_of(rule_called("add").compute, names));
  }
}

// Sums of 0, so that what comes out is floor(noise / 100) of the converters' step.
std::vector<int> noise_of(uint32_t noise, uint32_t seed, int jobs) {
  heddle_host_reset();
  Random random(4);
  Layer layer;
  diana_analog_conv2d_job& job = layer.job;
  job = {.x = kX,
         .x_pixel = 64,
         .x_row = 64 * 16,
         .residual = 0,
         .residual_pixel = 0,
         .residual_row = 0,
         .y = kY,
         .y_pixel = 128,
         .y_row = 128 * 16,
         .weights = TEST_CELLS_BASE,
         .norm = kNorm,
         .in_channels = 1,
         .in_height = 16,
         .in_width = 16,
         .out_channels = 100,
         .out_height = 16,
         .out_width = 16,
         .kernel_height = 1,
         .kernel_width = 1,
         .stride = 1,
         .pad_top = 0,
         .pad_left = 0,
         .unroll = 1,
         .step = 3,
         .norm_shift = 0,
         .norm_minimum = -128,
         .norm_maximum = 127,
         .shift = 0,
         .minimum = 0,
         .maximum = 0};
  layer.weights.assign(100, 0), layer.m.assign(100, 1), layer.b.assign(100, 0);
  fill(random);
  pack(layer);
  heddle_reg_write(kNoise, noise);
  heddle_reg_write(kSeed, seed);
  std::vector<int> values;
  for (int i = 0; i < jobs; ++i) {
    diana_analog_conv2d_start(&job);
    for (uint32_t pixel = 0; pixel < 256; ++pixel)
      for (uint32_t k = 0; k < 100; ++k) values.push_back(value_at(kY + pixel * 128 + k));
  }
  EXPECT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
  return values;
}

TEST(DianaAnalog, NoiseIsNormalAndOfItsSeed) {
  EXPECT_EQ(noise_of(0, 5, 1), std::vector<int>(25600, 0));
  for (const uint32_t noise : {100u, 300u}) {
    const std::vector<int> values = noise_of(noise, 5, 1);
    double sum = 0, squares = 0;
    int within = 0;  // one standard deviation
    for (const int value : values) {
      sum += value + 0.5;
      squares += (value + 0.5) * (value + 0.5);
      within += 100 * value >= -static_cast<int>(noise) && 100 * value < static_cast<int>(noise);
    }
    const double count = static_cast<double>(values.size()), sigma = noise / 100.0;
    EXPECT_NEAR(sum / count, 0, 4 * sigma / std::sqrt(count));
    // floor() adds the variance of a uniform distribution, 1/12.
    EXPECT_NEAR(squares / count, sigma * sigma + 1.0 / 12, 0.03 * sigma * sigma);
    EXPECT_NEAR(within / count, 0.6827, 0.01);
  }
  EXPECT_EQ(noise_of(200, 7, 2), noise_of(200, 7, 2));
  EXPECT_NE(noise_of(200, 7, 1), noise_of(200, 8, 1));
  const std::vector<int> two = noise_of(200, 7, 2);  // each job has its own
  EXPECT_NE(std::vector<int>(two.begin(), two.begin() + 25600), std::vector<int>(two.begin() + 25600, two.end()));
  // Numbers that must never change: a draw of a seed is one draw for ever.
  EXPECT_THAT(std::vector<int>(two.begin(), two.begin() + 6), testing::ElementsAre(1, 2, 0, 0, -2, 2));
}

struct Refusal {
  void (*spoil)(diana_analog_conv2d_job&);
  const char* words;
};

TEST(DianaAnalog, SaysWhatItRefuses) {
  const Refusal refusals[] = {
      {[](auto& j) { j.x += 16; }, "x has the address 0x10000030, which is not a multiple of 32"},
      {[](auto& j) { j.x_pixel = 96; }, "x has pixels of 96 and rows of 256 bytes, which are not multiples of 64"},
      {[](auto& j) { j.in_channels = 65; }, "x has pixels of 64 bytes for 65 channels"},
      {[](auto& j) { j.y_row = 64; }, "y has rows of 64 bytes for 4 pixels of 64 bytes"},
      {[](auto& j) { j.out_channels = 0; }, "y has the size 0 x 4 x 4, but sizes are 1 to 65535"},
      {[](auto& j) { j.y = 0xFFFFFFE0; }, "y runs past the end of the address space"},
      {[](auto& j) { j.y = j.x; }, "y overlaps x"},
      {[](auto& j) {
         j.residual = j.y;
         j.residual_pixel = 64;
         j.residual_row = 256;
       },
       "y overlaps residual"},
      {[](auto& j) { j.stride = 3; }, "the stride register holds neither 0 (stride 1) nor 1 (stride 2)"},
      {[](auto& j) { j.kernel_width = 0; }, "the window is 3 x 0"},
      {[](auto& j) { j.pad_left = 3; }, "the padding 1, 3 is not less than the window"},
      {[](auto& j) { j.out_height = 6; }, "the last window lies outside the input"},
      {[](auto& j) { j.kernel_height = 7; }, "1 windows of 16 x 7 x 3 need 1344 rows of the macro's 1152"},
      {[](auto& j) { j.unroll = 8; }, "8 windows of 16 x 3 x 3 need 1920 rows of the macro's 1152"},
      {[](auto& j) { j.unroll = 3; }, "the unrolling is 3, but it is 1, 2, 4 or 8"},
      {[](auto& j) {
         j.out_channels = 513;
         j.y_pixel = 576;
         j.y_row = 2304;
       },
       "1 windows of 513 channels need more than the macro's 512 columns"},
      {[](auto& j) { j.step = 16; }, "the step is 2^16, but the register has 4 bits"},
      {[](auto& j) { j.norm_shift = 16; }, "the shift of the batch norm is 16, but the register has 4 bits"},
      {[](auto& j) { j.norm_minimum = 64; },
       "the bounds of the batch norm are 64 and 63, which is no range of signed bytes"},
      {[](auto& j) { j.weights += 1; }, "are not at a multiple of 32"},
      {[](auto& j) { j.weights += TEST_CELLS_BYTES; }, "weights lies outside the memories that the core reaches"},
      {[](auto& j) { j.norm = TEST_L2_BASE; }, "the batch norm lies outside the memories that the core reaches"},
      {[](auto& j) { j.x = TEST_L2_BASE; }, "x lies outside the memories that the core reaches"},
      {[](auto& j) { j.y = TEST_L2_BASE; }, "y lies outside the memories that the core may write"},
      {[](auto&) { l1()[kX - TEST_L1_BASE] = 64; }, "x holds 64, which 7 bits cannot"},
      {[](auto&) { *static_cast<uint8_t*>(heddle_memory(TEST_CELLS_BASE, 1)) = 2; },
       "a cell holds 2, which is neither -1 nor 0 nor 1"},
  };
  for (const Refusal& refusal : refusals) {
    heddle_host_reset();
    Layer layer;
    diana_analog_conv2d_job& job = layer.job;
    job = {.x = kX,
           .x_pixel = 64,
           .x_row = 256,
           .residual = 0,
           .residual_pixel = 0,
           .residual_row = 0,
           .y = kY,
           .y_pixel = 64,
           .y_row = 256,
           .weights = TEST_CELLS_BASE,
           .norm = kNorm,
           .in_channels = 16,
           .in_height = 4,
           .in_width = 4,
           .out_channels = 16,
           .out_height = 4,
           .out_width = 4,
           .kernel_height = 3,
           .kernel_width = 3,
           .stride = 1,
           .pad_top = 1,
           .pad_left = 1,
           .unroll = 4,
           .step = 4,
           .norm_shift = 3,
           .norm_minimum = -64,
           .norm_maximum = 63,
           .shift = 0,
           .minimum = -128,
           .maximum = 127};
    layer.weights.assign(9 * 16 * 16, 1), layer.m.assign(16, 1), layer.b.assign(16, 0);
    std::memset(l1(), 0, TEST_L1_BYTES);
    pack(layer);
    refusal.spoil(job);
    if (std::string(refusal.words).find("1 windows") == 0) job.unroll = 1;
    diana_analog_conv2d_start(&job);
    EXPECT_NE(heddle_status(), HEDDLE_OK) << refusal.words;
    EXPECT_THAT(heddle_host_error(), testing::HasSubstr(refusal.words));
  }
}

TEST(DianaAnalog, RegistersThatAreNone) {
  heddle_host_reset();
  heddle_reg_write(DIANA_ANALOG_BASE + 0x80, 1);
  EXPECT_THAT(heddle_host_error(), testing::HasSubstr("a write to an address that is no register"));
  heddle_host_reset();
  heddle_reg_read(DIANA_ANALOG_BASE + 0x80);
  EXPECT_THAT(heddle_host_error(), testing::HasSubstr("a read of an address that is no register"));
  heddle_host_reset();
  heddle_reg_write(DIANA_ANALOG_BASE, 1);
  EXPECT_THAT(heddle_host_error(), testing::HasSubstr("a write to the status register"));
  heddle_host_reset();
  heddle_reg_write(DIANA_ANALOG_BASE + 4, 5);
  EXPECT_THAT(heddle_host_error(), testing::HasSubstr("the start register got the number of no operation"));
}

}  // namespace
}  // namespace heddle::device
