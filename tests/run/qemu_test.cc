// Firmware on machines that are not ours: every model of models/ on QEMU's `virt`, where the
// virtual SoC must print the same to the last instruction from the same program, and some on
// Cortex-M.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/process.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kModels = fs::path(HEDDLE_SOURCE_DIR) / "models";
constexpr ProcessLimits kLimits{.cpu_seconds = 300, .memory_bytes = 0};

bool has(const std::string& program) { return run_process({program, "--version"}, "/").ok(); }

ProcessOutcome heddle(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), HEDDLE_TOOL);
  Result<ProcessOutcome> outcome = run_process(arguments, kModels, kLimits);
  HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
  return *outcome;
}

struct Machine {
  std::string soc, compiler, qemu;
};
const Machine kVirt{"qemu_virt", "riscv64-unknown-elf-gcc", "qemu-system-riscv32"};
const Machine kM4{"cortex_m4", "arm-none-eabi-gcc", "qemu-system-arm"};
const Machine kM55{"cortex_m55", "arm-none-eabi-gcc", "qemu-system-arm"};

// Empty, or what is missing for this machine.
std::string missing(const Machine& machine) {
  for (const std::string& program : {machine.compiler, machine.qemu}) {
    if (!has(program)) return program + " is not installed";
  }
  return "";
}

struct Case {
  std::string model;
  Machine machine;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.model << " on " << c.machine.soc; }

// The larger ones of DIANA's variants: to a CPU they are the smallest one once more.
bool is_variant(const std::string& stem) {
  return !stem.starts_with("kws") && !stem.starts_with("digits") &&
         (stem.ends_with("_analog") || stem.ends_with("_mixed"));
}

// All there are on RV32; on Arm one for each kind of arithmetic.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& entry : fs::recursive_directory_iterator(kModels)) {
    const std::string type = entry.path().extension().string();
    if (is_variant(entry.path().stem().string())) continue;
    if (type == ".onnx" || type == ".tflite")
      all.push_back({fs::relative(entry.path(), kModels).string(), kVirt});
  }
  std::sort(all.begin(), all.end(), [](const Case& a, const Case& b) { return a.model < b.model; });
  for (const char* model : {"digits/digits.onnx", "float32/encoder.onnx", "integer/encoder.onnx",
                            "mlperf_tiny/kws_int8.tflite", "tflite/int16x8.tflite"}) {
    all.push_back({model, kM4});
    all.push_back({model, kM55});
  }
  return all;
}

class Qemu : public testing::TestWithParam<Case> {};

