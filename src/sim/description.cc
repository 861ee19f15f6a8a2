#include "sim/description.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/text.h"
#include "sim/fields.h"

namespace heddle::sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kAddresses = int64_t{1} << 32;
constexpr int64_t kLargestMemory = int64_t{1} << 30;
constexpr int64_t kLargestExtra = 65535;  // cycles, as bus.h has it
constexpr int64_t kLargestCount = int64_t{1} << 53;
constexpr const char* kRemedy = "compile the bundle anew with this Heddle";

constexpr const char* kFirmwareRemedy =
    "this bundle has no firmware for the virtual SoC: compile it anew with this Heddle";

uint32_t extra_cycles(const Fields& memory, const char* key) {
  return static_cast<uint32_t>(memory.integer(key, 0, kLargestExtra, 0));
}

void read_memories(const Fields& soc, Description& d) {
  for (const Fields& fields : soc.list("memories")) {
    MemoryDescription m;
    m.memory.name = fields.text("name");
    m.memory.base = fields.address("base");
    m.memory.bytes = static_cast<uint64_t>(fields.integer("bytes", 1, kLargestMemory));
    m.memory.load_cycles = extra_cycles(fields, "load_cycles");
    m.memory.store_cycles = extra_cycles(fields, "store_cycles");
    m.memory.fetch_cycles = extra_cycles(fields, "fetch_cycles");
    m.owner = fields.text("owner", "");
    if (m.memory.base + m.memory.bytes > uint64_t{kAddresses})
      fields.report("bytes", "leads past the end of the address space");
    // Constants and programs that do not lie in main memory lie in flash.
    const std::string& name = m.memory.name;
    m.memory.writable =
        name == d.main_memory || (name != d.constant_memory && name != d.program_memory);
    d.memories.push_back(std::move(m));
  }
  for (const auto& [key, memory_name] : {std::pair{"main_memory", &d.main_memory},
                                         {"constant_memory", &d.constant_memory},
                                         {"program_memory", &d.program_memory}}) {
    const std::string* const name = memory_name;  // clang 14 captures no structured bindings
    const bool known = std::any_of(
        d.memories.begin(), d.memories.end(),
        [&](const MemoryDescription& m) { return m.memory.name == *name && m.owner.empty(); });
    if (!known && soc.has(key))
      soc.report(key,
                 fmt::format("is `{}`, but no shared memory is called so", terminal_text(*name)));
  }
}

void read_units(const Fields& soc, Description& d) {
  for (const Fields& fields : soc.list("units")) {
    UnitDescription unit;
    unit.name = fields.text("name");
    const std::string kind = fields.text("kind");
    unit.kind = kind == "dma" ? UnitKind::dma : UnitKind::accelerator;
    if (kind != "dma" && kind != "accelerator")
      fields.report("kind", fmt::format("is `{}`, but `dma` or `accelerator` stands here",
                                        terminal_text(kind)));
    unit.base = fields.address("base");
    unit.bytes = static_cast<uint32_t>(fields.integer("register_bytes", 4, 1 << 24));
    unit.interrupt = static_cast<int>(fields.integer("interrupt", 16, 31));
    unit.wait_register = fields.integer("wait_register", 0, unit.bytes - 4, -1);
    unit.model = fields.text("model_symbol");
    for (const std::string& name : fields.texts("reaches")) {
      const auto found =
          std::find_if(d.memories.begin(), d.memories.end(),
                       [&](const MemoryDescription& m) { return m.memory.name == name; });
      if (found == d.memories.end()) {
        fields.report("reaches",
                      fmt::format("names `{}`, which is no memory", terminal_text(name)));
        continue;
      }
      unit.reaches.push_back(static_cast<size_t>(found - d.memories.begin()));
    }
    for (const UnitDescription& other : d.units) {
      if (other.name == unit.name)
        fields.report("name", fmt::format("`{}` stands twice", terminal_text(unit.name)));
      if (other.interrupt == unit.interrupt)
        fields.report("interrupt", fmt::format("is {}, as that of `{}`", unit.interrupt,
                                               terminal_text(other.name)));
    }
    d.units.push_back(std::move(unit));
  }
}

void read_energy(const Fields& soc, Description& d) {
  if (!soc.has("energy")) return;
  const Fields fields = soc.table("energy");
  EnergyDescription energy;
  energy.source = fields.text("source");
  energy.cpu_pj_per_cycle = fields.number("cpu_pj_per_cycle");
  if (fields.has("units")) {
    const Fields units = fields.table("units");
    for (const std::string& name : units.keys())
      energy.units.emplace_back(name, units.number(name.c_str()));
  }
  d.energy = std::move(energy);
}

