#include "sim/cpu/trace.h"

#include <fmt/format.h>

#include "sim/cpu/disassemble.h"

namespace heddle::sim {

Trace::Trace(std::string name, std::FILE* file, Cpu& cpu, const Elf& elf)
    : name_(std::move(name)), file_(file), cpu_(cpu), elf_(elf) {}

Result<std::unique_ptr<Trace>> Trace::start(const std::filesystem::path& file, Cpu& cpu,
                                            const Elf& elf, TraceOptions options) {
  std::FILE* const open = std::fopen(file.c_str(), "wb");
  if (open == nullptr)
    return error_at(in_file(file.string()), "the trace cannot be written",
                    "name a file in a folder that exists and may be written");
  std::unique_ptr<Trace> trace(new Trace(file.string(), open, cpu, elf));
  TraceHandler handler;
  handler.context = trace.get();
  if (options.instructions)
    handler.instruction = [](void* self, uint64_t cycle, uint32_t pc, const Decoded& d) {
      const Trace& t = *static_cast<Trace*>(self);
      const std::string bits =
          d.bytes == 2 ? fmt::format("{:04x}", d.bits) : fmt::format("{:08x}", d.bits);
      fmt::print(t.file_, "{:>10} {:08x} {:<8}  {:<36} {}\n", cycle, pc, bits,
                 disassemble(pc, d, &t.elf_), symbol_at(t.elf_, pc));
    };
  if (options.accesses)
    handler.access = [](void* self, uint64_t cycle, uint32_t pc, Access access, uint32_t address,
                        int bytes, uint32_t value) {
      fmt::print(static_cast<Trace*>(self)->file_, "{:>10} {:08x} {} {} {:08x} {:0{}x}\n", cycle,
                 pc, access == Access::load ? "load " : "store", bytes, address, value, 2 * bytes);
    };
  cpu.set_trace_handler(handler);
  return trace;
}

Trace::~Trace() {
  if (file_ != nullptr) (void)finish().ok();
}

Status Trace::finish() {
  cpu_.set_trace_handler({});
  const bool written = std::ferror(file_) == 0;
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!written || !closed)
    return error_at(in_file(name_), "the trace could not be written to its end",
                    "make room, or trace less");
  return Unit{};
}

}  // namespace heddle::sim