TEST_P(Qemu, EverySampleIsExact) {
  const Case& c = GetParam();
  if (const std::string what = missing(c.machine); !what.empty()) GTEST_SKIP() << what;
  const TemporaryFolder temporary;
  const std::string bundle = (temporary.path() / "bundle").string();
  const ProcessOutcome compiled =
      heddle({"compile", (kModels / c.model).string(), "--soc", c.machine.soc, "-o", bundle});
  ASSERT_EQ(compiled.exit_status, 0) << compiled.err;
  const ProcessOutcome run = heddle({"run", bundle, "--on", "qemu", "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.out << run.err;
  const nlohmann::json on_qemu = nlohmann::json::parse(run.out);
  ASSERT_EQ(on_qemu["samples"].size(), 3u);
  EXPECT_GT(on_qemu["ram"]["stack"], 0);
  EXPECT_LT(on_qemu["ram"]["stack"], on_qemu["ram"]["stack_reserved"]);
  for (const auto& sample : on_qemu["samples"]) EXPECT_TRUE(sample["exact"]) << sample;
  if (c.machine.soc != kVirt.soc) return;

  const ProcessOutcome ours = heddle({"run", bundle, "--on", "soc", "--json"});
  ASSERT_EQ(ours.exit_status, 0) << ours.err;
  const nlohmann::json on_soc = nlohmann::json::parse(ours.out);
  const std::string console = on_soc["console"];
  size_t number = 0;
  for (const auto& sample : on_qemu["samples"]) {
    EXPECT_THAT(console, HasSubstr("sample " + std::to_string(number++) + ": exact, checksum " +
                                   sample["checksum"].get<std::string>() + ", instructions " +
                                   sample["instructions"].dump() + "\n"));
  }
  EXPECT_THAT(console, HasSubstr("stack " + on_qemu["ram"]["stack"].dump() + " of "));
  // The stack pointer knows of words that are reserved and never written.
  EXPECT_GE(on_soc["memory"]["stack_peak"], on_qemu["ram"]["stack"]);
  EXPECT_LE(on_soc["memory"]["stack_peak"], on_qemu["ram"]["stack"].get<int>() + 128);
}

INSTANTIATE_TEST_SUITE_P(Models, Qemu, testing::ValuesIn(cases()), [](const auto& each) {
  std::string name = each.param.machine.soc + "_";
  for (const char c : each.param.model)
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

std::string refusal(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"run", (kModels / "digits/digits.onnx").string(), "--on", "qemu"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const ProcessOutcome run = heddle(all);
  EXPECT_EQ(run.exit_status, 1);
  return run.err;
}

TEST(QemuRefuses, WhatItsMachinesAreNot) {
  EXPECT_THAT(refusal({"--soc", "diana"}),
              HasSubstr("error: QEMU has no unit `diana_dma`\n"
                        "  help: compile with `--policy cpu`, or run it `--on soc`\n"));
  EXPECT_THAT(refusal({"--soc", "cpu_only"}),
              HasSubstr("error: the memory `flash` is where QEMU's machine `virt` has none\n"
                        "  help: compile for `--soc qemu_virt`, or run it `--on soc`\n"));
  EXPECT_THAT(refusal({"--soc", "qemu_virt", "--labels", "labels.npy"}),
              HasSubstr("leave out `--on qemu` for the accuracy"));
}

// A folder of programs that lacks one of those that are needed.
class QemuMissing : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string what = missing(kVirt); !what.empty()) GTEST_SKIP() << what;
  }
  std::string run_without(const std::string& absent) {
    const fs::path programs = temporary_.path() / "bin";
    fs::create_directory(programs);
    for (const char* program :
         {"sh", "make", "mkdir", "printf", "cmp", "awk", "as", "riscv64-unknown-elf-gcc",
          "riscv64-unknown-elf-size", "qemu-system-riscv32"}) {
      if (program == absent) continue;
      for (const char* folder : {"/usr/bin", "/bin", "/usr/local/bin"}) {
        if (!fs::exists(fs::path(folder) / program)) continue;
        fs::create_symlink(fs::path(folder) / program, programs / program);
        break;
      }
    }
    Result<ProcessOutcome> run = run_process(
        {"/usr/bin/env", "PATH=" + programs.string(), HEDDLE_TOOL, "run",
         (kModels / "integer/decoder.onnx").string(), "--on", "qemu", "--soc", "qemu_virt"},
        temporary_.path(), kLimits);
    HEDDLE_CHECK(run.ok(), format_diagnostics(run.errors()));
    return run->exit_status == 0 ? run->out : run->err;
  }
  TemporaryFolder temporary_;
};

TEST_F(QemuMissing, Nothing) {
  EXPECT_THAT(run_without("nothing"), HasSubstr("bit-exact with the reference: 3 of 3\n"));
}

TEST_F(QemuMissing, ItsEmulator) {
  EXPECT_THAT(run_without("qemu-system-riscv32"),
              HasSubstr("error: the program `qemu-system-riscv32` is missing\n"
                        "  help: apt-get install qemu-system-misc\n"));
}

TEST_F(QemuMissing, TheCompiler) {
  EXPECT_THAT(run_without("riscv64-unknown-elf-gcc"),
              HasSubstr("error: `riscv64-unknown-elf-gcc` is missing\n"
                        "  help: apt-get install gcc-riscv64-unknown-elf "
                        "picolibc-riscv64-unknown-elf\n"));
}

}  // namespace
}  // namespace heddle
