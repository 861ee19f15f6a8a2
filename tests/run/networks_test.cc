// Whole networks through the command line, as a user would run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const fs::path kSource = HEDDLE_SOURCE_DIR;
const fs::path kShared = kSource.parent_path() / "shared" / "models";
constexpr ProcessLimits kLimits{.cpu_seconds = 300, .memory_bytes = 0};

ProcessOutcome heddle(std::vector<std::string> arguments,
                      const fs::path& folder = fs::temp_directory_path()) {
  arguments.insert(arguments.begin(), HEDDLE_TOOL);
  Result<ProcessOutcome> outcome = run_process(arguments, folder, kLimits);
  HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
  return *outcome;
}

// All files below a folder, with their content.
FileSet read_all(const fs::path& folder) {
  FileSet files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = *read_file(entry.path());
  }
  return files;
}

TEST(Digits, EverySampleIsBitExactAndTheAccuracyIsTheModelsOwn) {
  const std::string model = (kSource / "models/digits/digits.onnx").string();
  const std::string sample = (kSource / "models/digits/sample.npz").string();
  for (const char* const policy : {"latency", "first_match", "cpu"}) {
    const ProcessOutcome run = heddle({"run", model, "--soc", "diana", "--policy", policy,
                                       "--inputs", sample, "--labels", sample});
    EXPECT_EQ(run.exit_status, 0) << run.err;
    EXPECT_THAT(run.out, AllOf(HasSubstr("accuracy: 200 of 200 right"),
                               HasSubstr("bit-exact with the reference: 200 of 200")));
  }
}

// Seeds are fixed, so that these are facts: noise of four steps costs accuracy, and draws differ.
TEST(Digits, NoiseOfTheConvertersCostsAccuracyThatDrawsMeasure) {
  const fs::path model = kSource / "models/digits_mixed/digits_mixed.onnx";
  const std::string vectors = fs::path(model).replace_extension(".npz").string();
  const ProcessOutcome run =
      heddle({"run", model.string(), "--soc", "diana_rv32", "--policy", "diana_mixed", "--inputs", vectors,
              "--labels", vectors, "--noise", "4", "--draws", "3", "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const nlohmann::json result = nlohmann::json::parse(run.out);
  EXPECT_EQ(result["accuracy"]["right"], 199);
  EXPECT_EQ(result["comparison"]["exact"], 200);  // the run without noise
  const nlohmann::json& noisy = result["noisy_accuracy"];
  EXPECT_EQ(noisy["draws"], 3);
  EXPECT_EQ(noisy["right"].size(), 3u);
  EXPECT_LT(noisy["mean_percent"], 99.0);
  EXPECT_GT(noisy["mean_percent"], 30.0);
  EXPECT_GT(noisy["deviation_percent"], 0.0);
  EXPECT_LT(noisy["least_percent"], noisy["most_percent"]);
}

TEST(Digits, VerifyHoldsTheStoredOutputs) {
  const std::string model = (kSource / "models/digits/digits.onnx").string();
  const std::string sample = (kSource / "models/digits/sample.npz").string();
  const TemporaryFolder temporary;
  const fs::path expected = temporary.path() / "expected.npz";
  fs::copy_file(kSource / "models/digits/sample.npz", expected);
  const ProcessOutcome run = heddle(
      {"verify", model, "--inputs", sample, "--expected", expected.string(), "--soc", "diana"});
  EXPECT_EQ(run.exit_status, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("reference against the expected outputs: 200 of 200"));
}

// A .npy file of version 1.0 with equal int8 elements.
void write_npy(const fs::path& file, const std::string& shape, size_t elements, char value) {
  std::string header = "{'descr': '|i1', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  std::ofstream(file, std::ios::binary)
      << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << header << '\n'
      << std::string(elements, value);
}

TEST(Digits, VerifyNamesTheFirstElementThatDiverges) {
  const TemporaryFolder temporary;
  write_npy(temporary.path() / "inputs.npy", "(1, 1, 28, 28)", 784, 0);
  write_npy(temporary.path() / "expected.npy", "(1, 10)", 10, 85);
  const ProcessOutcome run = heddle({"verify", (kSource / "models/digits/digits.onnx").string(),
                                     "--inputs", "inputs.npy", "--expected", "expected.npy"},
                                    temporary.path());
  EXPECT_EQ(run.exit_status, 1) << run.err;
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("0 of 1 samples bit-exact"),
                    HasSubstr("output dense_clip: sample 0, element [0, 0]: 85 expected, got")));
}

