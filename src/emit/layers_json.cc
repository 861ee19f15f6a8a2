// layers.json: what runs where, by the names that firmware has for it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "emit/writers.h"
#include "ops/op.h"

namespace heddle {
namespace {

// Copies of a tile buffer in the memory of a unit, by bus address.
void add_buffer(nlohmann::ordered_json& list, const Network& network, size_t index,
                const TileBuffer& buffer) {
  const Step& step = network.schedule->steps[index];
  const Target& target = target_of(*network.soc, step.candidate.match);
  std::string key = buffer.memory;
  const Memory* memory = network.soc->find_memory(buffer.memory);
  for (const Memory& own : target.memories) {
    if (own.name != buffer.memory) continue;
    memory = &own;
    key = target.name + "/" + own.name;
  }
  HEDDLE_CHECK(memory != nullptr, "a tile buffer in an unknown memory: " + buffer.memory);
  const int64_t begin =
      memory->base + network.plan->block_offset(target.memories, buffer.memory, index);
  for (int64_t copy = 0; copy < buffer.copies; ++copy) {
    list.push_back({{"operand", buffer.operand},
                    {"memory", key},
                    {"address", begin + buffer.offset + copy * buffer.bytes},
                    {"bytes", buffer.bytes},
                    {"copy", copy}});
  }
}

// Values at home in memories that units share, by bus address: from the layer that makes them (or the
// first one, for inputs) to the last one that reads them. Those that lie in each other are one.
nlohmann::ordered_json residents_of(const Network& network) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const SharedMemory& shared : network.plan->shared) {
    const std::vector<Buffer>& buffers = shared.placement.buffers;
    const auto host_of = [&](size_t b) {
      while (buffers[b].shares >= 0) b = static_cast<size_t>(buffers[b].shares);
      return b;
    };
    for (size_t host = 0; host < buffers.size(); ++host) {
      if (!buffers[host].value.valid() || buffers[host].shares >= 0) continue;
      int first = buffers[host].first, last = buffers[host].last;
      int64_t begin = buffers[host].offset, end = begin + buffers[host].bytes;
      nlohmann::ordered_json uses = nlohmann::ordered_json::array();
      std::set<size_t> writers, readers;
      for (size_t b = 0; b < buffers.size(); ++b) {
        if (!buffers[b].value.valid() || host_of(b) != host) continue;
        first = std::min(first, buffers[b].first);
        last = std::max(last, buffers[b].last);
        begin = std::min(begin, buffers[b].offset);
        end = std::max(end, buffers[b].offset + buffers[b].bytes);
        for (size_t s = 0; s < network.layers.size(); ++s) {
          const Match& match = network.schedule->steps[s].candidate.match;
          if (match.output(*network.graph) == buffers[b].value) writers.insert(s);
          for (const NodeId id : match.nodes) {
            const std::vector<ValueId>& inputs = network.graph->node(id).inputs;
            if (std::count(inputs.begin(), inputs.end(), buffers[b].value) > 0) readers.insert(s);
          }
        }
      }
      for (const size_t s : writers) uses.push_back({{"layer", s}, {"use", "writes"}});
      for (const size_t s : readers) uses.push_back({{"layer", s}, {"use", "reads"}});
      list.push_back({{"value", terminal_text(buffers[host].name)},
                      {"memory", shared.name},
                      {"address", network.soc->find_memory(shared.name)->base + begin},
                      {"bytes", end - begin},
                      {"first", first},
                      {"last", last},
                      {"uses", uses}});
    }
  }
  return list;
}

}  // namespace

std::string emit_layers_json(const Network& network) {
  const Graph& graph = *network.graph;
  nlohmann::ordered_json json;
  json["schema"] = 1;
  json["network"] = network.prefix;
  json["run"] = network.prefix + "_run";
  json["layers"] = nlohmann::ordered_json::array();
  for (size_t s = 0; s < network.layers.size(); ++s) {
    const Step& step = network.schedule->steps[s];
    const Match& match = step.candidate.match;
    // A view, or a concat whose parts are in their places, has no code.
    const bool code = match.target >= 0 || !network.kernels[s].text.empty();
    nlohmann::ordered_json layer;
    layer["index"] = s;
    layer["name"] = terminal_text(step.name);
    layer["function"] = code ? network.layers[s].function : "";
    layer["target"] = match.target >= 0 ? network.where(step) : "cpu";
    layer["rule"] = rule_of(*network.soc, match).name;
    layer["operators"] = operators_of(graph, match);
    layer["macs"] = step.macs;
    layer["modelled_cycles"] = step.candidate.cycles;
    layer["tiles"] = step.candidate.tiling ? step.candidate.tiling->tiles() : 1;
    layer["buffers"] = nlohmann::ordered_json::array();
    if (step.candidate.tiling) {
      for (const TileBuffer& buffer : step.candidate.tiling->buffers)
        add_buffer(layer["buffers"], network, s, buffer);
    }
    json["layers"].push_back(std::move(layer));
  }
  if (network.has_residents()) json["residents"] = residents_of(network);
  return json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace heddle
