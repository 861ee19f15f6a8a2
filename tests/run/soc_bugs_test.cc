// What goes wrong on the virtual SoC is told: races and wild accesses that are put into a bundle, models that crash,
// tools that are missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "run/soc_run.h"

namespace heddle {
namespace {

using testing::HasSubstr;

struct Bug {
  const char *name, *file, *from, *to, *message;
};
void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.name; }

class Injected : public SocRun, public testing::WithParamInterface<Bug> {};

TEST_P(Injected, RaceIsFound) {
  const Bug& bug = GetParam();
  compile("digits/digits.onnx", small_soc());
  replace(bug.file, bug.from, bug.to);
  const ProcessOutcome outcome = run_on_soc();
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr(bug.message));
  EXPECT_THAT(outcome.err, HasSubstr("; in layer `conv"));
  EXPECT_THAT(outcome.err, HasSubstr("\n  help: "));
}

const std::vector<Bug> kBugs = {
    // The next tile is loaded into the buffer that the accelerator reads.
    {"OneBufferForTwo", "src/digits.c", "LAYER_00_X + (t & 1u) * LAYER_00_X_BYTES",
     "LAYER_00_X + (t & 0u) * LAYER_00_X_BYTES",
     "hazard: busy regions overlap: diana_dma starts a job that writes what diana_digital reads"},
    // The weights are still on their way when the accelerator starts.
    {"NoWaitForTheLoad", "src/digits.c", "diana_dma_start(&weights);\n    diana_dma_wait();",
     "diana_dma_start(&weights);",
     "hazard: busy regions overlap: diana_digital starts a job that reads what diana_dma writes"},
    // The driver and the loop forget to wait before the next job.
    {"NoWaitForTheAccelerator", "drivers/diana_digital/driver.c", "heddle_wait_for_unit((",
     "(void)heddle_reg_read((",
     "hazard: start while busy: a register was written while the core was busy"},
    {"WeightsThatDoNotFit", "src/digits.c",
     "HEDDLE_MEMORY_DIANA_DIGITAL_WEIGHTS_BASE + LAYER_00_WEIGHTS",
     "HEDDLE_MEMORY_DIANA_DIGITAL_WEIGHTS_BASE + 65536u - 64u",
     "hazard: memory overflow: the destination lies outside the memories that the DMA may write"},
    {"ALoadFromNowhere", "src/digits.c", "arena + AT_INPUT_INPUT", "arena + 0x50000000u",
     "hazard: access outside the memories: the source lies outside the memories that the DMA "
     "reaches"},
    {"AJobThatIsNone", "src/digits.c", ".rows = 1u,\n      .planes = 1u,",
     ".rows = 0u,\n      .planes = 1u,",
     "hazard: job refused: a transfer of nothing: a count is 0"},
};
INSTANTIATE_TEST_SUITE_P(Bugs, Injected, testing::ValuesIn(kBugs),
                         [](const auto& test) { return std::string(test.param.name); });

class Model : public SocRun, public testing::WithParamInterface<Bug> {};

// A model is foreign code: whatever it does ends the child, and the error names the model.
TEST_P(Model, ThatCrashesIsNamed) {
  const Bug& bug = GetParam();
  compile("digits/digits.onnx", "diana");
  replace("models/diana_dma/model.c", "#include \"driver.h\"", "#include <stdlib.h>\n#include \"driver.h\"");
  replace(bug.file, bug.from, bug.to);
  const ProcessOutcome outcome = run_on_soc();
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr(bug.message));
}

constexpr const char* kDma = "models/diana_dma/model.c";
constexpr const char* kJob = "heddle_unit* unit = state;";  // the first line of what performs a job
const std::vector<Bug> kCrashes = {
    {"ByAbort", kDma, kJob, "heddle_unit* unit = state;\n  abort();",
     "the model of unit `diana_dma` ended the simulation: signal 6"},
    {"ByAWildPointer", kDma, kJob,
     "heddle_unit* unit = state;\n  *(volatile int *)(uintptr_t)(64u * unit->pending) = 1;",
     "the model of unit `diana_dma` ended the simulation: signal 11"},
    {"ByAnExit", kDma, kJob, "heddle_unit* unit = state;\n  exit(0);",
     "the model of unit `diana_dma` ended the simulation: exit status"},
    {"WithoutASymbol", kDma, "const heddle_model diana_dma_model",
     "extern const heddle_model other_model;\nconst heddle_model other_model",
     "there is no `diana_dma_model`, the model of unit `diana_dma`"},
};
INSTANTIATE_TEST_SUITE_P(Crashes, Model, testing::ValuesIn(kCrashes),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(SocRun, AMissingCompilerNamesItsPackage) {
  compile("digits/digits.onnx", "cpu_only");
  ASSERT_EQ(setenv("FIRMWARE_CC", "/nowhere/riscv64-unknown-elf-gcc", 1), 0);
  const ProcessOutcome outcome = run_on_soc();
  ASSERT_EQ(unsetenv("FIRMWARE_CC"), 0);
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err,
              HasSubstr("`riscv64-unknown-elf-gcc` is missing\n  help: apt-get install "
                        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"));
}

TEST_F(SocRun, FirmwareThatDoesNotBuildSaysWhy) {
  compile("digits/digits.onnx", "cpu_only");
  replace("src/digits.c", "#include \"../include/digits.h\"",
          "#include \"../include/digits.h\"\nint broken(void) { return nothing; }");
  const ProcessOutcome outcome = run_on_soc();
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("error: 'nothing' undeclared"));
  EXPECT_THAT(outcome.err, HasSubstr("help: run `make build/firmware.elf"));
}

TEST_F(SocRun, AWrongResultFailsTheRun) {
  compile("digits/digits.onnx", "cpu_only");
  replace("test/golden.c", "= {", "= {1 -");  // the first element of every tensor
  const ProcessOutcome outcome = run_on_soc();
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("bit-exact with the reference: 0 of 3"));
  EXPECT_THAT(outcome.err, HasSubstr("the firmware ended the run with status 1"));
  EXPECT_THAT(outcome.err, HasSubstr("elements differ"));
}

TEST_F(SocRun, ALimitOfCycles) {
  compile("digits/digits.onnx", "cpu_only");
  const ProcessOutcome outcome = run_on_soc({"--max-cycles", "20000"});
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the firmware still runs after 20,00"));
}

TEST_F(SocRun, WhatHasNoFirmwareIsRefused) {
  ProcessOutcome outcome = heddle({"run", temporary_.path().string(), "--on", "soc"});
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the folder has no `heddle-manifest.json`"));
  compile("digits/digits.onnx", "cpu_only");
  fs::remove(bundle() / "layers.json");
  outcome = run_on_soc();
  EXPECT_EQ(outcome.exit_status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("layers.json: error: the file is missing"));
}

}  // namespace
}  // namespace heddle
