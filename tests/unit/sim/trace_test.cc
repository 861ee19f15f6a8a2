// The trace file: what it says, and that tracing changes nothing.
#include "sim/cpu/trace.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

using namespace as;
using testing::HasSubstr;

Elf symbols() {
  Elf elf;
  elf.functions = {{"start", kRam, 8}, {"rest", kRam + 8, 0}};
  return elf;
}

std::string traced(Core& core, TraceOptions options) {
  const TemporaryFolder folder;
  const Elf elf = symbols();
  Result<std::unique_ptr<Trace>> trace =
      Trace::start(folder.path() / "trace.txt", *core, elf, options);
  EXPECT_TRUE(trace.ok());
  core->set_reg(6, kData);
  core->set_reg(9, kRegisters);
  core.run({addi(5, 0, 2), 0x0285 /* c.addi t0, 1 */, 0x0001, sw(5, 0, 6), lb(7, 0, 6), lw(8, 4, 9),
            bne(5, 0, -8 + 12)});
  EXPECT_TRUE((*trace)->finish().ok());
  const Result<std::string> text = read_file(folder.path() / "trace.txt");
  return text.ok() ? *text : "";
}

constexpr const char* kInstructions[] = {
    "         0 80000000 00200293  addi t0, zero, 2                     start\n",
    "         1 80000004 0285      addi t0, t0, 1                       start+0x4\n",
    "         2 80000006 0001      addi zero, zero, 0                   start+0x6\n",
    "         3 80000008 00532023  sw t0, 0(t1)                         rest\n",
    "         4 8000000c 00030383  lb t2, 0(t1)                         rest+0x4\n",
    "         5 80000010 0044a403  lw s0, 4(s1)                         rest+0x8\n",
    "        13 80000014 00029263  bne t0, zero, 0x80000018 <rest+0x10> rest+0xc\n",
    "        16 80000018 00100073  ebreak                               rest+0x10\n",
};
constexpr const char* kAccesses[] = {
    "         3 80000008 store 4 80008000 00000003\n",
    "         4 8000000c load  1 80008000 03\n",
    "         5 80000010 load  4 40000004 00000000\n",
};

TEST(Trace, InstructionsAndAccesses) {
  Core core;
  std::string expected;
  for (int i = 0; i < 8; ++i) {
    expected += kInstructions[i];
    if (i >= 3 && i < 6) expected += kAccesses[i - 3];
  }
  EXPECT_EQ(traced(core, {}), expected);
}

TEST(Trace, EitherAlone) {
  Core first, second;
  std::string instructions, accesses;
  for (const char* const line : kInstructions) instructions += line;
  for (const char* const line : kAccesses) accesses += line;
  EXPECT_EQ(traced(first, {true, false}), instructions);
  EXPECT_EQ(traced(second, {false, true}), accesses);
}

TEST(Trace, ChangesNothing) {
  Core with, without;
  (void)traced(with, {});
  without->set_reg(6, kData);
  without->set_reg(9, kRegisters);
  without.run({addi(5, 0, 2), 0x0285, 0x0001, sw(5, 0, 6), lb(7, 0, 6), lw(8, 4, 9), bne(5, 0, 4)});
  EXPECT_EQ(with->cycles(), without->cycles());
  EXPECT_EQ(with->instret(), without->instret());
  for (int i = 0; i < 32; ++i) EXPECT_EQ(with->reg(i), without->reg(i));
}

TEST(Trace, SaysWhenItCannotBeWritten) {
  Core core;
  const Elf elf;
  const Result<std::unique_ptr<Trace>> trace = Trace::start("/no/such/folder/t", *core, elf);
  ASSERT_FALSE(trace.ok());
  EXPECT_THAT(format_diagnostics(trace.errors()),
              HasSubstr("/no/such/folder/t: error: the trace cannot be written"));
  Result<std::unique_ptr<Trace>> full = Trace::start("/dev/full", *core, elf);
  ASSERT_TRUE(full.ok());
  core.run({addi(5, 0, 2)});
  EXPECT_FALSE((*full)->finish().ok());
}

}  // namespace
}  // namespace heddle::sim
