#include "unit/sim/bench.h"

namespace heddle::sim {
namespace {

struct CopyState {
  uint32_t registers[8];
  uint32_t pending, cycles;
  const char* fault;
};

void reset(void* opaque) { *static_cast<CopyState*>(opaque) = {}; }

uint32_t read_register(void* opaque, uint32_t offset) {
  CopyState* const s = static_cast<CopyState*>(opaque);
  if (offset == kStatus || offset == kWait) return s->pending;
  if (offset == kStartOnRead) {
    s->pending = 1;
    s->cycles = 10;
    return 77;
  }
  return s->registers[offset / 4];
}

void write_register(void* opaque, uint32_t offset, uint32_t value) {
  CopyState* const s = static_cast<CopyState*>(opaque);
  if (s->pending != 0 && offset == kNext) return;  // kept by the unit; done when it is idle
  if (s->pending != 0) {
    s->fault = "a register was written while the unit was busy";
  } else if (offset == kStart || offset == kNext) {
    s->pending = 1;
    s->cycles = value;
  } else {
    s->registers[offset / 4] = value;
  }
}

int step(void* opaque, const heddle_bus* bus, uint64_t* cycles, const char** why) {
  CopyState* const s = static_cast<CopyState*>(opaque);
  *why = s->fault;
  s->fault = nullptr;
  if (*why != nullptr) return -1;
  if (s->pending == 0) return 0;
  s->pending = 0;
  if (s->registers[kBytes / 4] % 4 != 0) {
    *why = "the bytes are not a multiple of 4";
    return -1;
  }
  for (uint32_t at = 0; at < s->registers[kBytes / 4]; at += 4) {
    uint32_t word;
    if (bus->load(bus->context, s->registers[kSource / 4] + at, &word, 4) != 0 ||
        bus->store(bus->context, s->registers[kDestination / 4] + at, &word, 4) != 0) {
      *why = "the transfer leaves the memories";
      return -1;
    }
  }
  *cycles = s->cycles;
  return 1;
}

constexpr uint32_t kT0 = 5, kT1 = 6;

}  // namespace

const heddle_model copy_model = {
    HEDDLE_MODEL_VERSION, "copy", sizeof(CopyState), reset, read_register, write_register, step};

Code& Code::li(uint32_t rd, uint32_t value) {
  const int32_t low = static_cast<int32_t>(value << 20) >> 20;
  put(as::lui(rd, value - static_cast<uint32_t>(low)));
  return put(as::addi(rd, rd, low));
}

Code& Code::store(uint32_t address, uint32_t value) {
  li(kT0, address);
  li(kT1, value);
  return put(as::sw(kT1, 0, kT0));
}

Code& Code::load(uint32_t address) {
  li(kT0, address);
  return put(as::lw(kT1, 0, kT0));
}

Code& Code::poll(uint32_t address) {
  load(address);
  return put(as::bne(kT1, 0, -4));
}

Code& Code::job(uint32_t unit, uint32_t from, uint32_t to, uint32_t bytes, uint32_t cycles) {
  store(unit + kSource, from);
  store(unit + kDestination, to);
  store(unit + kBytes, bytes);
  return store(unit + kStart, cycles);
}

Code& Code::nops(int count) {
  for (int i = 0; i < count; ++i) put(as::kNop);
  return *this;
}

Bench::Bench() {
  Description& d = description;
  d.soc = "bench";
  d.clock_hz = 100'000'000;
  d.isa = "rv32imc";
  d.main_memory = d.constant_memory = d.program_memory = "ram";
  for (const char* const name : {"alu", "load", "store", "mul", "mulh", "div", "branch",
                                 "branch_taken", "jump", "csr", "system"})
    d.cpu_cycles.emplace_back(name, 1);
  for (const char* const name : {"misaligned", "load_use"}) d.cpu_cycles.emplace_back(name, 0);
  d.memories = {{{"ram", kRam, 0x10000}, ""}, {{"local", kLocal, kLocalBytes}, ""}};
  d.units = {
      {"a", UnitKind::dma, kUnitA, kCopyBytes, kInterruptA, kWait, "copy_model", {0, 1}},
      {"b", UnitKind::accelerator, kUnitB, kCopyBytes, kInterruptB, -1, "copy_model", {0, 1}}};
  d.uart = kUart;
  d.finisher = kFinisher;
  d.vectors_base = 0x90000000u;
  d.vectors_bytes = 0x1000;
  d.stack_bytes = 256;
  d.network = "net";
  d.run = "net_run";
  d.layers.resize(2);
  d.layers[0] = {"first", "net_layer_00_first", "b", "copy", "copy", 0, 0, 1, {}};
  d.layers[1] = {"second", "net_layer_01_second", "cpu", "any", "add", 0, 0, 1, {}};
  elf.entry = kRam;
  elf.objects = {{"heddle_stack_top", kStackEnd, 0}};
}

void Bench::add(const Code& code, const std::string& name) {
  Segment segment;
  segment.address = code.base();
  segment.content.assign(reinterpret_cast<const char*>(code.words().data()),
                         4 * code.words().size());
  segment.bytes = segment.content.size();
  elf.segments.push_back(std::move(segment));
  elf.functions.push_back({name, code.base(), 4 * static_cast<uint32_t>(code.words().size())});
}

void Bench::layer(const Code& code) {
  constexpr uint32_t kSp = 2, kSaved = 8;
  Code main(kRam);
  main.li(kSp, kStackEnd).call(kRun).pass();
  Code run(kRun);
  run.put(as::addi(kSaved, 1, 0)).call(kLayer0).put(as::addi(1, kSaved, 0)).ret();
  add(main, "main");
  add(run, description.run);
  add(code, description.layers[0].function);
  description.layers.resize(1);
}

Machine& Bench::make(const MachineLimits& limits) {
  Result<std::unique_ptr<Machine>> made = Machine::make(
      description, elf, std::vector<const heddle_model*>(description.units.size(), &copy_model),
      limits);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : format_diagnostics(made.errors()));
  machine = std::move(*made);
  EXPECT_TRUE(machine->cpu().write_csr(0x304, 0xFFFF0000));  // as the start-up of firmware does
  return *machine;
}

}  // namespace heddle::sim
