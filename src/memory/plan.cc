// The memory plan of a schedule: lifetimes in, addresses out, and the budget.
#include "memory/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/text.h"
#include "tiler/geometry.h"

namespace heddle {
namespace {

constexpr int64_t kAlignment = 32;  // of constants and of buffers that a DMA reads

int64_t transfer_unit(const Soc& soc) {
  return soc.dma ? std::max<int64_t>(soc.dma->target.transfer_unit_bytes, 1) : 1;
}

// A power of two that is good for the DMA and for every element type.
int64_t buffer_alignment(const Soc& soc) {
  int64_t alignment = 16;
  while (alignment < transfer_unit(soc)) alignment *= 2;
  return alignment;
}

// The same where tile buffers lie too.
int64_t resident_alignment(const Soc& soc) {
  int64_t alignment = buffer_alignment(soc);
  while (alignment < tile_alignment(soc)) alignment *= 2;
  return alignment;
}

bool has_memory(const std::vector<Memory>& memories, std::string_view name) {
  return std::any_of(memories.begin(), memories.end(),
                     [&](const Memory& memory) { return memory.name == name; });
}

// A transfer whose rows are rounded up to the unit may read this much past the end of a table.
int64_t slack(const Soc& soc) { return soc.dma ? round_up(transfer_unit(soc), kAlignment) : 0; }

// Every value that exists, in the order of ids, with its life and its alignment.
std::map<ValueId, Buffer> values_of(const Graph& graph, const Soc& soc, const Schedule& schedule) {
  std::map<ValueId, Buffer> by_value;
  const int steps = static_cast<int>(schedule.steps.size());
  for (const ValueId id : schedule.materialised) {
    const Storage& storage = schedule.storage.at(id);
    Buffer buffer;
    buffer.name = terminal_text(graph.value(id).name);
    buffer.value = id;
    buffer.bytes = storage.bytes;
    buffer.alignment = storage.memory.empty() ? buffer_alignment(soc) : resident_alignment(soc);
    by_value.emplace(id, std::move(buffer));
  }
  for (int s = 0; s < steps; ++s) {
    const Match& match = schedule.steps[static_cast<size_t>(s)].candidate.match;
    for (const NodeId node : match.nodes) {
      for (const ValueId input : graph.node(node).inputs) {
        const auto read = by_value.find(input);
        if (read != by_value.end()) read->second.last = std::max(read->second.last, s);
      }
    }
    const auto written = by_value.find(match.output(graph));
    HEDDLE_CHECK(written != by_value.end(), "a step whose result is not materialised");
    written->second.first = s;
    written->second.last = std::max(written->second.last, s);
  }
  for (const ValueId output : graph.outputs) {
    const auto kept = by_value.find(output);
    if (kept != by_value.end()) kept->second.last = std::max(steps - 1, 0);
  }
  for (const State& state : graph.states) {  // from one run to the next
    Buffer& kept = by_value.at(state.input);
    kept.last = std::max(steps - 1, 0);
    for (const ValueId id : {state.input, state.output}) {
      const auto stored = schedule.storage.find(id);
      HEDDLE_CHECK(stored == schedule.storage.end() || stored->second.memory.empty(),
                   "a state that is not in the arena");
    }
  }
  return by_value;
}

// Those at home in one memory ("": main memory), and who shares whose bytes.
std::vector<Buffer> at_home_in(const std::string& memory, const Graph& graph,
                               const Schedule& schedule, const std::map<ValueId, Buffer>& values) {
  std::vector<Buffer> buffers;
  for (const auto& [id, buffer] : values) {
    if (schedule.storage.at(id).memory == memory) buffers.push_back(buffer);
  }
  const auto index_of = [&](ValueId id) {
    const auto found = std::lower_bound(buffers.begin(), buffers.end(), id,  // they ascend
                                        [](const Buffer& b, ValueId v) { return b.value < v; });
    HEDDLE_CHECK(found != buffers.end() && found->value == id,
                 "a value that lies inside one of another memory");
    return static_cast<int>(found - buffers.begin());
  };
  for (const auto& [value, alias] : schedule.aliases) {
    if (schedule.storage.at(value).memory != memory) continue;
    Buffer& buffer = buffers[static_cast<size_t>(index_of(value))];
    buffer.shares = index_of(alias.host);
    buffer.share_offset = alias.offset_bytes;
    if (resolved(schedule.aliases, value).offset_bytes != 0)
      buffer.alignment = bytes_of(graph.value(value).type.dtype);
  }
  return buffers;
}

Buffer during_step(const std::string& what, const Schedule& schedule, size_t step, int64_t bytes,
                   int64_t alignment) {
  Buffer buffer;
  buffer.name = what + terminal_text(schedule.steps[step].name);
  buffer.bytes = bytes;
  buffer.alignment = alignment;
  buffer.first = buffer.last = static_cast<int>(step);
  return buffer;
}

// The bytes of tile buffers that a step has in a memory that units share; a private one that is
// called the same hides it.
int64_t tile_bytes_of(const Soc& soc, const Step& step, const std::string& memory) {
  if (!step.candidate.tiling) return 0;
  const std::vector<Memory>& own = target_of(soc, step.candidate.match).memories;
  return has_memory(own, memory) ? 0 : step.candidate.tiling->bytes_in(memory);
}

void place_all(const Graph& graph, const Soc& soc, const Schedule& schedule,
               const std::vector<KernelNeeds>& needs, MemoryPlan& plan) {
  const auto placed = [](std::vector<Buffer> buffers) {
    Placement placement = place(std::move(buffers));
    const std::vector<std::string> wrong = check_placement(placement);
    HEDDLE_CHECK(wrong.empty(), "the memory plan: " + wrong.front());
    return placement;
  };
  const std::map<ValueId, Buffer> values = values_of(graph, soc, schedule);
  std::vector<Buffer> arena = at_home_in("", graph, schedule, values);
  size_t homes = arena.size();
  for (size_t s = 0; s < needs.size(); ++s) {
    if (needs[s].scratch_bytes == 0) continue;
    arena.push_back(during_step("scratch of ", schedule, s, needs[s].scratch_bytes,
                                buffer_alignment(soc)));
  }
  plan.main = placed(std::move(arena));
  for (const Memory& memory : soc.memories) {
    if (memory.name == soc.main_memory) continue;
    std::vector<Buffer> buffers = at_home_in(memory.name, graph, schedule, values);
    homes += buffers.size();
    for (size_t s = 0; s < schedule.steps.size(); ++s) {
      const int64_t bytes = tile_bytes_of(soc, schedule.steps[s], memory.name);
      if (bytes == 0) continue;
      buffers.push_back(during_step("tiles of ", schedule, s, bytes, resident_alignment(soc)));
    }
    if (buffers.empty()) continue;
    plan.shared.push_back({memory.name, placed(std::move(buffers)), memory.bytes});
  }
  HEDDLE_CHECK(homes == values.size(), "a value at home in a memory that the SoC does not share");
}

// Constants of CPU steps become tables, each once; those of one element become literals of the C.
void add_constants(const Graph& graph, const Soc& soc, const Schedule& schedule,
                   const std::vector<KernelNeeds>& needs, MemoryPlan& plan) {
  std::set<ValueId> seen;
  bool packed = false;
  const auto add = [&](ValueId id) {
    if (!id.valid() || !graph.value(id).constant || graph.value(id).constant->elements() == 1 ||
        !seen.insert(id).second)
      return;
    plan.constants.push_back(id);
    plan.constant_bytes +=
        round_up(static_cast<int64_t>(graph.value(id).constant->bytes().size()), kAlignment);
  };
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Match& match = schedule.steps[s].candidate.match;
    if (match.target >= 0) {
      const Region region = region_of(graph, soc, match, schedule.storage);
      for (const Packing& packing : region.rule->packings) {
        plan.constant_bytes += round_up(packed_bytes(region, packing), kAlignment);
        packed = true;
      }
      continue;
    }
    if (!needs.empty() && needs[s].constants) {
      for (const ValueId id : *needs[s].constants) add(id);
      for (const int64_t bytes : needs[s].table_bytes)
        plan.constant_bytes += round_up(bytes, kAlignment);
      continue;
    }
    for (const NodeId node : match.nodes) {
      for (const ValueId input : graph.node(node).inputs) add(input);
    }
  }
  if (packed) plan.constant_bytes += slack(soc);
}

void add_tile_bytes(const Soc& soc, const Schedule& schedule, MemoryPlan& plan) {
  const auto highest = [&](const Memory& memory, int owner) {
    int64_t bytes = 0;
    for (const Step& step : schedule.steps) {
      if (!step.candidate.tiling || (owner >= 0 && step.candidate.match.target != owner)) continue;
      bytes = std::max(bytes, owner < 0 ? tile_bytes_of(soc, step, memory.name)
                                        : step.candidate.tiling->bytes_in(memory.name));
    }
    plan.tile_bytes.push_back(bytes);
  };
  for (const Memory& memory : soc.memories) highest(memory, -1);
  for (size_t a = 0; a < soc.accelerators.size(); ++a) {
    for (const Memory& memory : soc.accelerators[a].target.memories)
      highest(memory, static_cast<int>(a));
  }
}

// The layers in whose step as many bytes are live as in no other: "`conv1`, `conv2`".
std::string layers_at_peak(const Schedule& schedule, const Placement& placement) {
  std::vector<int64_t> live(schedule.steps.size(), 0);
  std::vector<Buffer> buffers = placement.buffers;
  for (const Buffer& buffer : placement.buffers) {  // what shares a memory keeps it alive
    if (buffer.shares < 0) continue;
    size_t owner = static_cast<size_t>(buffer.shares);
    while (buffers[owner].shares >= 0) owner = static_cast<size_t>(buffers[owner].shares);
    buffers[owner].first = std::min(buffers[owner].first, buffer.first);
    buffers[owner].last = std::max(buffers[owner].last, buffer.last);
  }
  for (const Buffer& buffer : buffers) {
    if (buffer.shares >= 0) continue;
    for (int s = buffer.first; s <= buffer.last && s < static_cast<int>(live.size()); ++s) {
      live[static_cast<size_t>(s)] += buffer.bytes;
    }
  }
  const int64_t most = live.empty() ? 0 : *std::max_element(live.begin(), live.end());
  std::string text;
  int more = 0;
  for (size_t s = 0; s < live.size(); ++s) {
    if (live[s] != most) continue;
    if (text.size() > 200) {
      ++more;
      continue;
    }
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", terminal_text(schedule.steps[s].name));
  }
  return more == 0 ? text : fmt::format("{} and {} more", text, more);
}

// An error for each memory that is too small.
Diagnostics too_small(const Graph& graph, const Soc& soc, const Schedule& schedule,
                      const MemoryPlan& plan) {
  Diagnostics errors;
  Place place;
  place.file = terminal_text(graph.name);
  const bool shared = soc.constant_memory == soc.main_memory;
  for (const Excess& excess : excesses(soc, plan)) {
    std::string parts = "constants", remedy = "use a smaller network, or a SoC with more memory";
    if (excess.memory == soc.main_memory) {
      parts = fmt::format("arena {}, reserved {}", thousands(plan.arena_bytes),
                          thousands(soc.reserved_bytes));
      if (shared) parts += fmt::format(", constants {}", thousands(plan.constant_bytes));
      parts += "; most of the arena is live in " + layers_at_peak(schedule, plan.main);
      if (shared) remedy += ", or one with flash for the constants";
    } else if (const SharedMemory* memory = plan.find_shared(excess.memory)) {
      parts = "values at home there and tile buffers; most is live in " +
              layers_at_peak(schedule, memory->placement);
      remedy = "give the SoC more of it";
    }
    errors.push_back(
        error_at(place,
                 fmt::format("the network does not fit into memory `{}` of SoC `{}`: {} bytes are "
                             "required, {} are available, {} too many ({})",
                             excess.memory, soc.name, thousands(excess.required_bytes),
                             thousands(excess.available_bytes),
                             thousands(excess.required_bytes - excess.available_bytes), parts),
                 remedy));
  }
  return errors;
}

void dump_placement(const Placement& placement, std::string& text) {
  for (const Buffer& buffer : placement.buffers) {
    const std::string id = buffer.value.valid() ? fmt::format("v{} ", buffer.value.index) : "";
    text += fmt::format("  {}{} at {} bytes {} steps {}..{}", id, terminal_text(buffer.name),
                        buffer.offset, buffer.bytes, buffer.first, buffer.last);
    if (buffer.shares >= 0) {
      text += fmt::format(" in place of v{}",
                          placement.buffers[static_cast<size_t>(buffer.shares)].value.index);
      if (buffer.share_offset != 0) text += fmt::format(" + {}", buffer.share_offset);
    }
    text += '\n';
  }
}

}  // namespace

