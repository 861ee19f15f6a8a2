// Everything that the models refuse, with the words they say. Each row breaks a job that is right.
#include <gtest/gtest.h>

#include <functional>

#include "diana_digital/driver.h"
#include "diana_dma/driver.h"
#include "tests/oracle/device/machine.h"

extern "C" {
extern const heddle_model diana_digital_model;
extern const heddle_model diana_dma_model;
}

namespace heddle::device {
namespace {

constexpr uint32_t kX = TEST_L1_BASE, kResidual = TEST_L1_BASE + 0x4000, kY = TEST_L1_BASE + 0x8000;

diana_digital_conv2d_job good_conv2d() {
  return {.x = kX,
          .x_pitch = 16,
          .x_plane = 128,
          .y = kY,
          .y_pitch = 16,
          .y_plane = 128,
          .weights = TEST_WEIGHTS_BASE,
          .in_channels = 3,
          .in_height = 8,
          .in_width = 9,
          .out_channels = 5,
          .out_height = 8,
          .out_width = 9,
          .kernel_height = 3,
          .kernel_width = 3,
          .stride = 1,
          .pad_top = 1,
          .pad_left = 1,
          .shift = 5,
          .minimum = -128,
          .maximum = 127};
}

diana_digital_depthwise_job good_depthwise() {
  return {.x = kX,
          .x_pitch = 16,
          .x_plane = 128,
          .y = kY,
          .y_pitch = 16,
          .y_plane = 128,
          .weights = TEST_WEIGHTS_BASE,
          .channels = 3,
          .in_height = 8,
          .in_width = 9,
          .out_height = 8,
          .out_width = 9,
          .kernel_height = 3,
          .kernel_width = 3,
          .stride = 1,
          .pad_top = 1,
          .pad_left = 1,
          .shift = 5,
          .minimum = -128,
          .maximum = 127};
}

diana_digital_dense_job good_dense() {
  return {.x = kX,
          .y = kY,
          .weights = TEST_WEIGHTS_BASE,
          .in_channels = 40,
          .out_channels = 10,
          .shift = 5,
          .minimum = -128,
          .maximum = 127};
}

diana_digital_add_job good_add() {
  return {.x = kX,
          .x_pitch = 16,
          .x_plane = 128,
          .residual = kResidual,
          .residual_pitch = 16,
          .residual_plane = 128,
          .y = kY,
          .y_pitch = 16,
          .y_plane = 128,
          .channels = 3,
          .height = 8,
          .width = 9,
          .shift = 1,
          .minimum = -128,
          .maximum = 127};
}

diana_dma_job good_transfer() {
  return {.source = kX,
          .destination = kY,
          .row_bytes = 64,
          .rows = 3,
          .planes = 2,
          .source_row_stride = 64,
          .source_plane_stride = 256,
          .destination_row_stride = 80,
          .destination_plane_stride = 240};
}

// A job of the table that breaks it, and the words.
template <typename Job>
struct Row {
  void (*change)(Job&);
  const char* why;
};

class Errors : public testing::Test {
 protected:
  void SetUp() override {
    heddle_host_reset();
    for (uint32_t i = 0; i < 4096; ++i) weights()[i] = 0;
  }

  // The error of the job that `start` runs; the machine is well again afterwards.
  template <typename Start>
  std::string error_of(const Start& start) {
    start();
    const int status = heddle_status();
    if (status == HEDDLE_OK) return "";
    EXPECT_EQ(status, HEDDLE_ERROR_BUS);
    EXPECT_EQ(heddle_status(), HEDDLE_OK) << "the status is not cleared";
    return heddle_host_error();
  }

  // Row by row, the unbroken job before and the broken one after it.
  template <typename Job, size_t N>
  void check(const Job& good, void (*start)(const Job*), uint32_t base, const Row<Job> (&rows)[N]) {
    for (const Row<Job>& row : rows) {
      Job job = good;
      EXPECT_EQ(error_of([&] { start(&job); }), "");
      EXPECT_EQ(heddle_reg_read(base), 0u);
      row.change(job);
      EXPECT_EQ(error_of([&] { start(&job); }), row.why);
      EXPECT_EQ(heddle_reg_read(base), uint32_t{DIANA_DIGITAL_ERROR}) << row.why;
    }
  }

