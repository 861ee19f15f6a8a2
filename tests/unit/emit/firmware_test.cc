// Bundles as programs for the SoC itself: built by the cross compilers, and run by QEMU.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/process.h"
#include "emit/bundle.h"
#include "unit/emit/bundles.h"

namespace heddle {
namespace {

using test::GraphBuilder;
using test::Random;
using testing::HasSubstr;

constexpr const char* kCompiler = "riscv64-unknown-elf-gcc";

Graph network(Random& random) {
  GraphBuilder b;
  const ValueId x = b.input("image", {1, 4, 9, 11});
  const ValueId one = b.conv(random, "first", x, 8, 3, 1, 1);
  // Two layers of equal code: neither may become the other's alias.
  const ValueId two = b.conv(random, "second", one, 8, 3, 1, 1);
  const ValueId three = b.conv(random, "third", two, 8, 3, 1, 1);
  b.output(b.node("pool", "max_pool", test::pool(3, 2, 1), {three}));
  return b.graph;
}

test::Compiled compiled(const std::string& soc) {
  Random random(21);
  return test::compile(random, "small", network(random), test::load(soc));
}

class Firmware : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_program(kCompiler)) GTEST_SKIP() << kCompiler << " is not installed";
  }
};

std::string nm(const FileSet& files) {
  return test::make(files, {"build/firmware.elf"}) +
         test::make(files,
                    {"build/firmware.elf", "-f", "Makefile", "--eval",
                     "symbols: build/firmware.elf ; riscv64-unknown-elf-nm -S $<", "symbols"});
}

// A simulator finds every layer by its name.
TEST_F(Firmware, EveryLayerKeepsItsSymbol) {
  for (const char* soc : {"cpu_only", "diana", "qemu_virt"}) {
    const test::Compiled c = compiled(soc);
    const std::string symbols = nm(c.files);
    const auto layers = nlohmann::json::parse(c.files.at("layers.json"))["layers"];
    for (const auto& layer : layers) {
      EXPECT_THAT(symbols,
                  testing::ContainsRegex(fmt::format("[0-9a-f]{{8}} [0-9a-f]{{8}} t {}\n",
                                                     layer["function"].get<std::string>())))
          << soc;
    }
    for (const char* name : {"small_run", "heddle_stack_bottom", "heddle_stack_top", "heddle_start",
                             "heddle_trap_entry", "heddle_bench_arena"}) {
      EXPECT_THAT(symbols, HasSubstr(std::string(" ") + name + "\n")) << soc;
    }
    // Clones have names of their own, and would run unseen.
    EXPECT_THAT(symbols, testing::Not(testing::ContainsRegex("layer_[0-9a-z_]*\\.")));
  }
}

TEST_F(Firmware, RomAndRamLeaveTheTestBenchOut) {
  const test::Compiled c = compiled("cpu_only");
  std::istringstream lines(test::make(c.files, {"rom"}));
  std::map<std::string, int64_t> bytes;
  std::string key;
  for (int64_t value = 0; lines >> key >> value;) bytes[key] = value;
  EXPECT_GT(bytes["code"], 500);
  EXPECT_LT(bytes["code"], 4000);
  EXPECT_GE(bytes["constants"], 3 * 8 * 3 * 3 * 4);
  EXPECT_EQ(bytes["stack"], 8192);
  EXPECT_GE(bytes["arena"], c.plan.arena_bytes);
  EXPECT_LE(bytes["arena"], c.plan.arena_bytes + 64);
  EXPECT_EQ(bytes["data"], 0);
  EXPECT_EQ(bytes["rom"], bytes["code"] + bytes["constants"]);
  EXPECT_EQ(bytes["ram"], bytes["arena"] + bytes["stack"]);
}

TEST_F(Firmware, WhatDoesNotFitIsALinkError) {
  test::Compiled c = compiled("cpu_only");
  std::string& script = c.files["src/heddle_soc.ld"];
  script.replace(script.find("LENGTH = 1048576"), 16, "LENGTH = 9000");
  const std::string said = test::make(c.files, {"build/firmware.elf"});
  EXPECT_THAT(said, HasSubstr("section `.heddle_arena' will not fit in region `soc_ram'"));
  EXPECT_THAT(said, HasSubstr("region `soc_ram' overflowed by"));
}