bool SharedMemory::has_residents() const {
  return std::any_of(placement.buffers.begin(), placement.buffers.end(),
                     [](const Buffer& buffer) { return buffer.value.valid(); });
}

const SharedMemory* MemoryPlan::find_shared(std::string_view name) const {
  for (const SharedMemory& memory : shared) {
    if (memory.name == name) return &memory;
  }
  return nullptr;
}

int64_t MemoryPlan::block_offset(const std::vector<Memory>& private_memories,
                                 std::string_view memory, size_t step) const {
  const SharedMemory* const found = find_shared(memory);
  if (found == nullptr || has_memory(private_memories, memory)) return 0;
  for (const Buffer& buffer : found->placement.buffers) {
    if (!buffer.value.valid() && buffer.first == static_cast<int>(step)) return buffer.offset;
  }
  return 0;
}

MemoryPlan lay_out_memory(const Graph& graph, const Soc& soc, const Schedule& schedule,
                          const std::vector<KernelNeeds>& needs) {
  HEDDLE_CHECK(needs.empty() || needs.size() == schedule.steps.size(),
               "kernel needs of another schedule");
  MemoryPlan plan;
  place_all(graph, soc, schedule, needs, plan);
  plan.arena_bytes = std::max(round_up(plan.main.peak_bytes, buffer_alignment(soc)) + slack(soc),
                              buffer_alignment(soc));
  add_constants(graph, soc, schedule, needs, plan);
  add_tile_bytes(soc, schedule, plan);
  const Memory* main = soc.find_memory(soc.main_memory);
  HEDDLE_CHECK(main != nullptr, "a SoC without its main memory");
  plan.available_bytes = main->bytes;
  const int64_t constants = soc.constant_memory == soc.main_memory ? plan.constant_bytes : 0;
  plan.required_bytes = plan.arena_bytes + soc.reserved_bytes + constants;
  return plan;
}