  static_assert(int{DIANA_DIGITAL_ERROR} == int{DIANA_DMA_ERROR});
};

TEST_F(Errors, Conv2d) {
  using Job = diana_digital_conv2d_job;
  const Row<Job> rows[] = {
      {[](Job& j) { j.in_channels = 0; },
       "diana_digital: x has the size 0 x 8 x 9, but sizes are 1 to 65535"},
      {[](Job& j) { j.in_height = 65536; },
       "diana_digital: x has the size 3 x 65536 x 9, but sizes are 1 to 65535"},
      {[](Job& j) { j.out_width = 0; },
       "diana_digital: y has the size 5 x 8 x 0, but sizes are 1 to 65535"},
      {[](Job& j) { j.x += 8; },
       "diana_digital: x has the address 0x10000008, which is not a multiple of 16"},
      {[](Job& j) { j.y += 1; },
       "diana_digital: y has the address 0x10008001, which is not a multiple of 16"},
      {[](Job& j) { j.x_pitch = 24; },
       "diana_digital: x has a row pitch of 24 and a plane of 128 bytes, which are not multiples "
       "of 16"},
      {[](Job& j) { j.y_plane = 129; },
       "diana_digital: y has a row pitch of 16 and a plane of 129 bytes, which are not multiples "
       "of 16"},
      {[](Job& j) { j.in_width = 17; },
       "diana_digital: x has a row pitch of 16 bytes for 17 columns"},
      {[](Job& j) { j.y_plane = 112; },
       "diana_digital: y has a plane of 112 bytes for 8 rows of 16 bytes"},
      {[](Job& j) { j.x = 0xFFFFFFF0u; },
       "diana_digital: x runs past the end of the address space"},
      {[](Job& j) { j.shift = 32; }, "diana_digital: the shift is 32, but the register has 5 bits"},
      {[](Job& j) { j.minimum = -129; },
       "diana_digital: the bounds are -129 and 127, which is no range of signed bytes"},
      {[](Job& j) { j.maximum = 128; },
       "diana_digital: the bounds are -128 and 128, which is no range of signed bytes"},
      {[](Job& j) { j.minimum = 1, j.maximum = 0; },
       "diana_digital: the bounds are 1 and 0, which is no range of signed bytes"},
      {[](Job& j) { j.kernel_height = 2; },
       "diana_digital: the kernel is 2 x 3, but sizes are 1, 3, 5 and 7"},
      {[](Job& j) { j.kernel_width = 9; },
       "diana_digital: the kernel is 3 x 9, but sizes are 1, 3, 5 and 7"},
      {[](Job& j) { j.stride = 3; },
       "diana_digital: the stride register holds neither 0 (stride 1) nor 1 (stride 2)"},
      {[](Job& j) { j.stride = 0; },
       "diana_digital: the stride register holds neither 0 (stride 1) nor 1 (stride 2)"},
      {[](Job& j) { j.pad_top = 3; },
       "diana_digital: the padding 3, 1 is not less than the kernel"},
      {[](Job& j) { j.pad_left = 3; },
       "diana_digital: the padding 1, 3 is not less than the kernel"},
      {[](Job& j) { j.out_height = 10, j.y_plane = 160; },
       "diana_digital: the last window lies outside the input"},
      {[](Job& j) { j.stride = 2, j.out_height = 4; },
       "diana_digital: the last window lies outside the input"},
      {[](Job& j) { j.y = j.x + 2 * 128 + 7 * 16; }, "diana_digital: y overlaps x"},
      {[](Job& j) { j.y = j.x; }, "diana_digital: y overlaps x"},
      {[](Job& j) { j.weights += 4; },
       "diana_digital: the weights have the address 0x12000004, which is not a multiple of 16"},
      {[](Job& j) { j.out_channels = 16 * 140; },
       "diana_digital: 69440 bytes of weights do not fit the weight memory of 65536"},
      {[](Job& j) { j.weights = 0xFFFFFFF0u; },
       "diana_digital: 496 bytes of weights do not fit the weight memory of 65536"},
      {[](Job& j) { j.weights += 0x10000; },
       "diana_digital: bias lies outside the memories that the core reaches"},
      {[](Job& j) { j.weights += 0x10000 - 64; },
       "diana_digital: weights lies outside the memories that the core reaches"},
      {[](Job& j) { j.x = TEST_L2_BASE; },
       "diana_digital: x lies outside the memories that the core reaches"},
      {[](Job& j) { j.x = TEST_L1_BASE + TEST_L1_BYTES - 128; },
       "diana_digital: x lies outside the memories that the core reaches"},
      {[](Job& j) { j.y = TEST_L1_BASE + TEST_L1_BYTES; },
       "diana_digital: y lies outside the memories that the core may write"},
  };
  check(good_conv2d(), diana_digital_conv2d_start, DIANA_DIGITAL_BASE, rows);
}

TEST_F(Errors, Depthwise) {
  using Job = diana_digital_depthwise_job;
  const Row<Job> rows[] = {
      {[](Job& j) { j.weights += 2; },
       "diana_digital: the weights have the address 0x12000002, which is not a multiple of 4"},
      {[](Job& j) { j.channels = 1300, j.y = kX + 1300 * 128; },
       "diana_digital: 67600 bytes of weights do not fit the weight memory of 65536"},
      {[](Job& j) { j.weights += 2048, weights()[2048 + 16 + 5] = 1; },
       "diana_digital: a depthwise weight is not followed by three zeros"},
  };
  check(good_depthwise(), diana_digital_depthwise_start, DIANA_DIGITAL_BASE, rows);
  // No driver call can give unequal channels.
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_WEIGHTS, TEST_WEIGHTS_BASE);
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_OUT_CHANNELS, 2);
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_IN_CHANNELS, 3);
  EXPECT_EQ(error_of([] {
              heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_START, DIANA_DIGITAL_DEPTHWISE);
            }),
            "diana_digital: a depthwise job has x and y of unequal channels");
}

