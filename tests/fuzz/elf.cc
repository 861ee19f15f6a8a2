// ELF files: read or refused, then loaded into a core with two memories and run a little; whatever
// the code is, it ends with a reason.
#include "sim/cpu/elf.h"

#include <string_view>

#include "sim/cpu/cpu.h"
#include "sim/cpu/disassemble.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heddle;
  using namespace heddle::sim;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<Elf> elf = load_elf("fuzz.elf", bytes);
  if (!elf.ok()) return 0;
  Bus bus;
  if (!bus.add(Memory{"ram", 0x80000000u, 0x10000}).ok()) return 0;
  if (!bus.add(Memory{"odd", 0x20000123u, 0x1234, 1, 2, 3, false}).ok()) return 0;
  for (const Segment& segment : elf->segments)
    (void)bus.write(segment.address, segment.content.data(), segment.content.size());
  CpuConfig config;
  config.isa.xpulpv2 = size % 2 != 0;
  Cpu cpu(bus, config);
  cpu.set_pc(elf->entry);
  (void)cpu.run(3000, 1000);
  if (const std::optional<Decoded> d = cpu.instruction_at(cpu.pc()))
    (void)disassemble(cpu.pc(), *d, &*elf);
  return 0;
}