std::vector<Excess> excesses(const Soc& soc, const MemoryPlan& plan) {
  std::vector<Excess> found;
  const auto hold = [&](const std::string& memory, int64_t required, int64_t available) {
    if (required > available) found.push_back({memory, required, available});
  };
  hold(soc.main_memory, plan.required_bytes, plan.available_bytes);
  const Memory* constants = soc.find_memory(soc.constant_memory);
  if (soc.constant_memory != soc.main_memory && constants != nullptr)
    hold(soc.constant_memory, plan.constant_bytes, constants->bytes);
  for (const SharedMemory& memory : plan.shared)
    hold(memory.name, memory.placement.peak_bytes, memory.available_bytes);
  return found;
}

Result<MemoryPlan> plan_memory(const Graph& graph, const Soc& soc, const Schedule& schedule,
                               const std::vector<KernelNeeds>& needs) {
  MemoryPlan plan = lay_out_memory(graph, soc, schedule, needs);
  if (Diagnostics errors = too_small(graph, soc, schedule, plan); !errors.empty()) return errors;
  return plan;
}

std::string dump(const Graph& graph, const MemoryPlan& plan) {
  std::string text =
      fmt::format("arena {} bytes: peak {} in step {}, lower bound {}\n", plan.arena_bytes,
                  plan.main.peak_bytes, plan.main.peak_step, plan.main.lower_bound_bytes);
  dump_placement(plan.main, text);
  text += fmt::format("constants {} bytes\n", plan.constant_bytes);
  for (const ValueId id : plan.constants) {
    const Value& value = graph.value(id);
    text += fmt::format("  v{} {} {} {}\n", id.index, terminal_text(value.name),
                        name_of(value.type.dtype), to_string(value.type.shape));
  }
  text += "tile memories";
  for (const int64_t bytes : plan.tile_bytes) text += fmt::format(" {}", bytes);
  text += fmt::format("\nmain memory {} of {} bytes\n", plan.required_bytes, plan.available_bytes);
  for (const SharedMemory& memory : plan.shared) {
    if (!memory.has_residents()) continue;
    text += fmt::format("{} {} of {} bytes: in step {}, lower bound {}\n", memory.name,
                        memory.placement.peak_bytes, memory.available_bytes,
                        memory.placement.peak_step, memory.placement.lower_bound_bytes);
    dump_placement(memory.placement, text);
  }
  return text;
}

}  // namespace heddle