TEST(Digits, CompilingFromTwoFoldersGivesTheSameBytes) {
  const TemporaryFolder temporary;
  const fs::path deep = temporary.path() / "one" / "two";
  fs::create_directories(deep);
  const fs::path model = kSource / "models/digits/digits.onnx";
  fs::copy_file(model, deep / "digits.onnx");
  const ProcessOutcome first = heddle(
      {"compile", model.string(), "--soc", "diana", "-o", (temporary.path() / "a").string()});
  const ProcessOutcome second =
      heddle({"compile", "digits.onnx", "--soc", "diana", "-o", "b"}, deep);
  ASSERT_EQ(first.exit_status, 0) << first.err;
  ASSERT_EQ(second.exit_status, 0) << second.err;
  EXPECT_EQ(read_all(temporary.path() / "a"), read_all(deep / "b"));
}

TEST(Digits, BundleOnFourCompilersWithoutAWarning) {
  const TemporaryFolder temporary;
  const fs::path bundle = temporary.path() / "bundle";
  const ProcessOutcome compiled =
      heddle({"compile", (kSource / "models/digits/digits.onnx").string(), "--soc", "diana", "-o",
              bundle.string()});
  ASSERT_EQ(compiled.exit_status, 0) << compiled.err;
  const std::string warnings =
      " -std=c99 -O2 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror";
  const std::vector<std::pair<std::string, std::string>> compilers = {
      {"gcc", ""},
      {"clang", ""},
      {"riscv64-unknown-elf-gcc", " -march=rv32imc -mabi=ilp32 --specs=picolibc.specs"},
      {"arm-none-eabi-gcc", " -mcpu=cortex-m4 -mthumb"}};
  for (const auto& [compiler, machine] : compilers) {
    Result<ProcessOutcome> outcome = run_process(
        {"make", "-s", "-B", "objects", "CC=" + compiler, "CFLAGS=" + warnings + machine}, bundle,
        kLimits);
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome->exit_status, 0) << compiler << ": " << outcome->err;
  }
  // The emitted C, drivers and models under both sanitizers; the golden vectors run twice in one
  // process.
  const std::string sanitizers = " -g -fsanitize=address,undefined -fno-sanitize-recover=all";
  Result<ProcessOutcome> test = run_process(
      {"make", "-s", "-B", "test", "CFLAGS=" + warnings + sanitizers, "LDFLAGS=" + sanitizers},
      bundle, kLimits);
  ASSERT_TRUE(test.ok());
  EXPECT_EQ(test->exit_status, 0) << test->out << test->err;
  EXPECT_THAT(test->out, HasSubstr("golden vectors: 3 of 3 bit-exact"));
}

TEST(Digits, ABundleRunsItsGoldenVectors) {
  const TemporaryFolder temporary;
  const std::string bundle = (temporary.path() / "bundle").string();
  const std::string sample = (kSource / "models/digits/sample.npz").string();
  const ProcessOutcome compiled =
      heddle({"compile", (kSource / "models/digits/digits.onnx").string(), "--soc", "diana",
              "--inputs", sample, "-o", bundle});
  ASSERT_EQ(compiled.exit_status, 0) << compiled.err;
  const ProcessOutcome run = heddle({"run", bundle});
  EXPECT_EQ(run.exit_status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("modelled cycles"),
                             HasSubstr("golden vectors: 200 of 200 bit-exact")));
  const ProcessOutcome nothing = heddle({"run", temporary.path().string()});
  EXPECT_EQ(nothing.exit_status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("heddle-manifest.json"));
}

