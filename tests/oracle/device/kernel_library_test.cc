// The library's kernels against naive loops: random shapes, values and shifts; nothing but the
// result is written.
#include "kernel_library/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

struct Layer {
  int64_t c = 1, k = 1, iy = 1, ix = 1, oy = 1, ox = 1, f = 1, stride = 1, top = 0, left = 0;
  bool depthwise = false;
  int32_t zero_point = 0, shift = 1, y_zero_point = 0, minimum = -128, maximum = 127;
  std::vector<int8_t> x, weights;  // weights [k][c][fy][fx]
  std::vector<kernel_library_channels> channels;

  int64_t depth() const { return depthwise ? 1 : c; }
  int8_t expected(int64_t out, int64_t y0, int64_t x0) const {
    const kernel_library_channels& group = channels[static_cast<size_t>(out / 4)];
    int64_t sum = group.bias[out % 4];
    for (int64_t d = 0; d < depth(); ++d) {
      for (int64_t fy = 0; fy < f; ++fy) {
        for (int64_t fx = 0; fx < f; ++fx) {
          const int64_t row = y0 * stride + fy - top, column = x0 * stride + fx - left;
          if (row < 0 || row >= iy || column < 0 || column >= ix) continue;
          const int64_t channel = depthwise ? out : d;
          sum += int64_t{x[static_cast<size_t>((channel * iy + row) * ix + column)] - zero_point} *
                 weights[static_cast<size_t>(((out * depth() + d) * f + fy) * f + fx)];
        }
      }
    }
    const int64_t bits = 32 + shift + group.shift[out % 4];
    const int64_t value =
        ((sum * group.multiplier[out % 4] + (int64_t{1} << (bits - 1))) >> bits) + y_zero_point;
    return static_cast<int8_t>(std::clamp<int64_t>(value, minimum, maximum));
  }
  // [k/4][c][4], as library.toml packs them.
  std::vector<int8_t> packed() const {
    std::vector<int8_t> result(static_cast<size_t>((k + 3) / 4 * c * 4), 0);
    for (int64_t out = 0; out < k; ++out) {
      for (int64_t in = 0; in < c; ++in)
        result[static_cast<size_t>((out / 4 * c + in) * 4 + out % 4)] =
            weights[static_cast<size_t>(out * c + in)];
    }
    return result;
  }
};

void fill(Random& random, Layer& layer) {
  layer.zero_point = random.byte();
  layer.y_zero_point = random.byte();
  layer.shift = static_cast<int32_t>(random.between(1, 8));
  layer.minimum = static_cast<int32_t>(random.between(-128, 0));
  layer.maximum = static_cast<int32_t>(random.between(0, 127));
  layer.x.resize(static_cast<size_t>(layer.c * layer.iy * layer.ix));
  layer.weights.resize(static_cast<size_t>(layer.k * layer.depth() * layer.f * layer.f));
  for (int8_t& value : layer.x) value = random.byte();
  for (int8_t& value : layer.weights) value = random.byte();
  layer.channels.resize(static_cast<size_t>((layer.k + 3) / 4));
  for (int64_t out = 0; out < layer.k; ++out) {
    kernel_library_channels& group = layer.channels[static_cast<size_t>(out / 4)];
    group.bias[out % 4] = static_cast<int32_t>(random.between(-50'000, 50'000));
    group.multiplier[out % 4] = static_cast<int32_t>(random.between(1 << 24, 1 << 28));
    group.shift[out % 4] = static_cast<int32_t>(random.between(0, 4));
  }
}

// `run` writes to y; the bytes around it stay.
template <class Run>
void compare(const Layer& layer, const Run& run) {
  const size_t size = static_cast<size_t>(layer.k * layer.oy * layer.ox);
  std::vector<int8_t> y(size + 64, 99), wanted(size + 64, 99);
  for (int64_t out = 0; out < layer.k; ++out) {
    for (int64_t y0 = 0; y0 < layer.oy; ++y0) {
      for (int64_t x0 = 0; x0 < layer.ox; ++x0)
        wanted[static_cast<size_t>(32 + (out * layer.oy + y0) * layer.ox + x0)] =
            layer.expected(out, y0, x0);
    }
  }
  run(y.data() + 32);
  ASSERT_EQ(y, wanted);
}

uint32_t u(int64_t value) { return static_cast<uint32_t>(value); }

TEST(KernelLibrary, Pointwise) {
  Random random(21);
  for (int i = 0; i < 300; ++i) {
    Layer l;
    l.c = random.between(1, 20), l.k = random.between(1, 11);
    l.iy = l.oy = random.between(1, 5), l.ix = l.ox = random.between(1, 7);
    fill(random, l);
    const std::vector<int8_t> packed = l.packed();
    compare(l, [&](int8_t* y) {
      const kernel_library_pointwise_job job = {
          l.x.data(), packed.data(), l.channels.data(), y,       u(l.c),    u(l.k), u(l.oy * l.ox),
          l.zero_point, l.shift,     l.y_zero_point,    l.minimum, l.maximum};
      kernel_library_pointwise(&job);
    });
  }
}

TEST(KernelLibrary, Dense) {
  Random random(22);
  for (int i = 0; i < 300; ++i) {
    Layer l;
    l.c = random.between(1, 70), l.k = random.between(1, 13);
    fill(random, l);
    const std::vector<int8_t> packed = l.packed();
    compare(l, [&](int8_t* y) {
      const kernel_library_dense_job job = {l.x.data(),   packed.data(), l.channels.data(), y,
                                            u(l.c),       u(l.k),        l.zero_point,      l.shift,
                                            l.y_zero_point, l.minimum,   l.maximum};
      kernel_library_dense(&job);
    });
  }
}

TEST(KernelLibrary, Depthwise3x3) {
  Random random(23);
  for (int i = 0; i < 400; ++i) {
    Layer l;
    l.depthwise = true;
    l.f = 3;
    l.c = l.k = random.between(1, 9);
    l.iy = random.between(2, 9);
    l.ix = i % 50 == 0 ? int64_t{KERNEL_LIBRARY_WIDEST} : random.between(2, 11);
    l.stride = random.between(1, 2);
    l.top = random.between(0, 1), l.left = random.between(0, 1);
    const int64_t below = random.between(0, 1), right = random.between(0, 1);
    if (l.iy + l.top + below < 3 || l.ix + l.left + right < 3) continue;
    l.oy = (l.iy + l.top + below - 3) / l.stride + 1;
    l.ox = (l.ix + l.left + right - 3) / l.stride + 1;
    fill(random, l);
    compare(l, [&](int8_t* y) {
      const kernel_library_depthwise_job job = {
          l.x.data(), l.weights.data(), l.channels.data(), y,         u(l.k),         u(l.iy),
          u(l.ix),    u(l.oy),          u(l.ox),           u(l.stride), u(l.top),     u(l.left),
          l.zero_point, l.shift,        l.y_zero_point,    l.minimum, l.maximum};
      kernel_library_depthwise_3x3(&job);
    });
  }
}

}  // namespace
}  // namespace heddle::device
