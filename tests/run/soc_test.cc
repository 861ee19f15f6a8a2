// Firmware on the virtual SoC, through the command line: bit-exact, accounted for, repeatable;
// races that are put into a bundle are found; QEMU says the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "base/files.h"
#include "base/process.h"
#include "sim/result.h"

namespace heddle {
namespace {

namespace fs = std::filesystem;
using sim::SimulationResult;
using sim::UnitKind;
using testing::HasSubstr;

const fs::path kSource = HEDDLE_SOURCE_DIR;
constexpr ProcessLimits kLimits{.cpu_seconds = 600, .memory_bytes = 0};

ProcessOutcome run(const std::vector<std::string>& command, const fs::path& folder) {
  Result<ProcessOutcome> outcome = run_process(command, folder, kLimits);
  HEDDLE_CHECK(outcome.ok(), format_diagnostics(outcome.errors()));
  return *outcome;
}

bool is_missing(const std::string& program) {
  return !run_process({program, "--version"}, {}).ok();
}

class SocRun : public testing::Test {
 protected:
  void SetUp() override {
    if (is_missing("riscv64-unknown-elf-gcc"))
      GTEST_SKIP() << "skipped: riscv64-unknown-elf-gcc is absent";
  }

  fs::path bundle() const { return temporary_.path() / "bundle"; }

  ProcessOutcome heddle(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), HEDDLE_TOOL);
    return run(arguments, temporary_.path());
  }

  void compile(const std::string& model, const std::string& soc) const {
    const ProcessOutcome outcome = heddle(
        {"compile", (kSource / "models" / model).string(), "--soc", soc, "-o", bundle().string()});
    ASSERT_EQ(outcome.exit_status, 0) << outcome.err;
  }

  ProcessOutcome run_on_soc(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"run", bundle().string(), "--on", "soc"});
    return heddle(options);
  }

  SimulationResult result() const {
    const ProcessOutcome outcome = run_on_soc({"--json"});
    EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
    Result<SimulationResult> read = sim::result_from_json(outcome.out, "result");
    HEDDLE_CHECK(read.ok(), format_diagnostics(read.errors()) + outcome.err);
    return *read;
  }

  // A SoC of rules/soc with one text in it replaced.
  std::string altered_soc(const std::string& name, const std::string& from,
                          const std::string& to) const {
    std::string text = *read_file(kSource / "rules/soc" / (name + ".toml"));
    const size_t at = text.find(from);
    HEDDLE_CHECK(at != std::string::npos, name + ".toml has no " + from);
    text.replace(at, from.size(), to);
    const fs::path folder = temporary_.path() / "rules/soc";
    fs::create_directories(folder);
    for (const char* const used : {"accelerators", "cpu_codegen"}) {
      if (!fs::exists(temporary_.path() / used))
        fs::create_directory_symlink(kSource / used, temporary_.path() / used);
    }
    HEDDLE_CHECK(write_file(folder / "altered.toml", text).ok(), "a file");
    return (folder / "altered.toml").string();
  }

  // DIANA with 8 KiB of L1, so that layers of `digits` need several tiles.
  std::string small_soc() const { return altered_soc("diana", "bytes = 262144", "bytes = 8192"); }

  // In a file of the bundle, everywhere.
  void replace(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = *read_file(bundle() / file);
    size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << file << " has no " << from;
    for (; at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    ASSERT_TRUE(write_file(bundle() / file, text).ok());
  }

  TemporaryFolder temporary_;
};