TEST(Digits, BundleBuildsWithItsOwnCMakeAndSaysItsSize) {
  const TemporaryFolder temporary;
  const fs::path bundle = temporary.path() / "bundle";
  const ProcessOutcome compiled =
      heddle({"compile", (kSource / "models/digits/digits.onnx").string(), "--soc", "diana", "-o",
              bundle.string()});
  ASSERT_EQ(compiled.exit_status, 0) << compiled.err;
  const std::vector<std::vector<std::string>> commands = {{"cmake", "-S", ".", "-B", "out"},
                                                          {"cmake", "--build", "out"},
                                                          {"ctest", "--test-dir", "out"},
                                                          {"make", "-s", "size"}};
  ProcessOutcome last;
  for (const std::vector<std::string>& command : commands) {
    Result<ProcessOutcome> outcome = run_process(command, bundle, kLimits);
    ASSERT_TRUE(outcome.ok());
    ASSERT_EQ(outcome->exit_status, 0) << command[0] << ": " << outcome->out << outcome->err;
    last = *outcome;
  }
  EXPECT_THAT(last.out, AllOf(HasSubstr("text "), HasSubstr("rodata "), HasSubstr("data 0\n"),
                              HasSubstr("arena 2368")));
}

TEST(Digits, ANetworkThatDoesNotFitIsRefusedWithNumbers) {
  const TemporaryFolder temporary;
  std::string text = *read_file(kSource / "rules/soc/cpu_only.toml");
  text.replace(text.find("1048576"), 7, "8192");
  text.replace(text.find("stack_bytes = 8192"), 18, "stack_bytes = 1024");
  const fs::path flavour = kSource / "cpu_codegen/generic";
  text.replace(text.find("../../cpu_codegen/generic"), 25, flavour.string());
  std::ofstream(temporary.path() / "small.toml") << text;
  const fs::path out = temporary.path() / "bundle";
  const ProcessOutcome run =
      heddle({"compile", (kSource / "models/digits/digits.onnx").string(), "--soc",
              (temporary.path() / "small.toml").string(), "-o", out.string()});
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("8,192"), HasSubstr("pool1")));
  EXPECT_FALSE(fs::exists(out));
}

TEST(Installation, FindsItsRulesFromAnywhere) {
  const TemporaryFolder temporary;
  const fs::path prefix = temporary.path() / "prefix";
  Result<ProcessOutcome> install =
      run_process({"cmake", "--install", HEDDLE_BUILD_DIR, "--prefix", prefix.string()},
                  temporary.path(), kLimits);
  ASSERT_TRUE(install.ok());
  ASSERT_EQ(install->exit_status, 0) << install->err;
  // Moved after the installation: nothing remembers where it was.
  const fs::path moved = temporary.path() / "moved";
  fs::rename(prefix, moved);
  Result<ProcessOutcome> run = run_process(
      {(moved / "bin/heddle").string(), "compile", "share/heddle/models/digits/digits.onnx",
       "--soc", "diana", "-o", (temporary.path() / "bundle").string()},
      moved, kLimits);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->exit_status, 0) << run->err;
  EXPECT_TRUE(fs::exists(temporary.path() / "bundle/drivers/diana_digital/driver.c"));
}

TEST(Output, AFolderThatIsNoBundleIsNotReplaced) {
  const TemporaryFolder temporary;
  const fs::path precious = temporary.path() / "precious";
  fs::create_directories(precious);
  std::ofstream(precious / "thesis.tex") << "x";
  const ProcessOutcome run = heddle({"compile", (kSource / "models/digits/digits.onnx").string(),
                                     "--soc", "diana", "-o", precious.string()});
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_TRUE(fs::exists(precious / "thesis.tex"));
}

class IntegerOnnx : public testing::TestWithParam<std::string> {};

