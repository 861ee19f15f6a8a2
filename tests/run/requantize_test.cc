// heddle requantize, whole: digits as TensorFlow Lite has it, on the accelerators of DIANA.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

ProcessOutcome run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), HEDDLE_TOOL);
  Result<ProcessOutcome> outcome =
      run_process(arguments, fs::path(HEDDLE_SOURCE_DIR) / "models" / "digits",
                  {.cpu_seconds = 300, .memory_bytes = 0});
  HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
  return *outcome;
}

TEST(Requantize, DigitsRunOnAcceleratorsAsWellAsBefore) {
  const TemporaryFolder folder;
  const std::string written = (folder.path() / "shift.onnx").string(),
                    again = (folder.path() / "again.onnx").string();
  for (const std::string& file : {written, again}) {
    const ProcessOutcome made =
        run({"requantize", "digits_int8.tflite", "--for", "diana", "--calibration",
             "digits_int8.npz", "--labels", "digits_int8.npz", "-o", file});
    ASSERT_EQ(made.exit_status, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr("0 of 793,152  793,152 of 793,152"));
  }
  EXPECT_TRUE(*read_file(written) == *read_file(again));  // byte for byte

  // The input is that of the TFLite file: its vectors and labels are this network's too.
  const ProcessOutcome ran = run({"run", written, "--soc", "diana", "--inputs", "digits_int8.npz",
                                  "--labels", "digits_int8.npz"});
  EXPECT_THAT(ran.out, HasSubstr("793,152 of 793,152 MACs accelerated"));
  EXPECT_THAT(ran.out, HasSubstr("accuracy: 100 of 100 right"));
  EXPECT_THAT(ran.out, HasSubstr("bit-exact with the reference: 100 of 100"));
  EXPECT_EQ(ran.exit_status, 0) << ran.err;
}

TEST(Requantize, WritesNothingWhereSomethingIsWrong) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "shift.onnx";
  for (const char* const labels : {"sample.npz", "nothing.npz"}) {
    const ProcessOutcome made =
        run({"requantize", "digits_int8.tflite", "--for", "diana", "--calibration",
             "digits_int8.npz", "--labels", labels, "-o", file.string()});
    EXPECT_EQ(made.exit_status, 1);
    EXPECT_FALSE(fs::exists(file));
  }
}

}  // namespace
}  // namespace heddle