void read_soc(const Fields& soc, Description& d) {
  d.soc = soc.text("name");
  d.clock_hz = soc.integer("clock_hz", 1, int64_t{1} << 40);
  d.main_memory = soc.text("main_memory");
  d.constant_memory = soc.text("constant_memory");
  d.program_memory = soc.text("program_memory", d.constant_memory);
  const Fields cpu = soc.table("cpu");
  d.isa = cpu.text("isa");
  d.cycles_source = cpu.text("cycles_source", "");
  const Fields cycles = cpu.table("cycles");
  for (const std::string& name : cycles.keys())
    d.cpu_cycles.emplace_back(name, cycles.integer(name.c_str(), 0, kLargestExtra));
  read_memories(soc, d);
  read_units(soc, d);
  if (soc.has("libraries")) d.libraries = soc.texts("libraries");
  const Fields firmware = soc.table("firmware");
  d.stack_bytes = firmware.integer("stack_bytes", 1, kLargestMemory);
  d.uart = firmware.address("uart");
  d.finisher = firmware.address("finisher");
  const Fields vectors = firmware.table("vectors");
  d.vectors_base = vectors.address("base");
  d.vectors_bytes = static_cast<uint32_t>(vectors.integer("bytes", 1, kLargestMemory));
  read_energy(soc, d);
}

void read_layers(const Fields& file, Description& d) {
  d.network = file.text("network");
  d.run = file.text("run");
  for (const Fields& fields : file.list("layers")) {
    LayerDescription layer;
    layer.name = fields.text("name");
    layer.function = fields.text("function");
    layer.target = fields.text("target");
    layer.rule = fields.text("rule");
    layer.operators = fields.text("operators");
    layer.macs = fields.integer("macs", 0, kLargestCount);
    layer.modelled_cycles = fields.integer("modelled_cycles", 0, kLargestCount);
    layer.tiles = fields.integer("tiles", 0, kLargestCount, 1);
    const bool unit = std::any_of(d.units.begin(), d.units.end(),
                                  [&](const UnitDescription& u) { return u.name == layer.target; });
    if (!d.on_cpu(layer) && !unit && fields.has("target"))
      fields.report("target", fmt::format("is `{}`, which is neither `cpu` nor a unit of soc.json",
                                          terminal_text(layer.target)));
    for (const Fields& buffer : fields.list("buffers")) {
      layer.buffers.push_back({buffer.text("operand"),
                               {buffer.address("address"), static_cast<uint32_t>(buffer.integer(
                                                               "bytes", 1, kLargestMemory))}});
    }
    d.layers.push_back(std::move(layer));
  }
  if (!file.has("residents")) return;
  const int64_t end = std::max<int64_t>(static_cast<int64_t>(d.layers.size()) - 1, 0);
  for (const Fields& fields : file.list("residents")) {
    ResidentDescription resident;
    resident.value = fields.text("value");
    resident.region = {fields.address("address"),
                       static_cast<uint32_t>(fields.integer("bytes", 1, kLargestMemory))};
    if (resident.region.end() > uint64_t{1} << 32)
      fields.report("bytes", "is more than there is behind `address`");
    resident.first = static_cast<size_t>(fields.integer("first", 0, end));
    resident.last = static_cast<size_t>(fields.integer("last", 0, end));
    for (const Fields& use : fields.list("uses")) {
      const size_t layer = static_cast<size_t>(use.integer("layer", 0, end));
      const std::string kind = use.text("use");
      if (kind != "reads" && kind != "writes")
        use.report("use", fmt::format("is `{}`, neither `reads` nor `writes`", terminal_text(kind)));
      (kind == "writes" ? resident.writers : resident.readers).insert(layer);
    }
    d.residents.push_back(std::move(resident));
  }
}

}  // namespace

bool Description::on_cpu(const LayerDescription& layer) const {
  return layer.target == "cpu" ||
         std::find(libraries.begin(), libraries.end(), layer.target) != libraries.end();
}

Result<Description> parse_description(const std::string& soc_json, const std::string& layers_json,
                                      const std::filesystem::path& folder) {
  const std::string soc_file = (folder / "soc.json").string();
  const std::string layers_file = (folder / "layers.json").string();
  Result<Json> soc = parse_json(soc_json, soc_file, kRemedy);
  if (!soc.ok()) return soc.errors();
  Result<Json> layers = parse_json(layers_json, layers_file, kRemedy);
  if (!layers.ok()) return layers.errors();
  Description description;
  Diagnostics errors;
  read_soc(Fields(*soc, soc_file, "", errors), description);
  read_layers(Fields(*layers, layers_file, "", errors), description);
  if (!errors.empty()) {
    if (errors.back().remedy.empty()) errors.back().remedy = kRemedy;
    return errors;
  }
  return description;
}

Result<Description> read_description(const std::filesystem::path& bundle) {
  constexpr int64_t kLargestFile = int64_t{64} << 20;
  Result<std::string> soc = read_file(bundle / "soc.json", kLargestFile);
  if (!soc.ok()) return soc.errors();
  if (!std::filesystem::exists(bundle / "layers.json"))
    return error_at(in_file((bundle / "layers.json").string()), "the file is missing",
                    kFirmwareRemedy);
  Result<std::string> layers = read_file(bundle / "layers.json", kLargestFile);
  if (!layers.ok()) return layers.errors();
  return parse_description(*soc, *layers, bundle);
}

}  // namespace heddle::sim
