#include "emit/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/checked.h"
#include "base/text.h"
#include "cpu_codegen/copy.h"
#include "cpu_codegen/generators.h"
#include "tiler/geometry.h"

namespace heddle {
namespace {

constexpr int64_t kPackedAlignment = 32;
constexpr int64_t kSlackBytes = 32;  // a load may read up to the end of the DMA's unit

// include/NAME.h must not stand in front of a header of the C library or of the bundle.
constexpr std::array kHeaders = {
    "assert",  "complex", "ctype",  "errno",  "fenv",     "float",   "inttypes", "iso646", "limits",
    "locale",  "math",    "setjmp", "signal", "stdarg",   "stdbool", "stddef",   "stdint", "stdio",
    "stdlib",  "string",  "tgmath", "time",   "wchar",    "wctype",  "driver",   "golden", "model",
    "strings", "unistd",  "memory", "malloc", "features", "alloca"};

void name_layers(Network& network) {
  const size_t digits = std::max<size_t>(2, std::to_string(network.schedule->steps.size()).size());
  for (size_t s = 0; s < network.schedule->steps.size(); ++s) {
    const std::string number = fmt::format("{:0{}}", s, digits);
    const std::string id =
        fmt::format("layer_{}_{}", number, c_identifier(network.schedule->steps[s].name));
    network.layers.push_back({id, network.prefix + "_" + id, "LAYER_" + number});
  }
}

void name_arena(Network& network) {
  UniqueNames names;
  const auto place = [&](ValueId value, const std::string& wanted) {
    if (network.arena.contains(value)) return;
    const auto look_in = [&](const Placement& placement, const std::string& prefix) {
      for (const Buffer& buffer : placement.buffers) {
        if (buffer.value != value) continue;
        network.arena[value] = names.take(prefix + wanted);
        network.arena_offset[value] = buffer.offset;
      }
    };
    look_in(network.plan->main, "");
    for (const SharedMemory& memory : network.plan->shared)
      look_in(memory.placement, upper_case(c_identifier(memory.name)) + "_");
  };
  for (size_t i = 0; i < network.given.size(); ++i) {
    place(network.given[i], "AT_INPUT_" + upper_case(network.inputs[i]));
  }
  for (size_t i = 0; i < network.states.size(); ++i) {
    place(network.graph->states[i].input, "AT_STATE_" + upper_case(network.states[i]));
  }
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const ValueId output = network.schedule->steps[s].candidate.match.output(*network.graph);
    place(output, "AT_" + network.layers[s].constant);
    HEDDLE_CHECK(network.arena.contains(output),
                 "the plan has no buffer for the result of a layer");
  }
  network.scratch.resize(network.layers.size());
  for (const Buffer& buffer : network.plan->main.buffers) {
    if (buffer.value.valid()) continue;
    const size_t step = static_cast<size_t>(buffer.first);
    network.scratch[step] = names.take("SCRATCH_" + network.layers[step].constant);
  }
}

void make_kernels(Network& network) {
  UniqueNames names;
  const auto name_constant = [&](ValueId value, const std::string& wanted) {
    if (network.constant_names.contains(value)) return;
    network.constant_names[value] = network.prefix + "_" + names.take(wanted);
  };
  for (const char* taken : {"run", "inputs", "outputs", "packed"}) names.take(taken);
  for (const std::string& member : network.inputs) names.take("load_" + member);
  for (const std::string& member : network.outputs) names.take("store_" + member);
  names.take("reset");
  for (const std::string& member : network.states) {
    names.take("reset_" + member);
    names.take("keep_" + member);
  }
  for (const LayerNames& layer : network.layers) names.take(layer.id);
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const Step& step = network.schedule->steps[s];
    Kernel kernel;
    if (step.candidate.match.target < 0) {
      kernel = make_step_kernel(*network.graph, *network.soc, *network.schedule, step,
                                network.layers[s].function);
    }
    for (const KernelArgument& argument : kernel.arguments) {
      if (!argument.value.valid() || !network.graph->value(argument.value).constant) continue;
      name_constant(argument.value, c_identifier(step.name) + "_" + argument.name);
    }
    std::vector<std::string> tables;
    for (const KernelTable& table : kernel.tables) {
      tables.push_back(network.prefix + "_" + names.take(network.layers[s].id + "_" + table.name));
    }
    network.table_names.push_back(std::move(tables));
    HEDDLE_CHECK(kernel.scratch_bytes == 0 || !network.scratch[s].empty(),
                 "the plan has no scratch memory for a kernel that needs it");
    network.kernels.push_back(std::move(kernel));
  }
  for (size_t i = 0; i < network.returned.size(); ++i) {
    const ValueId value = network.returned[i];
    if (network.graph->value(value).constant) name_constant(value, "output_" + network.outputs[i]);
  }
  for (const ValueId value : network.plan->constants) {
    if (network.constant_names.contains(value)) network.constants.push_back(value);
  }
  // What the plan leaves out (constants that are outputs) comes last.
  for (const auto& [value, name] : network.constant_names) {
    if (std::count(network.constants.begin(), network.constants.end(), value) == 0)
      network.constants.push_back(value);
  }
}

