// `heddle report` with real firmware: what the cost model says of DIANA against the virtual SoC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kDigits = fs::path(HEDDLE_SOURCE_DIR) / "models/digits/digits.onnx";

ProcessOutcome heddle(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), HEDDLE_TOOL);
  Result<ProcessOutcome> outcome =
      run_process(arguments, fs::temp_directory_path(), {.memory_bytes = 0});
  EXPECT_TRUE(outcome.ok());
  return outcome.ok() ? *outcome : ProcessOutcome{};
}

struct Reports : testing::Test {
  void SetUp() override {
    const Result<ProcessOutcome> compiler =
        run_process({"riscv64-unknown-elf-gcc", "--version"}, fs::temp_directory_path());
    if (!compiler.ok() || compiler->exit_status != 0)
      GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  }
};

TEST_F(Reports, DigitsOnDianaIsModelledWithinFivePercentInEveryLayer) {
  const std::string sample = (kDigits.parent_path() / "sample.npz").string();
  const ProcessOutcome outcome = heddle({"report", kDigits.string(), "--soc", "diana", "--json",
                                         "--inputs", sample, "--labels", sample});
  ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  const nlohmann::json report = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(report["layers"].size(), 10u);
  int accelerated = 0;
  for (const nlohmann::json& layer : report["layers"]) {
    const int64_t measured = layer["measured"], modelled = layer["modelled"];
    EXPECT_LE(20 * std::abs(modelled - measured), measured) << layer.dump(2);
    EXPECT_FALSE(layer.contains("off")) << layer.dump(2);
    // Busy cycles of units are the models' own: exactly as the rules say.
    EXPECT_EQ(layer["modelled_terms"]["accelerator"], layer["measured_terms"]["accelerator"]);
    EXPECT_EQ(layer["modelled_terms"]["dma"], layer["measured_terms"]["dma"]);
    if (layer["measured_terms"]["accelerator"] == 0) continue;
    ++accelerated;
    EXPECT_LT(layer["free_units"], layer["measured"]);
    EXPECT_GT(layer["free_units"], 0);
  }
  EXPECT_EQ(accelerated, 8);
  EXPECT_LT(report["total"]["measured"], report["total"]["cpu_only"]);
  EXPECT_EQ(report["accuracy"]["right"], 200);
  EXPECT_EQ(report["accuracy"]["percent"], 100.0);
  EXPECT_GT(report["memory"]["rom_bytes"], 16'848);  // the weights, and code
}

TEST_F(Reports, MeasuredFilesAndTimelinesComeOutOfARun) {
  const TemporaryFolder folder;
  const std::string csv = folder.path() / "m.csv", svg = folder.path() / "t.svg";
  const ProcessOutcome run =
      heddle({"run", kDigits.string(), "--soc", "diana", "--policy", "cpu", "--on", "soc",
              "--measured", csv, "--timeline", svg, "--timeline-layer", "pool1..conv2"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const ProcessOutcome fit = heddle({"calibrate", csv, "--json"});
  ASSERT_EQ(fit.exit_status, 0) << fit.err;
  const nlohmann::json calibration = nlohmann::json::parse(fit.out);
  EXPECT_EQ(calibration["soc"], "diana");
  EXPECT_LT(calibration["fitted"]["summary"]["mean_percent"], 5);
  const Result<std::string> picture = read_file(svg);
  ASSERT_TRUE(picture.ok());
  EXPECT_THAT(*picture, HasSubstr("conv2 (cpu/conv)"));
}

}  // namespace
}  // namespace heddle
