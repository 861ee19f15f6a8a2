// 500 random instruction sequences in lockstep with QEMU: registers, memory and retired
// instructions.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>

#include "base/files.h"
#include "base/process.h"
#include "oracle/qemu/random_program.h"
#include "sim/cpu/cpu.h"
#include "sim/cpu/disassemble.h"
#include "sim/cpu/elf.h"

namespace heddle::sim {
namespace {

constexpr int kSequences = 500;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// QEMU's `virt` as far as the program sees it: RAM, a UART, a finisher.
class Virt {
 public:
  explicit Virt(const Elf& elf) : cpu((add(), bus), {}) {
    for (const Segment& s : elf.segments)
      EXPECT_TRUE(bus.write(s.address, s.content.data(), s.content.size()));
    cpu.set_pc(elf.entry);
  }

  Bus bus;
  Cpu cpu;
  std::string uart;
  uint32_t finished = 0;

 private:
  Virt(const Virt&) = delete;
  void add() {
    EXPECT_TRUE(bus.add(Memory{"ram", 0x80000000u, 128u << 20}).ok());
    EXPECT_TRUE(bus.add(Device{"uart", 0x10000000u, 256, this, nullptr,
                               [](void* virt, uint32_t, int, uint64_t, uint32_t value, uint64_t*) {
                                 static_cast<Virt*>(virt)->uart += static_cast<char>(value);
                                 return BusAnswer::ok;
                               }})
                    .ok());
    EXPECT_TRUE(bus.add(Device{"finisher", 0x100000u, 4, this, nullptr,
                               [](void* virt, uint32_t, int, uint64_t, uint32_t value, uint64_t*) {
                                 static_cast<Virt*>(virt)->finished = value;
                                 return BusAnswer::stop;
                               }})
                    .ok());
  }
};

class Lockstep : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const std::string here = std::string(HEDDLE_SOURCE_DIR) + "/tests/oracle/qemu/";
    ASSERT_TRUE(write_file(folder_->path() / "random.S", random_program(2024, kSequences)).ok());
    const std::vector<std::string> gcc = {"riscv64-unknown-elf-gcc", "-march=rv32imc",
                                          "-mabi=ilp32"};
    const auto run = [&](std::vector<std::string> args) {
      args.insert(args.begin(), gcc.begin(), gcc.end());
      const auto outcome = run_process(args, folder_->path());
      if (!outcome.ok()) return false;
      EXPECT_EQ(outcome->exit_status, 0) << outcome->err;
      return true;
    };
    compiler_ = run({"-c", here + "runtime.S", "-o", "runtime.o"});
    if (!compiler_) return;
    run({"-O2", "-ffreestanding", "-Wall", "-Wextra", "-nostdlib", "-T", here + "link.ld", "-Wl,-n",
         "runtime.o", here + "runtime.c", "random.S", "-o", "random.elf"});
    const Result<std::string> bytes = read_file(folder_->path() / "random.elf");
    ASSERT_TRUE(bytes.ok());
    Result<Elf> elf = load_elf("random.elf", *bytes);
    ASSERT_TRUE(elf.ok()) << format_diagnostics(elf.errors());
    elf_ = std::move(*elf);
  }
  static void TearDownTestSuite() { delete folder_; }

  void SetUp() override {
    if (!compiler_) GTEST_SKIP() << "riscv64-unknown-elf-gcc is not installed";
  }

  static inline TemporaryFolder* folder_ = nullptr;
  static inline bool compiler_ = false;
  static inline Elf elf_;
};

TEST_F(Lockstep, WithQemu) {
  Virt ours(elf_);
  ASSERT_EQ(ours.cpu.run(Cpu::kForever, 10'000'000), StopReason::device)
      << "at " << symbol_at(elf_, ours.cpu.pc());
  EXPECT_EQ(ours.finished, 0x5555u) << ours.uart;
  const auto qemu = run_process(
      {"qemu-system-riscv32", "-M", "virt", "-bios", "none", "-display", "none", "-monitor", "none",
       "-serial", "stdio", "-icount", "shift=0", "-kernel", "random.elf"},
      folder_->path(), {.cpu_seconds = 60, .memory_bytes = 0});
  if (!qemu.ok()) GTEST_SKIP() << "qemu-system-riscv32 is not installed (Debian: qemu-system-misc)";
  EXPECT_EQ(qemu->exit_status, 0) << qemu->err << qemu->ended_because;
  const std::vector<std::string> a = lines_of(ours.uart), b = lines_of(qemu->out);
  ASSERT_EQ(a.size(), static_cast<size_t>(kSequences)) << ours.uart.substr(0, 400);
  ASSERT_EQ(b.size(), a.size());
  int different = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    ADD_FAILURE() << "sequence " << i << ", x1 .. x31, memory, instructions\nours " << a[i]
                  << "\nQEMU " << b[i];
    if (++different == 5) break;
  }
}

// However the run is cut into pieces, it is the same run, to the cycle.
TEST_F(Lockstep, InSlicesAndSingleSteps) {
  Virt whole(elf_);
  ASSERT_EQ(whole.cpu.run(Cpu::kForever, 10'000'000), StopReason::device);
  Virt slices(elf_), steps(elf_);
  StopReason reason;
  for (uint64_t slice = 1;; slice = slice * 7 % 1009) {
    reason = slices.cpu.run(slices.cpu.cycles() + slice);
    if (reason != StopReason::until) break;
  }
  EXPECT_EQ(reason, StopReason::device);
  do reason = steps.cpu.step();
  while (reason == StopReason::instructions);
  EXPECT_EQ(reason, StopReason::device);
  for (const Virt* other : {&slices, &steps}) {
    EXPECT_EQ(other->uart, whole.uart);
    EXPECT_EQ(other->cpu.cycles(), whole.cpu.cycles());
    EXPECT_EQ(other->cpu.instret(), whole.cpu.instret());
  }
}

}  // namespace
}  // namespace heddle::sim