TEST_F(Errors, Dense) {
  using Job = diana_digital_dense_job;
  const Row<Job> rows[] = {
      {[](Job& j) { j.in_channels = 0; },
       "diana_digital: x has the size 1 x 1 x 0, but sizes are 1 to 65535"},
      {[](Job& j) { j.in_channels = 0xFFFFFFFFu; },
       "diana_digital: x has the size 1 x 1 x 4294967295, but sizes are 1 to 65535"},
      {[](Job& j) { j.out_channels = 65536; },
       "diana_digital: y has the size 1 x 1 x 65536, but sizes are 1 to 65535"},
      {[](Job& j) { j.shift = 40; }, "diana_digital: the shift is 40, but the register has 5 bits"},
      {[](Job& j) { j.y = j.x + 32; }, "diana_digital: y overlaps x"},
      {[](Job& j) { j.in_channels = 4096; },
       "diana_digital: 65600 bytes of weights do not fit the weight memory of 65536"},
      {[](Job& j) { j.weights += 0x20000; },
       "diana_digital: bias lies outside the memories that the core reaches"},
      {[](Job& j) { j.weights += 0x10000 - 128; },
       "diana_digital: weights lies outside the memories that the core reaches"},
      {[](Job& j) { j.x = 0x40; },
       "diana_digital: x lies outside the memories that the core reaches"},
      {[](Job& j) { j.y = 0x40; },
       "diana_digital: y lies outside the memories that the core may write"},
  };
  check(good_dense(), diana_digital_dense_start, DIANA_DIGITAL_BASE, rows);
}

TEST_F(Errors, Add) {
  using Job = diana_digital_add_job;
  const Row<Job> rows[] = {
      {[](Job& j) { j.height = 0; },
       "diana_digital: x has the size 3 x 0 x 9, but sizes are 1 to 65535"},
      {[](Job& j) { j.residual += 4; },
       "diana_digital: residual has the address 0x10004004, which is not a multiple of 16"},
      {[](Job& j) { j.y_pitch = 0; }, "diana_digital: y has a row pitch of 0 bytes for 9 columns"},
      {[](Job& j) { j.maximum = 1000; },
       "diana_digital: the bounds are -128 and 1000, which is no range of signed bytes"},
      {[](Job& j) { j.y = j.residual; }, "diana_digital: y overlaps residual"},
      {[](Job& j) { j.y = j.x; }, "diana_digital: y overlaps x"},
      {[](Job& j) { j.x = TEST_L2_BASE; },
       "diana_digital: x lies outside the memories that the core reaches"},
      {[](Job& j) { j.residual = TEST_L2_BASE; },
       "diana_digital: residual lies outside the memories that the core reaches"},
      {[](Job& j) { j.y = TEST_L2_BASE; },
       "diana_digital: y lies outside the memories that the core may write"},
  };
  check(good_add(), diana_digital_add_start, DIANA_DIGITAL_BASE, rows);
}

