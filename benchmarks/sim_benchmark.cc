// The instruction-set simulator: millions of instructions a second on int8 matrix products,
// compiled by the cross compiler, on a core with cost classes and devices.
#include <benchmark/benchmark.h>

#include "base/files.h"
#include "base/process.h"
#include "sim/cpu/cpu.h"
#include "sim/cpu/elf.h"

namespace heddle::sim {
namespace {

constexpr const char* kSource = R"(
typedef signed char int8;
enum { kSize = 96 };
static int8 a[kSize * kSize], b[kSize * kSize];
static int c[kSize * kSize];
__attribute__((noipa)) static void multiply(void) {
  for (int i = 0; i < kSize; ++i)
    for (int j = 0; j < kSize; ++j) {
      int sum = 0;
      for (int k = 0; k < kSize; ++k) sum += a[i * kSize + k] * b[j * kSize + k];
      c[i * kSize + j] = sum;
    }
}
__attribute__((naked)) void _start(void) { __asm__("lui sp, 0x80100\n j run"); }
void run(void) {
  unsigned random = 1;
  for (int i = 0; i < kSize * kSize; ++i) {
    random = random * 1664525u + 1013904223u;
    a[i] = (int8)(random >> 24);
    b[i] = (int8)(random >> 16);
  }
  for (int round = 0; round < 60; ++round) {
    multiply();
    *(volatile unsigned *)0x10000000u = (unsigned)c[round];
    a[round] ^= (int8)c[round];
  }
  *(volatile unsigned *)0x100000u = 0x5555u;
}
)";

Result<Elf> program() {
  const TemporaryFolder folder;
  if (Status s = write_file(folder.path() / "a.c", kSource); !s.ok()) return s.errors();
  const auto outcome = run_process(
      {"riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "-O2", "-ffreestanding",
       "-nostdlib", "-Wl,-n", "-Wl,-Ttext=0x80000000", "a.c", "-o", "a.elf"},
      folder.path());
  if (!outcome.ok()) return outcome.errors();
  if (outcome->exit_status != 0) return error_at({}, outcome->err);
  const Result<std::string> bytes = read_file(folder.path() / "a.elf");
  if (!bytes.ok()) return bytes.errors();
  return load_elf("a.elf", *bytes);
}

void matrix_products(benchmark::State& state) {
  const Result<Elf> elf = program();
  if (!elf.ok()) return state.SkipWithError(format_diagnostics(elf.errors()).c_str());
  uint64_t instructions = 0, cycles = 0;
  for (auto _ : state) {
    Bus bus;
    uint64_t checksum = 0;
    const auto device = [&](const char* name, uint32_t base, auto store) {
      return bus.add(Device{name, base, 4, &checksum, nullptr, store}).ok();
    };
    const bool added =
        bus.add(Memory{"ram", 0x80000000u, 1u << 20}).ok() &&
        device("uart", 0x10000000u,
               [](void* sum, uint32_t, int, uint64_t now, uint32_t value, uint64_t*) {
                 *static_cast<uint64_t*>(sum) += now ^ value;
                 return BusAnswer::ok;
               }) &&
        device("finisher", 0x100000u,
               [](void*, uint32_t, int, uint64_t, uint32_t, uint64_t*) { return BusAnswer::stop; });
    if (!added) return state.SkipWithError("the memory map is wrong");
    for (const Segment& segment : elf->segments)
      if (!bus.write(segment.address, segment.content.data(), segment.content.size()))
        return state.SkipWithError("the program does not fit");
    Cpu cpu(bus, {});
    cpu.set_pc(elf->entry);
    if (cpu.run() != StopReason::device) return state.SkipWithError("the program does not end");
    benchmark::DoNotOptimize(checksum);
    instructions = cpu.instret();
    cycles = cpu.cycles();
  }
  state.counters["instructions"] = static_cast<double>(instructions);
  state.counters["cycles"] = static_cast<double>(cycles);
  state.counters["MIPS"] = benchmark::Counter(
      static_cast<double>(instructions) * 1e-6 * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(matrix_products)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace heddle::sim

BENCHMARK_MAIN();
