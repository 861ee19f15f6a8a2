#include "oracle/qemu/random_program.h"

#include <fmt/format.h>

#include "support/random.h"

namespace heddle::sim {
namespace {

// x2, x8 and x30 point into the scratch memory and are never written: sp 1 KiB in, the others in
// the middle of its 4 KiB.
class Writer {
 public:
  Writer(uint64_t seed, int number) : random_(seed), number_(number) {}

  std::string sequence() {
    text_ = fmt::format(".balign 2\nsequence_{}:\n", number_);
    const int steps = pick(30, 90);
    for (step_ = 0; step_ < steps; ++step_) {
      text_ += fmt::format("L{}_{}:\n", number_, step_);
      step();
    }
    // Branches reach at most kReach steps ahead.
    for (; step_ <= steps + kReach; ++step_) text_ += fmt::format("L{}_{}:\n", number_, step_);
    return text_ + ".option norvc\n  j finish\n";
  }

 private:
  static constexpr int kReach = 6;

  int pick(int lo, int hi) { return static_cast<int>(random_.between(lo, hi)); }
  template <size_t n>
  const char* one_of(const char* const (&names)[n]) {
    return names[pick(0, static_cast<int>(n) - 1)];
  }
  int source() { return pick(0, 31); }
  int target() {
    const int reg = pick(0, 31);
    return reg == 2 || reg == 8 || reg == 30 ? 31 : reg;
  }
  int small() { return pick(8, 15); }         // of compressed instructions
  int small_target() { return pick(9, 15); }  // not x8
  int not_zero() { return pick(1, 31); }
  int target_not_zero() {
    const int reg = target();
    return reg == 0 ? 1 : reg;
  }
  std::string ahead() { return fmt::format("L{}_{}", number_, step_ + pick(1, kReach)); }
  int corner(int bits) {  // a signed immediate
    const int half = 1 << (bits - 1);
    switch (pick(0, 4)) {
      case 0:
        return -half;
      case 1:
        return half - 1;
      case 2:
        return pick(-2, 2);
      default:
        return pick(-half, half - 1);
    }
  }

