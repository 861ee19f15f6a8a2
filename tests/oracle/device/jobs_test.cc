// Random jobs of the digital core, through driver, register map and model, against naive loops over
// the formulas of driver.h; every byte of L1 is compared, and cycles with the formulas of facts and
// README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "diana_digital/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

struct OutputStage {
  int64_t shift = 0, lo = -128, hi = 127;
};

OutputStage random_stage(Random& random, int64_t largest_shift) {
  OutputStage stage{.shift = random.between(0, 9) == 0 ? random.between(0, 31)
                                                       : random.between(0, largest_shift)};
  if (random.between(0, 2) == 0) stage.lo = 0;
  if (random.between(0, 4) == 0) {
    stage.lo = random.between(-128, 127);
    stage.hi = random.between(stage.lo, 127);
  }
  return stage;
}

struct Window {
  int64_t fy, fx, stride, pad_top, pad_left;
};

struct Layer {
  Tile x, y;
  Window window;
  OutputStage stage;
  std::vector<int8_t> weights;  // [K][C][FY][FX], C = 1 for depthwise
  std::vector<int64_t> biases;
  int64_t reduction = 0;  // C
};

// A tile whose windows all touch the input, as every tile of a layer with pad < kernel does.
Layer random_layer(Random& random, bool depthwise) {
  Layer layer;
  Window& w = layer.window;
  w = {.fy = random.one_of({1, 3, 5, 7}),
       .fx = random.one_of({1, 3, 5, 7}),
       .stride = random.between(1, 2),
       .pad_top = 0,
       .pad_left = 0};
  w.pad_top = random.between(0, w.fy - 1);
  w.pad_left = random.between(0, w.fx - 1);
  const bool wide = random.between(0, 9) == 0;
  const int64_t iy = random.between(1, 9), ix = random.between(1, wide ? 70 : 12);
  const int64_t oy = random.between(1, (iy + w.pad_top - 1) / w.stride + 1);
  const int64_t ox = random.between(1, (ix + w.pad_left - 1) / w.stride + 1);
  const int64_t k = random.between(1, wide ? 5 : 35);
  const int64_t c = depthwise ? k : random.between(1, wide ? 4 : 9);
  uint32_t offset = static_cast<uint32_t>(random.between(0, 100000));
  layer.x = make_tile(random, offset, c, iy, ix);
  layer.y = make_tile(random, offset, k, oy, ox);
  layer.reduction = depthwise ? 1 : c;
  layer.stage = random_stage(random, 13);
  layer.weights.resize(static_cast<size_t>(k * layer.reduction * w.fy * w.fx));
  for (int8_t& weight : layer.weights) weight = random.byte();
  const int64_t largest = random.one_of({1000, 1 << 20, 2147483647});
  for (int64_t i = 0; i < k; ++i) layer.biases.push_back(random.between(-largest - 1, largest));
  return layer;
}

int8_t weight_of(const Layer& layer, int64_t k, int64_t c, int64_t fy, int64_t fx) {
  return layer.weights[static_cast<size_t>(
      ((k * layer.reduction + c) * layer.window.fy + fy) * layer.window.fx + fx)];
}

// y and the kernel rows inside the image, summed over the output rows.
std::vector<int8_t> convolve(const Layer& layer, bool depthwise, int64_t& inside_fy) {
  const Window& w = layer.window;
  std::vector<int8_t> y;
  inside_fy = 0;
  for (int64_t oy = 0; oy < layer.y.height; ++oy) {
    for (int64_t fy = 0; fy < w.fy; ++fy) {
      const int64_t iy = oy * w.stride + fy - w.pad_top;
      inside_fy += iy >= 0 && iy < layer.x.height;
    }
  }
  for (int64_t k = 0; k < layer.y.channels; ++k) {
    for (int64_t oy = 0; oy < layer.y.height; ++oy) {
      for (int64_t ox = 0; ox < layer.y.width; ++ox) {
        int64_t sum = layer.biases[static_cast<size_t>(k)];
        for (int64_t c = 0; c < layer.reduction; ++c) {
          for (int64_t fy = 0; fy < w.fy; ++fy) {
            for (int64_t fx = 0; fx < w.fx; ++fx) {
              const int64_t iy = oy * w.stride + fy - w.pad_top,
                            ix = ox * w.stride + fx - w.pad_left;
              if (iy < 0 || iy >= layer.x.height || ix < 0 || ix >= layer.x.width) continue;
              sum += static_cast<int8_t>(l1()[layer.x.at(depthwise ? k : c, iy, ix)]) *
                     weight_of(layer, k, c, fy, fx);
            }
          }
        }
        y.push_back(requantise(sum, layer.stage.shift, layer.stage.lo, layer.stage.hi));
      }
    }
  }
  return y;
}