TEST_F(SocRun, EveryCycleOfDigitsIsAccountedFor) {
  compile("digits/digits.onnx", "diana");
  const SimulationResult r = result();
  EXPECT_TRUE(r.passed());
  ASSERT_EQ(r.samples.size(), 3u);
  EXPECT_EQ(r.exact_samples, 3);
  for (const sim::SampleResult& sample : r.samples) {
    sim::CycleSplit sum = sample.outside;
    for (const sim::LayerResult& layer : sample.layers) {
      const sim::CycleSplit& split = layer.split;
      EXPECT_EQ(split.cycles, split.compute + split.driver + split.waiting) << layer.name;
      const bool cpu = layer.target == "cpu";
      EXPECT_EQ(split.driver > 0, !cpu) << layer.name;
      EXPECT_EQ(split.waiting > 0, !cpu) << layer.name;
      EXPECT_EQ(use_of(r, split, UnitKind::accelerator).jobs > 0, !cpu) << layer.name;
      sum.cycles += split.cycles;
      sum.waiting += split.waiting;
      sum.instructions += split.instructions;
    }
    EXPECT_EQ(sample.total.cycles, sum.cycles);
    EXPECT_EQ(sample.total.waiting, sum.waiting);
    EXPECT_EQ(sample.total.instructions, sum.instructions);
  }
  EXPECT_GT(r.setup_cycles, 0u);
  EXPECT_GT(r.footprint.code, 1000u);
  EXPECT_GT(r.footprint.constants, 1000u);
  EXPECT_GT(r.footprint.arena, 1000u);
  EXPECT_GT(r.footprint.stack_peak, 100u);
  EXPECT_LT(r.footprint.stack_peak, r.footprint.stack_reserved);
  EXPECT_GT(r.footprint.bench, 3u * 784u);  // three images at least
}

// The units' own counters of a host run, where nothing takes time, are their busy cycles here.
TEST_F(SocRun, UnitsAreAsBusyAsOnTheHost) {
  compile("digits/digits.onnx", small_soc());
  const SimulationResult r = result();
  const ProcessOutcome built = run({"make", "-s", "build/digits_layers"}, bundle());
  ASSERT_EQ(built.exit_status, 0) << built.err;
  const ProcessOutcome host = run({"build/digits_layers", "--cycles"}, bundle());
  ASSERT_EQ(r.units.size(), 2u);
  for (size_t u = 0; u < r.units.size(); ++u) {
    sim::UnitUse use;
    for (const sim::SampleResult& sample : r.samples) {
      use.cycles += sample.total.units[u].cycles;
      use.jobs += sample.total.units[u].jobs;
    }
    // The host runs everything twice.
    EXPECT_THAT(
        host.out.substr(host.out.find("golden")),
        HasSubstr("\"" + r.units[u].first + "\": {\"cycles\": " + std::to_string(2 * use.cycles) +
                  ", \"jobs\": " + std::to_string(2 * use.jobs) + "}"));
  }
}

TEST_F(SocRun, DoubleBufferingOverlaps) {
  compile("digits/digits.onnx", small_soc());
  const SimulationResult r = result();
  EXPECT_EQ(r.exact_samples, 3);
  const sim::LayerResult& layer = r.samples.at(0).layers.at(0);
  ASSERT_GT(layer.tiles, 2);
  const sim::UnitUse dma = use_of(r, layer.split, UnitKind::dma);
  const sim::UnitUse accelerator = use_of(r, layer.split, UnitKind::accelerator);
  EXPECT_EQ(accelerator.jobs, static_cast<uint64_t>(layer.tiles));
  EXPECT_GT(dma.cycles + accelerator.cycles, layer.split.cycles);
  // Every tile's job, its load and its store are in the time line.
  for (int64_t tile = 0; tile < layer.tiles; ++tile) {
    for (const char* const label : {"load x", "conv2d", "store y"}) {
      const auto found =
          std::find_if(r.events.begin(), r.events.end(), [&](const sim::TimelineEvent& e) {
            return e.layer == 0 && e.tile == tile && e.label == label;
          });
      EXPECT_NE(found, r.events.end()) << label << " of tile " << tile;
    }
  }
}