void pack_constants(Network& network) {
  int64_t offset = 0;
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const Match& match = network.schedule->steps[s].candidate.match;
    if (match.target < 0) continue;
    const Region region = region_of(*network.graph, *network.soc, match, network.schedule->storage);
    for (const Packing& packing : rule_of(*network.soc, match).packings) {
      PackedBuffer buffer{s, &packing,
                          fmt::format("{}_PACKED_{}_{}", network.upper, network.layers[s].constant,
                                      upper_case(c_identifier(packing.name))),
                          offset, pack(region, packing)};
      offset = round_up(offset + static_cast<int64_t>(buffer.bytes.size()), kPackedAlignment);
      network.packed.push_back(std::move(buffer));
    }
  }
  network.packed_bytes = offset == 0 ? 0 : offset + kSlackBytes;
}

Status name_unit(Network& network, const SocUnit& unit) {
  const Target& target = unit.target;
  const auto wrong = [&](const std::string& what, const std::string& text,
                         const std::string& wanted) {
    Place place;
    place.file = target.folder.filename().string();
    return error_at(place,
                    fmt::format("{} `{}` of unit `{}` is no {}", what, terminal_text(text),
                                terminal_text(target.name), wanted),
                    "rename it");
  };
  if (!is_c_identifier(target.name)) return wrong("the name", target.name, "C identifier");
  const bool device = target.kind != TargetKind::library;
  if (device && !is_c_identifier(target.base_macro))
    return wrong("base_macro", target.base_macro, "C identifier");
  std::vector<std::string> macros;
  if (device) macros.push_back(target.base_macro);
  for (const auto& [key, value] : target.constants) macros.push_back(constant_macro(target, key));
  for (const std::string& macro : macros) {
    if (network.unit_macros.insert(macro).second) continue;
    return wrong("the macro", macro, "name of its own: something else in heddle_soc.h has it");
  }
  for (const auto* files : {&target.headers, &target.sources, &target.models}) {
    for (const std::string& file : *files) {
      if (file_name(file) != file) return wrong("the file", file, "plain file name");
    }
  }
  network.units.push_back({&unit, target.name, device ? target.name + "_model" : ""});
  return Unit{};
}

Status name_units(Network& network) {
  const auto used = [&](size_t accelerator) {
    return std::any_of(network.schedule->steps.begin(), network.schedule->steps.end(),
                       [&](const Step& step) {
                         return step.candidate.match.target == static_cast<int>(accelerator);
                       });
  };
  Diagnostics errors;
  const auto add = [&](const SocUnit& unit) {
    if (Status status = name_unit(network, unit); !status.ok()) {
      errors.insert(errors.end(), status.errors().begin(), status.errors().end());
    }
  };
  const auto moves = [](const Step& step) {
    return step.candidate.tiling && !step.candidate.tiling->buffers.empty();
  };
  if (std::any_of(network.schedule->steps.begin(), network.schedule->steps.end(), moves)) {
    HEDDLE_CHECK(network.soc->dma.has_value(), "tiles are moved on a SoC without a DMA");
    add(*network.soc->dma);
  }
  for (size_t a = 0; a < network.soc->accelerators.size(); ++a) {
    if (used(a)) add(network.soc->accelerators[a]);
  }
  if (!errors.empty()) return errors;
  return Unit{};
}

void name_memories(Network& network) {
  UniqueNames names;
  const auto name = [&](const std::string& key, const std::string& text) {
    network.memory_macros[key] = names.take("HEDDLE_MEMORY_" + upper_case(c_identifier(text)));
  };
  for (const Memory& memory : network.soc->memories) name(memory.name, memory.name);
  for (const UnitFiles& unit : network.units) {
    for (const Memory& memory : unit.unit->target.memories) {
      name(unit.folder + "/" + memory.name, unit.folder + "_" + memory.name);
    }
  }
}

}  // namespace