// [K/16]{ biases, [C][FY][FX][16] }, or for depthwise [K]{ biases of 4 lanes, [FY][FX][4] }.
std::vector<uint8_t> pack(const Layer& layer, int64_t block, int64_t lanes) {
  std::vector<uint8_t> packed;
  for (int64_t first = 0; first < layer.y.channels; first += block) {
    const int64_t count = std::min(block, layer.y.channels - first);
    append_biases(packed, layer.biases, first, count, lanes);
    for (int64_t c = 0; c < layer.reduction; ++c) {
      for (int64_t fy = 0; fy < layer.window.fy; ++fy) {
        for (int64_t fx = 0; fx < layer.window.fx; ++fx) {
          for (int64_t lane = 0; lane < lanes; ++lane) {
            packed.push_back(
                lane < count ? static_cast<uint8_t>(weight_of(layer, first + lane, c, fy, fx)) : 0);
          }
        }
      }
    }
  }
  return packed;
}

diana_digital_conv2d_job conv2d_job(const Layer& layer, uint32_t weights_address) {
  return {.x = layer.x.address(),
          .x_pitch = layer.x.pitch,
          .x_plane = layer.x.plane,
          .y = layer.y.address(),
          .y_pitch = layer.y.pitch,
          .y_plane = layer.y.plane,
          .weights = weights_address,
          .in_channels = static_cast<uint32_t>(layer.x.channels),
          .in_height = static_cast<uint32_t>(layer.x.height),
          .in_width = static_cast<uint32_t>(layer.x.width),
          .out_channels = static_cast<uint32_t>(layer.y.channels),
          .out_height = static_cast<uint32_t>(layer.y.height),
          .out_width = static_cast<uint32_t>(layer.y.width),
          .kernel_height = static_cast<uint32_t>(layer.window.fy),
          .kernel_width = static_cast<uint32_t>(layer.window.fx),
          .stride = static_cast<uint32_t>(layer.window.stride),
          .pad_top = static_cast<uint32_t>(layer.window.pad_top),
          .pad_left = static_cast<uint32_t>(layer.window.pad_left),
          .shift = static_cast<uint32_t>(layer.stage.shift),
          .minimum = static_cast<int32_t>(layer.stage.lo),
          .maximum = static_cast<int32_t>(layer.stage.hi)};
}

diana_digital_depthwise_job depthwise_job(const Layer& layer, uint32_t weights_address) {
  const diana_digital_conv2d_job c = conv2d_job(layer, weights_address);
  return {.x = c.x,
          .x_pitch = c.x_pitch,
          .x_plane = c.x_plane,
          .y = c.y,
          .y_pitch = c.y_pitch,
          .y_plane = c.y_plane,
          .weights = c.weights,
          .channels = c.out_channels,
          .in_height = c.in_height,
          .in_width = c.in_width,
          .out_height = c.out_height,
          .out_width = c.out_width,
          .kernel_height = c.kernel_height,
          .kernel_width = c.kernel_width,
          .stride = c.stride,
          .pad_top = c.pad_top,
          .pad_left = c.pad_left,
          .shift = c.shift,
          .minimum = c.minimum,
          .maximum = c.maximum};
}

class Jobs : public testing::Test {
 protected:
  void SetUp() override {
    heddle_host_reset();
    Random random(99);
    fill_with_noise(random);
  }