TEST_F(SocRun, TenRunsAreOne) {
  compile("digits/digits.onnx", "diana");
  const fs::path trace = temporary_.path() / "trace";
  std::string first, first_trace;
  for (int i = 0; i < 10; ++i) {
    SimulationResult r = result();
    r.host.reset();
    const std::string json = to_json(r);
    // The first 40,000 cycles: set-up, an accelerator's layer, a part of one of the CPU.
    run_on_soc({"--trace", trace.string(), "--max-cycles", "40000"});
    const std::string lines = *read_file(trace);
    if (i == 0) {
      first = json;
      first_trace = lines;
      EXPECT_GT(lines.size(), 100'000u);
    }
    EXPECT_EQ(json, first);
    EXPECT_TRUE(lines == first_trace);
  }
}

// A trace slows the run down and changes nothing.
TEST_F(SocRun, ATraceChangesNothing) {
  compile("digits/digits.onnx", "diana");
  SimulationResult plain = result();
  const fs::path trace = temporary_.path() / "trace";
  const ProcessOutcome traced =
      run_on_soc({"--json", "--trace", trace.string(), "--trace-kind", "memory"});
  Result<SimulationResult> read = sim::result_from_json(traced.out, "result");
  ASSERT_TRUE(read.ok()) << traced.err;
  plain.host.reset();
  read->host.reset();
  EXPECT_EQ(to_json(plain), to_json(*read));
  const std::string lines = read_file(trace)->substr(0, 2000);
  EXPECT_THAT(lines, HasSubstr(" store 4 "));
  EXPECT_THAT(lines, testing::Not(HasSubstr("heddle_start")));
}

// The three ways to wait for a unit: the same values, about the same time, fewer instructions.
TEST_F(SocRun, DriversMaySleepOrStallInsteadOfPolling) {
  compile("digits/digits.onnx", small_soc());
  const sim::CycleSplit polled = result().samples.at(0).total;
  const auto holds = [&](const SimulationResult& r) {
    EXPECT_EQ(r.exact_samples, 3);
    const sim::CycleSplit& split = r.samples.at(0).total;
    EXPECT_EQ(split.units, polled.units);
    EXPECT_LT(split.instructions, polled.instructions - 3000);
    EXPECT_GT(split.waiting, polled.waiting / 2);
    EXPECT_LT(split.cycles, polled.cycles * 101 / 100);
    EXPECT_GT(split.cycles, polled.cycles * 98 / 100);
  };
  // A load of the status that stalls until the unit is idle: polling loops run once.
  const std::string soc = *read_file(bundle() / "soc.json");
  replace("soc.json", "\"interrupt\":", "\"wait_register\": 0,\n      \"interrupt\":");
  holds(result());
  ASSERT_TRUE(write_file(bundle() / "soc.json", soc).ok());
  replace("runtime/heddle_runtime.h", "!= 0u) {\n  }", "!= 0u) {\n    heddle_idle();\n  }");
  holds(result());
}

// A debugger stops in the middle of a run, looks, and lets it go on to its end.
TEST_F(SocRun, ADebuggerStopsAndGoesOn) {
  if (is_missing("gdb-multiarch")) GTEST_SKIP() << "skipped: gdb-multiarch is absent";
  compile("digits/digits.onnx", "diana");
  const std::string port = std::to_string(20000 + getpid() % 20000);
  ASSERT_EQ(run({"make", "-s", "build/firmware.elf", "build/models.so"}, bundle()).exit_status, 0);
  ProcessOutcome simulation;
  std::thread simulating([&] { simulation = run_on_soc({"--gdb", port}); });
  // It tries for 15 s to reach the other side.
  const ProcessOutcome debugger =
      run({"gdb-multiarch", "-batch", "-nx", "-ex", "target remote 127.0.0.1:" + port, "-ex",
           "break digits_layer_02_conv2", "-ex", "continue", "-ex", "info symbol $pc", "-ex",
           "detach", "build/firmware.elf"},
          bundle());
  simulating.join();
  EXPECT_THAT(debugger.out, HasSubstr("\ndigits_layer_02_conv2 + "));
  EXPECT_EQ(simulation.exit_status, 0) << simulation.err;
  EXPECT_THAT(simulation.err, HasSubstr("waits for a debugger: gdb-multiarch "));
  EXPECT_THAT(simulation.out, HasSubstr("bit-exact with the reference: 3 of 3"));
}

// The same networks with the extension's kernels and without: exact both times, and what the
// instructions save.
class Xpulp : public SocRun, public testing::WithParamInterface<const char*> {};

TEST_P(Xpulp, IsExactAndTakesFewerInstructions) {
  uint64_t instructions[2] = {};
  const std::string socs[2] = {"pulp_rv32",
                               altered_soc("pulp_rv32", "\"rv32imc_xpulpv2\"", "\"rv32imc\"")};
  for (const int i : {0, 1}) {
    compile(GetParam(), socs[i]);
    const SimulationResult r = result();
    EXPECT_TRUE(r.passed());
    EXPECT_EQ(r.exact_samples, 3);
    instructions[i] = r.samples.at(0).total.instructions;
    std::error_code missing;
    EXPECT_EQ(fs::exists(bundle() / "runtime/heddle_xpulp.c", missing), i == 0);
    fs::remove_all(bundle());
  }
  EXPECT_LT(2 * instructions[0], instructions[1]);
}

INSTANTIATE_TEST_SUITE_P(Networks, Xpulp,
                         testing::Values("mlperf_tiny/ad_int8.tflite",
                                         "mlperf_tiny/kws_int8.tflite", "mlperf_tiny/ic_qdq.onnx"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(12, name.find('.') - 12);
                         });

struct Bug {
  const char *name, *file, *from, *to, *message;
};

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

TEST_F(SocRun, AModelIsCompiledFirst) {
  const std::string model = (kSource / "models/digits/digits.onnx").string();
  const std::string sample = (kSource / "models/digits/sample.npz").string();
  const ProcessOutcome outcome =
      heddle({"run", model, "--soc", "diana", "--on", "soc", "--inputs", sample});
  EXPECT_EQ(outcome.exit_status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("bit-exact with the reference: 200 of 200"));
}

// One and the same ELF on QEMU's `virt` and here: what it prints holds checksums of the outputs and
// the instructions that the core says it has retired.
class Qemu : public SocRun, public testing::WithParamInterface<const char*> {};

TEST_P(Qemu, PrintsTheSame) {
  if (is_missing("qemu-system-riscv32")) GTEST_SKIP() << "skipped: qemu-system-riscv32 is absent";
  compile(GetParam(), "qemu_virt");
  const SimulationResult r = result();
  EXPECT_THAT(r.console, HasSubstr("sample 0: exact, checksum 0x"));
  const ProcessOutcome qemu = run(
      {"qemu-system-riscv32", "-M", "virt", "-m", "128M", "-icount", "shift=0", "-display", "none",
       "-serial", "stdio", "-monitor", "none", "-bios", "none", "-kernel", "build/firmware.elf"},
      bundle());
  EXPECT_EQ(qemu.exit_status, 0) << qemu.err;
  EXPECT_EQ(qemu.out, r.console);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, Qemu,
    testing::Values("digits/digits.onnx", "digits/digits_int8.tflite", "float32/cnn.onnx",
                    "float32/encoder.onnx", "integer/decoder.onnx", "integer/encoder.onnx",
                    "integer/floor.onnx", "integer/half_up.onnx", "mlperf_tiny/ad_int8.tflite",
                    "mlperf_tiny/ic_int8.tflite", "mlperf_tiny/kws_int8.tflite",
                    "mlperf_tiny/vww_int8.tflite", "qdq/qdq_u8s8.onnx", "qonnx/mixed.onnx",
                    "tflite/branches.tflite", "tflite/float_edges.tflite", "tflite/int16x8.tflite",
                    "tflite/int4.tflite", "tflite/sound.tflite", "tflite/uint8_edges.tflite"),
    [](const auto& test) {
      std::string name = test.param;
      for (char& c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace heddle