std::string upper_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

std::string network_prefix(std::string_view name) {
  std::string prefix = c_identifier(name);
  const bool taken = std::any_of(kHeaders.begin(), kHeaders.end(),
                                 [&](const char* header) { return prefix == header; });
  if (taken || prefix.starts_with("heddle")) prefix = c_identifier("net_" + prefix);
  return prefix;
}

const UnitFiles& Network::unit_of(const Match& match) const {
  const SocUnit* wanted = &soc->accelerators[static_cast<size_t>(match.target)];
  const auto found = std::find_if(units.begin(), units.end(),
                                  [&](const UnitFiles& unit) { return unit.unit == wanted; });
  HEDDLE_CHECK(found != units.end(), "a step on a unit without files");
  return *found;
}

std::string Network::memory_base(const Target& target, const std::string& memory) const {
  const auto own = memory_macros.find(target.name + "/" + memory);
  const auto shared = memory_macros.find(memory);
  HEDDLE_CHECK(own != memory_macros.end() || shared != memory_macros.end(),
               "an operand in an unknown memory: " + memory);
  return (own != memory_macros.end() ? own : shared)->second + "_BASE";
}

std::vector<UnitFiles> Network::devices() const {
  std::vector<UnitFiles> result;
  for (const UnitFiles& unit : units)
    if (!unit.is_library()) result.push_back(unit);
  return result;
}

const std::string& Network::resident_in(ValueId value) const {
  static const std::string kNowhere;
  const auto stored = schedule->storage.find(value);
  return stored == schedule->storage.end() ? kNowhere : stored->second.memory;
}

bool Network::has_residents() const {
  return std::any_of(plan->shared.begin(), plan->shared.end(),
                     [](const SharedMemory& memory) { return memory.has_residents(); });
}

std::set<std::string> Network::headers() const {
  std::set<std::string> result;
  for (const Kernel& kernel : kernels) result.insert(kernel.headers.begin(), kernel.headers.end());
  for (const bool in : {true, false}) {
    for (const ValueId value : in ? given : returned) {
      const Kernel copy = boundary_copy(value, in, "copy");
      result.insert(copy.headers.begin(), copy.headers.end());
    }
  }
  return result;
}

Kernel Network::boundary_copy(ValueId value, bool in, const std::string& function) const {
  const TensorType& type = graph->value(value).type;
  const auto stored = schedule->storage.find(value);
  return make_boundary_copy(
      type, stored == schedule->storage.end() ? dense_storage(type) : stored->second, in, function);
}

std::string constant_macro(const Target& target, const std::string& key) {
  return upper_case(target.name + "_" + key);
}

std::string Network::where(const Step& step) const {
  return target_of(*soc, step.candidate.match).name;
}

Result<Network> name_network(const std::string& name, const Graph& graph, const Soc& soc,
                             const Schedule& schedule, const MemoryPlan& plan) {
  Network network;
  network.graph = &graph;
  network.soc = &soc;
  network.schedule = &schedule;
  network.plan = &plan;
  network.prefix = network_prefix(name);
  network.upper = upper_case(network.prefix);
  const auto members = [&](const std::vector<ValueId>& values, std::vector<std::string>& result) {
    UniqueNames names;
    for (const ValueId value : values)
      result.push_back(names.take(c_identifier(graph.value(value).name)));
  };
  network.given = graph.given_inputs();
  network.returned = graph.returned_outputs();
  members(network.given, network.inputs);
  members(network.returned, network.outputs);
  std::vector<ValueId> state_inputs;
  for (const State& state : graph.states) state_inputs.push_back(state.input);
  members(state_inputs, network.states);
  name_layers(network);
  name_arena(network);
  make_kernels(network);
  pack_constants(network);
  if (Status status = name_units(network); !status.ok()) return status.errors();
  name_memories(network);
  return network;
}

std::string describe(const TensorType& type) {
  if (type.dtype == DType::float32) return to_string(type.shape) + " float32";
  return fmt::format("{} {}, values in [{}, {}]", to_string(type.shape), name_of(type.dtype),
                     type.range.lo, type.range.hi);
}

}  // namespace heddle
