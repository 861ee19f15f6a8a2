// Machines that are folders alone: their first networks, exact on the host and on the virtual SoC,
// with layers on them and others on the CPU.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process.h"
#include "sim/result.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kModels = fs::path(HEDDLE_SOURCE_DIR) / "models";
constexpr ProcessLimits kLimits{.cpu_seconds = 300, .memory_bytes = 0};

struct First {
  const char* model;  // the vectors are beside it
  const char* soc;
  const char* target;
  int layers;       // of the network on the target, at least
  bool is_library;  // the CPU's own cycles
  int samples;
};
void PrintTo(const First& first, std::ostream* out) { *out << first.model << " on " << first.soc; }

const First kFirst[] = {
    {"mlperf_tiny/kws_int8.tflite", "cpu_library", "kernel_library", 9, true, 5},
    {"mlperf_tiny/ad_int8.tflite", "cpu_library", "kernel_library", 10, true, 5},
    {"digits/digits_qdq.onnx", "gemmini_like", "gemmini_like", 4, false, 100},
    {"qdq/qdq_s8s8_tensor.onnx", "gemmini_like", "gemmini_like", 2, false, 5},
    {"mlperf_tiny/kws_int8.tflite", "ne16", "ne16", 9, false, 5},
    {"integer/half_up.onnx", "ne16", "ne16", 3, false, 5},
    {"integer/floor.onnx", "ne16", "ne16", 2, false, 5},
    {"qdq/qdq_s8s8_tensor.onnx", "ne16", "ne16", 2, false, 5},
};

class Machine : public testing::TestWithParam<First> {
 protected:
  static ProcessOutcome heddle(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), HEDDLE_TOOL);
    Result<ProcessOutcome> outcome = run_process(arguments, kModels, kLimits);
    HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
    return *outcome;
  }
  static std::string model() { return (kModels / GetParam().model).string(); }
  static std::string vectors() {
    return fs::path(kModels / GetParam().model).replace_extension(".npz").string();
  }
};

TEST_P(Machine, IsExactOnTheHost) {
  const ProcessOutcome outcome = heddle({"verify", model(), "--inputs", vectors(), "--expected",
                                         vectors(), "--soc", GetParam().soc});
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(fmt::format("against the reference: {0} of {0} samples bit-exact",
                                                 GetParam().samples)));
}

TEST_P(Machine, IsExactOnTheVirtualSoc) {
  if (!run_process({"riscv64-unknown-elf-gcc", "--version"}, {}).ok())
    GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  const First& first = GetParam();
  const ProcessOutcome outcome =
      heddle({"run", model(), "--soc", first.soc, "--on", "soc", "--json"});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;  // hazards and differences are errors
  const Result<sim::SimulationResult> result = sim::result_from_json(outcome.out, "result");
  ASSERT_TRUE(result.ok()) << format_diagnostics(result.errors());
  EXPECT_EQ(result->exact_samples, static_cast<int>(result->samples.size()));
  int taken = 0, left = 0;
  for (const sim::LayerResult& layer : result->samples.front().layers) {
    if (layer.split.cycles == 0) continue;
    taken += layer.target == first.target;
    left += layer.target == "cpu";
    if (layer.target != first.target) continue;
    EXPECT_EQ(layer.split.compute > 0, first.is_library) << layer.name;
    EXPECT_EQ(layer.split.driver > 0, !first.is_library) << layer.name;
    if (!first.is_library) continue;
    // The rule's cost is that of the kernel itself.
    EXPECT_NEAR(static_cast<double>(layer.modelled_cycles) / static_cast<double>(layer.split.cycles),
                1.0, 0.05)
        << layer.name;
  }
  EXPECT_GE(taken, first.layers);
  EXPECT_EQ(result->units.empty(), first.is_library);
  if (std::string_view(first.model).find("ad_") == std::string_view::npos) {
    EXPECT_GE(left, 1);
  }
}

std::string test_name(const testing::TestParamInfo<First>& info) {
  std::string name = fs::path(info.param.model).stem().string() + "_on_" + info.param.soc;
  return name;
}

INSTANTIATE_TEST_SUITE_P(First, Machine, testing::ValuesIn(kFirst), test_name);

}  // namespace
}  // namespace heddle
