// The rule files against the models: the cycles that the compiler reckons with are the cycles that
// the model charges, for random shapes; and the register windows are large enough.
#include "rules/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "diana_digital/driver.h"
#include "diana_dma/driver.h"
#include "expr/expr.h"
#include "qvanilla/driver.h"
#include "simple_dma/driver.h"
#include "tests/oracle/device/machine.h"

namespace heddle::device {
namespace {

using Names = std::map<std::string, ExprValue>;

Target load(const std::string& name) {
  Result<Target> target = load_target(std::string(HEDDLE_SOURCE_DIR) + "/accelerators/" + name);
  if (target.ok()) return std::move(target).value();
  ADD_FAILURE() << format_diagnostics(target.errors());
  return {};
}

int64_t value_of(const Expr& expr, const Names& names) {
  const std::variant<int64_t, ExprError> value = evaluate_int(expr, environment_of(names));
  if (const ExprError* error = std::get_if<ExprError>(&value)) {
    ADD_FAILURE() << error->message;
    return -1;
  }
  return std::get<int64_t>(value);
}

struct Shape {
  uint32_t c, k, fy, fx, stride, pad_top, iy, ix, oy, ox;

  // Kernel rows inside the image, summed over the output rows.
  int64_t inside_fy() const {
    int64_t rows = 0;
    for (uint32_t y = 0; y < oy; ++y) {
      for (uint32_t f = 0; f < fy; ++f)
        rows += y * stride + f >= pad_top && y * stride + f < pad_top + iy;
    }
    return rows;
  }
  Names names() const {
    return {{"c", c},
            {"k", k},
            {"fy", fy},
            {"fx", fx},
            {"oy", oy},
            {"ox", ox},
            {"inside.fy", inside_fy()}};
  }
};

uint32_t number(Random& random, int64_t low, int64_t high) {
  return static_cast<uint32_t>(random.between(low, high));
}

Shape random_shape(Random& random) {
  Shape s = {};
  s.c = number(random, 1, 20);
  s.k = number(random, 1, 40);
  s.fy = 1 + 2 * number(random, 0, 3);
  s.fx = 1 + 2 * number(random, 0, 3);
  s.stride = number(random, 1, 2);
  s.pad_top = number(random, 0, s.fy - 1);
  s.iy = number(random, 1, 9);
  s.ix = number(random, 1, 60);
  s.oy = number(random, 1, (s.iy + s.pad_top - 1) / s.stride + 1);
  s.ox = number(random, 1, (s.ix - 1) / s.stride + 1);
  return s;
}

constexpr uint32_t kX = TEST_L1_BASE, kResidual = TEST_L1_BASE + 0x10000,
                   kY = TEST_L1_BASE + 0x20000;
constexpr uint32_t kPitch = 64, kPlane = 64 * 17;

void start(const std::string& rule, const Shape& s) {
  if (rule == "conv2d") {
    const diana_digital_conv2d_job job = {
        kX,   kPitch,   kPlane,    kY,  kPitch, kPlane, TEST_WEIGHTS_BASE,
        s.c,  s.iy,     s.ix,      s.k, s.oy,   s.ox,   s.fy,
        s.fx, s.stride, s.pad_top, 0,   5,      -128,   127};
    diana_digital_conv2d_start(&job);
  } else if (rule == "depthwise_conv2d") {
    const diana_digital_depthwise_job job = {
        kX,       kPitch,    kPlane, kY,   kPitch, kPlane, TEST_WEIGHTS_BASE,
        s.k,      s.iy,      s.ix,   s.oy, s.ox,   s.fy,   s.fx,
        s.stride, s.pad_top, 0,      5,    -128,   127};
    diana_digital_depthwise_start(&job);
  } else if (rule == "dense") {
    const diana_digital_dense_job job = {kX, kY, TEST_WEIGHTS_BASE, s.c, s.k, 5, -128, 127};
    diana_digital_dense_start(&job);
  } else if (rule == "add") {
    const diana_digital_add_job job = {kX,     kPitch, kPlane, kResidual, kPitch,
                                       kPlane, kY,     kPitch, kPlane,    s.k,
                                       s.oy,   s.ox,   1,      -128,      127};
    diana_digital_add_start(&job);
  } else if (rule == "max_pool") {
    const diana_digital_max_pool_job job = {kX,   kPitch, kPlane, kY,   kPitch, kPlane,   s.k,       s.iy,
                                            s.ix, s.oy,   s.ox,   s.fy, s.fx,   s.stride, s.pad_top, 0};
    diana_digital_max_pool_start(&job);
  } else if (rule == "mean_pool") {
    const diana_digital_mean_pool_job job = {kX,   kPitch,   kPlane,    kY, kPitch, kPlane, s.k,
                                             s.iy, s.ix,     s.oy,      s.ox, s.fy, s.fx,
                                             s.stride, s.pad_top, 0,    3,  5,      -128, 127};
    diana_digital_mean_pool_start(&job);
  } else {
    ADD_FAILURE() << "rule `" << rule << "` is not tested";
  }
}

TEST(Rules, CyclesOfTheDigitalCoreAreThoseOfItsModel) {
  heddle_host_reset();
  std::fill_n(weights(), TEST_WEIGHTS_BYTES, uint8_t{0});
  const Target target = load("diana_digital");
  EXPECT_EQ(target.rules.size(), 6u);
  EXPECT_EQ(target.base_macro, "DIANA_DIGITAL_BASE");
  EXPECT_GE(target.register_bytes, DIANA_DIGITAL_MULTIPLIER + 4);
  Random random(7);
  for (const Rule& rule : target.rules) {
    for (int i = 0; i < 200; ++i) {
      const Shape shape = random_shape(random);
      const Counters before = counters_of("diana_digital");
      start(rule.name, shape);
      ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
      const int64_t cycles =
          value_of(rule.launch, shape.names()) + value_of(rule.compute, shape.names());
      ASSERT_EQ(counters_of("diana_digital").cycles - before.cycles, static_cast<uint64_t>(cycles))
          << rule.name << " " << i;
    }
  }
}

TEST(Rules, CyclesOfTheDmaAreThoseOfItsModel) {
  heddle_host_reset();
  const Target target = load("diana_dma");
  ASSERT_TRUE(target.transfer_cycles.has_value());
  EXPECT_EQ(target.transfer_unit_bytes, 32);
  EXPECT_EQ(target.base_macro, "DIANA_DMA_BASE");
  EXPECT_GE(target.register_bytes, DIANA_DMA_DESTINATION_PLANE_STRIDE + 4);
  Random random(8);
  for (int i = 0; i < 200; ++i) {
    const uint32_t row_bytes = 32 * number(random, 1, 20), rows = number(random, 1, 9),
                   planes = number(random, 1, 9);
    const diana_dma_job job = {kX,        kY,        row_bytes, rows,     planes,
                               row_bytes, row_bytes, row_bytes, row_bytes};
    const Counters before = counters_of("diana_dma");
    diana_dma_start(&job);
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    const Names names = {{"row_bytes", row_bytes}, {"rows", rows}, {"planes", planes}};
    ASSERT_EQ(counters_of("diana_dma").cycles - before.cycles,
              static_cast<uint64_t>(value_of(*target.transfer_cycles, names)));
  }
}

// With the rates that this machine's heddle_soc.h sets.
TEST(Rules, CyclesOfQvanillaAreThoseOfItsModel) {
  heddle_host_reset();
  const Target target = load("qvanilla");
  ASSERT_EQ(target.rules.size(), 1u);
  EXPECT_EQ(target.base_macro, "QVANILLA_BASE");
  EXPECT_GE(target.register_bytes, QVANILLA_KERNEL_ZERO_POINT + 4);
  ASSERT_EQ(target.constants.size(), 1u);
  EXPECT_EQ(target.constants[0], (std::pair<std::string, int64_t>("cycles_per_1000_macs", 0)));
  Random random(9);
  for (int i = 0; i < 200; ++i) {
    const qvanilla_conv2d_job job = {.ifmap = kX,
                                     .weights = kX + 0x8000,
                                     .bias = kX + 0x18000,
                                     .result = kY,
                                     .oc = number(random, 1, 9),
                                     .iw = number(random, 1, 20),
                                     .ih = number(random, 1, 20),
                                     .ic = number(random, 1, 9),
                                     .kh = number(random, 1, 7),
                                     .kw = number(random, 1, 7),
                                     .input_zero_point = 0,
                                     .kernel_zero_point = 0};
    const Counters before = counters_of("qvanilla");
    qvanilla_conv2d_start(&job);
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    const int64_t macs = int64_t{job.oc} * job.ic * job.kh * job.kw * job.ih * job.iw;
    const Names names = {{"macs", macs},
                         {"unit.cycles_per_1000_macs", QVANILLA_CYCLES_PER_1000_MACS}};
    ASSERT_EQ(counters_of("qvanilla").cycles - before.cycles,
              static_cast<uint64_t>(value_of(target.rules[0].launch, names) +
                                    value_of(target.rules[0].compute, names)));
  }
}

TEST(Rules, CyclesOfTheSimpleDmaAreThoseOfItsModel) {
  heddle_host_reset();
  const Target target = load("simple_dma");
  ASSERT_TRUE(target.transfer_cycles.has_value());
  EXPECT_EQ(target.transfer_unit_bytes, 1);
  EXPECT_GE(target.register_bytes, SIMPLE_DMA_DESTINATION_PLANE_STRIDE + 4);
  EXPECT_EQ(target.constants.size(), 3u);
  Random random(10);
  for (int i = 0; i < 200; ++i) {
    const uint32_t row_bytes = number(random, 1, 500), rows = number(random, 1, 9),
                   planes = number(random, 1, 9);
    const simple_dma_job job = {kX,        kY,        row_bytes, rows,     planes,
                                row_bytes, row_bytes, row_bytes, row_bytes};
    const Counters before = counters_of("simple_dma");
    simple_dma_start(&job);
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    const Names names = {{"row_bytes", row_bytes},
                         {"rows", rows},
                         {"planes", planes},
                         {"unit.cycles_per_transfer", SIMPLE_DMA_CYCLES_PER_TRANSFER},
                         {"unit.cycles_per_row", SIMPLE_DMA_CYCLES_PER_ROW},
                         {"unit.bytes_per_cycle", SIMPLE_DMA_BYTES_PER_CYCLE}};
    ASSERT_EQ(counters_of("simple_dma").cycles - before.cycles,
              static_cast<uint64_t>(value_of(*target.transfer_cycles, names)));
  }
}

}  // namespace
}  // namespace heddle::device