TEST_F(Errors, Dma) {
  static const uint8_t constants[64] = {};
  ASSERT_EQ(heddle_bus_address(constants, sizeof constants, HEDDLE_CONSTANT_MEMORY),
            TEST_FLASH_BASE);
  using Job = diana_dma_job;
  const Row<Job> rows[] = {
      {[](Job& j) { j.row_bytes = 0; }, "diana_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.rows = 0; }, "diana_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.planes = 0; }, "diana_dma: a transfer of nothing: a count is 0"},
      {[](Job& j) { j.row_bytes = 48; }, "diana_dma: the bytes of a row are not a multiple of 32"},
      {[](Job& j) { j.row_bytes = 1u << 25; }, "diana_dma: a transfer of more than 16 MiB"},
      {[](Job& j) { j.rows = 0xFFFFFFFFu; }, "diana_dma: a transfer of more than 16 MiB"},
      {[](Job& j) { j.planes = 0xFFFFFFFFu; }, "diana_dma: a transfer of more than 16 MiB"},
      {[](Job& j) { j.source = 0xFFFFFFE0u; },
       "diana_dma: the source runs past the end of the address space"},
      {[](Job& j) { j.destination = 0xFFFFFFE0u; },
       "diana_dma: the destination runs past the end of the address space"},
      {[](Job& j) { j.source = 0x40; },
       "diana_dma: the source lies outside the memories that the DMA reaches"},
      {[](Job& j) { j.source = TEST_L2_BASE; },
       "diana_dma: the source lies outside the memories that the DMA reaches"},
      {[](Job& j) { j.source_row_stride = TEST_L1_BYTES; },
       "diana_dma: the source lies outside the memories that the DMA reaches"},
      {[](Job& j) { j.destination = TEST_FLASH_BASE; },
       "diana_dma: the destination lies outside the memories that the DMA may write"},
      {[](Job& j) { j.destination_plane_stride = TEST_L1_BYTES; },
       "diana_dma: the destination lies outside the memories that the DMA may write"},
  };
  check(good_transfer(), diana_dma_start, DIANA_DMA_BASE, rows);
}

TEST_F(Errors, Registers) {
  const struct {
    uint32_t address, value;
    bool write;
    const char* why;
  } rows[] = {
      {DIANA_DIGITAL_BASE + 0x6C, 1, true,
       "diana_digital: a write to an address that is no register"},
      {DIANA_DIGITAL_BASE + 0x0A, 1, true,
       "diana_digital: a write to an address that is no register"},
      {DIANA_DIGITAL_BASE + 0x6C, 1, false,
       "diana_digital: a read of an address that is no register"},
      {DIANA_DIGITAL_BASE, 1, true, "diana_digital: a write to the status register"},
      {DIANA_DIGITAL_BASE + 0x04, 7, true,
       "diana_digital: the start register got the number of no operation"},
      {DIANA_DMA_BASE + 0x2C, 1, true, "diana_dma: a write to an address that is no register"},
      {DIANA_DMA_BASE + 0x06, 1, false, "diana_dma: a read of an address that is no register"},
      {DIANA_DMA_BASE, 1, true, "diana_dma: a write to the status register"},
      {DIANA_DMA_BASE + 0x04, 2, true,
       "diana_dma: a value other than 1 was written to the start register"},
      {DIANA_DMA_BASE + 0x40, 1, true, "bus: no unit has a register at 0x1a100040"},
      {DIANA_DMA_BASE + 0x3E, 1, false, "bus: no unit has a register at 0x1a10003e"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(error_of([&] {
                row.write ? heddle_reg_write(row.address, row.value)
                          : (void)heddle_reg_read(row.address);
              }),
              row.why);
  }
  heddle_reg_write(DIANA_DIGITAL_BASE + DIANA_DIGITAL_MAXIMUM, 77);
  EXPECT_EQ(heddle_reg_read(DIANA_DIGITAL_BASE + DIANA_DIGITAL_MAXIMUM), 77u);
}

// A machine with virtual time does not call step() at once: until then the unit is busy, and must
// be left alone.
TEST_F(Errors, WritesToABusyUnit) {
  const struct {
    const heddle_model* model;
    const char* why;
  } rows[] = {{&diana_digital_model, "a register was written while the core was busy"},
              {&diana_dma_model, "a register was written while the DMA was busy"}};
  for (const auto& row : rows) {
    std::vector<uint64_t> state(row.model->state_bytes / 8 + 1, ~uint64_t{0});
    row.model->reset(state.data());
    const heddle_bus bus = {};
    uint64_t cycles = 1;
    const char* why = nullptr;
    EXPECT_EQ(row.model->step(state.data(), &bus, &cycles, &why), 0);
    EXPECT_EQ(cycles, 0u);
    row.model->write(state.data(), 0x04, 1);
    EXPECT_EQ(row.model->read(state.data(), HEDDLE_MODEL_STATUS),
              static_cast<uint32_t>(HEDDLE_MODEL_BUSY));
    row.model->write(state.data(), 0x08, 1);
    EXPECT_EQ(row.model->step(state.data(), &bus, &cycles, &why), -1);
    EXPECT_STREQ(why, row.why);
    EXPECT_EQ(row.model->read(state.data(), HEDDLE_MODEL_STATUS) & HEDDLE_MODEL_BUSY, 0u);
  }
}

}  // namespace
}  // namespace heddle::device
