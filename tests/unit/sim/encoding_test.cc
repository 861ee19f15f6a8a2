// Encodings: the decoder and disassembler against the cross assembler, and by hand.
#include <fmt/format.h>

#include <map>

#include "base/files.h"
#include "base/process.h"
#include "sim/cpu/disassemble.h"
#include "unit/sim/core.h"

namespace heddle::sim {
namespace {

constexpr uint32_t kPc = 0x80000000u;

std::string text_of(uint32_t bits, bool xpulpv2 = false) {
  return disassemble(kPc, decode(bits, {xpulpv2}));
}

// One line of assembly each; where the disassembly is another text, it follows after a '|'.
// Compressed ones are written as such, and read as what they expand to.
constexpr const char* kLines[] = {
    "lui a0, 0x12345",
    "auipc t6, 0xfffff",
    "jal ra, .+2048|jal ra, 0x80000800",
    "jal zero, .-16|jal zero, 0x7ffffff0",
    "jalr ra, -2048(a5)",
    "jalr zero, 0(ra)|jalr zero, 0(ra)",
    "beq a0, a1, .+4094|beq a0, a1, 0x80000ffe",
    "bne s0, t6, .-4096|bne s0, t6, 0x7ffff000",
    "blt a0, a1, .+16|blt a0, a1, 0x80000010",
    "bge a0, a1, .+2|bge a0, a1, 0x80000002",
    "bltu a0, a1, .+32|bltu a0, a1, 0x80000020",
    "bgeu a0, a1, .-2|bgeu a0, a1, 0x7ffffffe",
    "lb a0, -1(s2)",
    "lh t3, 2047(zero)",
    "lw a7, -2048(tp)",
    "lbu gp, 0(s11)",
    "lhu a1, 3(a1)",
    "sb a0, -1(s2)",
    "sh t3, 2047(zero)",
    "sw a7, -2048(tp)",
    "addi a0, a1, -2048",
    "slti a0, a1, 2047",
    "sltiu a0, a1, -1",
    "xori a0, a1, 1",
    "ori a0, a1, 2",
    "andi a0, a1, 3",
    "slli a0, a1, 31",
    "srli a0, a1, 1",
    "srai a0, a1, 30",
    "add a0, a1, a2",
    "sub a0, a1, a2",
    "sll s3, s4, s5",
    "slt a0, a1, a2",
    "sltu a0, a1, a2",
    "xor a0, a1, a2",
    "srl a0, a1, a2",
    "sra a0, a1, a2",
    "or a0, a1, a2",
    "and t0, t1, t2",
    "mul a0, a1, a2",
    "mulh a0, a1, a2",
    "mulhsu a0, a1, a2",
    "mulhu a0, a1, a2",
    "div a0, a1, a2",
    "divu a0, a1, a2",
    "rem a0, a1, a2",
    "remu s6, s7, s8",
    "fence",
    "fence.i",
    "ecall",
    "ebreak",
    "mret",
    "wfi",
    "csrrw a0, 0x340, a1",
    "csrrs a0, 0xb00, zero",
    "csrrc zero, 0x300, t0",
    "csrrwi a0, 0x305, 31",
    "csrrsi zero, 0x304, 8",
    "csrrci a0, 0x304, 0",
};
constexpr const char* kCompressedLines[] = {
    "c.addi4spn a0, sp, 1020|addi a0, sp, 1020",
    "c.addi4spn s1, sp, 4|addi s1, sp, 4",
    "c.addi4spn a5, sp, 8|addi a5, sp, 8",
    "c.addi4spn a5, sp, 64|addi a5, sp, 64",
    "c.lw a0, 124(s0)|lw a0, 124(s0)",
    "c.lw a4, 4(a5)|lw a4, 4(a5)",
    "c.lw a4, 64(a5)|lw a4, 64(a5)",
    "c.sw s1, 124(a5)|sw s1, 124(a5)",
    "c.sw a0, 8(a1)|sw a0, 8(a1)",
    "c.nop|addi zero, zero, 0",
    "c.addi t6, -32|addi t6, t6, -32",
    "c.addi a0, 31|addi a0, a0, 31",
    "c.jal .+2046|jal ra, 0x800007fe",
    "c.jal .-2048|jal ra, 0x7ffff800",
    "c.jal .+18|jal ra, 0x80000012",
    "c.li s11, -32|addi s11, zero, -32",
    "c.li a0, 31|addi a0, zero, 31",
    "c.addi16sp sp, -512|addi sp, sp, -512",
    "c.addi16sp sp, 496|addi sp, sp, 496",
    "c.addi16sp sp, 16|addi sp, sp, 16",
    "c.addi16sp sp, 64|addi sp, sp, 64",
    "c.lui a0, 31|lui a0, 0x1f",
    "c.lui s9, 0xfffe0|lui s9, 0xfffe0",
    "c.srli a0, 31|srli a0, a0, 31",
    "c.srai s1, 1|srai s1, s1, 1",
    "c.andi a5, -32|andi a5, a5, -32",
    "c.sub a0, a1|sub a0, a0, a1",
    "c.xor s0, s1|xor s0, s0, s1",
    "c.or a2, a3|or a2, a2, a3",
    "c.and a4, a5|and a4, a4, a5",
    "c.j .-2048|jal zero, 0x7ffff800",
    "c.j .+1366|jal zero, 0x80000556",
    "c.j .+680|jal zero, 0x800002a8",
    "c.beqz a0, .+254|beq a0, zero, 0x800000fe",
    "c.beqz s0, .-256|beq s0, zero, 0x7fffff00",
    "c.bnez a5, .+170|bne a5, zero, 0x800000aa",
    "c.bnez a5, .+84|bne a5, zero, 0x80000054",
    "c.slli s8, 31|slli s8, s8, 31",
    "c.lwsp ra, 252(sp)|lw ra, 252(sp)",
    "c.lwsp t6, 4(sp)|lw t6, 4(sp)",
    "c.lwsp t6, 64(sp)|lw t6, 64(sp)",
    "c.jr ra|jalr zero, 0(ra)",
    "c.mv a0, t6|add a0, zero, t6",
    "c.ebreak|ebreak",
    "c.jalr s11|jalr ra, 0(s11)",
    "c.add s3, s4|add s3, s3, s4",
    "c.swsp t6, 252(sp)|sw t6, 252(sp)",
    "c.swsp a0, 64(sp)|sw a0, 64(sp)",
};

// Every line on its own at a multiple of 4 bytes: what follows is zero.
std::vector<uint32_t> assembled(const std::vector<std::string>& lines) {
  const TemporaryFolder folder;
  std::string source = ".option norelax\n";
  for (const std::string& line : lines)
    source += fmt::format(".balign 4, 0\n{}\n", line.substr(0, line.find('|')));
  EXPECT_TRUE(write_file(folder.path() / "a.S", source + ".balign 4, 0\n").ok());
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"riscv64-unknown-elf-as", "-march=rv32imc_zicsr_zifencei",
                                 "-mabi=ilp32", "a.S", "-o", "a.o"},
        {"riscv64-unknown-elf-objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"}}) {
    const auto outcome = run_process(command, folder.path());
    if (!outcome.ok()) return {};  // not installed
    EXPECT_EQ(outcome->exit_status, 0) << outcome->err;
  }
  const Result<std::string> bytes = read_file(folder.path() / "a.bin");
  if (!bytes.ok()) return {};
  std::vector<uint32_t> words(bytes->size() / 4);
  std::memcpy(words.data(), bytes->data(), words.size() * 4);
  return words;
}

