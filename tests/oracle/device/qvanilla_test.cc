// QVanilla, through driver, register map and model: random jobs against naive loops, every byte of
// the memory compared; and every refusal with its words.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "qvanilla/driver.h"
#include "tests/oracle/device/machine.h"

extern "C" {
extern const heddle_model qvanilla_model;
}

namespace heddle::device {
namespace {

int32_t word_at(uint32_t offset) {
  int32_t word;
  std::memcpy(&word, l1() + offset, sizeof word);
  return word;
}

// The job's result, from the formula of driver.h; operands lie in L1.
std::vector<int32_t> convolve(const qvanilla_conv2d_job& job) {
  const auto signed_at = [](uint32_t address, int64_t index) {
    return int64_t{static_cast<int8_t>(l1()[address - TEST_L1_BASE + index])};
  };
  const int64_t oc = job.oc, ic = job.ic, ih = job.ih, iw = job.iw, kh = job.kh, kw = job.kw;
  std::vector<int32_t> result;
  for (int64_t k = 0; k < oc; ++k) {
    for (int64_t y = 0; y < ih; ++y) {
      for (int64_t x = 0; x < iw; ++x) {
        int64_t sum = word_at(job.bias - TEST_L1_BASE + 4 * static_cast<uint32_t>(k));
        for (int64_t c = 0; c < ic; ++c) {
          for (int64_t fy = 0; fy < kh; ++fy) {
            for (int64_t fx = 0; fx < kw; ++fx) {
              const int64_t row = y + fy - (kh - 1) / 2, column = x + fx - (kw - 1) / 2;
              if (row < 0 || row >= ih || column < 0 || column >= iw) continue;
              sum += (signed_at(job.ifmap, (c * ih + row) * iw + column) - job.input_zero_point) *
                     (signed_at(job.weights, ((k * ic + c) * kh + fy) * kw + fx) -
                      job.kernel_zero_point);
            }
          }
        }
        result.push_back(static_cast<int32_t>(static_cast<uint32_t>(sum)));
      }
    }
  }
  return result;
}

// Operands one behind the other, with gaps.
qvanilla_conv2d_job random_job(Random& random) {
  const auto number = [&](int64_t low, int64_t high) {
    return static_cast<uint32_t>(random.between(low, high));
  };
  qvanilla_conv2d_job job = {};
  const bool wide = random.between(0, 9) == 0;  // more columns than the model takes at a time
  job.oc = number(1, wide ? 3 : 12);
  job.ic = number(1, wide ? 3 : 12);
  job.ih = number(1, wide ? 4 : 12);
  job.iw = number(1, wide ? 700 : 12);
  const bool pointwise = random.between(0, 3) == 0;
  job.kh = pointwise ? 1 : number(1, 7);
  job.kw = pointwise ? 1 : number(1, random.between(0, 9) == 0 ? 30 : 7);
  if (random.between(0, 2) > 0) job.input_zero_point = random.byte();
  if (random.between(0, 2) == 0) job.kernel_zero_point = random.byte();
  uint32_t next = TEST_L1_BASE;
  const auto place = [&](uint32_t bytes, uint32_t alignment) {
    next += number(0, 9);
    next = (next + alignment - 1) / alignment * alignment;
    const uint32_t at = next;
    next += bytes;
    return at;
  };
  job.ifmap = place(job.ic * job.ih * job.iw, 1);
  job.result = place(4 * job.oc * job.ih * job.iw, 4);
  job.bias = place(4 * job.oc, 4);
  job.weights = place(job.oc * job.ic * job.kh * job.kw, 1);
  return job;
}

TEST(Qvanilla, RandomJobsEqualTheFormula) {
  heddle_host_reset();
  Random random(31);
  int oblong = 0, even = 0, long_rows = 0;
  for (int i = 0; i < 600; ++i) {
    fill_with_noise(random);
    const qvanilla_conv2d_job job = random_job(random);
    std::vector<uint8_t> expected(l1(), l1() + TEST_L1_BYTES);
    const std::vector<int32_t> result = convolve(job);
    std::memcpy(expected.data() + (job.result - TEST_L1_BASE), result.data(), 4 * result.size());
    const Counters before = counters_of("qvanilla");
    qvanilla_conv2d_start(&job);
    qvanilla_wait();
    ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
    ASSERT_EQ(std::memcmp(l1(), expected.data(), TEST_L1_BYTES), 0)
        << "job " << i << ": kernel " << job.kh << " x " << job.kw << ", image " << job.ih << " x "
        << job.iw;
    ASSERT_EQ(counters_of("qvanilla").jobs - before.jobs, 1u);
    oblong += job.kh != job.kw && job.ih != job.iw;
    even += job.kh % 2 == 0 || job.kw % 2 == 0;
    long_rows += job.iw > 256;
  }
  EXPECT_GT(oblong, 200);
  EXPECT_GT(even, 200);
  EXPECT_GT(long_rows, 10);
}

// A published bug: columns of the kernel bounded by its rows. By hand, with a row of ones.
TEST(Qvanilla, AKernelOfOneRow) {
  heddle_host_reset();
  std::fill_n(l1(), 4096, uint8_t{1});
  std::fill_n(l1() + 100, 8, uint8_t{0});  // bias
  const qvanilla_conv2d_job job = {.ifmap = TEST_L1_BASE,
                                   .weights = TEST_L1_BASE + 40,
                                   .bias = TEST_L1_BASE + 100,
                                   .result = TEST_L1_BASE + 200,
                                   .oc = 1,
                                   .iw = 6,
                                   .ih = 2,
                                   .ic = 1,
                                   .kh = 1,
                                   .kw = 4,
                                   .input_zero_point = 0,
                                   .kernel_zero_point = 0};
  qvanilla_conv2d_start(&job);
  ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
  const int32_t wanted[] = {3, 4, 4, 4, 3, 2};  // one column before the image, two behind it
  for (uint32_t i = 0; i < 12; ++i) EXPECT_EQ(word_at(200 + 4 * i), wanted[i % 6]) << i;
}

TEST(Qvanilla, WorksInMainAndConstantMemory) {
  heddle_host_reset();
  alignas(4) static const int8_t constants[12] = {2, 0, 0, 0, 5, 0, 0, 0, 1, 3, 0, 0};
  alignas(4) uint8_t arena[64] = {7, 8, 9};
  const uint32_t flash = heddle_bus_address(constants, sizeof constants, HEDDLE_CONSTANT_MEMORY);
  const uint32_t main = heddle_bus_address(arena, sizeof arena, HEDDLE_MAIN_MEMORY);
  const qvanilla_conv2d_job job = {.ifmap = main,
                                   .weights = flash + 8,
                                   .bias = flash,
                                   .result = main + 4,
                                   .oc = 2,
                                   .iw = 3,
                                   .ih = 1,
                                   .ic = 1,
                                   .kh = 1,
                                   .kw = 1,
                                   .input_zero_point = 7,
                                   .kernel_zero_point = -1};
  qvanilla_conv2d_start(&job);
  ASSERT_EQ(heddle_status(), HEDDLE_OK) << heddle_host_error();
  int32_t result[6];
  std::memcpy(result, arena + 4, sizeof result);
  const int32_t wanted[] = {2, 4, 6, 5, 9, 13};
  EXPECT_TRUE(std::equal(std::begin(result), std::end(result), wanted));
}

qvanilla_conv2d_job good() {
  return {.ifmap = TEST_L1_BASE,
          .weights = TEST_L1_BASE + 0x1000,
          .bias = TEST_L1_BASE + 0x2000,
          .result = TEST_L1_BASE + 0x3000,
          .oc = 5,
          .iw = 9,
          .ih = 8,
          .ic = 3,
          .kh = 3,
          .kw = 2,
          .input_zero_point = -128,
          .kernel_zero_point = 127};
}

std::string error_of(const qvanilla_conv2d_job& job) {
  qvanilla_conv2d_start(&job);
  return heddle_status() == HEDDLE_OK ? "" : heddle_host_error();
}

TEST(Qvanilla, EveryRefusal) {
  heddle_host_reset();
  using Job = qvanilla_conv2d_job;
  const struct {
    void (*change)(Job&);
    const char* why;
  } rows[] = {
      {[](Job& j) { j.oc = 0; }, "qvanilla: OC is 0, but it must be 1 to 65535"},
      {[](Job& j) { j.ic = 65536; }, "qvanilla: IC is 65536, but it must be 1 to 65535"},
      {[](Job& j) { j.ih = 0; }, "qvanilla: IH is 0, but it must be 1 to 65535"},
      {[](Job& j) { j.iw = 70000; }, "qvanilla: IW is 70000, but it must be 1 to 65535"},
      {[](Job& j) { j.kh = 256; }, "qvanilla: KH is 256, but it must be 1 to 255"},
      {[](Job& j) { j.kw = 0; }, "qvanilla: KW is 0, but it must be 1 to 255"},
      {[](Job& j) { j.input_zero_point = 128; },
       "qvanilla: the input zero point is 128, but it must be -128 to 127"},
      {[](Job& j) { j.kernel_zero_point = -129; },
       "qvanilla: the kernel zero point is -129, but it must be -128 to 127"},
      {[](Job& j) { j.result += 2; },
       "qvanilla: the result has the address 0x10003002, which is not a multiple of 4"},
      {[](Job& j) { j.bias += 1; },
       "qvanilla: the bias has the address 0x10002001, which is not a multiple of 4"},
      {[](Job& j) { j.result = 0xFFFFFFFCu; },
       "qvanilla: the result runs past the end of the address space"},
      {[](Job& j) { j.ifmap = 0xFFFFFFFFu; },
       "qvanilla: the ifmap runs past the end of the address space"},
      {[](Job& j) { j.weights = j.result + 5 * 9 * 8 * 4 - 1; },
       "qvanilla: the result overlaps the weights"},
      {[](Job& j) { j.ifmap = j.result - 1; }, "qvanilla: the result overlaps the ifmap"},
      {[](Job& j) { j.bias = j.result; }, "qvanilla: the result overlaps the bias"},
      {[](Job& j) { j.weights = 0xFFFFFFF0u; },
       "qvanilla: the weights runs past the end of the address space"},
      {[](Job& j) {
         j.oc = 1, j.ic = 2048, j.ih = j.iw = 1024, j.kh = j.kw = 255;
         j.ifmap = 0x80000000, j.weights = 0x10000000, j.result = 0x40000000, j.bias = 0x50000000;
       },
       "qvanilla: a job of more than 2^40 multiplications"},
      {[](Job& j) { j.ifmap = TEST_WEIGHTS_BASE; },
       "qvanilla: the ifmap lies outside the memories that the accelerator reaches"},
      {[](Job& j) { j.weights = TEST_L1_BASE + TEST_L1_BYTES - 4; },
       "qvanilla: the weights lies outside the memories that the accelerator reaches"},
      {[](Job& j) { j.bias = TEST_L1_BASE + TEST_L1_BYTES; },
       "qvanilla: the bias lies outside the memories that the accelerator reaches"},
      {[](Job& j) { j.result = TEST_L1_BASE + TEST_L1_BYTES - 64; },
       "qvanilla: the result lies outside the memories that the accelerator may write"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(error_of(good()), "");
    EXPECT_EQ(heddle_reg_read(QVANILLA_BASE), 0u);
    Job job = good();
    row.change(job);
    EXPECT_EQ(error_of(job), row.why);
    EXPECT_EQ(heddle_reg_read(QVANILLA_BASE), uint32_t{QVANILLA_ERROR}) << row.why;
  }
}

TEST(Qvanilla, RefusesWhatIsNoRegister) {
  heddle_host_reset();
  const struct {
    uint32_t offset, value;
    bool write;
    const char* why;
  } rows[] = {
      {0x38, 1, true, "qvanilla: a write to an address that is no register"},
      {0x0A, 1, true, "qvanilla: a write to an address that is no register"},
      {0x38, 1, false, "qvanilla: a read of an address that is no register"},
      {0x00, 1, true, "qvanilla: a write to the status register"},
      {0x04, 2, true, "qvanilla: a value other than 1 was written to the control register"},
  };
  for (const auto& row : rows) {
    row.write ? heddle_reg_write(QVANILLA_BASE + row.offset, row.value)
              : (void)heddle_reg_read(QVANILLA_BASE + row.offset);
    EXPECT_NE(heddle_status(), HEDDLE_OK);
    EXPECT_STREQ(heddle_host_error(), row.why);
  }
  heddle_reg_write(QVANILLA_BASE + QVANILLA_KW, 77);
  EXPECT_EQ(heddle_reg_read(QVANILLA_BASE + QVANILLA_KW), 77u);
}

// Where step() comes later, as in virtual time, a start before it is a fault.
TEST(Qvanilla, StartWhileBusy) {
  std::vector<uint64_t> state(qvanilla_model.state_bytes / 8 + 1, ~uint64_t{0});
  qvanilla_model.reset(state.data());
  qvanilla_model.write(state.data(), QVANILLA_CONTROL, QVANILLA_START);
  EXPECT_EQ(qvanilla_model.read(state.data(), HEDDLE_MODEL_STATUS),
            static_cast<uint32_t>(HEDDLE_MODEL_BUSY));
  qvanilla_model.write(state.data(), QVANILLA_CONTROL, QVANILLA_START);
  const heddle_bus bus = {};
  uint64_t cycles = 1;
  const char* why = nullptr;
  EXPECT_EQ(qvanilla_model.step(state.data(), &bus, &cycles, &why), -1);
  EXPECT_STREQ(why, "a register was written while the accelerator was busy");
}

}  // namespace
}  // namespace heddle::device