  // Runs `start` and compares all of L1 and the cycles.
  template <typename Start>
  void run(const Tile& y, const std::vector<int8_t>& values, int64_t cycles, const Start& start) {
    const std::vector<uint8_t> before(l1(), l1() + TEST_L1_BYTES);
    const std::vector<uint8_t> expected = expect(before, y, values);
    const Counters old = counters_of("diana_digital");
    start();
    diana_digital_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_EQ(std::memcmp(l1(), expected.data(), TEST_L1_BYTES), 0);
    ASSERT_EQ(counters_of("diana_digital").jobs - old.jobs, 1u);
    ASSERT_EQ(counters_of("diana_digital").cycles - old.cycles, static_cast<uint64_t>(cycles));
  }

  void run_layers(bool depthwise, int count, uint32_t seed) {
    Random random(seed);
    for (int i = 0; i < count; ++i) {
      const Layer layer = random_layer(random, depthwise);
      const std::vector<uint8_t> packed = depthwise ? pack(layer, 1, 4) : pack(layer, 16, 16);
      if (packed.size() > TEST_WEIGHTS_BYTES) continue;
      const uint32_t unit = depthwise ? 4 : 16;
      const uint32_t offset =
          static_cast<uint32_t>(random.between(
              0, static_cast<int64_t>((TEST_WEIGHTS_BYTES - packed.size()) / unit))) *
          unit;
      std::memcpy(weights() + offset, packed.data(), packed.size());
      int64_t inside_fy = 0;
      const std::vector<int8_t> values = convolve(layer, depthwise, inside_fy);
      const Window& w = layer.window;
      const int64_t k = layer.y.channels, c = layer.reduction, columns = (layer.y.width + 15) / 16;
      const int64_t blocks = depthwise ? k : (k + 15) / 16;
      const int64_t compute =
          blocks * columns * (inside_fy * (c * w.fx + 2 * c) + 23 * layer.y.height);
      SCOPED_TRACE(i);
      run(layer.y, values, (depthwise ? 600 * k : 600) + compute, [&] {
        if (depthwise) {
          const diana_digital_depthwise_job job = depthwise_job(layer, TEST_WEIGHTS_BASE + offset);
          diana_digital_depthwise_start(&job);
        } else {
          const diana_digital_conv2d_job job = conv2d_job(layer, TEST_WEIGHTS_BASE + offset);
          diana_digital_conv2d_start(&job);
        }
      });
      if (HasFatalFailure()) return;
    }
  }
};

TEST_F(Jobs, ConvolutionsEqualNaiveLoops) { run_layers(false, 1200, 1); }

TEST_F(Jobs, DepthwiseConvolutionsEqualNaiveLoops) { run_layers(true, 1200, 2); }

TEST_F(Jobs, DenseLayersEqualNaiveLoops) {
  Random random(3);
  for (int i = 0; i < 600; ++i) {
    const int64_t c = random.between(1, 200), k = random.between(1, 70);
    uint32_t offset = static_cast<uint32_t>(random.between(0, 100000));
    const Tile x = make_tile(random, offset, 1, 1, c), y = make_tile(random, offset, 1, 1, k);
    const OutputStage stage = random_stage(random, 16);
    std::vector<int8_t> matrix(static_cast<size_t>(k * c));
    for (int8_t& weight : matrix) weight = random.byte();
    std::vector<int64_t> biases;
    for (int64_t j = 0; j < k; ++j) biases.push_back(random.between(-100000, 100000));

    std::vector<int8_t> values;
    for (int64_t j = 0; j < k; ++j) {
      int64_t sum = biases[static_cast<size_t>(j)];
      for (int64_t m = 0; m < c; ++m)
        sum += static_cast<int8_t>(l1()[x.at(0, 0, m)]) * matrix[static_cast<size_t>(j * c + m)];
      values.push_back(requantise(sum, stage.shift, stage.lo, stage.hi));
    }
    // [K/16]{ biases, [C/16][16 k][16 c] }
    std::vector<uint8_t> packed;
    for (int64_t first = 0; first < k; first += 16) {
      append_biases(packed, biases, first, std::min<int64_t>(16, k - first), 16);
      for (int64_t group = 0; group < c; group += 16) {
        for (int64_t j = first; j < first + 16; ++j) {
          for (int64_t m = group; m < group + 16; ++m)
            packed.push_back(
                j < k && m < c ? static_cast<uint8_t>(matrix[static_cast<size_t>(j * c + m)]) : 0);
        }
      }
    }
    std::memcpy(weights(), packed.data(), packed.size());
    SCOPED_TRACE(i);
    run(y, values, 600 * ((k + 15) / 16) + ((c + 15) / 16) * ((k + 15) / 16), [&] {
      const diana_digital_dense_job job = {.x = x.address(),
                                           .y = y.address(),
                                           .weights = TEST_WEIGHTS_BASE,
                                           .in_channels = static_cast<uint32_t>(c),
                                           .out_channels = static_cast<uint32_t>(k),
                                           .shift = static_cast<uint32_t>(stage.shift),
                                           .minimum = static_cast<int32_t>(stage.lo),
                                           .maximum = static_cast<int32_t>(stage.hi)};
      diana_digital_dense_start(&job);
    });
    if (HasFatalFailure()) return;
  }
}

