// layers.json: what runs where, by the names that firmware has for it.
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "emit/writers.h"
#include "ops/op.h"

namespace heddle {
namespace {

// Copies of a tile buffer in the memory of a unit, by bus address.
void add_buffer(nlohmann::ordered_json& list, const Network& network, const Step& step,
                const TileBuffer& buffer) {
  const Target& target = target_of(*network.soc, step.candidate.match);
  std::string key = buffer.memory;
  const Memory* memory = network.soc->find_memory(buffer.memory);
  for (const Memory& own : target.memories) {
    if (own.name != buffer.memory) continue;
    memory = &own;
    key = target.name + "/" + own.name;
  }
  HEDDLE_CHECK(memory != nullptr, "a tile buffer in an unknown memory: " + buffer.memory);
  for (int64_t copy = 0; copy < buffer.copies; ++copy) {
    list.push_back({{"operand", buffer.operand},
                    {"memory", key},
                    {"address", memory->base + buffer.offset + copy * buffer.bytes},
                    {"bytes", buffer.bytes},
                    {"copy", copy}});
  }
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
    int64_t macs = 0;
    for (const NodeId id : match.nodes)
      macs += op_of(graph.node(id)).loops(OpView{graph, graph.node(id)}).macs;
    nlohmann::ordered_json layer;
    layer["index"] = s;
    layer["name"] = terminal_text(step.name);
    layer["function"] = code ? network.layers[s].function : "";
    layer["target"] = match.target >= 0 ? network.where(step) : "cpu";
    layer["rule"] = rule_of(*network.soc, match).name;
    layer["operators"] = operators_of(graph, match);
    layer["macs"] = macs;
    layer["modelled_cycles"] = step.candidate.cycles;
    layer["tiles"] = step.candidate.tiling ? step.candidate.tiling->tiles() : 1;
    layer["buffers"] = nlohmann::ordered_json::array();
    if (step.candidate.tiling) {
      for (const TileBuffer& buffer : step.candidate.tiling->buffers)
        add_buffer(layer["buffers"], network, step, buffer);
    }
    json["layers"].push_back(std::move(layer));
  }
  return json.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace heddle