  template <class... Args>
  void wide(fmt::format_string<Args...> format, Args&&... args) {
    text_ += "  .option norvc\n  " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  template <class... Args>
  void narrow(fmt::format_string<Args...> format, Args&&... args) {
    text_ += "  .option rvc\n  " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  void step() {
    switch (pick(0, 19)) {
      case 0:
      case 1:
      case 2:
        return wide("{} x{}, x{}, x{}",
                    one_of({"add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and"}),
                    target(), source(), source());
      case 3:
        return wide("{} x{}, x{}, x{}",
                    one_of({"mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu"}),
                    target(), source(), source());
      case 4:
        return wide("{} x{}, x{}, x{}", one_of({"div", "divu", "rem", "remu"}), target(), source(),
                    source());
      case 5:
      case 6:
        return wide("{} x{}, x{}, {}", one_of({"addi", "slti", "sltiu", "xori", "ori", "andi"}),
                    target(), source(), corner(12));
      case 7:
        return wide("{} x{}, x{}, {}", one_of({"slli", "srli", "srai"}), target(), source(),
                    pick(0, 31));
      case 8:
        return wide("{} x{}, {:#x}", one_of({"lui", "auipc"}), target(), pick(0, 0xfffff));
      case 9:
      case 10:
        return wide("{} x{}, {}(x30)", one_of({"lb", "lh", "lw", "lbu", "lhu"}), target(),
                    corner(12));
      case 11:
        return wide("{} x{}, {}(x30)", one_of({"sb", "sh", "sw"}), source(), pick(-2048, 2044));
      case 12:
        return wide("{} x{}, x{}, {}", one_of({"beq", "bne", "blt", "bge", "bltu", "bgeu"}),
                    source(), source(), ahead());
      case 13:
        return jump();
      case 14:
        return csr();
      case 15:
        return wide("{}", one_of({"fence", "fence rw, rw", "nop"}));
      default:
        return compressed();
    }
  }

  void jump() {
    const int reg = target_not_zero();
    switch (pick(0, 5)) {
      case 0:
        return wide("jal x{}, {}", target(), ahead());
      case 1:
        return narrow("c.j {}", ahead());
      case 2:
        return narrow("c.jal {}", ahead());
      case 3:
        wide("la x{}, {}", reg, ahead());
        return wide("jalr x{}, {}(x{})", target(), pick(0, 1), reg);
      case 4:
        wide("la x{}, {}", reg, ahead());
        return narrow("c.jr x{}", reg);
      default:
        wide("la x{}, {}", reg, ahead());
        return narrow("c.jalr x{}", reg);
    }
  }

  void csr() {
    const char* const name = one_of({"mscratch", "mtval"});
    if (pick(0, 1) == 0)
      return wide("{} x{}, {}, x{}", one_of({"csrrw", "csrrs", "csrrc"}), target(), name, source());
    return wide("{} x{}, {}, {}", one_of({"csrrwi", "csrrsi", "csrrci"}), target(), name,
                pick(0, 31));
  }

  void compressed() {
    switch (pick(0, 16)) {
      case 0:
        return narrow("c.addi4spn x{}, sp, {}", small_target(), 4 * pick(1, 255));
      case 1:
        return narrow("c.lw x{}, {}(x8)", small_target(), 4 * pick(0, 31));
      case 2:
        return narrow("c.sw x{}, {}(x8)", small(), 4 * pick(0, 31));
      case 3: {
        const int by = corner(6);
        return narrow("c.addi x{}, {}", target_not_zero(), by == 0 ? 1 : by);
      }
      case 4:
        return narrow("c.li x{}, {}", target_not_zero(), corner(6));
      case 5: {  // there and back: sp stays where the scratch memory is
        const int by = 16 * pick(1, 31);
        narrow("c.addi16sp sp, {}", by);
        narrow("c.swsp x{}, {}(sp)", source(), 4 * pick(0, 63));
        return narrow("c.addi16sp sp, {}", -by);
      }
      case 6:
        return narrow("c.lui x{}, {:#x}", target_not_zero(),
                      pick(0, 1) == 0 ? pick(1, 31) : pick(0xfffe0, 0xfffff));
      case 7:
        return narrow("{} x{}, {}", one_of({"c.srli", "c.srai"}), small_target(), pick(1, 31));
      case 8:
        return narrow("c.andi x{}, {}", small_target(), corner(6));
      case 9:
      case 10:
        return narrow("{} x{}, x{}", one_of({"c.sub", "c.xor", "c.or", "c.and"}), small_target(),
                      small());
      case 11:
        return narrow("{} x{}, {}", one_of({"c.beqz", "c.bnez"}), small(), ahead());
      case 12:
        return narrow("c.slli x{}, {}", target_not_zero(), pick(1, 31));
      case 13:
        return narrow("c.lwsp x{}, {}(sp)", target_not_zero(), 4 * pick(0, 63));
      case 14:
        return narrow("c.swsp x{}, {}(sp)", source(), 4 * pick(0, 63));
      case 15:
        return narrow("c.mv x{}, x{}", target_not_zero(), not_zero());
      default:
        return narrow("c.add x{}, x{}", target_not_zero(), not_zero());
    }
  }

  Random random_;
  int number_;
  int step_ = 0;
  std::string text_;
};

}  // namespace

std::string random_program(uint64_t seed, int sequences) {
  std::string text = "  .option arch, +zicsr\n  .option norelax\n  .text\n";
  std::string table = "  .section .rodata\n  .balign 4\n  .globl sequences\nsequences:\n";
  for (int i = 0; i < sequences; ++i) {
    text += Writer(seed + static_cast<uint64_t>(i), i).sequence();
    table += fmt::format("  .word sequence_{}\n", i);
  }
  return text + table + "  .word 0\n";
}

}  // namespace heddle::sim