TEST_F(Firmware, OtherOptionsBuildItAnew) {
  const test::Compiled c = compiled("cpu_only");
  const std::string said = test::make(
      c.files,
      {"--eval",
       "twice: ; $(MAKE) build/firmware.elf && touch stamp && $(MAKE) build/firmware.elf && "
       "test ! build/firmware.elf -nt stamp && echo same && "
       "$(MAKE) rom FIRMWARE_CFLAGS=\"-Os -DTEXT=\\\"'a b'\\\"\" && "
       "test build/firmware.elf -nt stamp && echo anew",
       "twice"});
  EXPECT_THAT(said, HasSubstr("same"));
  EXPECT_THAT(said, HasSubstr("rom "));
  EXPECT_THAT(said, HasSubstr("anew"));
  EXPECT_THAT(said, testing::Not(HasSubstr("ld:")));
}

TEST(FirmwareModels, AreALibraryOfTheirOwn) {
  const test::Compiled with = compiled("diana");
  const std::string symbols =
      test::make(with.files, {"--eval", "symbols: build/models.so ; nm -D --defined-only $<",
                              "build/models.so", "symbols"});
  EXPECT_THAT(symbols, HasSubstr(" D diana_digital_model\n"));
  EXPECT_THAT(symbols, HasSubstr(" D diana_dma_model\n"));
  EXPECT_THAT(symbols, testing::Not(HasSubstr("heddle_host")));
  // A network without units has an empty one.
  const std::string none = test::make(
      compiled("cpu_only").files,
      {"--eval", "see: build/models.so ; test -s $< && echo there", "build/models.so", "see"});
  EXPECT_THAT(none, HasSubstr("there"));
}

// The network's C with another body of its entry.
FileSet with_body(const std::string& soc, const std::string& body) {
  FileSet files = compiled(soc).files;
  files["src/small.c"] =
      "#include \"../include/small.h\"\n"
      "int small_run(void *arena, const small_inputs *inputs, small_outputs *outputs) {\n"
      "  (void)arena;\n  (void)inputs;\n  (void)outputs;\n" +
      body + "}\n";
  return files;
}

// Builds and runs it; "exit status 2" of make means that QEMU's was another than 0.
std::string run_on(const std::string& qemu, const FileSet& files) {
  return test::make(
      files, {"--eval", "run: build/firmware.elf ; timeout 60 " + qemu + " -nographic -kernel $<",
              "build/firmware.elf", "run"});
}

// Machines that are not ours: what firmware says of networks that run, and of others.
class OnQemu : public Firmware {
 protected:
  void SetUp() override {
    Firmware::SetUp();
    if (!test::has_program("qemu-system-riscv32"))
      GTEST_SKIP() << "qemu-system-riscv32 is not installed (package qemu-system-misc)";
  }
  static std::string run(const FileSet& files) {
    return run_on("qemu-system-riscv32 -M virt -bios none -icount shift=0", files);
  }
};

TEST_F(OnQemu, SamplesAreExact) {
  const std::string said = run(compiled("qemu_virt").files);
  EXPECT_THAT(
      said, testing::ContainsRegex("^sample 0: exact, checksum 0x[0-9a-f]{8}, instructions [0-9]+\n"
                                   "sample 1: exact, checksum 0x[0-9a-f]{8}, instructions [0-9]+\n"
                                   "stack [0-9]+ of 65536 bytes\n"));
  EXPECT_EQ(said, run(compiled("qemu_virt").files));
}

TEST_F(OnQemu, DifferencesStatusAndTrapsAreTold) {
  const std::string wrong = run(with_body("qemu_virt", "  return 0;\n"));
  EXPECT_THAT(wrong, HasSubstr("sample 0: 240 of 240 elements differ, checksum 0x"));
  EXPECT_THAT(wrong, HasSubstr("exit status 2"));
  const std::string status = run(with_body("qemu_virt", "  return 2;\n"));
  EXPECT_THAT(status, HasSubstr("sample 1: status 2\n"));
  EXPECT_THAT(status, HasSubstr("exit status 2"));
  const std::string trap = run(with_body("qemu_virt",
                                         "  volatile uint32_t *volatile p = (volatile uint32_t "
                                         "*)(uintptr_t)4u;\n  return (int)*p;\n"));
  EXPECT_THAT(trap, testing::ContainsRegex(
                        "sample 0\ntrap: cause 5 at 0x8[0-9a-f]{7}, address 0x00000004\n"));
  EXPECT_THAT(trap, HasSubstr("exit status 2"));
}

