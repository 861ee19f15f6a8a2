// Firmware on the virtual SoC, through the command line: bit-exact, accounted for, repeatable; QEMU
// says the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "run/soc_run.h"

namespace heddle {
namespace {

using sim::SimulationResult;
using sim::UnitKind;
using testing::HasSubstr;

const fs::path kSource = HEDDLE_SOURCE_DIR;

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
class Xpulp : public SocRun, public testing::WithParamInterface<std::string> {};

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
class Qemu : public SocRun, public testing::WithParamInterface<std::string> {};

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