TEST(Encoding, DecoderAndDisassemblerAgreeWithTheAssembler) {
  std::vector<std::string> lines;
  std::map<std::string_view, int> seen;
  for (const char* const line : kLines) lines.push_back(std::string(".option norvc\n") + line);
  for (const char* const line : kCompressedLines)
    lines.push_back(std::string(".option rvc\n") + line);
  const std::vector<uint32_t> words = assembled(lines);
  if (words.empty()) GTEST_SKIP() << "riscv64-unknown-elf-as is not installed";
  ASSERT_EQ(words.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string line = lines[i].substr(lines[i].find('\n') + 1);
    const size_t bar = line.find('|');
    const Decoded d = decode(words[i], {});
    // A branch out of range of the section cannot be assembled as such: those are tested by
    // distance.
    EXPECT_EQ(disassemble(kPc, d), bar == std::string::npos ? line : line.substr(bar + 1)) << line;
    EXPECT_EQ(d.bytes, line.starts_with("c.") ? 2 : 4) << line;
    if (is_instruction(d.kind)) ++seen[info(d.kind).name];
  }
  for (int i = 0; i < static_cast<int>(Kind::p_lb_post); ++i)
    EXPECT_GE(seen[info(static_cast<Kind>(i)).name], 1) << info(static_cast<Kind>(i)).name;
}

TEST(Encoding, WhatIsNoInstructionIsIllegal) {
  for (const uint32_t bits :
       {0u, 0xffffffffu, 0x0000u, 0x00000057u, 0x02000013u | 1u << 12, 0x8000u,
        0x2000u,             // c.fld
        0x6101u & ~0x107cu,  // c.addi16sp 0
        0x6501u & ~0x107cu,  // c.lui a0, 0
        0x9c01u,             // c.subw
        0x4002u,             // c.lwsp zero
        0x8002u,             // c.jr zero
        0x9002u | 0x1000u << 1})
    EXPECT_EQ(decode(bits, {}).kind, Kind::illegal) << std::hex << bits;
  EXPECT_EQ(decode(0xffffffffu, {}).bytes, 4);
  EXPECT_EQ(decode(0xffff0000u, {}).bytes, 2);
  EXPECT_EQ(text_of(0xffffffffu), ".word 0xffffffff");
  EXPECT_EQ(text_of(0), ".half 0x0000");
}

// Encodings and text as PULP's GCC and objdump print them.
TEST(Encoding, XpulpV2OnlyWhenTheCoreHasIt) {
  const std::pair<uint32_t, const char*> cases[] = {
      {0x0049270b, "p.lw a4, 4(s2!)"},
      {0x00f6a22b, "p.sw a5, 4(a3!)"},
      {0xa8a714d7, "pv.sdotusp.b s1, a4, a0"},
      {0x048e50fb, "lp.setupi x1, 72, 0x80000038"},
      {0x080350fb, "lp.setupi x1, 128, 0x8000000c"},
  };
  for (const auto& [bits, text] : cases) {
    EXPECT_EQ(text_of(bits, true), text);
    EXPECT_EQ(decode(bits, {false}).kind, Kind::illegal) << text;
  }
}

TEST(Encoding, NoTwoInstructionsShareAnEncoding) {
  for (int i = 0; i < kInstructions; ++i)
    for (int j = 0; j < i; ++j) {
      const InstructionInfo& a = info(static_cast<Kind>(i));
      const InstructionInfo& b = info(static_cast<Kind>(j));
      EXPECT_NE((a.match ^ b.match) & a.mask & b.mask, 0u) << a.name << " and " << b.name;
    }
}

}  // namespace
}  // namespace heddle::sim