TEST_F(OnQemu, ADeepStackIsMeasuredAndAnOverflowTold) {
  const auto used = [](uint32_t bytes) {
    return run(with_body("qemu_virt", fmt::format("  volatile uint8_t deep[{0}];\n"
                                                  "  for (int i = 0; i < {0}; ++i) deep[i] = 1;\n"
                                                  "  return deep[7] - 1;\n",
                                                  bytes)));
  };
  EXPECT_THAT(used(60000), testing::ContainsRegex("stack 60[0-9]{3} of 65536 bytes\n"));
  const std::string over = used(65536);
  EXPECT_THAT(over, HasSubstr("stack overflow: more than 65536 of 65536 bytes\n"));
  EXPECT_THAT(over, HasSubstr("exit status 2"));
}

// The start-up puts initialised data where they belong, from where they were loaded.
constexpr const char* kWithData =
    "  static volatile uint32_t counter = 0x1234567u, zero;\n"
    "  if (zero++ == 0u && counter++ != 0x1234567u) return 7;\n  return 3;\n";

TEST_F(OnQemu, InitialisedDataAreThere) {
  EXPECT_THAT(run(with_body("qemu_virt", kWithData)), HasSubstr("sample 0: status 3\n"));
}

struct Arm {
  const char* soc;
  const char* machine;
};
void PrintTo(const Arm& arm, std::ostream* out) { *out << arm.soc; }

class OnQemuArm : public testing::TestWithParam<Arm> {
 protected:
  void SetUp() override {
    if (!test::has_program("arm-none-eabi-gcc"))
      GTEST_SKIP() << "arm-none-eabi-gcc is not installed";
    if (!test::has_program("qemu-system-arm"))
      GTEST_SKIP() << "qemu-system-arm is not installed (package qemu-system-arm)";
  }
  static std::string run(const FileSet& files) {
    return run_on(fmt::format("qemu-system-arm -M {} -icount shift=7 -semihosting-config "
                              "enable=on,target=native",
                              GetParam().machine),
                  files);
  }
  static std::string run_body(const std::string& body) {
    return run(with_body(GetParam().soc, body));
  }
};

TEST_P(OnQemuArm, SamplesAreExact) {
  const std::string said = run(compiled(GetParam().soc).files);
  EXPECT_THAT(
      said, testing::ContainsRegex("^sample 0: exact, checksum 0x[0-9a-f]{8}, instructions [0-9]+\n"
                                   "sample 1: exact, checksum 0x[0-9a-f]{8}, instructions [0-9]+\n"
                                   "stack [0-9]+ of 8192 bytes\n"));
  EXPECT_EQ(said, run(compiled(GetParam().soc).files));
}

TEST_P(OnQemuArm, StatusFaultsAndDataAreTold) {
  EXPECT_THAT(run_body("  return 2;\n"), HasSubstr("sample 1: status 2\n"));
  EXPECT_THAT(run_body("  return 2;\n"), HasSubstr("exit status 2"));
  EXPECT_THAT(run_body(kWithData), HasSubstr("sample 0: status 3\n"));
  const std::string fault = run_body(
      "  volatile uint32_t *volatile p = (volatile uint32_t *)(uintptr_t)0xF1234560u;\n"
      "  return (int)*p;\n");
  EXPECT_THAT(fault, testing::ContainsRegex("sample 0\ntrap: cause 3 at 0x0000[0-9a-f]{4}, address "
                                            "0xf1234560\n"));
  EXPECT_THAT(fault, HasSubstr("exit status 2"));
}

// A loop of two instructions, n times: the counter is exact, and lasts for more than 2^32 ticks.
TEST_P(OnQemuArm, TheCounterIsExact) {
  const auto count = [](int64_t n) {
    const std::string said = run_body(fmt::format(
        "  uint32_t n = {}u;\n"
        "  extern const int8_t small_golden_0_output_0[240];\n"
        "  for (int i = 0; i < 240; ++i) outputs->pool_y[i] = small_golden_0_output_0[i];\n"
        "  __asm__ volatile(\"1: subs %0, #1\\n bne 1b\" : \"+r\"(n) : : \"cc\");\n  return 0;\n",
        n));
    const size_t at = said.find("instructions ");
    EXPECT_NE(at, std::string::npos) << said;
    return at == std::string::npos ? 0 : std::stoll(said.substr(at + 13));
  };
  const int64_t base = count(1);
  for (const int64_t n : {2, 3, 1001, 700000001})
    EXPECT_EQ(count(n) - base, 2 * (n - 1)) << n;
}

INSTANTIATE_TEST_SUITE_P(Machines, OnQemuArm,
                         testing::Values(Arm{"cortex_m4", "mps2-an386"},
                                         Arm{"cortex_m55", "mps3-an547"}),
                         [](const auto& arm) { return std::string(arm.param.soc); });

}  // namespace
}  // namespace heddle
