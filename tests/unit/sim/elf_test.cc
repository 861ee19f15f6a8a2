// The ELF loader: real files of the cross compiler, and files that are wrong.
#include "sim/cpu/elf.h"

#include <gmock/gmock.h>

#include <cstring>

#include "base/files.h"
#include "base/process.h"
#include "unit/sim/test_elf.h"

namespace heddle::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Elf, ASmallFile) {
  const Result<Elf> elf = load_elf("a.elf", small_elf());
  ASSERT_TRUE(elf.ok()) << format_diagnostics(elf.errors());
  EXPECT_EQ(elf->entry, 0x80000004u);
  ASSERT_EQ(elf->segments.size(), 1u);
  EXPECT_EQ(elf->segments[0].address, 0x80000000u);
  EXPECT_EQ(elf->segments[0].content, std::string("\x13\0\0\0\x73\0\x10\0", 8));
  EXPECT_EQ(elf->segments[0].bytes, 32u);
  EXPECT_TRUE(elf->segments[0].executable);
  EXPECT_FALSE(elf->segments[0].writable);
  ASSERT_EQ(elf->functions.size(), 1u);
  EXPECT_EQ(elf->functions[0].name, "start");
  EXPECT_EQ(function_at(*elf, 0x80000004)->name, "start");
  EXPECT_EQ(function_at(*elf, 0x80000008), nullptr);
  EXPECT_EQ(function_at(*elf, 0x7ffffffc), nullptr);
}

TEST(Elf, TruncatedAndWrongFilesAreReadOrRefused) {
  const std::string good = small_elf();
  for (size_t length = 0; length < good.size(); ++length)  // the last bytes are a section header's
    EXPECT_FALSE(load_elf("a.elf", good.substr(0, length)).ok()) << length;
  for (size_t at = 0; at < good.size(); ++at)
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      (void)load_elf("a.elf", bad).ok();
    }
}

TEST(Elf, SaysWhatIsWrong) {
  const auto message = [](std::string bytes) {
    const Result<Elf> elf = load_elf("a.elf", bytes);
    return elf.ok() ? "" : format_diagnostics(elf.errors());
  };
  const auto with = [](size_t at, std::vector<uint8_t> bytes) {
    std::string elf = small_elf();
    std::memcpy(&elf[at], bytes.data(), bytes.size());
    return elf;
  };
  EXPECT_THAT(message("MZ"), HasSubstr("a.elf: error: is not an ELF file"));
  EXPECT_THAT(message(with(4, {2})), HasSubstr("is not a 32-bit little-endian ELF file"));
  EXPECT_THAT(message(with(16, {3})), HasSubstr("has ELF type 3, not an executable (2)"));
  EXPECT_THAT(message(with(18, {40})), HasSubstr("is for machine 40, not for RISC-V (243)"));
  EXPECT_THAT(message(with(28, {0, 0, 1})),
              HasSubstr("1 program headers of 32 bytes at 65536, outside"));
  EXPECT_THAT(message(with(44, {0})), HasSubstr("has no program headers"));
  EXPECT_THAT(message(with(52, {2})), HasSubstr("has no segment to load"));
  EXPECT_THAT(message(with(52 + 4, {0, 0, 1})),
              HasSubstr("segment 0 has 8 bytes at 65536 of the file"));
  EXPECT_THAT(message(with(52 + 20, {4})),
              HasSubstr("8 bytes at 84 of the file for 4 bytes of memory"));
  EXPECT_THAT(message(with(52 + 12, {0xf0, 0xff, 0xff, 0xff})),
              HasSubstr("segment 0 of 32 bytes at 0xfffffff0 ends beyond the 32-bit addresses"));
  EXPECT_THAT(message(with(32, {0, 0, 1})),
              HasSubstr("3 section headers of 40 bytes at 65536, outside"));
}

// What the cross compiler links, data at another address than where it is loaded.
TEST(Elf, OfTheCrossCompiler) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder.path() / "a.c",
                         "int data = 7; int zero[9];\n"
                         "int twice(int x) { return 2 * x + data + zero[3]; }\n"
                         "void _start(void) { zero[1] = twice(4); }\n")
                  .ok());
  ASSERT_TRUE(write_file(folder.path() / "a.ld",
                         "ENTRY(_start) MEMORY { rom : ORIGIN = 0x20000000, LENGTH = 64K\n"
                         "ram : ORIGIN = 0x80000000, LENGTH = 64K }\n"
                         "SECTIONS { .text : { *(.text*) } > rom\n"
                         ".data : { *(.*data*) } > ram AT > rom\n"
                         ".bss (NOLOAD) : { *(.*bss*) end_of_bss = .; } > ram }\n")
                  .ok());
  const auto outcome = run_process(
      {"riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-O1", "-ffreestanding",
       "-nostdlib", "-msmall-data-limit=0", "-T", "a.ld", "-Wl,-n", "a.c", "-o", "a.elf"},
      folder.path());
  if (!outcome.ok()) GTEST_SKIP() << "riscv64-unknown-elf-gcc is not installed";
  ASSERT_EQ(outcome->exit_status, 0) << outcome->err;
  const Result<std::string> bytes = read_file(folder.path() / "a.elf");
  ASSERT_TRUE(bytes.ok());
  const Result<Elf> elf = load_elf("a.elf", *bytes);
  ASSERT_TRUE(elf.ok()) << format_diagnostics(elf.errors());
  EXPECT_EQ(function_at(*elf, elf->entry)->name, "_start");
  uint64_t rom_bytes = 0;
  for (const Segment& segment : elf->segments)
    if (!segment.content.empty()) {
      EXPECT_EQ(segment.address >> 16, 0x2000u);  // the initial values of data, too
      rom_bytes += segment.content.size();
    }
  EXPECT_GT(rom_bytes, 4u);
  std::vector<std::string> names;
  for (const Symbol& symbol : elf->functions) names.push_back(symbol.name);
  EXPECT_THAT(names, testing::UnorderedElementsAre("twice", "_start"));
  const auto end = std::find_if(elf->objects.begin(), elf->objects.end(),
                                [](const Symbol& s) { return s.name == "end_of_bss"; });
  ASSERT_NE(end, elf->objects.end());
  EXPECT_EQ(end->address, 0x80000000u + 4 + 36);
}

}  // namespace
}  // namespace heddle::sim