TEST_P(IntegerOnnx, OutputsActivationsAndEmittedCAreExact) {
  const fs::path folder = kShared / "integer_onnx" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "skipped: ../shared is absent";
  for (const char* const soc : {"cpu_only", "cpu_only_rv32", "diana"}) {
    const ProcessOutcome run =
        heddle({"verify", (folder / "network.onnx").string(), "--soc", soc, "--inputs",
                (folder / "inputs.npz").string(), "--expected", (folder / "outputs.npz").string(),
                "--activations", (folder / "activations.npz").string()});
    EXPECT_EQ(run.exit_status, 0) << run.out << run.err;
    EXPECT_THAT(run.out, AllOf(HasSubstr("expected outputs: 1 of 1"),
                               HasSubstr("against the reference: 1 of 1")));
  }
}

TEST_P(IntegerOnnx, EveryMacLayerStaysOnTheCpuAndWhySaysSo) {
  const fs::path folder = kShared / "integer_onnx" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "skipped: ../shared is absent";
  const ProcessOutcome run = heddle({"why", (folder / "network.onnx").string(), "--soc", "diana", "--all"});
  EXPECT_EQ(run.exit_status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("requant.rounding == 'shift'"),
                             HasSubstr("requant.rounding is 'half_up'")));
  EXPECT_THAT(run.out, testing::Not(HasSubstr("-> diana_digital/conv2d")));
}

INSTANTIATE_TEST_SUITE_P(Networks, IntegerOnnx,
                         testing::Values("ImageClassification", "AnomalyDetection",
                                         "KeywordSpotting", "ICCT"));

// One token with its caches as inputs and outputs, and 16 tokens at once. Their weights alone are
// larger than diana's L2: refused with the numbers; exact on a diana with twice the memory.
class MicroLlama : public testing::TestWithParam<std::string> {};

TEST_P(MicroLlama, OutputsActivationsAndEmittedCAreExact) {
  const fs::path folder = kShared / "integer_onnx" / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << "skipped: ../shared is absent";
  const TemporaryFolder temporary;
  std::string text = *read_file(kSource / "rules/soc/diana.toml");
  const auto replace_all = [&](const std::string& from, const std::string& to) {
    size_t count = 0;
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size(), ++count)
      text.replace(at, from.size(), to);
    ASSERT_GT(count, 0u) << from;
  };
  replace_all("bytes = 524288", "bytes = 1048576");
  replace_all("../../", kSource.string() + "/");
  const fs::path large = temporary.path() / "large.toml";
  std::ofstream(large) << text;
  for (const std::string& soc : {std::string("cpu_only"), large.string()}) {
    std::vector<std::string> arguments = {"verify",     (folder / "network.onnx").string(),
                                          "--soc",      soc,
                                          "--inputs",   (folder / "inputs.npz").string(),
                                          "--expected", (folder / "outputs.npz").string()};
    const fs::path activations = folder / "activations.npz";
    if (fs::exists(activations))
      arguments.insert(arguments.end(), {"--activations", activations.string()});
    const ProcessOutcome run = heddle(arguments);
    EXPECT_EQ(run.exit_status, 0) << run.out << run.err;
    EXPECT_THAT(run.out, AllOf(HasSubstr("expected outputs: 1 of 1"),
                               HasSubstr("against the reference: 1 of 1")));
    if (fs::exists(activations)) {
      EXPECT_THAT(run.out, HasSubstr("stored activations: 289 of 289"));
    }
  }
  const ProcessOutcome small = heddle({"compile", (folder / "network.onnx").string(), "--soc",
                                       "diana", "-o", (temporary.path() / "bundle").string()});
  EXPECT_EQ(small.exit_status, 1);
  EXPECT_THAT(small.err, HasSubstr("does not fit into memory `l2` of SoC `diana`"));
}

INSTANTIATE_TEST_SUITE_P(Networks, MicroLlama,
                         testing::Values("microLlama1", "microLlama16_parallel"));

TEST(Hostile, Int8WithoutScalesIsRefused) {
  const fs::path model = kShared / "hostile" / "int8_without_scales.onnx";
  if (!fs::exists(model)) GTEST_SKIP() << "skipped: ../shared is absent";
  const ProcessOutcome run = heddle({"inspect", model.string()});
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_THAT(run.err, HasSubstr("error: "));
}

}  // namespace
}  // namespace heddle
