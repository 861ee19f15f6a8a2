#include "emit/places.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "ops/check.h"

namespace heddle {
namespace {

ValueId result_of(const Network& network, size_t step) {
  return network.schedule->steps[step].candidate.match.output(*network.graph);
}

// "base + AT_LAYER_02", of type uint8_t *; or a call that gives a void *.
std::string place_of(const Network& network, ValueId value) {
  const std::string& memory = network.resident_in(value);
  if (memory.empty()) return "base + " + network.arena.at(value);
  return fmt::format("heddle_memory({}_BASE + {}, {}u)", network.memory_macros.at(memory),
                     network.arena.at(value), network.schedule->storage.at(value).bytes);
}

// One enumeration. `limit`: what holds all of it. `count`: of the checks so far.
void write_placement(CWriter& out, const Network& network, const Placement& placement,
                     const std::string& what, const std::string& limit, size_t& count) {
  std::vector<const Buffer*> named;
  std::vector<std::string> lines;
  for (const Buffer& buffer : placement.buffers) {
    const auto name = network.arena.find(buffer.value);
    if (name != network.arena.end()) {
      named.push_back(&buffer);
      lines.push_back(fmt::format("{} = {}, /* {} bytes, layers {} to {} */", name->second,
                                  buffer.offset, buffer.bytes, buffer.first, buffer.last));
    } else if (!buffer.value.valid() && &placement == &network.plan->main) {
      lines.push_back(fmt::format("{} = {}, /* {} bytes of scratch */",
                                  network.scratch[static_cast<size_t>(buffer.first)],
                                  buffer.offset, buffer.bytes));
    }
  }
  if (lines.empty()) return;
  out.comment({what});
  out.open("enum");
  for (const std::string& line : lines) out.line(line);
  out.close(";");
  for (const Buffer* buffer : named) {
    const std::string end = fmt::format("{} + {} <= {}", network.arena.at(buffer->value),
                                        network.schedule->storage.at(buffer->value).bytes, limit);
    out.line(fmt::format("typedef char {}_assert_fits_{}[({}) ? 1 : -1];", network.prefix, count++,
                         end));
  }
  out.line("");
}

}  // namespace

void write_offsets(CWriter& out, const Network& network) {
  size_t count = 0;
  write_placement(out, network, network.plan->main, "Where values lie in the arena, in bytes.",
                  network.upper + "_ARENA_BYTES", count);
  for (const SharedMemory& memory : network.plan->shared) {
    if (!memory.has_residents()) continue;
    write_placement(out, network, memory.placement,
                    fmt::format("Where values lie in memory {}, in bytes; tile buffers lie beside "
                                "them.",
                                c_comment(memory.name)),
                    network.memory_macros.at(memory.name) + "_BYTES", count);
  }
}

std::string pointer_to(const Network& network, ValueId value, bool output) {
  const auto constant = network.constant_names.find(value);
  if (constant != network.constant_names.end() && !output) return constant->second;
  const char* qualifier = output ? "" : "const ";
  return fmt::format("({}{} *)({}void *)({})", qualifier,
                     c_name_of(network.graph->value(value).type.dtype), qualifier,
                     place_of(network, value));
}

std::string argument_of(const Network& network, size_t step, const KernelArgument& argument) {
  if (argument.scratch) return fmt::format("(uint32_t *)(void *)(base + {})", network.scratch[step]);
  if (argument.table >= 0)
    return network.table_names[step][static_cast<size_t>(argument.table)];
  return pointer_to(network, argument.value, argument.output);
}

void write_layer_done(CWriter& out, const Network& network) {
  bool in_arena = network.layers.empty(), resident = false;
  for (size_t s = 0; s < network.layers.size(); ++s)
    (network.resident_in(result_of(network, s)).empty() ? in_arena : resident) = true;
  out.raw(R"(/* Tests see every layer's result; compiled out by default. */
#ifdef HEDDLE_LAYER_CALLBACK
extern void heddle_layer_done(int layer, const void *data);
#endif
)");
  if (in_arena) {
    out.raw(R"(static void layer_done(int layer, const uint8_t *data) {
#ifdef HEDDLE_LAYER_CALLBACK
  heddle_layer_done(layer, data);
#else
  (void)layer;
  (void)data;
#endif
}
)");
  }
  if (resident) {
    out.raw(R"(static void layer_done_at(int layer, uint32_t address, uint32_t bytes) {
#ifdef HEDDLE_LAYER_CALLBACK
  heddle_layer_done(layer, heddle_memory(address, bytes));
#else
  (void)layer;
  (void)address;
  (void)bytes;
#endif
}
)");
  }
  out.raw("\n");
}

std::string layer_done(const Network& network, size_t step) {
  const ValueId result = result_of(network, step);
  const std::string& memory = network.resident_in(result);
  if (memory.empty())
    return fmt::format("layer_done({}, {});", step, place_of(network, result));
  return fmt::format("layer_done_at({}, {}_BASE + {}, {}u);", step,
                     network.memory_macros.at(memory), network.arena.at(result),
                     network.schedule->storage.at(result).bytes);
}

}  // namespace heddle