TEST_F(Jobs, AdditionsEqualNaiveLoops) {
  Random random(4);
  for (int i = 0; i < 600; ++i) {
    const int64_t k = random.between(1, 20), height = random.between(1, 12),
                  width = random.between(1, 50);
    uint32_t offset = static_cast<uint32_t>(random.between(0, 100000));
    const Tile x = make_tile(random, offset, k, height, width);
    const Tile residual =
        random.between(0, 5) == 0 ? x : make_tile(random, offset, k, height, width);
    const Tile y = make_tile(random, offset, k, height, width);
    const OutputStage stage = random_stage(random, 3);
    std::vector<int8_t> values;
    for (int64_t c = 0; c < k; ++c) {
      for (int64_t row = 0; row < height; ++row) {
        for (int64_t column = 0; column < width; ++column) {
          const int64_t sum = static_cast<int8_t>(l1()[x.at(c, row, column)]) +
                              static_cast<int8_t>(l1()[residual.at(c, row, column)]);
          values.push_back(requantise(sum, stage.shift, stage.lo, stage.hi));
        }
      }
    }
    SCOPED_TRACE(i);
    run(y, values, 600 + k * height * ((width + 15) / 16), [&] {
      const diana_digital_add_job job = {.x = x.address(),
                                         .x_pitch = x.pitch,
                                         .x_plane = x.plane,
                                         .residual = residual.address(),
                                         .residual_pitch = residual.pitch,
                                         .residual_plane = residual.plane,
                                         .y = y.address(),
                                         .y_pitch = y.pitch,
                                         .y_plane = y.plane,
                                         .channels = static_cast<uint32_t>(k),
                                         .height = static_cast<uint32_t>(height),
                                         .width = static_cast<uint32_t>(width),
                                         .shift = static_cast<uint32_t>(stage.shift),
                                         .minimum = static_cast<int32_t>(stage.lo),
                                         .maximum = static_cast<int32_t>(stage.hi)};
      diana_digital_add_start(&job);
    });
    if (HasFatalFailure()) return;
  }
}

// The published number: 38 cycles for a 3x3 block of a depthwise convolution.
TEST_F(Jobs, A3x3DepthwiseBlockTakes38Cycles) {
  const diana_digital_depthwise_job job = {.x = TEST_L1_BASE,
                                           .x_pitch = 32,
                                           .x_plane = 96,
                                           .y = TEST_L1_BASE + 4096,
                                           .y_pitch = 16,
                                           .y_plane = 32,
                                           .weights = TEST_WEIGHTS_BASE,
                                           .channels = 1,
                                           .in_height = 3,
                                           .in_width = 18,
                                           .out_height = 1,
                                           .out_width = 16,
                                           .kernel_height = 3,
                                           .kernel_width = 3,
                                           .stride = 1,
                                           .pad_top = 0,
                                           .pad_left = 0,
                                           .shift = 0,
                                           .minimum = -128,
                                           .maximum = 127};
  std::memset(weights(), 0, 64);
  diana_digital_depthwise_start(&job);
  EXPECT_EQ(counters_of("diana_digital").cycles, 600u + 38u);
}

}  // namespace
}  // namespace heddle::device
